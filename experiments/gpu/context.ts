// What the process of one part of the proof was given, and the backend in it.

import { currentSession, driver } from '../../src/backend/cuda/driver.js';
import type { Session } from '../../src/backend/cuda/session.js';
import type { Precision } from '../../src/backend/index.js';
import { prepareDataset } from '../../src/data/index.js';
import type { ProofOptions } from './record.js';

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

/** Text for `losses` and `trials`. */
export const dataset = (vocabSize: number) =>
  prepareDataset({ bundled: tiny ? 0.2 : 2, vocabSize, cacheFolder: options.data });
