// Recognizes out-of-memory errors: by type where the error is ours, else by the message that each library uses.

import { EnvironmentError } from '../base/errors.js';

/** What was requested and what was available, in bytes. */
export type MemoryShortage = { bytes: number; inUse: number; free: number; total: number };

/** Memory ran out; what was allocated before is still valid, and freeing some of it makes room. */
export class OutOfMemoryError extends EnvironmentError {
  override readonly name: string = 'OutOfMemoryError';
  /** Absent where the failing call does not know it. */
  readonly shortage?: MemoryShortage;
  constructor(message: string, options: ErrorOptions & { shortage?: MemoryShortage } = {}) {
    super(message, options);
    if (options.shortage) this.shortage = options.shortage;
  }
}

const SIGNS = [
  /out[ _]of[ _]memory/i, // wasm (wasm/allocation.ts), native, CUDA inside TensorFlow
  /\bOOM\b/, // TensorFlow's allocators
  /RESOURCE_EXHAUSTED|Invalid TF_Status: 8\b/, // TensorFlow's status
  /Array buffer allocation failed|Invalid (typed )?array length/i, // V8
  /could not allocate memory|WebAssembly\.Memory/i, // V8, for WebAssembly
];

/** True when `error`, or what caused it, says that the device's or the process's memory ran out. */
export function isOutOfMemory(error: unknown): boolean {
  // Not `instanceof Error`: an addon's errors may come from another realm.
  for (let e = error; e != null; e = (e as Error).cause)
    if (
      e instanceof OutOfMemoryError ||
      (e as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY' ||
      SIGNS.some((s) => s.test(String(e)))
    )
      return true;
  return false;
}
