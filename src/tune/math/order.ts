// Order statistics.

/** The p-quantile by linear interpolation between order statistics (Hyndman & Fan's type 7); NaN when empty. */
export function quantile(values: readonly number[], p: number): number {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = p * (sorted.length - 1);
  const low = Math.floor(at);
  const [from, to] = [sorted[low]!, sorted[Math.min(low + 1, sorted.length - 1)]!];
  // Equal infinities have no difference, and 0 times infinity is NaN.
  return at === low || from === to ? from : from + (at - low) * (to - from);
}

/** The middle value; an even count averages the middle two. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
