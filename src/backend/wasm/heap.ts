// What the repairs of this folder know about tfjs-backend-wasm: where tensors lie on its heap, and how a
// kernel is replaced. The heap is one WebAssembly memory; an allocation may grow it and detach every view
// taken before, so kernels allocate first and take views afterwards.

import * as tf from '@tensorflow/tfjs-core';

/** A kernel's view of a tensor: {dataId, shape, dtype}. */
export type Info = tf.TensorInfo;

/** The part of tfjs's BackendWasm that is used here. */
export interface WasmBackend {
  wasm: WasmModule;
  dataIdMap: { get(id: object): { id: number; memoryOffset: number; refCount: number } };
  makeOutput(shape: number[], dtype: tf.DataType): Info;
  disposeData(id: object): boolean;
  incRef(id: object): void;
}

/** The part of the Emscripten module that is used here; underscored names are the C++ kernels. */
export interface WasmModule {
  HEAPU8: Uint8Array;
  HEAP32: Int32Array;
  HEAPF32: Float32Array;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  tfjs: {
    registerTensor(id: number, elements: number, pointer: number): void;
    disposeData(id: number): void;
  };
  _BatchMatMul(...args: number[]): void;
  _Elu(...args: number[]): void;
}

type Kernel = (args: {
  inputs: Record<string, Info>;
  attrs: Record<string, unknown>;
  backend: WasmBackend;
}) => Info | Info[];

/**
 * Replaces the `wasm` kernel `name`.
 * @param make receives the kernel there was before (undefined when the backend lacks it)
 */
export function replaceKernel(name: string, make: (stock: Kernel) => Kernel): void {
  const old = tf.getKernel(name, 'wasm');
  const missing: Kernel = () => {
    throw new Error(`Kernel '${name}' not registered for backend 'wasm'`);
  };
  if (old) tf.unregisterKernel(name, 'wasm');
  tf.registerKernel({
    ...old,
    kernelName: name,
    backendName: 'wasm',
    kernelFunc: make((old?.kernelFunc as Kernel | undefined) ?? missing) as unknown as tf.KernelFunc,
  });
}

/** Number of elements. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

/** Byte address of a tensor on the heap. */
export function pointerOf(backend: WasmBackend, { dataId }: Info): number {
  return backend.dataIdMap.get(dataId).memoryOffset;
}

/** A tensor's elements in place; valid until the next allocation. */
export function viewOf(backend: WasmBackend, info: Info): Float32Array | Int32Array | Uint8Array {
  const { buffer } = backend.wasm.HEAPU8;
  const pointer = pointerOf(backend, info);
  const size = sizeOf(info.shape);
  if (info.dtype === 'float32') return new Float32Array(buffer, pointer, size);
  if (info.dtype === 'int32') return new Int32Array(buffer, pointer, size);
  if (info.dtype === 'bool') return new Uint8Array(buffer, pointer, size);
  throw new Error(`Expected float32, int32 or bool, got ${info.dtype}`);
}

/** `viewOf` for float32. */
export function floatsOf(backend: WasmBackend, { dataId, shape }: Info): Float32Array {
  return viewOf(backend, { dataId, shape, dtype: 'float32' }) as Float32Array;
}

/** A tensor's elements for kernels that only move them: the heap in elements, and where the tensor starts. */
export function cellsOf(backend: WasmBackend, info: Info): { heap: Cells; start: number } {
  const pointer = pointerOf(backend, info);
  return info.dtype === 'bool'
    ? { heap: backend.wasm.HEAPU8, start: pointer }
    : { heap: backend.wasm.HEAP32, start: pointer >>> 2 };
}

/** Floats move as integers: a float view may rewrite the bits of NaNs, and int32 tensors hold such bits. */
export type Cells = Int32Array | Uint8Array;

/** Copies `count` cells; short runs by a loop, because a call of copyWithin costs as much as 16 of its turns. */
export function copyRun(heap: Cells, from: number, to: number, count: number): void {
  if (count < 16) for (let i = 0; i < count; i++) heap[to + i] = heap[from + i]!;
  else heap.copyWithin(to, from, from + count);
}
