// Running out of heap as an error. The stock backend takes malloc's null pointer for an address and writes
// over the start of the heap.

import type { WasmModule } from './heap.js';

/** A WebAssembly memory with 32-bit addresses ends below 4 GiB. */
export const MAX_HEAP_BYTES = 2 ** 32 - 2 ** 16;

const guarded = new WeakSet<WasmModule>();

/** Makes `_malloc` throw a RangeError that names memory; idempotent. */
export function guardAllocation(wasm: WasmModule): void {
  if (guarded.has(wasm)) return;
  guarded.add(wasm);
  const malloc = wasm._malloc;
  wasm._malloc = (bytes) => {
    // Larger requests would wrap around to small ones.
    const pointer = bytes <= MAX_HEAP_BYTES ? malloc(bytes) >>> 0 : 0;
    if (pointer === 0 && bytes > 0)
      throw new RangeError(
        `Out of memory: the wasm backend cannot allocate ${megabytes(bytes)}, its heap of ` +
          `${megabytes(wasm.HEAPU8.length)} can grow to ${megabytes(MAX_HEAP_BYTES)}`,
      );
    return pointer;
  };
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
