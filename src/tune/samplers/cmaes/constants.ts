// Strategy parameters of CMA-ES: weights, learning rates, damping; functions of dimension and population only.
// Source: Hansen, The CMA Evolution Strategy: A Tutorial, arXiv 1604.00772 (2016), with its equation numbers.
//
// n dimension; lambda population; mu parents.

/** See the equation beside each formula in `cmaConstants`. */
export interface CmaConstants {
  readonly n: number;
  readonly lambda: number;
  readonly mu: number;
  readonly muEff: number;
  /** (lambda): positive ones first and summing to 1, then the negative ones of the active update. */
  readonly weights: Float64Array;
  readonly cSigma: number;
  readonly dSigma: number;
  readonly cc: number;
  readonly c1: number;
  readonly cMu: number;
  /** E||N(0, I)||. */
  readonly chi: number;
}

/** Default population, eq. 48. */
export function defaultPopulation(n: number): number {
  return 4 + Math.floor(3 * Math.log(Math.max(1, n)));
}

/**
 * Default strategy parameters, table 1 of the tutorial.
 * @param n at least 1
 * @param lambda at least 4
 */
export function cmaConstants(n: number, lambda = defaultPopulation(n)): CmaConstants {
  const mu = Math.floor(lambda / 2);
  const raw = Float64Array.from({ length: lambda }, (_, i) => Math.log((lambda + 1) / 2) - Math.log(i + 1)); // eq. 49
  const muEff = effective(raw.subarray(0, mu));
  const muEffMinus = effective(raw.subarray(mu));

  const c1 = 2 / ((n + 1.3) ** 2 + muEff); // eq. 57
  const cMu = Math.min(1 - c1 - 1e-8, (2 * (muEff - 2 + 1 / muEff)) / ((n + 2) ** 2 + muEff)); // eq. 58
  const cSigma = (muEff + 2) / (n + muEff + 5); // eq. 55
  const dSigma = 1 + 2 * Math.max(0, Math.sqrt((muEff - 1) / (n + 1)) - 1) + cSigma; // eq. 55
  const cc = (4 + muEff / n) / (n + 4 + (2 * muEff) / n); // eq. 56

  const negative = Math.min(
    1 + c1 / cMu, // eq. 50
    1 + (2 * muEffMinus) / (muEff + 2), // eq. 51
    (1 - c1 - cMu) / (n * cMu), // eq. 52
  );
  let positiveSum = 0;
  let negativeSum = 0;
  for (const w of raw) w > 0 ? (positiveSum += w) : (negativeSum -= w);
  const weights = raw.map((w) => (w >= 0 ? w / positiveSum : (w * negative) / negativeSum)); // eq. 53

  const chi = Math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));
  return { n, lambda, mu, muEff, weights, cSigma, dSigma, cc, c1, cMu, chi };
}

/** (sum w)^2 / sum w^2, the variance effective selection mass (eq. 8). */
function effective(weights: Float64Array): number {
  let sum = 0;
  let squares = 0;
  for (const w of weights) {
    sum += w;
    squares += w * w;
  }
  return squares > 0 ? (sum * sum) / squares : 0;
}
