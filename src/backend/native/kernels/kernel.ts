// What the files of this folder share: a kernel takes a call of tfjs apart and hands its arrays to C.

import type { Info } from '../../flat/store.js';
import type { NativeBackend } from '../backend.js';
import type { Library } from '../library.js';

/** One call. */
export interface KernelCall {
  inputs: Record<string, Info>;
  attrs: Record<string, unknown>;
  backend: NativeBackend;
  c: Library;
}

/** Returns undefined to leave a case to the stock kernel. */
export type NativeKernel = (call: KernelCall) => Info | Info[] | undefined;

/** Attributes that are numbers. */
export const numbersOf = <K extends string>(attrs: Record<string, unknown>): Record<K, number> =>
  attrs as Record<K, number>;
