// Work recorded: the calls of C with their arrays and numbers, in order, and which arrays came from the pool for them.
// Doing the calls again computes the same from what the other arrays then hold. Contract: ../recorder.ts.

import * as tf from '@tensorflow/tfjs-core';
import type { Cells } from '../flat/store.js';
import { noteScratch } from '../memory.js';
import type { Recorded } from '../recorder.js';
import type { NativeBackend } from './backend.js';
import { NATIVE_KERNELS } from './kernels/index.js';
import type { Library } from './library.js';

type Call = { run: () => number; outcome: number };

/** What is being recorded, or was. */
export interface Recording {
  /** The functions of C, noting each call. */
  library: Library;
  calls: Call[];
  /** Arrays from the pool. */
  made: Set<Float32Array>;
  /** Arrays of others that C was given: parameters, tables, inputs. */
  given: Set<Cells>;
  /** Something was done that cannot be done again. */
  spoilt: boolean;
  /** No longer to be replayed; its arrays are the pool's again. */
  released: boolean;
  release: () => void;
}

/** Stock kernels that only pass on what they get, or make constants. */
const HARMLESS = new Set(['Identity', 'Reshape', 'Fill']);

/** Longest that a replay keeps events waiting, but for one call: milliseconds. */
const PATIENCE = 25;

function startRecording(library: Library): Recording {
  const recording: Recording = {
    library: { ...library },
    calls: [],
    made: new Set(),
    given: new Set(),
    spoilt: false,
    released: false,
    release: () => undefined,
  };
  for (const [name, f] of Object.entries(library))
    recording.library[name as keyof Library] = (...args) => {
      const run = () => f(...args);
      const outcome = run();
      recording.calls.push({ run, outcome });
      for (const arg of args)
        if (typeof arg === 'object' && arg !== null && !recording.made.has(arg as Float32Array))
          recording.given.add(arg);
      return outcome;
    };
  return recording;
}

/** The backend's `record`. */
export function recordWork(
  backend: NativeBackend,
  inputs: readonly tf.Tensor[],
  fixed: readonly tf.Tensor[],
  run: () => tf.Tensor[],
): { outputs: tf.Tensor[]; recorded?: Recorded } {
  const recording = startRecording(backend.library);
  const outputs = listen(backend, recording, run);
  const arrays = outputs.map((output) => backend.floats(output));
  const distinct = new Set(arrays);
  if (recording.spoilt || distinct.size < arrays.length || arrays.some((array) => !recording.made.has(array)))
    return { outputs };
  keep(backend, recording, distinct);

  const cells = inputs.map((input) => backend.ints(input));
  const places = fixed.map((tensor) => [tensor, backend.floats(tensor)] as const);
  const shapes = outputs.map(({ shape }) => shape);
  let latest = outputs.map(({ dataId }) => dataId);
  const holds = () =>
    !recording.released &&
    places.every(([tensor, array]) => !tensor.isDisposed && backend.floats(tensor) === array);
  let busy = false;

  async function replay(values: readonly Int32Array[]): Promise<tf.Tensor[] | undefined> {
    if (busy) return undefined;
    const fits = values.length === cells.length && cells.every((own, i) => own.length === values[i]!.length);
    if (!fits || !holds()) {
      recording.release();
      return undefined;
    }
    latest.forEach((dataId, i) => {
      const taken =
        backend.data.has(dataId) && backend.floats({ dataId, shape: shapes[i]!, dtype: 'float32' });
      if (taken === arrays[i]) backend.moveOut(dataId);
    });
    for (const [i, own] of cells.entries()) own.set(values[i]!);
    busy = true;
    try {
      if (!(await repeatCalls(recording.calls, holds))) {
        recording.release();
        return undefined;
      }
    } finally {
      busy = false;
    }
    const tensors = arrays.map((array, i) => {
      backend.pool.hold(array);
      const info = backend.wrap(array, shapes[i]!);
      return tf.engine().makeTensorFromTensorInfo(info, backend as unknown as tf.KernelBackend);
    });
    latest = tensors.map(({ dataId }) => dataId);
    return tensors;
  }
  return { outputs, recorded: { replay, release: recording.release } };
}

/** Runs `run` while the backend records. */
function listen(backend: NativeBackend, recording: Recording, run: () => tf.Tensor[]): tf.Tensor[] {
  const engine = tf.engine() as unknown as { runKernel?: (name: string, ...rest: unknown[]) => unknown };
  const { runKernel } = engine;
  // Kernels of the cpu backend compute without a call of C.
  engine.runKernel = (name, ...rest) => {
    if (!Object.hasOwn(NATIVE_KERNELS, name) && !HARMLESS.has(name)) recording.spoilt = true;
    return runKernel!.call(engine, name, ...rest);
  };
  backend.recording = recording;
  try {
    return run();
  } finally {
    backend.recording = undefined;
    delete engine.runKernel;
  }
}

/** Reserves a recording's arrays until it is released. */
function keep(backend: NativeBackend, recording: Recording, outputs: ReadonlySet<Float32Array>): void {
  let bytes = 0;
  for (const array of recording.made) if (!outputs.has(array)) bytes += array.byteLength;
  backend.pool.reserve(recording.made, outputs);
  backend.recordings.add(recording);
  noteScratch(bytes);
  recording.release = () => {
    if (recording.released) return;
    recording.released = true;
    backend.recordings.delete(recording);
    backend.pool.release(recording.made);
    noteScratch(-bytes);
  };
}

/** Does calls again, letting events in between them. False as soon as one comes out otherwise, or `holds` is no more. */
async function repeatCalls(calls: readonly Call[], holds: () => boolean): Promise<boolean> {
  let since = performance.now();
  for (const { run, outcome } of calls) {
    if (run() !== outcome) return false;
    if (performance.now() - since < PATIENCE) continue;
    await new Promise((resolve) => setImmediate(resolve));
    if (!holds()) return false;
    since = performance.now();
  }
  return true;
}
