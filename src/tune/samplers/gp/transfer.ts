// Trials of other studies as prior knowledge: a Gaussian process fitted to the trials of each alone predicts the values
// here up to a factor, and the difference is modeled from this study's trials. Factors are estimated from the trials so
// far and never negative, so that a misleading study loses its influence. After Golovin et al., Google Vizier, KDD 2017
// (section 3.3, residuals between studies).

import { factorsOf } from '../sources.js';
import type { Data } from './likelihood.js';
import type { Posterior } from './posterior.js';

/** A prior mean over the coordinates. */
export interface PriorMean {
  /** [count] at the rows of `points` [count, D]. */
  at(points: Float64Array, count: number): Float64Array;
  /** At one point. */
  one(x: Float64Array): number;
  /** Adds `times` the gradient [D] at the point of the last `one`. */
  addGradient(times: number, gradient: Float64Array): void;
}

/** The predictions of the sources, times the factors that suit the data. */
export function priorMean(sources: readonly Posterior[], data: Data): PriorMean {
  const single = new Float64Array(1);
  const predict = (source: Posterior, points: Float64Array, count: number) => {
    const means = new Float64Array(count);
    source.predict(points, count, means, new Float64Array(count));
    return means;
  };
  const predicted = sources.map((source) => predict(source, data.x, data.n));
  const factors = factorsOf(data.y, predicted);
  const centers = predicted.map((m) => m.reduce((sum, v) => sum + v, 0) / data.n);
  const ofMean = new Float64Array(data.d);
  const ofVariance = new Float64Array(data.d);
  return {
    at(points, count) {
      const total = new Float64Array(count);
      for (const [k, source] of sources.entries())
        for (const [i, m] of predict(source, points, count).entries())
          total[i]! += factors[k]! * (m - centers[k]!);
      return total;
    },
    one(x) {
      let total = 0;
      for (const [k, source] of sources.entries()) {
        source.predictOne(x, single);
        total += factors[k]! * (single[0]! - centers[k]!);
      }
      return total;
    },
    addGradient(times, gradient) {
      single[0] = 1;
      for (const [k, source] of sources.entries()) {
        source.gradients(single, ofMean, ofVariance);
        for (let j = 0; j < data.d; j++) gradient[j]! += times * factors[k]! * ofMean[j]!;
      }
    },
  };
}

/** The data less the prior mean. */
export function residual(data: Data, mean: PriorMean): Data {
  const m = mean.at(data.x, data.n);
  return { ...data, y: data.y.map((y, i) => y - m[i]!) };
}

/** A posterior over residuals plus the prior mean. */
export function withMean(posterior: Posterior, mean: PriorMean): Posterior {
  const { samples } = posterior;
  return {
    ...posterior,
    predict(points, count, means, variances) {
      posterior.predict(points, count, means, variances);
      for (const [i, m] of mean.at(points, count).entries())
        for (let s = 0; s < samples; s++) means[i * samples + s]! += m;
    },
    predictOne(x, means) {
      const variance = posterior.predictOne(x, means);
      const m = mean.one(x);
      for (let s = 0; s < samples; s++) means[s]! += m;
      return variance;
    },
    gradients(weights, ofMean, ofVariance) {
      posterior.gradients(weights, ofMean, ofVariance);
      mean.addGradient(
        weights.reduce((sum, w) => sum + w, 0),
        ofMean,
      );
    },
  };
}
