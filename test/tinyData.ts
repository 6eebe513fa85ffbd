// A small in-memory corpus for tests of the trainer: byte tokens of counting sentences, packed row by row.

import type { Batch, BatchLoader, Dataset, LoaderState, Split, Tokenizer } from '../src/data/types.js';

const encoder = new TextEncoder();

/** Plain bytes and 4 specials: 260 ids. */
export function byteTokenizer(): Tokenizer {
  const tokenBytes = new Int32Array(260).fill(1, 0, 256);
  const decodeBytes = (ids: ArrayLike<number>) => Uint8Array.from(Array.from(ids).filter((id) => id < 256));
  return {
    vocabSize: 260,
    bosId: 256,
    hash: 'bytes',
    tokenBytes,
    encode: (text) => [...encoder.encode(text)],
    decode: (ids) => new TextDecoder().decode(decodeBytes(ids)),
    decodeBytes,
  };
}

/** Documents `<bos>1 cat. 2 cats. ...` in an endless order that depends on the split. */
export function tinyData(options: { failAfter?: number; failOn?: Split } = {}): Dataset & { open: number } {
  const tokenizer = byteTokenizer();
  const stream = (split: Split): number[] => {
    const ids: number[] = [];
    for (let n = split === 'train' ? 0 : 1000; ids.length < 4000; n += 3)
      ids.push(tokenizer.bosId, ...tokenizer.encode(`${n} cats and ${n + 1} dogs saw the sun.`));
    return ids;
  };
  const data = {
    open: 0,
    hash: '',
    folder: '',
    name: 'tiny',
    tokenizer,
    tokens: { train: 4000, val: 4000 },
    documents: { train: 100, val: 100 },
    bytes: { train: 3900, val: 3900 },
    async loader(
      split: Split,
      { batchSize, seqLen, state }: { batchSize: number; seqLen: number; state?: LoaderState },
    ) {
      const ids = stream(split);
      let position = state?.nextDocument ?? 0;
      let served = 0;
      data.open++;
      const loader: BatchLoader = {
        async next(): Promise<Batch> {
          if (
            split === (options.failOn ?? 'train') &&
            options.failAfter !== undefined &&
            served++ >= options.failAfter
          )
            throw new Error('the shard was cut short');
          const inputs = new Int32Array(batchSize * seqLen);
          const targets = new Int32Array(batchSize * seqLen);
          for (let row = 0; row < batchSize; row++) {
            for (let t = 0; t < seqLen; t++) {
              inputs[row * seqLen + t] = ids[(position + t) % ids.length]!;
              targets[row * seqLen + t] = ids[(position + t + 1) % ids.length]!;
            }
            position += seqLen + 1;
          }
          return { inputs, targets, epoch: 1 + Math.floor(position / ids.length) };
        },
        state: () => ({ epoch: 1, nextDocument: position, buffer: [] }),
        async close() {
          data.open--;
        },
      };
      return loader;
    },
  };
  return data;
}
