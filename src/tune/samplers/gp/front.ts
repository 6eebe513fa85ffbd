// Two objectives: the logarithm of the expected hypervolume improvement, the area by which a point enlarges what the
// front dominates within a reference point. Both objectives are modeled independently; under noise the front is
// uncertain, so the improvement is averaged over sampled noise-free pasts, each with its own front.
// Sources: Emmerich, Deutz & Klinkenberg, CEC 2011 (in closed form); Daulton, Balandat & Bakshy, NEHVI, NeurIPS 2021;
// Ament et al., NeurIPS 2023 (logarithms).
//
// The region that the front does not dominate is cut into vertical strips. A point (a, b) gains in strip (l, u] with
// level v the area ((u - a)+ - (l - a)+) (v - b)+, whose expectation is a product of expected improvements.

import type { Random } from '../../../base/random.js';
import { thinned } from '../../math/order.js';
import { dominationRanks, frontOf, type Losses } from '../../pareto.js';
import { type Evidence, excessOf } from '../evidence.js';
import { type Acquisition, logImprovement, logImprovementSlope } from './acquisition.js';
import type { ObjectiveModel } from './models.js';
import type { Posterior } from './posterior.js';

/** The region that a front leaves, in strips from left to right. */
export interface Staircase {
  /** [n + 1] right ends of the strips; the first begins at -Infinity, the others at the end before. */
  ends: Float64Array;
  /** [n + 1] level below which a strip gains. */
  levels: Float64Array;
}

export function staircase(points: readonly Losses[], [right, top]: Losses): Staircase {
  const front = frontOf(points.filter(([a, b]) => a! < right! && b! < top!));
  return {
    ends: Float64Array.from([...front.map(([a]) => a!), right!]),
    levels: Float64Array.from([top!, ...front.map(([, b]) => b!)]),
  };
}

/** Values of one objective at a point: means [S] of the pasts from `offset`, standard deviation. */
interface Prediction {
  means: Float64Array;
  offset: number;
  sd: number;
}

/** The logarithm of the expected hypervolume improvement over the S pasts of two posteriors. */
export function logHypervolumeImprovement(
  d: number,
  posteriors: readonly [Posterior, Posterior],
  pasts: readonly Staircase[],
): Acquisition {
  const samples = pasts.length;
  const total = pasts.reduce((sum, { ends }) => sum + ends.length, 0);
  // By strip of all pasts: ln of the improvement, and its derivatives in mean and standard deviation of each objective.
  const terms = new Float64Array(total);
  const [ofMean1, ofSd1, ofMean2, ofSd2] = Array.from({ length: 4 }, () => new Float64Array(total));
  const single = [new Float64Array(samples), new Float64Array(samples)] as const;
  const weights = [new Float64Array(samples), new Float64Array(samples)] as const;
  const scratch = new Float64Array(d);
  const ofVariance = new Float64Array(d);

  /** ln of the mean improvement; leaves each strip's share in `terms`, derivatives of its logarithm if asked. */
  function average(first: Prediction, second: Prediction, derivatives: boolean): number {
    let largest = -Infinity;
    let t = 0;
    for (let s = 0; s < samples; s++) {
      const { ends, levels } = pasts[s]!;
      const [m1, m2] = [first.means[first.offset + s]!, second.means[second.offset + s]!];
      let [before, slopeBefore, zBefore] = [-Infinity, 0, 0];
      for (let i = 0; i < ends.length; i++, t++) {
        const z = (ends[i]! - m1) / first.sd;
        const h = logImprovement(z);
        const share = Math.min(1, Math.exp(before - h)); // of the strip's left end
        const height = (levels[i]! - m2) / second.sd;
        terms[t] = h + Math.log1p(-share) + logImprovement(height);
        if (terms[t]! > largest) largest = terms[t]!;
        if (derivatives) {
          // d ln h / dz = Phi / h; z = (end - mean) / sd; E = sd h(z).
          const slope = logImprovementSlope(z);
          const rest = 1 - share;
          ofMean1![t] = -(slope - share * slopeBefore) / (first.sd * rest);
          ofSd1![t] = (1 - z * slope - share * (1 - zBefore * slopeBefore)) / (first.sd * rest);
          const below = logImprovementSlope(height);
          ofMean2![t] = -below / second.sd;
          ofSd2![t] = (1 - height * below) / second.sd;
          slopeBefore = slope;
        }
        [before, zBefore] = [h, z];
      }
    }
    if (largest === -Infinity) {
      terms.fill(0);
      return -Number.MAX_VALUE;
    }
    let sum = 0;
    for (t = 0; t < total; t++) {
      terms[t] = terms[t]! === -Infinity ? 0 : Math.exp(terms[t]! - largest);
      sum += terms[t]!;
    }
    for (t = 0; t < total; t++) terms[t]! /= sum;
    return largest + Math.log(sum / samples) + Math.log(first.sd) + Math.log(second.sd);
  }

  /** Adds the gradient through one objective, given the derivatives by strip. */
  function add(k: 0 | 1, sd: number, byMean: Float64Array, bySd: Float64Array, gradient: Float64Array): void {
    let perSd = 0;
    let t = 0;
    for (let s = 0; s < samples; s++) {
      let perMean = 0;
      for (let i = 0; i < pasts[s]!.ends.length; i++, t++) {
        if (terms[t] === 0) continue; // no area: its derivatives may not exist
        perMean += terms[t]! * byMean[t]!;
        perSd += terms[t]! * bySd[t]!;
      }
      weights[k][s] = perMean;
    }
    posteriors[k].gradients(weights[k], scratch, ofVariance);
    for (let j = 0; j < d; j++) gradient[j]! += scratch[j]! + (perSd * ofVariance[j]!) / (2 * sd);
  }

  return {
    many(points, count) {
      const out = new Float64Array(count);
      const [first, second] = posteriors.map((posterior) => {
        const means = new Float64Array(count * samples);
        const variances = new Float64Array(count);
        posterior.predict(points, count, means, variances);
        return { means, variances };
      });
      for (let i = 0; i < count; i++) {
        const at = ({ means, variances }: { means: Float64Array; variances: Float64Array }) => ({
          means,
          offset: i * samples,
          sd: Math.sqrt(variances[i]!),
        });
        out[i] = average(at(first!), at(second!), false);
      }
      return out;
    },
    one(x, gradient) {
      const [first, second] = posteriors.map((posterior, k) => {
        const sd = Math.sqrt(posterior.predictOne(x, single[k]!));
        return { means: single[k]!, offset: 0, sd };
      });
      const value = average(first!, second!, true);
      gradient.fill(0);
      add(0, first!.sd, ofMean1!, ofSd1!, gradient);
      add(1, second!.sd, ofMean2!, ofSd2!, gradient);
      return value;
    },
  };
}

