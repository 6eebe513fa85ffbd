// Training speed in whole steps on synthetic data, for `tinygpt bench` and the benchmarks.

import { trackPeak } from '../backend/memory.js';
import type { BatchLoader } from '../data/types.js';
import { createGpt } from '../model/gpt.js';
import { createOptimizer } from '../optim/optimizer.js';
import { type ResolvedConfig, resolveConfig } from './config.js';
import { checkMemory } from './memoryCheck.js';
import { trainStep } from './step.js';

/** Median step time, peak tensor bytes and the last loss. */
export type Measured = { tokensPerSecond: number; stepSeconds: number; peakBytes: number; loss: number };

/** The same batch again and again: ids in a fixed pseudo-random order. */
export function fixedBatches({ config, model }: ResolvedConfig): BatchLoader {
  const size = config.deviceBatchSize * config.seqLen;
  const ids = (offset: number) =>
    Int32Array.from({ length: size }, (_, i) => ((i + offset) * 7919) % model.vocabSize);
  const batch = { inputs: ids(0), targets: ids(1), epoch: 1 };
  return {
    next: async () => batch,
    state: () => ({ epoch: 1, nextDocument: 0, buffer: [] }),
    close: async () => undefined,
  };
}

/** Default steps before the timed ones, and least number of those. */
const [WARMUP, LEAST_STEPS] = [2, 3];

export interface MeasureOptions {
  /** Seconds of timed steps. */
  seconds: number;
  /** Steps before the timed ones. Default 2. */
  warmup?: number;
  /** Least number of timed steps. Default 3. */
  steps?: number;
  /** Run although it may not fit into memory. */
  force?: boolean;
  /** Called after each step with the seconds since the first timed one. */
  onStep?: (step: number, seconds: number) => void;
}

/**
 * Runs steps on the current backend. Leaves no tensor behind.
 * @throws UsageError when it does not fit into memory, unless `force`
 */
export async function measureTraining(resolved: ResolvedConfig, options: MeasureOptions): Promise<Measured> {
  const { seconds, warmup = WARMUP, steps = LEAST_STEPS, force = false, onStep } = options;
  if (!force) await checkMemory(resolved);
  const { config, model, optimizer: settings, accumulation } = resolved;
  const peak = trackPeak();
  const gpt = createGpt(model, { seed: 1 });
  const optimizer = createOptimizer(gpt, settings);
  const { deviceBatchSize: batch, seqLen: seq, recompute } = config;
  const shape = { batch, seq, recompute, accumulation, progress: () => 0 };
  const loader = fixedBatches(resolved);
  const times: number[] = [];
  let loss = Number.NaN;
  try {
    let timed = performance.now();
    for (let step = 0; step < warmup + steps || performance.now() - timed < 1000 * seconds; step++) {
      if (step === warmup) timed = performance.now();
      const start = performance.now();
      loss = (await trainStep(gpt, optimizer, loader, shape))!.loss;
      if (step >= warmup) times.push((performance.now() - start) / 1000);
      onStep?.(step, step >= warmup ? (performance.now() - timed) / 1000 : 0);
    }
  } finally {
    optimizer.dispose();
    gpt.dispose();
    peak.stop();
  }
  times.sort((a, b) => a - b);
  const stepSeconds = times[Math.floor(times.length / 2)]!;
  return { tokensPerSecond: config.totalBatchSize / stepSeconds, stepSeconds, peakBytes: peak.bytes(), loss };
}

/**
 * Measures within the given seconds on slow backends as well, with smaller steps: first one row, then as many rows as
 * there is time for; if there is no time for five steps of one row, the first measurement is the result.
 */
export async function measureWithin(resolved: ResolvedConfig, options: MeasureOptions): Promise<Measured> {
  const { config } = resolved;
  const rowsOf = (rows: number) =>
    resolveConfig({ ...config, deviceBatchSize: rows, totalBatchSize: rows * config.seqLen });
  const oneRow = await measureTraining(rowsOf(1), { ...options, seconds: 0, warmup: 1, steps: 1 });
  const affordable = Math.floor(options.seconds / (WARMUP + LEAST_STEPS) / oneRow.stepSeconds);
  if (affordable < 1) return oneRow;
  const whole = affordable * config.seqLen >= config.totalBatchSize;
  return measureTraining(whole ? resolved : rowsOf(affordable), options);
}
