// Kernels that a backend left to the CPU, counted: on a GPU each one waits for the device and moves tensors back and forth.

const counts = new Map<string, number>();

/** Kernels that have run on the CPU so far, by name; empty when everything ran on the device. */
export function fallbacks(): Record<string, number> {
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
}

/** Resets the counts. */
export function resetFallbacks(): void {
  counts.clear();
}

/** The fallbacks as text, e.g. `ArgMax 3 times, TopK once`; empty when there were none. */
export function describeFallbacks(): string {
  return Object.entries(fallbacks())
    .map(([name, times]) => `${name} ${times === 1 ? 'once' : `${times} times`}`)
    .join(', ');
}

/** Counts one; the first of each kind prints a line on stderr. */
export function countFallback(kernel: string): void {
  const times = counts.get(kernel) ?? 0;
  if (times === 0) process.stderr.write(`Kernel ${kernel} has no version for the GPU and runs on the CPU\n`);
  counts.set(kernel, times + 1);
}
