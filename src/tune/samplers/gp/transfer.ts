// Trials of other studies as prior knowledge: a Gaussian process fitted to the trials of each alone predicts the values
// here up to a factor, with its uncertainty, and the difference is modeled from this study's trials. Factors are estimated from the trials so
// far and never negative, so that a misleading study loses its influence. After Golovin et al., Google Vizier, KDD 2017
// (section 3.3, residuals between studies).

import { factorsOf } from '../sources.js';
import { type Data, representative } from './likelihood.js';
import { condition, type Posterior } from './posterior.js';

/** A model of another study's values. */
export interface Source extends Posterior {
  /** The same mean, with the uncertainty that is left once values are known at these points [N, D] of this study. */
  knowing(data: Data): Posterior;
}

/** Conditions on the values of another study. */
export function sourceOf(data: Data, hyper: Float64Array): Source {
  const posterior = condition(data, hyper);
  return {
    ...posterior,
    knowing({ n, x }) {
      // Values equal to its predictions change the variance alone.
      const expected = new Float64Array(n);
      posterior.predict(x, n, expected, new Float64Array(n));
      const join = (a: Float64Array, b: Float64Array) => Float64Array.of(...a, ...b);
      const extra = join(data.extra, new Float64Array(n));
      const all = { ...data, n: data.n + n, x: join(data.x, x), y: join(data.y, expected), extra };
      return condition(all, hyper);
    },
  };
}

/** A prior mean over the coordinates, and the uncertainty of it. */
export interface PriorMean {
  /** [count] at the rows of `points` [count, D]. */
  at(points: Float64Array, count: number): Float64Array;
  /** Adds mean and variance at the rows of `points` to those of S target vectors [count, S] and [count]. */
  add(points: Float64Array, count: number, means: Float64Array, variances: Float64Array): void;
  /** Mean and variance at one point. */
  one(x: Float64Array): { mean: number; variance: number };
  /** Adds `times` the gradient [D] of the mean, and that of the variance, at the point of the last `one`. */
  addGradients(times: number, ofMean: Float64Array, ofVariance: Float64Array): void;
}

/** Points of this study that a source's uncertainty takes into account. */
const KNOWN = 150;

/** The predictions of the sources, times the factors that suit the data. */
export function priorMean(sources: readonly Source[], data: Data): PriorMean {
  const predict = (source: Posterior, points: Float64Array, count: number) => {
    const means = new Float64Array(count);
    const variances = new Float64Array(count);
    source.predict(points, count, means, variances);
    return { means, variances };
  };
  const predicted = sources.map((source) => predict(source, data.x, data.n).means);
  const weighted = factorsOf(data.y, predicted).flatMap((factor, k) => {
    const center = predicted[k]!.reduce((sum, v) => sum + v, 0) / data.n;
    return factor > 0 ? [{ source: sources[k]!, factor, center }] : [];
  });
  let updated: { posterior: Posterior; factor: number; center: number }[] | null = null;
  const known = () =>
    (updated ??= weighted.map(({ source, ...rest }) => ({
      posterior: source.knowing(representative(data, KNOWN)),
      ...rest,
    })));
  const single = new Float64Array(1);
  const mean = new Float64Array(data.d);
  const variance = new Float64Array(data.d);
  return {
    at(points, count) {
      const total = new Float64Array(count);
      for (const { source, factor, center } of weighted)
        for (const [i, m] of predict(source, points, count).means.entries())
          total[i]! += factor * (m - center);
      return total;
    },
    add(points, count, means, variances) {
      const samples = means.length / count;
      for (const { posterior, factor, center } of known()) {
        const own = predict(posterior, points, count);
        for (let i = 0; i < count; i++) {
          variances[i]! += factor ** 2 * own.variances[i]!;
          for (let s = 0; s < samples; s++) means[i * samples + s]! += factor * (own.means[i]! - center);
        }
      }
    },
    one(x) {
      const total = { mean: 0, variance: 0 };
      for (const { posterior, factor, center } of known()) {
        total.variance += factor ** 2 * posterior.predictOne(x, single);
        total.mean += factor * (single[0]! - center);
      }
      return total;
    },
    addGradients(times, ofMean, ofVariance) {
      single[0] = 1;
      for (const { posterior, factor } of known()) {
        posterior.gradients(single, mean, variance);
        for (let j = 0; j < data.d; j++) {
          ofMean[j]! += times * factor * mean[j]!;
          ofVariance[j]! += factor ** 2 * variance[j]!;
        }
      }
    },
  };
}

/** The data less the prior mean. */
export function residual(data: Data, mean: PriorMean): Data {
  const m = mean.at(data.x, data.n);
  return { ...data, y: data.y.map((y, i) => y - m[i]!) };
}

/** A posterior over residuals plus the prior mean; the uncertainties of both add up. */
export function withMean(posterior: Posterior, mean: PriorMean): Posterior {
  const { samples } = posterior;
  return {
    ...posterior,
    predict(points, count, means, variances) {
      posterior.predict(points, count, means, variances);
      mean.add(points, count, means, variances);
    },
    predictOne(x, means) {
      const own = posterior.predictOne(x, means);
      const added = mean.one(x);
      for (let s = 0; s < samples; s++) means[s]! += added.mean;
      return own + added.variance;
    },
    gradients(weights, ofMean, ofVariance) {
      posterior.gradients(weights, ofMean, ofVariance);
      mean.addGradients(
        weights.reduce((sum, w) => sum + w, 0),
        ofMean,
        ofVariance,
      );
    },
  };
}