/** How far the reference point lies beyond the worst values, in standard deviations. */
const BEYOND = 0.1;

/** What the models of two objectives say. */
export interface FrontModel {
  improvement: Acquisition;
  /** Points of the front, a random few. */
  anchors: Float64Array[];
}

/**
 * @param models of both objectives over the same observations
 * @param isFeasible by observation; failures come after them, running trials last
 */
export function modelFront(
  d: number,
  models: readonly [ObjectiveModel, ObjectiveModel],
  isFeasible: readonly boolean[],
  anchors: number,
  random: Random,
): FrontModel | null {
  const feasible = Array.from(isFeasible.keys()).filter((i) => isFeasible[i]);
  if (feasible.length === 0) return null;
  const [a, b] = models;
  const observed = feasible.map((i): Losses => [a.targets[i]!, b.targets[i]!]);
  const reference = referencePoint(observed);
  const counted = [...feasible, ...Array.from({ length: a.running }, (_, j) => a.points - a.running + j)];
  const pasts = Array.from({ length: a.posterior.samples }, (_, s) =>
    staircase(
      counted.map((i) => [a.pasts[s * a.points + i]!, b.pasts[s * a.points + i]!]),
      reference,
    ),
  );
  const ranks = dominationRanks(feasible.map((i) => [a.mean[i]!, b.mean[i]!]));
  const front = feasible.filter((_, i) => ranks[i] === 0);
  random.shuffle(front);
  return {
    improvement: logHypervolumeImprovement(d, [a.posterior, b.posterior], pasts),
    anchors: front.slice(0, anchors).map((i) => a.x.slice(i * d, (i + 1) * d)),
  };
}

/**
 * Beyond the worst feasible value of each objective (soft-capped, see targets.ts), so that the ends of the front count as
 * much as its middle. Beyond the worst values of the front alone, the ends were found late (experiments/results/goals.md).
 */
const referencePoint = (points: readonly Losses[]): Losses =>
  [0, 1].map((k) => points.reduce((worst, losses) => Math.max(worst, losses[k]!), -Infinity) + BEYOND);

/** At most `limit` observations: the best half by feasibility and layer, and an even choice of the others, in order. */
export function representativeOfFront(evidence: Evidence, limit: number): Evidence {
  const { observations } = evidence;
  if (observations.length <= limit) return evidence;
  const ranks = dominationRanks(observations.map((o) => o.losses!));
  const order = Array.from(observations.keys()).sort(
    (i, j) => excessOf(observations[i]!) - excessOf(observations[j]!) || ranks[i]! - ranks[j]! || i - j,
  );
  const chosen = new Set(thinned(order, limit));
  return { ...evidence, observations: observations.filter((_, i) => chosen.has(i)) };
}

/** The evidence with the losses of one of two objectives as values. */
export const ofObjective = (evidence: Evidence, k: number): Evidence => ({
  ...evidence,
  observations: evidence.observations.map((o) => ({ ...o, value: o.losses![k]! })),
});
