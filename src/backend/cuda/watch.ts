// What work finds while it is recorded (capture.ts): a replay must find the same at the same addresses.

import type * as tf from '@tensorflow/tfjs-core';
import type { Info } from '../flat/store.js';
import type { Block } from './allocator.js';
import type { Values } from './values.js';

/** What a tensor consists of whose rows are those of a table. */
export interface TableRows {
  /** float32 [V, W] */
  table: Info;
  /** int32 [N] */
  ids: Info;
  /** Whether they are an activation: rounded in bf16 precision. */
  narrow: boolean;
  /** Enqueues the copy of all rows to an address. */
  gather(to: number): void;
}

/** A tensor's data. */
export interface Entry {
  dtype: tf.DataType;
  refCount: number;
  /** Number of elements. */
  size: number;
  block: Block | undefined;
  /** bfloat16 elements: a copy of those in `block`, or without it the only ones. */
  bf16?: Block;
  /** The numbers, where they are known here and `block` may be absent; strings and complex numbers in any case. */
  values: Values | undefined;
  /** Where the elements are, as long as they have no memory of their own. */
  rows?: TableRows;
  /** What kernels worked out about the tensor and keep with it, by name. */
  attached?: Map<string, Block[]>;
  /** `block` belongs to a recording, which lends it. */
  lent?: boolean;
  /** Called when the data goes. */
  dependents?: Set<() => void>;
}

/** Work that cannot be recorded: it reads results, or changes tensors that are not its own. */
export class NotRepeatable extends Error {
  override readonly name = 'NotRepeatable';
}

interface Found {
  block: number | undefined;
  bf16: number | undefined;
  values: Values | undefined;
}

/** Watches the tensors of recorded work. */
export class Watch {
  readonly #own = new Set<Entry>();
  readonly #found = new Map<Entry, Found>();
  readonly #variables: ReadonlySet<Entry>;
  readonly #written = new Set<Entry>();

  /** @param variables what the work may change in place */
  constructor(variables: Iterable<Entry>) {
    this.#variables = new Set(variables);
  }

  /** The work has made a tensor. */
  made(entry: Entry): void {
    this.#own.add(entry);
  }

  /** The work uses a tensor. */
  note(entry: Entry): void {
    if (this.#own.has(entry) || this.#found.has(entry)) return;
    const { block, bf16, values } = entry;
    this.#found.set(entry, { block: block?.address, bf16: bf16?.address, values });
  }

  /** @throws NotRepeatable unless the work has made the tensor */
  assertOwn(entry: Entry): void {
    if (!this.#own.has(entry))
      throw new NotRepeatable('Work that is recorded changes a tensor that it did not make');
  }

  /** The work changes a tensor in place. @throws NotRepeatable unless it has made it, or it is a variable that nobody shares */
  write(entry: Entry): void {
    if (!this.#variables.has(entry) || !entry.block || entry.refCount > 1) this.assertOwn(entry);
    this.note(entry);
    this.#written.add(entry);
  }

  /** Whether everything that the work found is where it was, and what it changes is not shared. */
  holds(): boolean {
    for (const [entry, { block, bf16, values }] of this.#found) {
      const shared = entry.refCount > 1 && this.#written.has(entry);
      const same = entry.block?.address === block && entry.bf16?.address === bf16 && entry.values === values;
      if (entry.refCount < 1 || shared || !same) return false;
    }
    return true;
  }
}
