// Training steps recorded as CUDA graphs. Contract: ../recorder.ts. A recording (capture.ts) is used only if its first replay
// gives the bits that the step itself gave; otherwise what it changed is put back and training goes on without it.

import * as tf from '@tensorflow/tfjs-core';
import { DeviceLostError } from '../../base/errors.js';
import { OutOfMemoryError } from '../outOfMemory.js';
import type { StepRecorder, StepWork } from '../recorder.js';
import type { Update } from '../updates.js';
import type { CudaBackend } from './backend.js';
import { capture, type Recording } from './capture.js';
import type { DriverApi } from './library.js';
import { NotRepeatable } from './watch.js';

const GIB = 2 ** 30;
/** Variables that take more bytes are not copied to the host's memory, twice, to compare a replay with its step. */
const MOST_VARIABLES = GIB;

/** The most bytes of a step to be recorded, of a device's: the host is ahead of those that take more (docs/cuda.md). */
export const mostBytes = (memoryBytes: number): number => Math.min(4 * GIB, Math.max(GIB, memoryBytes / 8));

/** Whether a driver has what recording needs. */
export const canRecord = (driver: DriverApi): boolean =>
  (['cuStreamBeginCapture', 'cuStreamEndCapture', 'cuGraphInstantiate', 'cuGraphLaunch'] as const).every(
    (name) => driver[name] !== undefined,
  );

/** The backend's recorder; `releaseAll` frees what its recordings hold. */
export function createStepRecorder(
  backend: CudaBackend,
  note: (reason: string) => void,
): StepRecorder & { releaseAll(): void } {
  const most = mostBytes(backend.session.device.memoryBytes);
  const recordings = new Set<Recording>();
  /** Whether the stream records: then it cannot be waited for. */
  let busy = false;

  const record: StepRecorder['record'] = (work, inputs, updates) => {
    const contents = () => {
      try {
        return contentsOf(backend, work.variables);
      } catch (error) {
        if (!(error instanceof OutOfMemoryError)) throw error;
        note(error.message); // page-locked memory, which the step itself does without
        return undefined;
      }
    };
    const before = contents();
    // What the recording must equal.
    const losses = takeStep(work, inputs, updates);
    const after = before && contents();
    if (!before || !after) return { losses };
    let recording: Recording | undefined;
    try {
      if (!before.every(({ address }, i) => address === after[i]?.address))
        throw new NotRepeatable('its variables have moved');
      restore(backend, before);
      busy = true;
      backend.session.allocator.trim(); // the step's memory outside of the recording is idle from now on
      recording = capture(backend, work, inputs, updates, most, () => recordings.delete(recording!));
      busy = false;
      const replayed = recording.replaySync(inputs, updates);
      const state = contentsOf(backend, work.variables);
      if (!sameBits(replayed, losses) || !after.every(({ bytes }, i) => bytes.equals(state[i]!.bytes)))
        throw new NotRepeatable('its replay gave other results');
      recordings.add(recording);
      return { losses, recorded: recording };
    } catch (error) {
      recording?.release();
      if (error instanceof DeviceLostError) throw error;
      restore(backend, after);
      note((error as Error).message);
      return { losses };
    } finally {
      busy = false;
    }
  };

  return {
    takes: (bytes, variables) => bytes <= most && variables <= MOST_VARIABLES,
    record,
    releaseAll() {
      if (!busy) for (const recording of recordings) recording.release();
    },
  };
}

/** The step as it is without a recording. */
function takeStep(work: StepWork, inputs: readonly Int32Array[], updates: readonly Update[]): number[] {
  return tf.tidy(() => {
    const { losses, grads } = work.passes(inputs.map((values) => tf.tensor1d(values, 'int32')));
    work.update(grads, updates);
    return losses.map((loss) => loss.dataSync()[0]!);
  });
}

interface Contents {
  address: number;
  bytes: Buffer;
}

/** What the memory of variables holds, copies in bfloat16 included. */
function contentsOf(backend: CudaBackend, variables: readonly tf.Variable[]): Contents[] {
  backend.settle();
  const { transfer } = backend.session;
  return variables
    .flatMap((variable) => backend.placesOf(variable))
    .map(({ address, bytes }) => ({ address, bytes: Buffer.from(transfer.readSync(address, bytes)) }));
}

function restore(backend: CudaBackend, contents: readonly Contents[]): void {
  for (const { address, bytes } of contents) backend.upload(bytes, address);
}

const sameBits = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
