// Trials of another study as prior knowledge: a Gaussian process fitted to them alone predicts the values here up to
// a factor, and the difference is modeled from this study's trials. The factor is estimated from the trials so far,
// starting at 1 and never negative, so that a misleading study loses its influence. A two-task form of Golovin et
// al., Google Vizier, KDD 2017 (section 3.3, residuals between studies).

import type { Data } from './likelihood.js';
import type { Posterior } from './posterior.js';

/** The factor 1 counts as much as this many trials with predictions of unit variance. */
const CONFIDENCE = 2;

/** A prior mean over the coordinates. */
export interface PriorMean {
  /** [count] at the rows of `points` [count, D]. */
  at(points: Float64Array, count: number): Float64Array;
  /** At one point. */
  one(x: Float64Array): number;
  /** Adds `times` the gradient [D] at the point of the last `one`. */
  addGradient(times: number, gradient: Float64Array): void;
}

/** The source's predictions, times the factor that suits the data. */
export function priorMean(source: Posterior, data: Data): PriorMean {
  const single = new Float64Array(1);
  const predict = (points: Float64Array, count: number) => {
    const means = new Float64Array(count);
    source.predict(points, count, means, new Float64Array(count));
    return means;
  };
  const m = predict(data.x, data.n);
  const center = m.reduce((sum, v) => sum + v, 0) / data.n;
  let covariance = CONFIDENCE;
  let variance = CONFIDENCE;
  for (let i = 0; i < data.n; i++) {
    covariance += data.y[i]! * (m[i]! - center);
    variance += (m[i]! - center) ** 2;
  }
  const factor = Math.max(0, covariance / variance);
  const shift = (value: number) => factor * (value - center);
  const ofMean = new Float64Array(data.d);
  const ofVariance = new Float64Array(data.d);
  return {
    at: (points, count) => predict(points, count).map(shift),
    one(x) {
      source.predictOne(x, single);
      return shift(single[0]!);
    },
    addGradient(times, gradient) {
      single[0] = 1;
      source.gradients(single, ofMean, ofVariance);
      for (let j = 0; j < data.d; j++) gradient[j]! += times * factor * ofMean[j]!;
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
