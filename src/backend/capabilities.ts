// What a backend may offer besides kernels. Its driver declares it at start, and `capabilities()` returns what the
// backend in use declared. Does not import tfjs: see memory.ts.

import type { AttentionShape } from './contract.js';
import type { Recorder, StepRecorder } from './recorder.js';
import type { BackendName } from './types.js';

/** Each is absent where the backend does not have it. */
export interface Capabilities {
  /** Records the work of a function and replays it. */
  readonly recorder?: Recorder;
  /** Records whole training steps and replays them. */
  readonly stepRecorder?: StepRecorder;
  /** Activations that only products read are kept as bfloat16, in half of float32's bytes. */
  readonly bf16Activations?: boolean;
  /** Kernels add the `sum` of their contract in the same pass. */
  readonly addsSums?: boolean;
  /** Whether rows of a table of so many, taken by so many ids, are read from the table and take no memory. */
  readsTable?(rows: number, ids: number): boolean;
  /** Memory besides tensors that a training step takes. */
  stepScratch?(sizes: StepSizes): ScratchBytes;
  /** Identifies what has been chosen by measuring in this process, on which the bits of results depend; undefined: nothing. */
  choices?(): string | undefined;
  /** Bytes that the backend holds from the system, free ones included. */
  reservedBytes?(): number;
  /** Whether the device has reported a failure, after which the backend must be opened again. */
  hasFailed?(): boolean;
}

/** What the scratch memory of a training step depends on. */
export interface StepSizes {
  /** Tokens of a pass, width of the model, size of the vocabulary. */
  rows: number;
  width: number;
  vocab: number;
  /** Of the layer whose window is the longest. */
  attention: AttentionShape;
  /** Matrices that Muon steps together: so many of one shape. */
  matrices: readonly { count: number; rows: number; columns: number }[];
}

/**
 * Bytes besides tensors at the peak of the passes, and of the optimizer's step; and, where a backend knows it only as a
 * ratio, the bytes held for each byte of a step's peak.
 */
export type ScratchBytes = { passes: number; optimizer: number; held?: number };

const declared = new Map<string, Capabilities>();

/** Declares what a backend offers from now on. */
export function declareCapabilities(name: BackendName, capabilities: Capabilities): void {
  declared.set(name, capabilities);
}

/** The name of tfjs's current backend; undefined before tfjs is loaded. */
export const backendInUse = (): string | undefined =>
  (globalThis as { _tfengine?: { backendName: string } })._tfengine?.backendName;

/** What the backend in use offers; nothing before one is in use. */
export function capabilities(): Capabilities {
  return declared.get(backendInUse() ?? '') ?? {};
}
