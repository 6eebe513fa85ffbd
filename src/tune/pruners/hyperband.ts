// Hyperband (Li et al. 2018, JMLR 18), decision for decision as Optuna's HyperbandPruner: trials are assigned to
// brackets of successive halving that differ in how early they stop, by a checksum of study name and number, so
// that no worker needs to tell another.

import { UsageError } from '../../base/errors.js';
import type { Pruner, StudyView, Trial } from '../types.js';
import { firstComplete, lastStep } from './steps.js';
import { checkSettings, halve } from './successiveHalving.js';

export type HyperbandOptions = {
  minResource?: number;
  /** Steps of a whole trial; `auto`: those of the first complete one, counted from 0. */
  maxResource?: number | 'auto';
  reductionFactor?: number;
  bootstrapCount?: number;
};

/**
 * @throws UsageError for values out of range, and for a bootstrap count with `auto`
 */
export function hyperbandPruner(options: HyperbandOptions = {}): Pruner {
  const { minResource = 1, maxResource = 'auto', reductionFactor = 3, bootstrapCount = 0 } = options;
  const settings = checkSettings({ minResource, reductionFactor, bootstrapCount });
  if (maxResource !== 'auto' && !(Number.isInteger(maxResource) && maxResource >= minResource))
    throw new UsageError(
      `Expected maxResource of hyperband to be an integer >= minResource (${minResource}), got ${maxResource}`,
    );
  if (bootstrapCount > 0 && maxResource === 'auto')
    throw new UsageError(`Expected a number for maxResource with bootstrapCount ${bootstrapCount}, got auto`);

  return {
    name: 'hyperband',
    shouldPrune(study, trial, setSystemAttr) {
      const resource = maxResource === 'auto' ? estimateResource(study.trials) : maxResource;
      if (resource === null) return false;
      const shares = bracketShares(minResource, resource, reductionFactor);
      const bracket = bracketOf(study, trial, shares);
      const rivals = study.trials.filter((other) => bracketOf(study, other, shares) === bracket);
      const inBracket = { ...settings, minEarlyStoppingRate: bracket };
      return halve(inBracket, rivals, study.direction, trial, setSystemAttr);
    },
  };
}

/**
 * Shares of the trials by bracket; bracket 0 halves earliest and most often.
 * With B = floor(log_eta(max / min)) + 1 brackets, bracket b has s = B - 1 - b and ceil(B eta^s / (s + 1)) parts.
 * The floor is exact; Optuna's logarithm loses a bracket to rounding at 243 / 1 and eta 3, and at no lower power.
 */
export function bracketShares(minResource: number, maxResource: number, eta: number): number[] {
  let brackets = 1;
  while (minResource * eta ** brackets <= maxResource) brackets++;
  return Array.from({ length: brackets }, (_, bracket) => {
    const s = brackets - 1 - bracket;
    return Math.ceil((brackets * eta ** s) / (s + 1));
  });
}

function bracketOf(study: StudyView, trial: Trial, shares: readonly number[]): number {
  const total = shares.reduce((sum, share) => sum + share, 0);
  let n = crc32(`${study.name ?? ''}_${trial.number}`) % total;
  return shares.findIndex((share) => (n -= share) < 0);
}

function estimateResource(trials: StudyView['trials']): number | null {
  const first = firstComplete(trials);
  return first === null ? null : lastStep(first)! + 1;
}

const crcTable = Array.from({ length: 256 }, (_, byte) => {
  let c = byte;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

/** The checksum of zlib (ISO 3309) over UTF-8; node:zlib has it only from Node 20.15 and 22.2. */
export function crc32(text: string): number {
  let c = 0xffffffff;
  for (const byte of Buffer.from(text)) c = crcTable[(c ^ byte) & 0xff]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}
