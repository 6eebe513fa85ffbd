import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../src/base/random.js';
import {
  createPosition,
  createWaitingDocuments,
  documentOf,
  epochOf,
  packRow,
} from '../../src/data/packing.js';
import type { LoaderState } from '../../src/data/types.js';
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
  let arrival = 0;
  let run = 0;
  const refill = () => {
    for (const document of runs[run++ % runs.length]!)
      bySlot[waiting.add(document.length + 1, arrival++)] = [bosId, ...document];
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
  test('equals the plain rule on random corpora, row lengths and buffer sizes', () => {
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
      expect(ours).toEqual(plain);
    }
  });

  test('takes the longest that fits, the first to arrive among equals', () => {
    const waiting = createWaitingDocuments(8);
    [3, 5, 2, 5, 9].forEach((length, arrival) => {
      waiting.add(length, arrival);
    });
    const take = (room: number) => {
      const slot = waiting.takeBestFit(room);
      return slot < 0 ? undefined : waiting.arrivals[slot];
    };
    expect([take(8), take(8), take(4), take(1), take(9), take(2)]).toEqual([1, 3, 0, undefined, 4, 2]);
    expect(waiting.size).toBe(0);
  });

  test('crops the shortest when none fits, the first to arrive among equals', () => {
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

  test('reuses slots only after their documents were placed', () => {
    const waiting = createWaitingDocuments(3);
    const slots = [waiting.add(1, 0), waiting.add(2, 1), waiting.add(3, 2)];
    expect(new Set(slots).size).toBe(3);
    const free = waiting.takeBestFit(2);
    expect(waiting.add(7, 3)).toBe(free);
    expect(Array.from(waiting.lengths).sort()).toEqual([1, 3, 7]);
  });
});

describe('position', () => {
  test('counts documents and epochs from a saved state', () => {
    const start: LoaderState = { epoch: 2, nextDocument: 5, buffer: [4, 1] };
    expect([0, 1, 2, 3].map((arrival) => documentOf(start, 5, arrival))).toEqual([4, 1, 0, 1]);
    expect([2, 3, 7, 8].map((arrived) => epochOf(start, 5, arrived))).toEqual([2, 3, 3, 4]);
  });

  test('follows the buffer through arrivals and placements', () => {
    const random = randomStream(2, 'position');
    const documents = 37;
    const start: LoaderState = { epoch: 3, nextDocument: 30, buffer: [7, 7, 29] };
    const position = createPosition(start, documents);
    const model = [...start.buffer];
    const arrivals = [0, 1, 2];
    let { epoch, nextDocument } = start;
    let arrived = 3;
    for (let round = 0; round < 3000; round++) {
      for (let n = random.int(5); n > 0; n--) {
        if (nextDocument === documents) {
          nextDocument = 0;
          epoch++;
        }
        model.push(nextDocument++);
        arrivals.push(arrived++);
      }
      const placed: number[] = [];
      for (let n = Math.min(model.length, random.int(5)); n > 0; n--) {
        const i = random.int(model.length);
        model.splice(i, 1);
        placed.push(...arrivals.splice(i, 1));
      }
      position.advance(arrived, placed);
      if (random.int(10) === 0 || round === 2999)
        expect(position.state()).toEqual({ epoch, nextDocument, buffer: model });
    }
  });

  test('is right after many batches without a look at it', () => {
    const position = createPosition({ epoch: 1, nextDocument: 0, buffer: [] }, 10);
    for (let arrived = 1; arrived <= 50_000; arrived++) position.advance(arrived, [arrived - 1]);
    expect(position.state()).toEqual({ epoch: 5000, nextDocument: 10, buffer: [] });
  });
});
