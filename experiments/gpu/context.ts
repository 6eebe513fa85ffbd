// What the process of one part of the proof was given, and the backend in it.

import { currentSession, driver } from '../../src/backend/cuda/driver.js';
import type { Session } from '../../src/backend/cuda/session.js';
import type { Precision } from '../../src/backend/index.js';
import { prepareDataset } from '../../src/data/index.js';
import { estimateMemory } from '../../src/model/memory.js';
import { type ResolvedConfig, resolveConfig } from '../../src/train/config.js';
import { findingsIn, type ProofOptions } from './record.js';
import { speedConfigs } from './sizes.js';

/** The part. */
export const name = process.argv[2] ?? '';
export const options = JSON.parse(process.argv[3] ?? '{}') as ProofOptions;
export const { out, tiny } = options;

const end = performance.now() + 1000 * options.seconds;
export const secondsLeft = () => (end - performance.now()) / 1000;

/** The backend in a precision, not tested. @param graphs whether steps are recorded as CUDA graphs */
export async function start(precision: Precision, graphs = true): Promise<Session> {
  process.env.TINYGPT_CUDA_GRAPH = graphs ? '1' : '0';
  await driver.start(precision);
  return (await currentSession())!;
}

export async function precisions(): Promise<Precision[]> {
  return (await driver.probe()).precisions;
}

/** A training step may take this part of the GPU's memory, by the estimate. */
const MOST_MEMORY = 0.9;

/**
 * Configurations whose speed is measured, with as many rows at a time as fit the GPU. Once `speed` was there, as it took them:
 * PyTorch's part does not depend on our libraries.
 */
export async function fittingConfigs(): Promise<[title: string, config: ResolvedConfig][]> {
  const before = findingsIn(out).filter(({ part }) => part === 'speed');
  const rowsOf = (title: string) =>
    before.find(({ what, device_batch_size: rows }) => rows !== undefined && what?.startsWith(`${title} `))
      ?.device_batch_size as number | undefined;
  const bytes = before.length > 0 ? Number.POSITIVE_INFINITY : await memoryBytes();
  return Object.entries(speedConfigs(tiny)).map(([title, config]) => {
    const withRows = (deviceBatchSize = config.deviceBatchSize) =>
      resolveConfig({ ...config, deviceBatchSize });
    let resolved = withRows(rowsOf(title));
    while (resolved.config.deviceBatchSize > 1 && memoryOf(resolved) > MOST_MEMORY * bytes)
      resolved = withRows(Math.floor(resolved.config.deviceBatchSize / 2));
    return [title, resolved];
  });
}

/** The GPU's memory; where the backend does not start, which the part itself will tell, without limit. */
const memoryBytes = (): Promise<number> =>
  precisions()
    .then((all) => start(all.at(-1)!))
    .then(
      ({ device }) => device.memoryBytes,
      () => Number.POSITIVE_INFINITY,
    );

/** Estimated bytes of a step. */
export const memoryOf = ({ model, accumulation, config }: ResolvedConfig): number =>
  estimateMemory(model, { batch: config.deviceBatchSize, accumulation, recompute: config.recompute })
    .peakBytes;

/** Text for `losses` and `trials`. */
export const dataset = (vocabSize: number) =>
  prepareDataset({ bundled: tiny ? 0.2 : 2, vocabSize, cacheFolder: options.data });
