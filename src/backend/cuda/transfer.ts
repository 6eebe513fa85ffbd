// Copies between the host and the device. Both directions go through pinned memory, the only kind that the device can
// access while the host does something else: uploads through a ring of slots, reads into buffers that are reused. All
// copies are enqueued on the one stream, so they see exactly the work that was enqueued before them.

import { setImmediate as letEventsIn } from 'node:timers/promises';
import koffi from '../koffi.js';
import { type Aside, type DriverApi, received } from './library.js';
import { NOT_READY_CODE } from './status.js';

/** A batch of 128 rows of 2048 ids is 1 MiB. */
const SLOT_BYTES = 2 * 2 ** 20;
const SLOTS = 4;
/** Pinned memory for reads that is kept when idle. */
const IDLE_BYTES = 64 * 2 ** 20;
const SMALLEST_READ = 4096;

/** How long the end of work is asked for in every turn of the event loop, milliseconds; then a thread of its own waits for it. */
const EAGER_MS = 2;
/** CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING: a thread that waits sleeps. */
const EVENT_FLAGS = 3;
/** CUDA_ERROR_INVALID_CONTEXT: the thread has none yet. */
const NO_CONTEXT = 201;
/** How often threads that have none are given it. */
const MOST_TRIES = 50;

/** Moves bytes on one stream. */
export interface Transfer {
  /** Enqueues a copy of `bytes` to the device; they may change as soon as this returns. */
  upload(bytes: Uint8Array, address: number): void;
  /** Enqueues a copy from the device at once; resolves when it has arrived, without blocking the event loop. */
  read(address: number, bytes: number): Promise<ArrayBuffer>;
  /** The same, waiting. */
  readSync(address: number, bytes: number): ArrayBuffer;
  /** Resolves when all that was enqueued so far is done. */
  finished(): Promise<void>;
  /** An event to wait for, its creator's to destroy. */
  createEvent(): number;
  /** Resolves when the latest recording of an event is done, without blocking the event loop. */
  reached(event: number): Promise<void>;
  /** The same, waiting. */
  synchronize(): void;
  /** Gives idle page-locked memory back; returns its bytes. */
  trim(): number;
  /** Page-locked memory, the caller's until `unpin`. */
  pin(bytes: number): Pinned;
  unpin(pinned: Pinned): void;
  /** Bytes moved so far, and waits of the host for the device: uploads that found no free slot, reads that blocked. */
  statistics(): { uploaded: number; read: number; waits: number };
}

/** Page-locked memory of the host. */
export interface Pinned {
  address: number;
  memory: ArrayBuffer;
}

