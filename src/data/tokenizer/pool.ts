// Encodes many texts at once on worker threads, keeping their order: for preparing large inputs.

import { EnvironmentError } from '../../base/errors.js';
import { usableThreads } from '../../base/threads.js';
import type { Tokenizer } from '../types.js';
import { createEncoder, deriveVocabulary } from './encoder.js';
import { encodePacked, type Ids, type PackedIds, packTexts, runsOf } from './texts.js';
import { tokenizerRanks } from './tokenizer.js';
import { CLOSED, startWorkers } from './workers.js';

/** About how many UTF-16 units a worker gets at a time. */
const RUN_UNITS = 1 << 19;

/** Ids of several texts; text i is ids[offsets[i]..offsets[i + 1]). */
export interface EncodedTexts {
  /** 16 bits wide where every id of the vocabulary fits. */
  ids: Ids;
  /** [texts + 1] */
  offsets: Uint32Array<ArrayBuffer>;
}

/** Encodes batches of texts. */
export interface EncoderPool {
  /** Ids of the texts as `tokenizer.encode` gives them, without BOS. Calls may overlap. */
  encode(texts: string[]): Promise<EncodedTexts>;
  /** Ends the threads. */
  close(): Promise<void>;
}

/**
 * Opens a pool. One thread encodes on the calling thread; more start workers, which keep the process alive
 * until `close`.
 * @param wanted at most as many threads as there are cores are started
 * @throws UsageError when `wanted` is not a whole number above 0
 */
export function createEncoderPool(tokenizer: Tokenizer, wanted: number): EncoderPool {
  const threads = usableThreads(wanted);
  const ranks = tokenizerRanks(tokenizer);
  if (threads === 1) {
    const encoder = createEncoder(deriveVocabulary(ranks));
    let closed = false;
    return {
      async encode(texts) {
        if (closed) throw new EnvironmentError(CLOSED);
        return join([encodePacked(encoder, tokenizer.vocabSize, packTexts(texts))]);
      },
      close: async () => void (closed = true),
    };
  }
  const bytes = Buffer.concat(ranks);
  const ends = new Uint32Array(ranks.length);
  ranks.forEach((token, rank) => {
    ends[rank] = (rank === 0 ? 0 : ends[rank - 1]!) + token.length;
  });
  const workers = startWorkers(threads, { bytes, ends });
  return {
    async encode(texts) {
      const runs = [...runsOf(texts, RUN_UNITS)];
      return join(
        await Promise.all(runs.map(([from, to]) => workers.run('encode', packTexts(texts, from, to)))),
      );
    },
    close: () => workers.close(),
  };
}

function join(runs: PackedIds[]): EncodedTexts {
  const total = runs.reduce((sum, run) => sum + run.ids.length, 0);
  const texts = runs.reduce((sum, run) => sum + run.ends.length, 0);
  const offsets = new Uint32Array(texts + 1);
  const single = runs.length === 1;
  const ids = single
    ? runs[0]!.ids
    : runs[0]?.ids instanceof Uint32Array
      ? new Uint32Array(total)
      : new Uint16Array(total);
  let text = 0;
  let at = 0;
  for (const run of runs) {
    for (const end of run.ends) offsets[++text] = at + end;
    if (!single) ids.set(run.ids, at);
    at += run.ids.length;
  }
  return { ids, offsets };
}
