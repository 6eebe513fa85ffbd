// A training step captured as a CUDA graph and replayed by one launch: the same kernels, products and copies on the same
// addresses, without the host's time for each of them.
//
// Memory that a step allocates is an arena of the recording. What changes from step to step comes in one copy before the
// launch: ids, the settings of the optimizer's updates, and the number of the replay, which is copied back behind the losses.
// What the step finds (weights, their copies in bfloat16, tables) must be where it was, or the recording is given up.

import * as tf from '@tensorflow/tfjs-core';
import { noteScratch } from '../memory.js';
import type { RecordedStep, StepWork } from '../recorder.js';
import type { Update } from '../updates.js';
import type { Block } from './allocator.js';
import type { CudaBackend } from './backend.js';
import { adamwSettings } from './kernels/adamw.js';
import { muonSettings } from './kernels/muon.js';
import { received } from './library.js';
import type { Pinned } from './transfer.js';
import { NotRepeatable } from './watch.js';

/** CU_STREAM_CAPTURE_MODE_RELAXED: memory may be allocated meanwhile. */
const RELAXED = 2;
/** CU_EVENT_RECORD_EXTERNAL: each run of the graph records the event. */
const EXTERNAL = 1;
/** Alignment of the ids of a pass, bytes. */
const ALIGNMENT = 256;

export interface Recording extends RecordedStep {
  /** Takes a step and waits. */
  replaySync(inputs: readonly Int32Array[], updates: readonly Update[]): number[];
  /** Frees its memory. Never throws. */
  release(): void;
}

/** The floats that an optimizer's kernels read, in the order of the updates. */
const settingsOf = (updates: readonly Update[]): number[] =>
  updates.flatMap((update) =>
    update.kernel === 'AdamWStep' ? adamwSettings(update.attrs) : muonSettings(update.attrs),
  );

/** What comes to the device before a replay: its number, settings, ids, each from its byte on. */
function layoutOf(inputs: readonly Int32Array[], settings: number) {
  let bytes = 4 + 4 * settings;
  const ids = inputs.map(({ byteLength }) => {
    const at = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    bytes = at + byteLength;
    return at;
  });
  return { settings: 4, ids, bytes };
}

/**
 * Records a step, which does not take place.
 * @param most bytes that it may hold
 * @param onRelease called when the recording is released
 * @throws NotRepeatable, OutOfMemoryError, CudaError
 */
export function capture(
  backend: CudaBackend,
  work: StepWork,
  inputs: readonly Int32Array[],
  updates: readonly Update[],
  most: number,
  onRelease: () => void,
): Recording {
  const { allocator, driver, stream, transfer } = backend.session;
  const arena = allocator.createArena(most);
  // What the step does not write must not lie where it works.
  const fixed = allocator.createArena(most);
  const blocks: Block[] = [];
  const pinned: Pinned[] = [];
  const tables: { address: number; bytes: Uint8Array }[] = [];
  let [executable, event] = [0, 0];
  const hold = (bytes: number) => {
    const block = allocator.within(fixed, () => allocator.allocate(bytes));
    blocks.push(block);
    return block.address;
  };
  const pin = (bytes: number) => {
    const memory = transfer.pin(bytes);
    pinned.push(memory);
    return memory;
  };
  const free = () => {
    if (executable) driver.cuGraphExecDestroy!(executable);
    transfer.synchronize();
    if (event) driver.cuEventDestroy_v2(event);
    for (const each of pinned) transfer.unpin(each);
    for (const block of blocks) allocator.free(block);
    for (const each of [arena, fixed]) each.release();
  };
  try {
    const settings = settingsOf(updates);
    const layout = layoutOf(inputs, settings.length);
    const inbox = hold(layout.bytes);
    const outbox = pin(4 + 4 * inputs.length);
    if (driver.cuEventRecordWithFlags) event = transfer.createEvent();
    let given = 0;
    const uploads = {
      upload(bytes: Uint8Array, address: number) {
        const source = pin(bytes.length);
        new Uint8Array(source.memory).set(bytes);
        driver.cuMemcpyHtoDAsync_v2(address, source.address, bytes.length, stream);
      },
      tables(table: DataView, values: readonly number[]): [number, number] {
        const address = hold(table.byteLength);
        tables.push({ address, bytes: new Uint8Array(table.buffer, table.byteOffset, table.byteLength) });
        const at = inbox + layout.settings + 4 * given;
        if (!values.every((value, i) => value === settings[given + i]))
          throw new NotRepeatable("its updates have other settings than the optimizer's kernels");
        given += values.length;
        return [address, at];
      },
    };
    let count = 0;
    const step = () => {
      const ids = inputs.map(({ length, byteLength }, i) => {
        const block = { address: inbox + layout.ids[i]!, bytes: byteLength };
        const info = backend.lend(block, [length], 'int32');
        return tf.engine().makeTensorFromTensorInfo(info, backend as unknown as tf.KernelBackend);
      });
      const { losses, grads } = work.passes(ids as tf.Tensor1D[]);
      // The losses go before the optimizer's work, the replay's number behind them.
      for (const loss of losses) {
        count++;
        driver.cuMemcpyDtoHAsync_v2(outbox.address + 4 * count, backend.address(loss), 4, stream);
      }
      driver.cuMemcpyDtoHAsync_v2(outbox.address, inbox, 4, stream);
      if (event) driver.cuEventRecordWithFlags!(event, stream, EXTERNAL);
      work.update(grads, updates);
      backend.settle();
    };
    backend.settle();
    const { holds } = capturing(
      backend,
      () =>
        backend.watched(work.variables, uploads, () => allocator.within(arena, () => tf.tidy(() => step()))),
      (graph) => {
        executable = received((at) => driver.cuGraphInstantiate!(at, graph, 0));
      },
    );
    if (given !== settings.length) throw new NotRepeatable('the optimizer has other updates');
    for (const { address, bytes } of tables) transfer.upload(bytes, address);
    return recordingOf(backend, work.variables, {
      layout,
      inbox,
      outbox: outbox.memory.slice.bind(outbox.memory, 0, 4 + 4 * count),
      executable,
      event,
      holds,
      scratch: arena.peakBytes() + fixed.peakBytes(),
      free,
      onRelease,
    });
  } catch (error) {
    free();
    throw error;
  }
}

