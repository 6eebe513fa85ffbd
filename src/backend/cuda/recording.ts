// Work recorded as a CUDA graph and replayed by one launch: the same kernels, products and copies on the same addresses, without
// the host's time for each of them. Contract: ../recorder.ts.
//
// Memory that the work allocates is an arena of the recording, inputs and outputs included. What it finds (weights, their
// copies in bfloat16, tables) must be where it was, or the recording is given up. A recording is used only if its first replay
// gives the bits that the work itself gave. Work that takes more memory than MOST_BYTES is not recorded: its launches are few
// beside what they do, and its memory had better serve others in between.

import * as tf from '@tensorflow/tfjs-core';
import { DeviceLostError } from '../../base/errors.js';
import { noteScratch } from '../memory.js';
import type { Recorded } from '../recorder.js';
import type { Arena, Block } from './allocator.js';
import { type CudaBackend, NotRepeatable } from './backend.js';
import { type DriverApi, received } from './library.js';

const MOST_BYTES = 2 ** 30;
/** CU_STREAM_CAPTURE_MODE_RELAXED: memory may be allocated meanwhile. */
const RELAXED = 2;

/** Whether a driver has what recording needs. */
export const canRecord = (driver: DriverApi): boolean =>
  (['cuStreamBeginCapture', 'cuStreamEndCapture', 'cuGraphInstantiate', 'cuGraphLaunch'] as const).every(
    (name) => driver[name] !== undefined,
  );

interface Recording extends Recorded {
  holds(): boolean;
}

const recordings = new WeakMap<CudaBackend, Set<Recording>>();

/** Gives up the recordings of a backend that can no longer be replayed, as their weights are gone. */
export function releaseStale(backend: CudaBackend): void {
  for (const recording of recordings.get(backend) ?? []) if (!recording.holds()) recording.release();
}

/** The backend's recorder: see `Recorder`. */
export function recordGraph(
  backend: CudaBackend,
  inputs: readonly tf.Tensor[],
  run: () => tf.Tensor[],
  note: (reason: string) => void,
): { outputs: tf.Tensor[]; recorded?: Recorded } {
  releaseStale(backend);
  // Compiles, uploads and rounds what is found, and is what the recording must equal.
  const outputs = run();
  try {
    const { recording, first } = capture(backend, inputs, run);
    const equal = first.every((tensor, i) => sameBits(tensor, outputs[i]!));
    tf.dispose(first);
    if (equal) return { outputs, recorded: recording };
    recording.release();
    throw new NotRepeatable('its replay gave other results');
  } catch (error) {
    if (error instanceof DeviceLostError) {
      tf.dispose(outputs);
      throw error;
    }
    note((error as Error).message);
    return { outputs };
  }
}

const sameBits = (a: tf.Tensor, b: tf.Tensor): boolean =>
  tf.util.arraysEqual(a.shape, b.shape) && Buffer.from(bytesOf(a)).equals(Buffer.from(bytesOf(b)));

const bytesOf = (tensor: tf.Tensor): ArrayBuffer => (tensor.dataSync() as Float32Array).buffer as ArrayBuffer;

