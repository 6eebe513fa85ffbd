// Bits per byte over the validation split: independent of the vocabulary, so that configurations can be compared.
// Source: evaluate_bpb of the reference's prepare.py, with each token's raw bytes (the reference decodes a
// token first, so a single byte of a character counts as the three bytes of U+FFFD and bpb is too low).

import { setImmediate as letEventsIn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from '../base/errors.js';
import type { Dataset } from '../data/types.js';
import { type Gpt, gptLoss } from '../model/gpt.js';
import { withIds } from './step.js';

/** Result of an evaluation. */
export type Evaluation = {
  /** Summed nats / (ln 2 * bytes); specials in neither sum. */
  valBpb: number;
  /** Targets scored, specials included. */
  tokens: number;
  bytes: number;
};

/**
 * Evaluates on rows of the validation split, always the same ones for given `tokens`, `of` and T. A document is scored once.
 * @param options.tokens how many, rounded down to whole rows, at least one row, at most one pass
 * @param options.of tokens of a larger evaluation over whose rows these are spread evenly, so that both agree in
 *   expectation; the first rows unless given
 * @param options.skip tokens that another evaluation takes: rows after it are scored, of text that it has not seen
 * @param options.batch most rows of one forward pass
 * @param options.signal stops between passes
 * @throws UsageError when the split is shorter than one row; the signal's reason when it aborts
 */
export async function evaluateBpb(
  gpt: Gpt,
  data: Dataset,
  options: { tokens: number; batch: number; of?: number; skip?: number; signal?: AbortSignal | undefined },
): Promise<Evaluation> {
  const seq = gpt.config.seqLen;
  const skipRows = options.skip === undefined ? 0 : Math.ceil(options.skip / seq);
  const wanted = skipRows + options.batch + Math.ceil(Math.max(options.tokens, options.of ?? 0) / seq);
  const all = await rowsInPass(data, seq, wanted);
  const available = skipRows === 0 ? all : all - skipRows - options.batch; // whole passes are skipped
  expect(
    skipRows === 0 || available >= 1,
    () => `Expected validation text beyond ${options.skip} tokens, got ${data.tokens.val} tokens in all`,
  );
  const rowsOf = (tokens: number) => roundRows(Math.max(1, Math.min(Math.floor(tokens / seq), available)));
  const rows = rowsOf(options.tokens);
  const stride = Math.max(1, Math.floor(rowsOf(options.of ?? 0) / rows));
  const batch = largestDivisor(rows, options.batch);
  const loader = await data.loader('val', { batchSize: batch * stride, seqLen: seq, separatePasses: true });
  const { tokenBytes } = data.tokenizer;
  let nats = 0;
  let bytes = 0;
  let tokens = 0;
  try {
    for (let row = 0; row < skipRows; row += batch * stride) await loader.next();
    for (let row = 0; row < rows; row += batch) {
      options.signal?.throwIfAborted();
      const loaded = await loader.next();
      const [inputs, targets] = [everyNth(loaded.inputs, stride, seq), everyNth(loaded.targets, stride, seq)];
      const losses = withIds(gpt, { inputs, targets }, seq, (ids, next) =>
        tf.tidy(() => gptLoss(gpt, ids, next, { batch, seq }, 'none')),
      );
      try {
        const values = await losses.data();
        for (let i = 0; i < targets.length; i++) {
          const size = tokenBytes[targets[i]!]!;
          if (size === 0) continue;
          nats += values[i]!;
          bytes += size;
        }
      } finally {
        losses.dispose();
      }
      tokens += targets.length;
      await letEventsIn();
    }
  } finally {
    await loader.close();
  }
  expect(
    bytes > 0,
    () => `Expected validation text, got ${tokens} tokens of specials only; use a longer text`,
  );
  return { valBpb: nats / (Math.LN2 * bytes), tokens, bytes };
}

/** Rows of a pass over the validation split by sequence length, and whether it has no more: counted once for all evaluations. */
const passes = new WeakMap<Dataset, Map<number, { rows: number; whole: boolean }>>();

/** Rows that one pass over the validation split fills, counted up to `most`. */
async function rowsInPass(data: Dataset, seqLen: number, most: number): Promise<number> {
  const bySeqLen = passes.get(data) ?? new Map();
  passes.set(data, bySeqLen);
  const known = bySeqLen.get(seqLen);
  if (known && (known.whole || known.rows >= most)) return Math.min(known.rows, most);
  const loader = await data.loader('val', { batchSize: 1, seqLen, separatePasses: true });
  try {
    let rows = 0;
    while (rows < most && (await loader.next()).epoch === 1) rows++;
    bySeqLen.set(seqLen, { rows, whole: rows < most });
    return rows;
  } finally {
    await loader.close();
  }
}

/** Largest default size: the standard error of val_bpb is below 0.001 on stories. */
const MOST_EVAL_TOKENS = 2 ** 20;

/**
 * Default size of the final evaluation: a power of two, at most a quarter of the tokens trained on. A forward pass costs
 * about a third of a training pass, so this takes less than a tenth of the time.
 */
export function defaultEvalTokens(trainedTokens: number): number {
  return Math.min(MOST_EVAL_TOKENS, 2 ** Math.floor(Math.log2(Math.max(1, trainedTokens / 4))));
}

/** Every n-th row. */
function everyNth(ids: Int32Array, n: number, seq: number): Int32Array {
  return n === 1 ? ids : ids.filter((_, i) => Math.floor(i / seq) % n === 0);
}

/** Keeps the four leading bits, so that the count divides into equal passes for any batch size. */
function roundRows(rows: number): number {
  const unit = 2 ** Math.max(0, Math.floor(Math.log2(rows)) - 3);
  return Math.floor(rows / unit) * unit;
}

/** The largest divisor of `n` that is at most `limit`: every pass then has the same shape. */
function largestDivisor(n: number, limit: number): number {
  for (let d = Math.min(n, limit); d > 1; d--) if (n % d === 0) return d;
  return 1;
}
