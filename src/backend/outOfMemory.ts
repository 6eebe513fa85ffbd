// Telling exhausted memory from other failures, by the words each backend uses.

const SIGNS = [
  /out of memory/i, // wasm (wasm/allocation.ts), CUDA
  /\bOOM\b/, // TensorFlow's allocators
  /RESOURCE_EXHAUSTED|Invalid TF_Status: 8\b/, // TensorFlow's status
  /Array buffer allocation failed|Invalid (typed )?array length/i, // V8
  /could not allocate memory|WebAssembly\.Memory/i, // V8, for WebAssembly
];

/** True when `error`, or what caused it, says that the device's or the process's memory ran out. */
export function isOutOfMemory(error: unknown): boolean {
  for (let e: unknown = error; e instanceof Error; e = e.cause)
    if (
      (e as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY' ||
      SIGNS.some((s) => s.test(String(e)))
    )
      return true;
  return false;
}