/** Records the work, and replays it once. @throws NotRepeatable, OutOfMemoryError, CudaError */
function capture(
  backend: CudaBackend,
  inputs: readonly tf.Tensor[],
  run: () => tf.Tensor[],
): { recording: Recording; first: tf.Tensor[] } {
  const { session } = backend;
  const { allocator, driver, stream } = session;
  const arena = allocator.createArena(MOST_BYTES);
  const pinned: number[] = [];
  const upload = (bytes: Uint8Array, address: number) => {
    const place = received((at) => driver.cuMemAllocHost_v2(at, bytes.length));
    pinned.push(place);
    session.transfer.fill(place, bytes);
    driver.cuMemcpyHtoDAsync_v2(address, place, bytes.length, stream);
  };
  const dropAll = () => {
    if (pinned.length > 0) session.transfer.synchronize();
    for (const place of pinned) driver.cuMemFreeHost(place);
    arena.release();
  };
  let executable = 0;
  try {
    const places = allocator.within(arena, () => inputs.map((input) => backend.rehouse(input)));
    const { result, holds } = capturing(
      driver,
      stream,
      () => {
        const watched = backend.watch(inputs, upload, () =>
          allocator.within(arena, () => {
            const made = run();
            backend.settle();
            return made;
          }),
        );
        return { result: watched.result, holds: watched.holds };
      },
      (graph) => {
        executable = received((at) => driver.cuGraphInstantiate!(at, graph, 0));
      },
    );
    const blocks = result.map((tensor) => backend.borrow(tensor));
    if (!blocks.every((block) => block !== undefined)) {
      tf.dispose(result);
      throw new NotRepeatable('its results are not tensors of their own');
    }
    driver.cuGraphLaunch!(executable, stream);
    const recording = recordingOf(backend, {
      executable,
      arena,
      places,
      holds,
      dropAll,
      blocks,
      first: result,
    });
    return { recording, first: result };
  } catch (error) {
    for (const input of inputs) backend.unattach(input);
    if (executable !== 0) driver.cuGraphExecDestroy!(executable);
    dropAll();
    throw error;
  }
}

/** Runs `work` while the stream records; `use` gets the graph, which is gone afterwards. */
function capturing<T>(driver: DriverApi, stream: number, work: () => T, use: (graph: number) => void): T {
  driver.cuStreamBeginCapture!(stream, RELAXED);
  let graph = 0;
  try {
    const result = work();
    graph = received((place) => driver.cuStreamEndCapture!(stream, place));
    use(graph);
    return result;
  } catch (error) {
    if (graph === 0)
      try {
        graph = received((place) => driver.cuStreamEndCapture!(stream, place));
      } catch {} // the failed call has ended it
    throw error;
  } finally {
    if (graph !== 0) driver.cuGraphDestroy!(graph);
  }
}

interface Captured {
  executable: number;
  arena: Arena;
  /** Addresses of the inputs. */
  places: number[];
  holds: () => boolean;
  dropAll: () => void;
  blocks: Block[];
  first: tf.Tensor[];
}

function recordingOf(backend: CudaBackend, captured: Captured): Recording {
  const { executable, arena, places, holds, dropAll, blocks, first } = captured;
  const { driver, stream } = backend.session;
  const shapes = first.map(({ shape }) => shape);
  const scratch = arena.bytes() - first.reduce((sum, { size }) => sum + 4 * size, 0);
  const sizes: number[] = [];
  let latest = first.map(({ dataId }) => dataId);
  let released = false;
  noteScratch(scratch);
  const all = recordings.get(backend) ?? new Set();
  recordings.set(backend, all);
  const recording: Recording = {
    holds: () => !released && holds(),
    replay(values) {
      if (!recording.holds() || values.some(({ length }, i) => (sizes[i] ??= length) !== length)) {
        recording.release();
        return Promise.resolve(undefined);
      }
      backend.settle();
      // Results of the last replay that are still in use move away.
      latest.forEach((dataId, i) => {
        if (backend.isLent(dataId, blocks[i]!))
          backend.rehouse({ dataId, shape: shapes[i]!, dtype: 'float32' });
      });
      for (const [i, place] of places.entries()) backend.upload(values[i]!, place);
      driver.cuGraphLaunch!(executable, stream);
      const infos = blocks.map((block, i) => backend.lend(block, shapes[i]!));
      latest = infos.map(({ dataId }) => dataId);
      const engine = tf.engine();
      return Promise.resolve(
        infos.map((info) => engine.makeTensorFromTensorInfo(info, backend as unknown as tf.KernelBackend)),
      );
    },
    release() {
      if (released) return;
      released = true;
      all.delete(recording);
      noteScratch(-scratch);
      latest.forEach((dataId, i) => {
        if (backend.isLent(dataId, blocks[i]!)) backend.give(dataId);
        else backend.session.allocator.free(blocks[i]!);
      });
      driver.cuGraphExecDestroy!(executable);
      dropAll();
    },
  };
  all.add(recording);
  return recording;
}