/** Runs `work` while the stream records; `use` gets the graph, which is gone afterwards. */
function capturing<T>(backend: CudaBackend, work: () => T, use: (graph: number) => void): T {
  const { driver, stream } = backend.session;
  driver.cuStreamBeginCapture!(stream, RELAXED);
  let graph = 0;
  const end = () => {
    graph = received((place) => driver.cuStreamEndCapture!(stream, place));
  };
  try {
    const result = work();
    end();
    use(graph);
    return result;
  } catch (error) {
    backend.discard(); // deferred work must not take place later
    if (graph === 0)
      try {
        end(); // the failed call may have ended the capture
      } catch {}
    throw error;
  } finally {
    if (graph !== 0) driver.cuGraphDestroy!(graph);
  }
}

interface Captured {
  layout: ReturnType<typeof layoutOf>;
  /** Address of what comes before a replay. */
  inbox: number;
  /** A copy of what came back: the replay's number and losses. */
  outbox(): ArrayBuffer;
  executable: number;
  /** Recorded behind the losses; 0 where the driver cannot. */
  event: number;
  holds: () => boolean;
  /** Bytes that it holds. */
  scratch: number;
  free: () => void;
  onRelease: () => void;
}

function recordingOf(
  backend: CudaBackend,
  variables: readonly tf.Variable[],
  { layout, inbox, outbox, executable, event, holds, scratch, free, onRelease }: Captured,
): Recording {
  const { driver, stream, transfer } = backend.session;
  const message = new Uint8Array(layout.bytes);
  const stamp = new Uint32Array(message.buffer, 0, 1);
  const settings = new Float32Array(message.buffer, layout.settings, (layout.ids[0]! >> 2) - 1);
  let [released, waiting] = [false, false];
  noteScratch(scratch);

  const launch = (inputs: readonly Int32Array[], updates: readonly Update[]) => {
    stamp[0]!++;
    settings.set(settingsOf(updates));
    inputs.forEach(({ buffer, byteOffset, byteLength }, i) => {
      message.set(new Uint8Array(buffer, byteOffset, byteLength), layout.ids[i]);
    });
    backend.settle();
    transfer.upload(message, inbox);
    driver.cuGraphLaunch!(executable, stream);
  };
  const isThere = () => new Uint32Array(outbox())[0] === stamp[0];
  const losses = (): number[] => {
    if (!isThere()) throw new Error(`Expected the losses of replay ${stamp[0]}, got others`);
    return [...new Float32Array(outbox(), 4)];
  };
  const recording: Recording = {
    holds: () => !released && holds(),
    async replay(inputs, updates) {
      launch(inputs, updates);
      waiting = true;
      try {
        // Until the graph gets there, the event may still tell of the replay before.
        if (event) await transfer.reached(event);
        if (!isThere()) await transfer.finished();
        return losses();
      } finally {
        waiting = false;
        if (released) quietly(free);
      }
    },
    replaySync(inputs, updates) {
      launch(inputs, updates);
      transfer.synchronize();
      return losses();
    },
    release() {
      if (released) return;
      released = true;
      noteScratch(-scratch);
      onRelease();
      if (!waiting) quietly(free);
    },
  };
  for (const variable of variables) backend.whenGone(variable, recording.release);
  return recording;
}

/** After a device was lost the driver refuses everything. */
function quietly(work: () => void): void {
  try {
    work();
  } catch {}
}
