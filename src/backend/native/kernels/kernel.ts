// What the files of this folder share: a kernel takes a call of tfjs apart and hands its arrays to C.

import type { FusedKernel, KernelName } from '../../contract.js';
import type { StockKernel } from '../../register.js';
import type { NativeBackend } from '../backend.js';
import type { Library } from '../library.js';

/** What a kernel gets besides the call. */
export interface NativeContext {
  backend: NativeBackend;
  /** The functions of C, perhaps recording. */
  c: Library;
}

/** A kernel of the contract. */
export type NativeKernel<K extends KernelName> = FusedKernel<K, NativeContext>;

/** A kernel in place of one of tfjs's own. */
export type NativeStockKernel = StockKernel<NativeContext>;