/** See `Transfer`. The context must be current; its handle is for other threads. */
export function createTransfer(api: DriverApi, stream: number, context: number): Transfer {
  const events: number[] = [];
  const idle: Pinned[] = [];
  let idleBytes = 0;
  const counts = { uploaded: 0, read: 0, waits: 0 };

  const pin = (bytes: number): Pinned => {
    const address = received((place) => api.cuMemAllocHost_v2(place, bytes));
    return { address, memory: koffi.view(BigInt(address), bytes) };
  };
  const newEvent = () => received((place) => api.cuEventCreate(place, EVENT_FLAGS));
  const isDone = (event: number): boolean => {
    const code = api.cuEventQuery(event);
    if (code !== 0 && code !== NOT_READY_CODE) throw api.failed('cuEventQuery', code);
    return code === 0;
  };

  const aside = (call: Aside, value: number) =>
    new Promise<number>((resolve, reject) => {
      call.async(value, (error, code) => (error ? reject(error) : resolve(code)));
    });
  /** Waits on another thread. */
  const waitAside = async (event: number): Promise<void> => {
    for (let tries = 0; ; tries++) {
      const code = await aside(api.cuEventSynchronize, event);
      if (code === 0) return;
      if (code !== NO_CONTEXT || tries === MOST_TRIES) throw api.failed('cuEventSynchronize', code);
      // It stays a thread's from now on. libuv's threads may take turns: one more of them each time.
      const calls = Array.from({ length: tries + 1 }, () => aside(api.cuCtxSetCurrent, context));
      await Promise.all(calls);
    }
  };
  /** Work is done in the order in which it was enqueued, so one wait at a time is enough. */
  let queue = Promise.resolve();
  const wait = async (event: number): Promise<void> => {
    const begin = performance.now();
    while (!isDone(event)) {
      if (performance.now() - begin < EAGER_MS) await letEventsIn();
      else {
        queue = queue.then(() => (isDone(event) ? undefined : waitAside(event)));
        const turn = queue;
        queue = turn.catch(() => undefined);
        await turn;
      }
    }
  };

  const recorded = (): number => {
    const event = events.pop() ?? newEvent();
    api.cuEventRecord(event, stream);
    return event;
  };

  // Reads.
  const takePinned = (bytes: number): Pinned => {
    const size = Math.max(SMALLEST_READ, 2 ** Math.ceil(Math.log2(bytes)));
    const index = idle.findIndex(({ memory }) => memory.byteLength === size);
    if (index < 0) return pin(size);
    idleBytes -= size;
    return idle.splice(index, 1)[0]!;
  };
  const giveBack = (buffer: Pinned): void => {
    idleBytes += buffer.memory.byteLength;
    idle.push(buffer);
    shrinkTo(IDLE_BYTES);
  };
  const shrinkTo = (bytes: number): number => {
    const before = idleBytes;
    while (idleBytes > bytes) {
      const oldest = idle.shift()!;
      idleBytes -= oldest.memory.byteLength;
      api.cuMemFreeHost(oldest.address);
    }
    return before - idleBytes;
  };

  const read = async (address: number, bytes: number): Promise<ArrayBuffer> => {
    const buffer = takePinned(bytes);
    counts.read += bytes;
    let event: number | undefined;
    try {
      api.cuMemcpyDtoHAsync_v2(buffer.address, address, bytes, stream);
      event = recorded();
      await wait(event);
      return buffer.memory.slice(0, bytes);
    } finally {
      if (event !== undefined) events.push(event);
      giveBack(buffer);
    }
  };

  // Uploads.
  const slots: { buffer: Pinned; event: number; busy: boolean }[] = [];
  let slot = 0;
  let used = 0;

  const newSlot = () => {
    const event = events.pop() ?? newEvent();
    try {
      return { buffer: pin(SLOT_BYTES), event, busy: false };
    } catch (error) {
      events.push(event);
      throw error;
    }
  };

  /** The next slot, once the device has read it. */
  const advance = (): void => {
    const full = slots[slot];
    if (full) {
      api.cuEventRecord(full.event, stream);
      full.busy = true;
    }
    slot = full ? (slot + 1) % SLOTS : slot;
    used = 0;
    const next = (slots[slot] ??= newSlot());
    if (next.busy && !isDone(next.event)) {
      counts.waits++;
      const code = api.cuEventSynchronize(next.event);
      if (code !== 0) throw api.failed('cuEventSynchronize', code);
    }
    next.busy = false;
  };

  return {
    upload(bytes, address) {
      counts.uploaded += bytes.length;
      for (let at = 0; at < bytes.length; ) {
        if (!slots[slot] || used === SLOT_BYTES) advance();
        const { buffer } = slots[slot]!;
        const size = Math.min(bytes.length - at, SLOT_BYTES - used);
        new Uint8Array(buffer.memory, used, size).set(bytes.subarray(at, at + size));
        api.cuMemcpyHtoDAsync_v2(address + at, buffer.address + used, size, stream);
        at += size;
        used = Math.min(SLOT_BYTES, Math.ceil((used + size) / 16) * 16);
      }
    },
    read,
    readSync(address, bytes) {
      const buffer = takePinned(bytes);
      counts.read += bytes;
      counts.waits++;
      try {
        api.cuMemcpyDtoHAsync_v2(buffer.address, address, bytes, stream);
        api.cuStreamSynchronize(stream);
        return buffer.memory.slice(0, bytes);
      } finally {
        giveBack(buffer);
      }
    },
    async finished() {
      const event = recorded();
      try {
        await wait(event);
      } finally {
        events.push(event);
      }
    },
    synchronize() {
      counts.waits++;
      api.cuStreamSynchronize(stream);
    },
    createEvent: newEvent,
    reached: wait,
    trim: () => shrinkTo(0),
    pin,
    unpin: ({ address }) => api.cuMemFreeHost(address),
    statistics: () => ({ ...counts }),
  };
}
