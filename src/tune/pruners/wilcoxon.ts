// Pruning by a paired test, decision for decision as Optuna's WilcoxonPruner: stop where Wilcoxon's signed-rank
// test (Wilcoxon 1945; ties averaged, zeros counted half to either side) says that the trial is worse than the
// best one at the steps both reported. Made for objectives that average over folds or instances.

import { UsageError } from '../../base/errors.js';
import { bestTrial, signOf } from '../best.js';
import { mean } from '../math/order.js';
import type { Pruner } from '../types.js';

export type WilcoxonOptions = {
  /** Prune below this one-sided p-value. */
  pThreshold?: number;
  /** No pruning before this many common steps; at least 2 count. */
  startupSteps?: number;
};

/**
 * @throws UsageError for a threshold outside [0, 1] or a negative number of steps
 */
export function wilcoxonPruner(options: WilcoxonOptions = {}): Pruner {
  const { pThreshold = 0.1, startupSteps = 2 } = options;
  if (!(pThreshold >= 0 && pThreshold <= 1))
    throw new UsageError(`Expected pThreshold to be between 0 and 1, got ${pThreshold}`);
  if (!(startupSteps >= 0)) throw new UsageError(`Expected startupSteps to be >= 0, got ${startupSteps}`);

  return {
    name: 'wilcoxon',
    shouldPrune(study, trial) {
      const values = [...trial.intermediate.values()];
      const best = bestTrial(study.trials, study.direction);
      if (values.length === 0 || best === null) return false;
      const bestValues = [...best.intermediate.values()];
      if (bestValues.length === 0 || ![...values, ...bestValues].every(Number.isFinite)) return false;

      const common = [...trial.intermediate.keys()].filter((step) => best.intermediate.has(step));
      if (common.length < Math.max(2, startupSteps)) return false;
      const sign = signOf(study.direction);
      const worse = common.map(
        (step) => sign * (trial.intermediate.get(step)! - best.intermediate.get(step)!),
      );
      if (!(signedRankP(worse) < pThreshold)) return false;
      // The best trial's own average must be better too: it may have reported other steps than the common ones.
      return sign * mean(bestValues) < sign * mean(values);
    },
  };
}

/**
 * One-sided p-value of the signed-rank test: how likely symmetric differences would be as positive as these.
 * Exact over all signs without ties up to 50 differences and with ties up to 13, else the normal approximation
 * with the tie correction: the choice that SciPy's `wilcoxon(d, alternative="greater", zero_method="zsplit")` makes.
 */
export function signedRankP(differences: readonly number[]): number {
  const n = differences.length;
  const sorted = [...differences].sort((a, b) => Math.abs(a) - Math.abs(b));
  const signs: number[] = [];
  const doubledRanks: number[] = []; // average ranks are multiples of 1/2
  let tieTerm = 0; // sum of t^3 - t over groups of t equal magnitudes
  for (let from = 0; from < n; ) {
    let to = from;
    while (to < n && Math.abs(sorted[to]!) === Math.abs(sorted[from]!)) to++;
    const t = to - from;
    tieTerm += t ** 3 - t;
    for (; from < to; from++) {
      signs.push(Math.sign(sorted[from]!));
      doubledRanks.push(2 * to - t + 1);
    }
  }
  // W+ counts positive differences' ranks, and half of the zeros'.
  const observed = signs.reduce((sum, sign, i) => sum + ((1 + sign) / 2) * doubledRanks[i]!, 0);
  const plain = tieTerm === 0 && !signs.includes(0);
  if (plain ? n <= 50 : n <= 13) return exactTail(signs, doubledRanks, observed);
  const mu = (n * (n + 1)) / 4;
  const sigma = Math.sqrt((n * (n + 1) * (2 * n + 1) - tieTerm / 2) / 24);
  return normalTail((observed / 2 - mu) / sigma);
}

/** P(W+ >= observed) over all 2^n signs, by counting how often each doubled sum occurs. */
function exactTail(signs: readonly number[], doubledRanks: readonly number[], observed: number): number {
  let fixed = 0; // the zeros' half, whatever the signs
  const total = doubledRanks.reduce((sum, rank) => sum + rank, 0);
  let probability = new Float64Array(total + 1);
  probability[0] = 1;
  doubledRanks.forEach((rank, i) => {
    if (signs[i] === 0) {
      fixed += rank / 2;
      return;
    }
    const next = new Float64Array(total + 1);
    for (let sum = 0; sum <= total; sum++)
      next[sum] = (probability[sum]! + (sum >= rank ? probability[sum - rank]! : 0)) / 2;
    probability = next;
  });
  let tail = 0;
  for (let sum = total; sum >= 0 && sum + fixed >= observed; sum--) tail += probability[sum]!;
  return tail;
}

/** 1 - Phi(z), by the series Phi(z) = 1/2 + phi(z) (z + z^3/3 + z^5/15 + ...) (Marsaglia 2004). */
export function normalTail(z: number): number {
  if (z > 8) return 0;
  if (z < -8) return 1;
  let term = z;
  let sum = z;
  for (let i = 3; Math.abs(term) > 1e-17 * Math.abs(sum); i += 2) sum += term *= (z * z) / i;
  return 0.5 - (sum * Math.exp(-0.5 * z * z)) / Math.sqrt(2 * Math.PI);
}
