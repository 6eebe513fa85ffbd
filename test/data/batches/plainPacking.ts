// The packing rule written plainly, as a scan over all waiting documents for each placement: what
// src/data/packing.ts must equal and bench/loader.ts compares with.

/** A corpus: groups of documents, each an array of ids without BOS. */
export type Corpus = number[][][];

/** Endless batches: rows of `seqLen` + 1 tokens, and the epoch of the last documents read. */
export function* plainBatches(
  groups: Corpus,
  bosId: number,
  batchSize: number,
  seqLen: number,
  bufferSize = 1000,
): Generator<{ rows: number[][]; epoch: number }, never> {
  const runs = plainRuns(groups);
  const buffer: number[][] = [];
  let epoch = 1;
  while (true) {
    const rows: number[][] = [];
    for (let b = 0; b < batchSize; b++) {
      const row: number[] = [];
      while (row.length < seqLen + 1) {
        while (buffer.length < bufferSize) {
          const next = runs.next().value;
          epoch = next.epoch;
          for (const document of next.documents) buffer.push([bosId, ...document]);
        }
        const room = seqLen + 1 - row.length;
        let best = -1;
        for (let i = 0; i < buffer.length; i++) {
          const { length } = buffer[i]!;
          if (length <= room && (best < 0 || length > buffer[best]!.length)) best = i;
        }
        if (best < 0) {
          best = 0;
          for (let i = 1; i < buffer.length; i++) if (buffer[i]!.length < buffer[best]!.length) best = i;
        }
        const [document] = buffer.splice(best, 1);
        for (let i = 0; i < Math.min(room, document!.length); i++) row.push(document![i]!);
      }
      rows.push(row);
    }
    yield { rows, epoch };
  }
}

/** The documents of all groups, again and again, up to 128 of one group at once. */
function* plainRuns(groups: Corpus): Generator<{ documents: number[][]; epoch: number }, never> {
  for (let epoch = 1; ; epoch++)
    for (const group of groups)
      for (let i = 0; i < group.length; i += 128) yield { documents: group.slice(i, i + 128), epoch };
}
