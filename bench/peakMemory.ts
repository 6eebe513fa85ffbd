// Peak resident memory of this process while something runs, above what it had before, from /proc on Linux.
// bench/train_torch.py measures the peer in the same way.

import { readFileSync, writeFileSync } from 'node:fs';

function kilobytes(name: 'VmHWM' | 'VmRSS'): number {
  return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))![1]);
}

/**
 * Begins to watch.
 * @returns a function that gives the MB of growth so far; null where the system does not tell
 */
export function watchResidentMemory(): () => number | null {
  try {
    // 5: the peak starts anew.
    writeFileSync('/proc/self/clear_refs', '5');
    const before = kilobytes('VmRSS');
    return () => (kilobytes('VmHWM') - before) / 1024;
  } catch {
    return () => null;
  }
}
