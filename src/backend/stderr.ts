// Silence for libraries that write to file descriptor 2 themselves: TensorFlow before it reads the log level, Vulkan drivers
// while they are looked for.

import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import koffi from './koffi.js';

/** Runs `f` with standard error discarded; what `f` throws comes through. On Windows it just runs `f`. */
export function withoutStderr<T>(f: () => T): T {
  const redirect = descriptorCalls();
  if (!redirect) return f();
  const { dup, dup2, close } = redirect;
  const saved = dup(2);
  const nothing = openSync(devNull, 'w');
  dup2(nothing, 2);
  try {
    return f();
  } finally {
    dup2(saved, 2);
    close(saved); // worker threads warn of descriptors that Node closes without having opened them
    closeSync(nothing);
  }
}

/** The C library's functions on file descriptors; undefined where they cannot be loaded. */
function descriptorCalls() {
  if (process.platform === 'win32') return undefined;
  try {
    const self = koffi.load(null);
    const [dup, dup2, close] = ['int dup(int)', 'int dup2(int, int)', 'int close(int)'].map((type) =>
      self.func(type),
    );
    return { dup: dup!, dup2: dup2!, close: close! };
  } catch {
    return undefined;
  }
}
