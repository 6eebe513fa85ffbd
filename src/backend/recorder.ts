// What a backend offers that can record the work of a function and replay it without the function: a training step then
// costs next to no TypeScript. A capability (capabilities.ts); `repeatedGrads` of src/ops uses it.

import type * as tf from '@tensorflow/tfjs-core';

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
