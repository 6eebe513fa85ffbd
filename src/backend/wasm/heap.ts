// What we know of tfjs-backend-wasm's internals: where tensors lie on its heap. The heap is one WebAssembly memory;
// an allocation may grow it and detach every view taken before, so views are looked up again after each.

import type * as tf from '@tensorflow/tfjs-core';
import type { Info, Store } from '../flat/store.js';

/** The part of tfjs's BackendWasm that is used here. */
export interface WasmBackend {
  wasm: WasmModule;
  dataIdMap: { get(id: object): { id: number; memoryOffset: number; refCount: number } };
  makeOutput(shape: number[], dtype: tf.DataType): Info;
  disposeData(id: object): boolean;
  incRef(id: object): void;
}

/** The part of the Emscripten module that is used here; those with underscores are C++ functions. */
export interface WasmModule {
  HEAPU8: Uint8Array;
  HEAP32: Int32Array;
  HEAPF32: Float32Array;
  asm: { memory: { buffer: ArrayBuffer; grow(pages: number): number } };
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  _BatchMatMul(...args: number[]): void;
  _Elu(...args: number[]): void;
  tfjs: {
    registerTensor(id: number, elements: number, pointer: number): void;
    disposeData(id: number): void;
  };
}

/** Byte address of a tensor on the heap. */
export function pointerOf(backend: WasmBackend, { dataId }: Info): number {
  return backend.dataIdMap.get(dataId).memoryOffset;
}

/** The backend's heap as a store. */
export function wasmStore(backend: WasmBackend): Store {
  return {
    make: (shape, dtype) => backend.makeOutput(shape, dtype),
    alias(x, shape) {
      backend.incRef(x.dataId);
      return { dataId: x.dataId, shape, dtype: x.dtype };
    },
    cells({ dtype }) {
      if (dtype === 'float32') return backend.wasm.HEAPF32;
      return dtype === 'int32' ? backend.wasm.HEAP32 : backend.wasm.HEAPU8;
    },
    start: (x) => pointerOf(backend, x) / (x.dtype === 'bool' ? 1 : 4),
    free: (x) => backend.disposeData(x.dataId),
  };
}
