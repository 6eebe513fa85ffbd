// Silence for libraries that write to file descriptor 2 themselves: TensorFlow before it reads the log level, Vulkan drivers
// while they are looked for.

import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import koffi from './koffi.js';

/** Runs `f` with standard error discarded; what `f` throws comes through. On Windows it just runs `f`. */
export function withoutStderr<T>(f: () => T): T {
  const redirect = descriptorCalls();
  if (!redirect) return f();
  const { dup, dup2 } = redirect;
  const saved = dup(2);
  const nothing = openSync(devNull, 'w');
  dup2(nothing, 2);
  try {
    return f();
  } finally {
    dup2(saved, 2);
    closeSync(saved);
    closeSync(nothing);
  }
}

/** The C library's functions on file descriptors; undefined where they cannot be loaded. */
function descriptorCalls(): { dup(fd: number): number; dup2(from: number, to: number): number } | undefined {
  if (process.platform === 'win32') return undefined;
  try {
    const self = koffi.load(null);
    return { dup: self.func('int dup(int)'), dup2: self.func('int dup2(int, int)') };
  } catch {
    return undefined;
  }
}
