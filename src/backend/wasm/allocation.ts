// Running out of heap as an error. The stock backend treats malloc's null pointer as an address and overwrites the
// start of the heap; and its malloc, asked for more than lies between a free block and the end of 32-bit addresses,
// wraps around and hands out memory that is in use.

import type { WasmModule } from './heap.js';

const ADDRESSES = 2 ** 32;

/** The heap may grow to this; what lies above keeps requests of up to a GiB from wrapping around. */
export const MAX_HEAP_BYTES = 3 * 2 ** 30;

const guarded = new WeakSet<WasmModule>();

/** Limits the heap and makes `_malloc` throw a RangeError that names memory; idempotent. */
export function guardAllocation(wasm: WasmModule): void {
  if (guarded.has(wasm)) return;
  guarded.add(wasm);
  const { memory } = wasm.asm;
  const grow = memory.grow.bind(memory);
  memory.grow = (pages) => {
    if (memory.buffer.byteLength + pages * 2 ** 16 > MAX_HEAP_BYTES)
      throw new RangeError(`Expected a heap of at most ${mebibytes(MAX_HEAP_BYTES)}`);
    return grow(pages);
  };
  // Emscripten's functions replace themselves on their first call.
  wasm._free(wasm._malloc(1));
  const malloc = wasm._malloc;
  wasm._malloc = (bytes) => {
    const pointer = bytes + wasm.HEAPU8.length <= ADDRESSES ? malloc(bytes) >>> 0 : 0;
    if (pointer === 0 && bytes > 0)
      throw new RangeError(
        `Out of memory: the wasm backend cannot allocate ${mebibytes(bytes)}, ` +
          `its heap has ${mebibytes(wasm.HEAPU8.length)} of at most ${mebibytes(MAX_HEAP_BYTES)}`,
      );
    return pointer;
  };
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
