// BOS-aligned best-fit packing: which document goes where. A row takes the longest waiting document that
// fits; when none fits, the shortest is cropped to fill the row and the rest of it is dropped. No padding.
// Documents are known here by length only; batches.ts moves their ids.
// Source: make_dataloader in prepare.py of karpathy/autoresearch. The reference scans all waiting documents
// for each placement; here they are kept sorted by (length, arrival), so a placement is two binary searches.

import type { LoaderState } from './types.js';

/** Documents that wait for a row, at least (`buffer_size` of the reference). */
export const BUFFER_DOCUMENTS = 1000;

/** Documents waiting for a row, in numbered slots that are used again. */
export interface WaitingDocuments {
  readonly size: number;
  /** [slots] length of the document in each slot. */
  readonly lengths: Float64Array;
  /** [slots] arrival number of the document in each slot. */
  readonly arrivals: Float64Array;
  /** Adds a document of `length` >= 1; `arrival` numbers must increase. Returns its slot. */
  add(length: number, arrival: number): number;
  /** Removes the longest document of at most `room`, the first to arrive among equals; its slot, or -1. */
  takeBestFit(room: number): number;
  /** Removes the shortest document, the first to arrive among equals; its slot. */
  takeShortest(): number;
}

/** Room for `slots` waiting documents. */
export function createWaitingDocuments(slots: number): WaitingDocuments {
  const lengths = new Float64Array(slots);
  const arrivals = new Float64Array(slots);
  /** Slots in use, sorted by length, then arrival; behind them the free ones. */
  const order = Uint32Array.from({ length: slots }, (_, slot) => slot);
  let size = 0;

  /** First position in `order` whose document is longer than `length`. */
  function upperBound(length: number): number {
    let low = 0;
    let high = size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (lengths[order[middle]!]! <= length) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function takeAt(position: number): number {
    const slot = order[position]!;
    order.copyWithin(position, position + 1, size);
    order[--size] = slot;
    return slot;
  }

  return {
    get size() {
      return size;
    },
    lengths,
    arrivals,
    add(length, arrival) {
      const slot = order[size]!;
      // The newcomer goes behind its equals: among them the first to arrive is first.
      const position = upperBound(length);
      order.copyWithin(position + 1, position, size);
      order[position] = slot;
      lengths[slot] = length;
      arrivals[slot] = arrival;
      size++;
      return slot;
    },
    takeBestFit(room) {
      const last = upperBound(room) - 1;
      if (last < 0) return -1;
      // Lengths are whole numbers: the first of this length follows those of at most length - 1.
      return takeAt(upperBound(lengths[order[last]!]! - 1));
    },
    takeShortest: () => takeAt(0),
  };
}

/**
 * Fills one row of `capacity` tokens exactly.
 * @param refill adds documents; called before each placement until at least `minimum` wait
 * @param place receives each chosen slot, its position in the row and the tokens to take from its beginning
 */
export function packRow(
  waiting: WaitingDocuments,
  capacity: number,
  minimum: number,
  refill: () => void,
  place: (slot: number, position: number, count: number) => void,
): void {
  for (let position = 0; position < capacity; ) {
    while (waiting.size < minimum) refill();
    const room = capacity - position;
    let slot = waiting.takeBestFit(room);
    if (slot < 0) slot = waiting.takeShortest();
    const count = Math.min(room, waiting.lengths[slot]!);
    place(slot, position, count);
    position += count;
  }
}

/** The beginning of a split. */
export function firstState(): LoaderState {
  return { epoch: 1, nextDocument: 0, buffer: [] };
}

/**
 * Document (0 to `documents` - 1) that arrives as number `arrival` when packing begins at `start`: first the
 * buffer of `start`, then the documents from `start.nextDocument` on, round and round.
 */
export function documentOf(start: LoaderState, documents: number, arrival: number): number {
  const { buffer, nextDocument } = start;
  return arrival < buffer.length ? buffer[arrival]! : (nextDocument + arrival - buffer.length) % documents;
}

/** Epoch (from 1) of the last document read, after `arrived` arrivals since `start`. */
export function epochOf(start: LoaderState, documents: number, arrived: number): number {
  const read = start.nextDocument + arrived - start.buffer.length;
  return start.epoch + (read > 0 ? Math.floor((read - 1) / documents) : 0);
}

/** Follows a loader from `start` by what left the buffer, so that its state needs no copy for each batch. */
export interface Position {
  /** After a batch: arrivals since `start`, and the arrival numbers of the documents placed in it. */
  advance(arrived: number, placed: ArrayLike<number>): void;
  state(): LoaderState;
}

/** A position at `start` in a split of `documents` documents. */
export function createPosition(start: LoaderState, documents: number): Position {
  /** Arrival numbers in the buffer when last compacted, in order; `known` had arrived then. */
  let waiting = start.buffer.map((_, arrival) => arrival);
  let known = start.buffer.length;
  let arrived = known;
  const gone = new Set<number>();

  function compact(): void {
    for (; known < arrived; known++) waiting.push(known);
    waiting = waiting.filter((arrival) => !gone.has(arrival));
    gone.clear();
  }

  return {
    advance(total, placed) {
      arrived = total;
      for (let i = 0; i < placed.length; i++) gone.add(placed[i]!);
      if (gone.size > 4 * BUFFER_DOCUMENTS) compact();
    },
    state() {
      compact();
      const read = start.nextDocument + arrived - start.buffer.length;
      return {
        epoch: epochOf(start, documents, arrived),
        nextDocument: read > 0 ? ((read - 1) % documents) + 1 : 0,
        buffer: waiting.map((arrival) => documentOf(start, documents, arrival)),
      };
    },
  };
}
