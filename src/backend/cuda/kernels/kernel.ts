// What the files of this folder share: a kernel takes a call of tfjs apart and enqueues work on the device.

import type { FusedKernel, KernelName } from '../../contract.js';
import { type Info, sizeOf } from '../../flat/store.js';
import type { StockCall, StockKernel, StockTable } from '../../register.js';
import type { CudaBackend } from '../backend.js';

/** What a kernel gets besides the call. */
export interface CudaContext {
  backend: CudaBackend;
}

/** A kernel of the contract. */
export type CudaKernel<K extends KernelName> = FusedKernel<K, CudaContext>;

/** A kernel in place of one of tfjs's own; undefined leaves the case to the cpu backend. */
export type CudaStockKernel = StockKernel<CudaContext>;
export type CudaStockTable = StockTable<CudaContext>;
export type CudaStockCall = StockCall & CudaContext;

/** Kernels count elements in 31 bits. */
export const fits = (shape: readonly number[]): boolean => sizeOf(shape) < 2 ** 31;

export const sameShape = (a: Info, b: Info): boolean =>
  a.shape.length === b.shape.length && a.shape.every((n, axis) => n === b.shape[axis]);

/** The list behind as many of `value` as it lacks to have one number an axis. */
export const padded = (list: readonly number[], axes: number, value: number): number[] => [
  ...new Array<number>(axes - list.length).fill(value),
  ...list,
];
