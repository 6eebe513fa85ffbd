// Trains a tokenizer on a stream of documents, counting chunks on worker threads when there is much text.
// The result does not depend on the number of threads: merges depend on the summed counts alone.

import { setImmediate as letEventsIn } from 'node:timers/promises';
import type { OnProgress } from '../../base/progress.js';
import { usableThreads } from '../../base/threads.js';
import type { Tokenizer } from '../types.js';
import { type BpeOptions, createChunkCounter, createTextCap, learnRanks, mergesFor } from './bpe.js';
import { eachText, packTexts, runsOf } from './texts.js';
import { createTokenizer } from './tokenizer.js';
import { startWorkers, type Workers } from './workers.js';

/** Text that this thread counts itself before it starts workers, and that a worker gets at a time; bytes. */
const INLINE_BYTES = 1 << 22;
const RUN_UNITS = 1 << 19;

/** Settings of `trainTokenizer`. */
export interface TrainTokenizerOptions extends BpeOptions {
  /** Threads that count; all cores, at most 8, by default. */
  threads?: number;
  onProgress?: OnProgress;
  /** Stops the training; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Trains a tokenizer on groups of documents, in one pass; memory grows with the distinct chunks only.
 * @throws UsageError for an impossible vocabulary or text that supports fewer merges than it needs
 * @example const tokenizer = await trainTokenizer(source.groups('train'), { vocabSize: 8192 });
 */
export async function trainTokenizer(
  groups: AsyncIterable<string[]> | Iterable<string[]>,
  options: TrainTokenizerOptions = {},
): Promise<Tokenizer> {
  const { vocabSize = 8192, onProgress, signal } = options;
  const threads = usableThreads(options.threads);
  signal?.throwIfAborted();
  const total = mergesFor(vocabSize);
  const counter = createChunkCounter();
  if (total > 0) await countGroups(groups, counter, threads, options);

  const steps = learnRanks(counter.result(), vocabSize);
  for (let pause = performance.now(); ; ) {
    const { done, value } = steps.next();
    if (done) return createTokenizer(value);
    if (performance.now() - pause < 50) continue;
    onProgress?.({ stage: 'learn merges', done: value, total, unit: 'merges' });
    await letEventsIn();
    signal?.throwIfAborted();
    pause = performance.now();
  }
}

async function countGroups(
  groups: AsyncIterable<string[]> | Iterable<string[]>,
  counter: ReturnType<typeof createChunkCounter>,
  threads: number,
  { onProgress, signal, ...caps }: TrainTokenizerOptions,
): Promise<void> {
  const cap = createTextCap(caps);
  const running = new Set<Promise<unknown>>();
  let workers: Workers | undefined;
  let done = 0;
  try {
    for await (const group of groups) {
      const texts: string[] = [];
      for (const text of group) {
        const cut = cap(text);
        if (cut === undefined) break;
        texts.push(cut);
      }
      for (const [from, to] of runsOf(texts, RUN_UNITS)) {
        signal?.throwIfAborted();
        const packed = packTexts(texts, from, to);
        done += packed.bytes.length;
        if (threads > 1 && done > INLINE_BYTES) {
          workers ??= startWorkers(threads);
          const job: Promise<unknown> = workers.run('count', packed).finally(() => running.delete(job));
          job.catch(() => {}); // a failed worker rejects the next job too, which is awaited
          running.add(job);
          // Two runs a worker wait at most, so a fast reader does not fill the memory.
          if (running.size >= 2 * threads) await Promise.race(running);
        } else {
          eachText(packed, (start, end) => counter.count(packed.bytes, start, end));
        }
        onProgress?.({ stage: 'count chunks', done, unit: 'bytes' });
      }
      if (texts.length < group.length) break;
    }
    await Promise.all(running);
    for (const counts of (await workers?.runOnEach('counts', null)) ?? []) counter.merge(counts);
  } finally {
    await Promise.allSettled([workers?.close(), ...running]);
  }
}
