// What machine this is, in words.

import { cpus } from 'node:os';

/** The processor's model name without trademarks and clock rate, e.g. `Intel Xeon Platinum 8481C`. */
export function cpuName(): string {
  const model = cpus()[0]?.model ?? 'unknown processor';
  return model
    .replace(/\((R|TM|tm)\)/g, '')
    .replace(/\s*(CPU\s*)?@.*$/, '')
    .replace(/\s+/g, ' ')
    .trim();
}
