// Copies between the host and the device. Both directions go through pinned memory, the only kind that the device can
// access while the host does something else: uploads through a ring of slots, reads into buffers that are reused. All
// copies are enqueued on the one stream, so they see exactly the work that was enqueued before them.

import koffi from '../koffi.js';
import { type DriverApi, received } from './library.js';
import { failure, NOT_READY_CODE } from './status.js';

/** A batch of 128 rows of 2048 ids is 1 MiB. */
const SLOT_BYTES = 2 * 2 ** 20;
const SLOTS = 4;
/** Pinned memory for reads that is kept when idle. */
const IDLE_BYTES = 64 * 2 ** 20;
const SMALLEST_READ = 4096;

/** How long a read asks again in every turn of the event loop, and then by timer, milliseconds. */
const EAGER_MS = 2;
const PAUSE_MS = 1;

const EVENT_WITHOUT_TIMING = 2;

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
  /** The same, waiting. */
  synchronize(): void;
  /** Gives idle page-locked memory back; returns its bytes. */
  trim(): number;
  /** Writes into page-locked memory of the caller's. */
  fill(address: number, bytes: Uint8Array): void;
  /** Bytes moved so far, and waits of the host for the device: uploads that found no free slot, reads that blocked. */
  statistics(): { uploaded: number; read: number; waits: number };
}

interface Pinned {
  address: number;
  memory: ArrayBuffer;
}

/** See `Transfer`. The context must be current. */
export function createTransfer(api: DriverApi, stream: number): Transfer {
  const events: number[] = [];
  const idle: Pinned[] = [];
  let idleBytes = 0;
  const counts = { uploaded: 0, read: 0, waits: 0 };

  const pin = (bytes: number): Pinned => {
    const address = received((place) => api.cuMemAllocHost_v2(place, bytes));
    return { address, memory: koffi.view(BigInt(address), bytes) };
  };
  const newEvent = () => received((place) => api.cuEventCreate(place, EVENT_WITHOUT_TIMING));
  const isDone = (event: number): boolean => {
    const code = api.cuEventQuery(event);
    if (code !== 0 && code !== NOT_READY_CODE) throw failure('driver', 'cuEventQuery', code);
    return code === 0;
  };

  const wait = async (event: number): Promise<void> => {
    const begin = performance.now();
    while (!isDone(event)) {
      const eager = performance.now() - begin < EAGER_MS;
      await new Promise<void>((resolve) => (eager ? setImmediate(resolve) : setTimeout(resolve, PAUSE_MS)));
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
      api.cuEventSynchronize(next.event);
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
    trim: () => shrinkTo(0),
    fill: (address, bytes) => new Uint8Array(koffi.view(BigInt(address), bytes.length)).set(bytes),
    statistics: () => ({ ...counts }),
  };
}
