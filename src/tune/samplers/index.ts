// Samplers by name, for the command line and contests.

import { UsageError } from '../../base/errors.js';
import type { Sampler } from '../types.js';
import { autoSampler } from './auto.js';
import { cmaesSampler } from './cmaes.js';
import { gpSampler } from './gp.js';
import { nsga2Sampler } from './nsga2.js';
import { randomSampler } from './random.js';
import { tpeSampler } from './tpe.js';

const byName: Record<string, () => Sampler> = {
  gp: gpSampler,
  cmaes: cmaesSampler,
  tpe: tpeSampler,
  nsga2: nsga2Sampler,
  auto: autoSampler,
  random: randomSampler,
};

/** Names that `samplerByName` knows, the recommended one first. */
export const samplerNames: readonly string[] = Object.keys(byName);

/** A sampler with its default settings. @throws UsageError for an unknown name */
export function samplerByName(name: string): Sampler {
  const make = Object.hasOwn(byName, name) ? byName[name] : undefined;
  if (!make) throw new UsageError(`Expected a sampler among ${samplerNames.join(', ')}, got ${name}`);
  return make();
}
