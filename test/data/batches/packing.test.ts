import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../../src/base/random.js';
import { createWaitingDocuments, packRow } from '../../../src/data/batches/packing.js';
import { plainBatches } from './plainPacking.js';

/** Rows packed by packRow from documents in memory: ids [bos, ...document] as in plainBatches. */
function packedRows(
  groups: number[][][],
  bosId: number,
  options: { seqLen: number; rows: number; buffer: number },
): number[][] {
  const waiting = createWaitingDocuments(options.buffer + 128);
  const bySlot: number[][] = [];
  const runs = groups.flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / 128) }, (_, i) => group.slice(128 * i, 128 * i + 128)),
  );
  let number = 0;
  let run = 0;
  const refill = (): boolean => {
    for (const document of runs[run++ % runs.length]!)
      bySlot[waiting.add(number++, document.length + 1)] = [bosId, ...document];
    return true;
  };
  return Array.from({ length: options.rows }, () => {
    const row: number[] = [];
    packRow(waiting, options.seqLen + 1, options.buffer, refill, (slot, position, count) => {
      if (position !== row.length) throw new Error(`placed at ${position} of ${row.length}`);
      row.push(...bySlot[slot]!.slice(0, count));
    });
    return row;
  });
}

describe('packRow', () => {
  test('equals the reference algorithm on random corpora, row lengths and buffer sizes', () => {
    const random = randomStream(1, 'packing');
    for (let round = 0; round < 60; round++) {
      const seqLen = 1 + random.int(40);
      const buffer = 1 + random.int(200);
      const longest = 1 + random.int(2 * seqLen + 2);
      let id = 0;
      const groups = Array.from({ length: 1 + random.int(4) }, () =>
        Array.from({ length: 1 + random.int(300) }, () =>
          Array.from({ length: random.int(longest + 1) }, () => id++),
        ),
      );
      const ours = packedRows(groups, -1, { seqLen, rows: 120, buffer });
      const plain = plainBatches(groups, -1, 120, seqLen, buffer).next().value.rows;
      expect(ours.findIndex((row, i) => row.join() !== plain[i]!.join())).toBe(-1);
      expect(ours).toHaveLength(plain.length);
    }
  });

  test('takes the longest that fits, the earliest among equals', () => {
    const waiting = createWaitingDocuments(8);
    const lengths = [3, 5, 2, 5, 9];
    const documentIn = new Map(lengths.map((length, i) => [waiting.add(10 + i, length), 10 + i]));
    const take = (room: number) => documentIn.get(waiting.takeBestFit(room));
    expect([take(8), take(8), take(4), take(1), take(9), take(2)]).toEqual([11, 13, 10, undefined, 14, 12]);
    expect(waiting.size).toBe(0);
  });

  test('keeps the order of arrival when documents leave', () => {
    const random = randomStream(2, 'arrival');
    const waiting = createWaitingDocuments(50);
    const bySlot = new Map<number, number>();
    let model: number[] = [];
    for (let document = 0; document < 2000; ) {
      if (waiting.size < 50 && random.uniform() < 0.6) {
        bySlot.set(waiting.add(document, 1 + random.int(9)), document);
        model.push(document++);
      } else if (waiting.size > 0) {
        let slot = waiting.takeBestFit(random.int(9));
        if (slot < 0) slot = waiting.takeShortest();
        model = model.filter((other) => other !== bySlot.get(slot));
      }
      if (document % 50 === 0) expect(Array.from(waiting.documents())).toEqual(model);
    }
  });

  test('crops the shortest when none fits, the earliest among equals', () => {
    // Ids tell the documents apart: all are longer than a row of 3.
    const groups = [
      [
        [10, 11, 12, 13],
        [20, 21, 22],
        [30, 31, 32],
      ],
    ];
    expect(packedRows(groups, 0, { seqLen: 2, rows: 2, buffer: 3 })).toEqual([
      [0, 20, 21],
      [0, 30, 31],
    ]);
  });

  test('uses a slot again only after its document was placed', () => {
    const waiting = createWaitingDocuments(3);
    const slots = [waiting.add(0, 1), waiting.add(1, 2), waiting.add(2, 3)];
    expect(new Set(slots).size).toBe(3);
    const free = waiting.takeBestFit(2);
    expect(waiting.add(3, 7)).toBe(free);
    expect(Array.from(waiting.lengths).sort()).toEqual([1, 3, 7]);
  });
});
