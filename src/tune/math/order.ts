// Order statistics, representative elements, and the mean.

/** The p-quantile by linear interpolation between order statistics (Hyndman & Fan's type 7); NaN when empty. */
export function quantile(values: readonly number[], p: number): number {
  const { low, high, part } = around(values, p);
  return part === 0 || low === high ? low : low + part * (high - low); // infinities have no difference
}

/** The middle value; an even count averages the middle two, rounded as numpy rounds. NaN when empty. */
export function median(values: readonly number[]): number {
  const { low, high, part } = around(values, 0.5);
  if (part === 0 || low === high) return low;
  return Number.isFinite(high - low) ? high - 0.5 * (high - low) : low / 2 + high / 2;
}

/** The order statistics around the p-quantile, and how far it is from the lower to the higher. */
function around(values: readonly number[], p: number): { low: number; high: number; part: number } {
  const sorted = Float64Array.from(values).sort();
  const at = p * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below] ?? Number.NaN;
  return { low, high: sorted[below + 1] ?? low, part: at - below };
}

/** `limit` elements of a sorted list, at most: the first half of the limit, and an even choice of the others. */
export function thinned<T>(sorted: readonly T[], limit: number): readonly T[] {
  if (sorted.length <= limit) return sorted;
  const half = limit >> 1;
  const step = (sorted.length - half) / (limit - half);
  return Array.from(
    { length: limit },
    (_, i) => sorted[i < half ? i : half + Math.floor((i - half) * step)]!,
  );
}

/** The arithmetic mean; NaN of no values. */
export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
