// Messages between a loader and its worker thread.

import type { MessagePort } from 'node:worker_threads';
import type { BatchOptions } from '../types.js';
import type { PackedBatch, ShardSet } from './batches.js';

/** To the worker: open a loader that talks over `port`. */
export type OpenRequest = { port: MessagePort; set: ShardSet; options: BatchOptions; prefetch: number };
/** From the worker, over a loader's port. */
export type Reply = { type: 'opened' } | { type: 'batch'; batch: PackedBatch } | Failure;
export type Failure = { type: 'error'; usage: boolean; message: string };
/** To the worker, over a loader's port. */
export type Order = 'more' | 'close';
