// What a backend offers that can record the work of a function and replay it without the function: a training step then
// costs next to no TypeScript. A capability (capabilities.ts); `repeatedGrads` of src/ops uses it.

import type * as tf from '@tensorflow/tfjs-core';
import type { Update } from './updates.js';

/** Work that was recorded. */
export interface Recorded {
  /**
   * Repeats the work on other values of the inputs; the event loop runs now and then.
   * @returns new tensors for the outputs; undefined, and the recording is released, when it is no longer valid: a fixed
   *   tensor has moved or gone, or the work took another path than before, as it does before an error
   */
  replay(inputs: readonly Int32Array[]): Promise<tf.Tensor[] | undefined>;
  /** Frees its memory. */
  release(): void;
}

/** A backend that records. */
export interface Recorder {
  /** A replay frees its intermediate results as it goes; otherwise a recording keeps its buffers. */
  freesBuffers?: boolean;
  /**
   * Runs `run` once.
   * @param inputs int32 tensors whose values will change
   * @param fixed tensors that stay in place while their values change
   * @returns the outputs, and the recording unless something was done that cannot be repeated
   */
  record(
    inputs: readonly tf.Tensor[],
    fixed: readonly tf.Tensor[],
    run: () => tf.Tensor[],
  ): { outputs: tf.Tensor[]; recorded?: Recorded };
}

/** A training step as a backend that records whole steps takes it apart. It depends on nothing but its arguments and `variables`. */
export interface StepWork {
  /** Parameters and state of the optimizer: what the step changes in place. */
  variables: readonly tf.Variable[];
  /** Losses of all passes, and their gradients' mean by the parameter's name. */
  passes(inputs: readonly tf.Tensor1D[]): { losses: tf.Tensor[]; grads: Record<string, tf.Tensor> };
  /** The optimizer's updates. */
  update(grads: Record<string, tf.Tensor>, updates: readonly Update[]): void;
}

/** A training step that was recorded. */
export interface RecordedStep {
  /** Whether it can be replayed: all that it uses is where it was. */
  holds(): boolean;
  /** Takes a step, with other inputs and constants; resolves to the losses as soon as they are there. */
  replay(inputs: readonly Int32Array[], updates: readonly Update[]): Promise<number[]>;
}

/** A backend that records whole training steps. */
export interface StepRecorder {
  /** Whether to record a step that takes so many bytes, its variables included. */
  takes(bytes: number, variables: number): boolean;
  /** Takes a step, and records it if its replay gives the same bits: losses, parameters, and the optimizer's state. */
  record(
    work: StepWork,
    inputs: readonly Int32Array[],
    updates: readonly Update[],
  ): { losses: number[]; recorded?: RecordedStep };
}
