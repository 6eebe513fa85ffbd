// The power transform of Yeo & Johnson (Biometrika 87, 2000), which makes skewed values nearly normal:
// for y >= 0: ((y + 1)^p - 1) / p, or ln(y + 1) at p = 0;
// for y < 0: -((1 - y)^(2 - p) - 1) / (2 - p), or -ln(1 - y) at p = 2. Increasing for every p; p = 1 is the identity.

/** Transforms one value. */
export function yeoJohnson(y: number, power: number): number {
  if (y >= 0) return Math.abs(power) < 1e-9 ? Math.log1p(y) : Math.expm1(power * Math.log1p(y)) / power;
  const other = 2 - power;
  return Math.abs(other) < 1e-9 ? -Math.log1p(-y) : -Math.expm1(other * Math.log1p(-y)) / other;
}

/** Log-likelihood of `power` under normality of the transformed values, up to a constant (their eq. 3.1). */
export function yeoJohnsonLikelihood(values: ArrayLike<number>, power: number): number {
  const n = values.length;
  let sum = 0;
  let squares = 0;
  let jacobian = 0;
  // Shifted by the first value: the variance is not lost when all are alike.
  const origin = n > 0 ? yeoJohnson(values[0]!, power) : 0;
  for (let i = 0; i < n; i++) {
    const t = yeoJohnson(values[i]!, power) - origin;
    sum += t;
    squares += t * t;
    jacobian += Math.sign(values[i]!) * Math.log1p(Math.abs(values[i]!));
  }
  const variance = (squares - (sum * sum) / n) / n;
  return -0.5 * n * Math.log(Math.max(variance, 1e-300)) + (power - 1) * jacobian;
}

/** The most likely power within [low, high], by a grid and golden-section search (to 1e-3). */
export function fitYeoJohnson(values: ArrayLike<number>, low: number, high: number): number {
  if (values.length < 2) return 1;
  const cells = 8;
  let best = 0;
  let bestValue = -Infinity;
  for (let i = 0; i <= cells; i++) {
    const value = yeoJohnsonLikelihood(values, low + ((high - low) * i) / cells);
    if (value > bestValue) [best, bestValue] = [i, value];
  }
  let a = low + ((high - low) * Math.max(0, best - 1)) / cells;
  let b = low + ((high - low) * Math.min(cells, best + 1)) / cells;
  const ratio = (Math.sqrt(5) - 1) / 2;
  let c = b - ratio * (b - a);
  let d = a + ratio * (b - a);
  let fc = yeoJohnsonLikelihood(values, c);
  let fd = yeoJohnsonLikelihood(values, d);
  while (b - a > 1e-3) {
    if (fc > fd) {
      [b, d, fd] = [d, c, fc];
      c = b - ratio * (b - a);
      fc = yeoJohnsonLikelihood(values, c);
    } else {
      [a, c, fc] = [c, d, fd];
      d = a + ratio * (b - a);
      fd = yeoJohnsonLikelihood(values, d);
    }
  }
  return (a + b) / 2;
}
