// What the files of this folder share: a kernel takes a call of tfjs apart and enqueues work on the device.

import { type Info, sizeOf } from '../../flat/store.js';
import type { CudaBackend } from '../backend.js';

/** One call; `inputs` is a list where tfjs passes one (Concat, Pack). */
export interface KernelCall {
  inputs: Record<string, Info>;
  attrs: Record<string, unknown>;
  backend: CudaBackend;
}

/** Returns undefined to leave a case to the cpu backend. */
export type CudaKernel = (call: KernelCall) => Info | Info[] | undefined;

/** Attributes that are numbers. */
export const numbersOf = <K extends string>(attrs: Record<string, unknown>): Record<K, number> =>
  attrs as Record<K, number>;

/** Kernels count elements in 31 bits. */
export const fits = (shape: readonly number[]): boolean => sizeOf(shape) < 2 ** 31;

export const sameShape = (a: Info, b: Info): boolean =>
  a.shape.length === b.shape.length && a.shape.every((n, axis) => n === b.shape[axis]);
