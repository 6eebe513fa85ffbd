// One optimizer step, top to bottom: micro-batches forward and backward, gradients averaged, parameters updated.

import { setImmediate as letEventsIn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { Batch, BatchLoader } from '../data/types.js';
import { type Gpt, type PassShape, passLoss, type TokenIds } from '../model/gpt.js';
import { modelInputs } from '../model/ngrams.js';
import { accumulateGrads, repeatedGrads } from '../ops/index.js';
import type { Optimizer, ScheduledStep } from '../optim/optimizer.js';
import { wholeStep } from './wholeStep.js';

/** Result of a step. */
export type StepOutcome = ScheduledStep & {
  /** Mean loss over all micro-batches, nats a token. */
  loss: number;
  epoch: number;
};

/** What a step needs besides model, optimizer and data. */
export type StepOptions = PassShape & {
  accumulation: number;
  progress: () => number;
  signal?: AbortSignal | undefined;
};

/**
 * Runs one step.
 * @param loader provides `accumulation` batches of B rows of T tokens
 * @param options.progress fraction of the budget used so far
 * @param options.signal ends the step between two passes: the model is then unchanged, the loader is not
 * @returns null when the signal ended the step
 */
export async function trainStep(
  gpt: Gpt,
  optimizer: Optimizer,
  loader: BatchLoader,
  options: StepOptions,
): Promise<StepOutcome | null> {
  const whole = wholeStep(gpt, optimizer, options);
  if (whole?.ready()) return whole.take(loader, options);
  whole?.begin();
  try {
    return await stepByPasses(gpt, optimizer, loader, options);
  } finally {
    whole?.end();
  }
}

/** The step, its work enqueued kernel by kernel. */
async function stepByPasses(
  gpt: Gpt,
  optimizer: Optimizer,
  loader: BatchLoader,
  { batch, seq, recompute = false, accumulation, progress, signal }: StepOptions,
): Promise<StepOutcome | null> {
  const sums: Record<string, tf.Tensor> = {};
  // Losses being read from the device. Each is awaited only after the work that follows it has been enqueued, so that a
  // GPU does not wait for the host.
  const losses: Promise<number>[] = [];
  let loss = 0;
  let epoch = 1;
  try {
    for (let micro = 0; micro < accumulation; micro++) {
      const { inputs, targets, epoch: packedIn } = await loader.next();
      const { value, grads } = await gradsOf(gpt, { batch, seq, recompute })([
        ...modelInputs(gpt.config, inputs, seq),
        targets,
      ]);
      const reading = readLoss(value);
      reading.catch(() => undefined); // shows when it is awaited, or another error has come first
      losses.push(reading);
      const last = micro === accumulation - 1;
      accumulateGrads(sums, grads, last ? 1 / accumulation : 1);
      if (micro > 0) loss += (await losses[micro - 1]!) / accumulation;
      epoch = packedIn;
      await letEventsIn();
      if (signal?.aborted && !last) return null;
    }
    const schedule = optimizer.step(sums, progress());
    loss += (await losses[accumulation - 1]!) / accumulation;
    return { ...schedule, loss, epoch };
  } finally {
    tf.dispose(sums);
    await Promise.allSettled(losses);
  }
}

/** Reads a loss, then disposes of it. */
async function readLoss(value: tf.Scalar): Promise<number> {
  try {
    return (await value.data())[0]!;
  } finally {
    value.dispose();
  }
}

type Grads = ReturnType<typeof repeatedGrads>;
const gradients = new WeakMap<Gpt, PassShape & { grads: Grads }>();

/** Loss and gradients as a function of a batch's ids and targets; the same function for every step. */
function gradsOf(gpt: Gpt, shape: PassShape): Grads {
  const { batch, seq, recompute } = shape;
  const known = gradients.get(gpt);
  if (known?.batch === batch && known.seq === seq && known.recompute === recompute) return known.grads;
  const grads = repeatedGrads((...inputs: tf.Tensor1D[]) => passLoss(gpt, inputs, shape), gpt.params);
  gradients.set(gpt, { ...shape, grads });
  return grads;
}

/** Calls `use` with a batch of rows of `seq` tokens on the device. */
export function withIds<R>(
  { config }: Gpt,
  { inputs, targets }: Pick<Batch, 'inputs' | 'targets'>,
  seq: number,
  use: (tokens: TokenIds, targets: tf.Tensor1D) => R,
): R {
  const tensors = [targets, ...modelInputs(config, inputs, seq)].map((ids) => tf.tensor1d(ids, 'int32'));
  try {
    const [next, ...tokens] = tensors as [tf.Tensor1D, tf.Tensor1D, ...tf.Tensor1D[]];
    return use(tokens, next);
  } finally {
    tf.dispose(tensors);
  }
}
