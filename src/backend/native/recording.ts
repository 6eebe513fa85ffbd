// Recorded work: the C calls with their arguments, in order, and the arrays that came from the pool for them. Repeating the
// calls computes the same from what the other arrays hold at that time. Contract: ../recorder.ts.

import { setImmediate as letEventsIn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { noteScratch } from '../memory.js';
import type { Recorded } from '../recorder.js';
import type { NativeBackend, Recording } from './backend.js';
import type { NativeFunction } from './library.js';

/** Milliseconds for which a replay keeps the event loop waiting, apart from one long call. */
const MAX_WAIT = 25;

function startRecording({ library }: NativeBackend): Recording {
  const functions: Record<string, NativeFunction> = {};
  const recording: Recording = {
    library: functions,
    calls: [],
    made: new Set(),
    given: new Set(),
    repeatable: true,
    released: false,
    release: () => undefined,
  };
  for (const [name, f] of Object.entries(library))
    functions[name] = (...args) => {
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

/** The backend's recorder: see `Recorder`. */
export function recordWork(
  backend: NativeBackend,
  inputs: readonly tf.Tensor[],
  fixed: readonly tf.Tensor[],
  run: () => tf.Tensor[],
): { outputs: tf.Tensor[]; recorded?: Recorded } {
  const recording = startRecording(backend);
  backend.recording = recording;
  backend.pool.recorded = recording.made;
  let outputs: tf.Tensor[];
  try {
    outputs = run();
  } finally {
    backend.recording = undefined;
    backend.pool.recorded = undefined;
  }
  const arrays = outputs.map((output) => backend.floats(output));
  const distinct = new Set(arrays);
  const mine = distinct.size === arrays.length && arrays.every((array) => recording.made.has(array));
  if (!recording.repeatable || !mine) return { outputs };
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

/** Repeats calls; the event loop runs between them. False as soon as one returns another status, or `holds` is false. */
async function repeatCalls(calls: Recording['calls'], holds: () => boolean): Promise<boolean> {
  let since = performance.now();
  for (const { run, outcome } of calls) {
    if (run() !== outcome) return false;
    if (performance.now() - since < MAX_WAIT) continue;
    await letEventsIn();
    if (!holds()) return false;
    since = performance.now();
  }
  return true;
}
