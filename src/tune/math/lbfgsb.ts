// Minimization of a smooth function in a box: L-BFGS (Nocedal & Wright 2006, algorithm 7.4) on the coordinates
// that are not held by a bound, with a backtracking search along the projected path (Bertsekas, SIAM J. Control
// Optim. 20, 1982). Infinite bounds make it plain L-BFGS.

/** Returns f(x) and writes its gradient into `gradient`; may return NaN or Infinity where f is undefined. */
export type Differentiable = (x: Float64Array, gradient: Float64Array) => number;

export interface MinimizeOptions {
  lower?: Float64Array;
  upper?: Float64Array;
  /** Stops when no component of the projected gradient is larger. Default 1e-5. */
  tolerance?: number;
  /** Stops when an iteration improves f by less than this much. Default 0 (off). */
  improvement?: number;
  maxIterations?: number;
  maxEvaluations?: number;
  /** Pairs kept. Default 8. */
  memory?: number;
  /** Length of the very first step. Default 1 / max(1, |g|). */
  firstStep?: number;
}

export interface Minimum {
  x: Float64Array;
  value: number;
  evaluations: number;
}

/** Sufficient decrease, Armijo. */
const C1 = 1e-4;

/** Minimizes f from `start` (not changed). */
export function minimize(f: Differentiable, start: Float64Array, options: MinimizeOptions = {}): Minimum {
  const { lower, upper, tolerance = 1e-5, improvement = 0, memory = 8 } = options;
  const { maxIterations = 100, maxEvaluations = 200 } = options;
  const n = start.length;
  const project = (x: Float64Array) => {
    for (let i = 0; i < n; i++) {
      if (lower && x[i]! < lower[i]!) x[i] = lower[i]!;
      if (upper && x[i]! > upper[i]!) x[i] = upper[i]!;
    }
  };
  let x = start.slice();
  project(x);
  let g = new Float64Array(n);
  let value = f(x, g);
  let evaluations = 1;
  let next = new Float64Array(n);
  let nextG = new Float64Array(n);
  const direction = new Float64Array(n);
  const free = new Uint8Array(n);
  const pairs: { s: Float64Array; y: Float64Array }[] = [];

  for (let iteration = 0; iteration < maxIterations && evaluations < maxEvaluations; iteration++) {
    let largest = 0;
    let norm = 0;
    for (let i = 0; i < n; i++) {
      const held = (lower && x[i]! <= lower[i]! && g[i]! > 0) || (upper && x[i]! >= upper[i]! && g[i]! < 0);
      free[i] = held ? 0 : 1;
      if (!held) {
        largest = Math.max(largest, Math.abs(g[i]!));
        norm += g[i]! * g[i]!;
      }
    }
    if (!(largest > tolerance)) break;

    let slope = twoLoop(pairs, g, free, direction);
    let step = 1;
    if (!(slope < 0)) {
      pairs.length = 0;
      for (let i = 0; i < n; i++) direction[i] = free[i] ? -g[i]! : 0;
      slope = -norm;
    }
    if (pairs.length === 0) step = (options.firstStep ?? Math.min(1, Math.sqrt(norm))) / Math.sqrt(norm);

    let accepted = false;
    for (let trial = 0; trial < 20 && evaluations < maxEvaluations; trial++) {
      for (let i = 0; i < n; i++) next[i] = x[i]! + step * direction[i]!;
      project(next);
      let decrease = 0;
      for (let i = 0; i < n; i++) decrease += g[i]! * (next[i]! - x[i]!);
      const nextValue = f(next, nextG);
      evaluations++;
      if (nextValue <= value + C1 * decrease) {
        remember(pairs, memory, x, next, g, nextG);
        const gain = value - nextValue;
        [x, next] = [next, x];
        [g, nextG] = [nextG, g];
        value = nextValue;
        accepted = gain > improvement;
        break;
      }
      // Minimum of the parabola through f(x), its slope and the rejected value, kept within [0.1, 0.5].
      const curvature = 2 * (nextValue - value - decrease);
      const guess = Number.isFinite(nextValue) && curvature > 0 ? -decrease / curvature : 0.1;
      step *= Math.min(0.5, Math.max(0.1, guess));
    }
    if (!accepted) break;
  }
  return { x, value, evaluations };
}

/** direction = -H g over the free coordinates; returns its slope, 0 where there is no curvature yet. */
function twoLoop(
  pairs: { s: Float64Array; y: Float64Array }[],
  g: Float64Array,
  free: Uint8Array,
  direction: Float64Array,
): number {
  if (pairs.length === 0) return 0;
  const n = g.length;
  const inner = (a: Float64Array, b: Float64Array) => {
    let sum = 0;
    for (let i = 0; i < n; i++) if (free[i]) sum += a[i]! * b[i]!;
    return sum;
  };
  for (let i = 0; i < n; i++) direction[i] = free[i] ? -g[i]! : 0;
  const alphas: number[] = [];
  let scale = 0;
  for (let k = pairs.length - 1; k >= 0; k--) {
    const { s, y } = pairs[k]!;
    const sy = inner(s, y);
    // Restricted to the free coordinates a pair can lose its curvature; it is skipped then.
    alphas[k] = sy > 0 ? inner(s, direction) / sy : 0;
    if (sy > 0 && scale === 0) scale = sy / inner(y, y);
    for (let i = 0; i < n; i++) if (free[i]) direction[i]! -= alphas[k]! * y[i]!;
  }
  if (scale === 0) return 0;
  for (let i = 0; i < n; i++) direction[i]! *= scale;
  for (let k = 0; k < pairs.length; k++) {
    const { s, y } = pairs[k]!;
    const sy = inner(s, y);
    if (!(sy > 0)) continue;
    const beta = inner(y, direction) / sy;
    for (let i = 0; i < n; i++) if (free[i]) direction[i]! += (alphas[k]! - beta) * s[i]!;
  }
  return inner(g, direction);
}

function remember(
  pairs: { s: Float64Array; y: Float64Array }[],
  memory: number,
  x: Float64Array,
  next: Float64Array,
  g: Float64Array,
  nextG: Float64Array,
): void {
  const s = new Float64Array(x.length);
  const y = new Float64Array(x.length);
  let sy = 0;
  let yy = 0;
  for (let i = 0; i < x.length; i++) {
    s[i] = next[i]! - x[i]!;
    y[i] = nextG[i]! - g[i]!;
    sy += s[i]! * y[i]!;
    yy += y[i]! * y[i]!;
  }
  if (!(sy > 1e-10 * yy)) return;
  pairs.push({ s, y });
  if (pairs.length > memory) pairs.shift();
}
