// BOS-aligned best-fit packing. A row takes the longest waiting document that
// fits; when none fits, the shortest is cropped to fill the row and the rest of it is dropped. No padding.
// Only the lengths of documents are known here; batches.ts moves their ids.
// Source: make_dataloader in prepare.py of karpathy/autoresearch. The reference scans all waiting documents
// for each placement; here they are kept sorted by (length, arrival), so a placement is two binary searches.

/** Documents that wait for a row, at least (`buffer_size` of the reference). */
export const BUFFER_DOCUMENTS = 1000;

/** Documents waiting for a row, in numbered slots that are used again. */
export interface WaitingDocuments {
  readonly size: number;
  /** [slots] length of the document in each slot. */
  readonly lengths: Float64Array;
  /** Adds a document of `length` >= 1 behind all others. Returns its slot. */
  add(document: number, length: number): number;
  /** Removes the longest document of at most `room`, the first to arrive among equals; its slot, or -1. */
  takeBestFit(room: number): number;
  /** Removes the shortest document, the first to arrive among equals; its slot. */
  takeShortest(): number;
  /** [size] the documents, in order of arrival. */
  documents(): Float64Array<ArrayBuffer>;
}

/** Room for `slots` waiting documents. */
export function createWaitingDocuments(slots: number): WaitingDocuments {
  const lengths = new Float64Array(slots);
  const documents = new Float64Array(slots);
  /** Slots in use, sorted by length, then arrival; behind them the free ones. */
  const order = Uint32Array.from({ length: slots }, (_, slot) => slot);
  let size = 0;
  // Order of arrival, a ring of slots through a slot of its own, which is before the first.
  const before = new Uint32Array(slots + 1);
  const after = new Uint32Array(slots + 1);
  before[slots] = after[slots] = slots;

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
    after[before[slot]!] = after[slot]!;
    before[after[slot]!] = before[slot]!;
    return slot;
  }

  return {
    get size() {
      return size;
    },
    lengths,
    add(document, length) {
      const slot = order[size]!;
      // The newcomer goes behind its equals: among them the first to arrive is first.
      const position = upperBound(length);
      order.copyWithin(position + 1, position, size++);
      order[position] = slot;
      lengths[slot] = length;
      documents[slot] = document;
      const last = before[slots]!;
      after[last] = before[slots] = slot;
      before[slot] = last;
      after[slot] = slots;
      return slot;
    },
    takeBestFit(room) {
      const last = upperBound(room) - 1;
      if (last < 0) return -1;
      // Lengths are whole numbers: the first of this length follows those of at most length - 1.
      return takeAt(upperBound(lengths[order[last]!]! - 1));
    },
    takeShortest: () => takeAt(0),
    documents() {
      const out = new Float64Array(size);
      for (let i = 0, slot = after[slots]!; i < size; i++, slot = after[slot]!) out[i] = documents[slot]!;
      return out;
    },
  };
}

/**
 * Fills one row of `capacity` tokens exactly.
 * @param refill adds documents, or returns false; called before each placement until at least `minimum` wait
 * @param place receives each chosen slot, its position in the row and the tokens to take from its beginning
 * @returns false when there were no more documents: the row is incomplete
 */
export function packRow(
  waiting: WaitingDocuments,
  capacity: number,
  minimum: number,
  refill: () => boolean,
  place: (slot: number, position: number, count: number) => void,
): boolean {
  for (let position = 0; position < capacity; ) {
    while (waiting.size < minimum && refill());
    if (waiting.size === 0) return false;
    const room = capacity - position;
    let slot = waiting.takeBestFit(room);
    if (slot < 0) slot = waiting.takeShortest();
    const count = Math.min(room, waiting.lengths[slot]!);
    place(slot, position, count);
    position += count;
  }
  return true;
}
