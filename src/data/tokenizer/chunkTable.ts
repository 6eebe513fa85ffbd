// A table of distinct chunks (byte strings), numbered in order of first appearance. The trainer counts
// chunks with it, the encoder remembers their ids; both keep their values in parallel arrays.
// Nearly all chunks are shorter than 16 bytes: such a chunk and its length fit four 32-bit words that lie in
// the slot itself, so a look-up hashes and compares without a loop and touches one place in memory.

import { enlarged } from './enlarged.js';

/** Distinct byte strings and their indices 0..size-1. */
export interface ChunkTable {
  /** Number of distinct chunks. */
  size(): number;
  /**
   * Index of bytes[start..end); a chunk not seen before gets index size().
   * @param view the same memory as `bytes`
   */
  indexOf(bytes: Uint8Array, view: DataView, start: number, end: number): number;
  /** Bytes that the keys occupy. */
  poolBytes(): number;
  /** Keys end to end, and [size + 1] where each begins; valid until the next insertion. */
  keys(): { pool: Uint8Array; offsets: Uint32Array };
  /** Forgets all chunks, keeps the memory. */
  clear(): void;
}

const { imul, min } = Math;

/** Ints a slot takes: four words of key, index + 1 (0: empty). */
const STRIDE = 5;
/** Shortest chunk whose bytes do not fit: its fourth word is a hash, and the pool decides. */
const LONG = 16;
const LONG_MARK = 0xff << 24;

/** [LONG * 4] what to keep of the four words of a chunk, by its length. */
const MASKS = new Int32Array(LONG * 4);
for (let length = 0; length < LONG; length++)
  for (let byte = 0; byte < length; byte++) MASKS[4 * length + (byte >> 2)]! |= 0xff << (8 * (byte & 3));

/** Up to four bytes from `at` as a little-endian word. */
function wordAt(bytes: Uint8Array, at: number, end: number): number {
  let word = 0;
  for (let i = min(at + 4, end) - 1; i >= at; i--) word = (word << 8) | bytes[i]!;
  return word;
}

function hashWords(a: number, b: number, c: number, d: number): number {
  let hash = imul(a, 0x9e3779b1) ^ imul(b, 0x85ebca6b) ^ imul(c, 0xc2b2ae35) ^ imul(d, 0x27d4eb2f);
  hash = imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}

function hashLong(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let i = start; i < end; i += 4) hash = hashWords(hash, wordAt(bytes, i, end), 0, 0);
  return hash;
}

/** View of the memory of `bytes`, for `indexOf`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Creates an empty table. */
export function createChunkTable(): ChunkTable {
  let slotCount = 1 << 14;
  let mask = slotCount - 1;
  let slots = new Int32Array(STRIDE * slotCount);
  let offsets = new Uint32Array(slotCount);
  let pool = new Uint8Array(slotCount * 4);
  let size = 0;

  function emptySlot(a: number, b: number, c: number, d: number): number {
    let slot = STRIDE * (hashWords(a, b, c, d) & mask);
    while (slots[slot + 4] !== 0) {
      slot += STRIDE;
      if (slot === slots.length) slot = 0;
    }
    return slot;
  }

  function grow(): void {
    const old = slots;
    slotCount *= 2;
    mask = slotCount - 1;
    slots = new Int32Array(STRIDE * slotCount);
    for (let from = 0; from < old.length; from += STRIDE) {
      if (old[from + 4] === 0) continue;
      const slot = emptySlot(old[from]!, old[from + 1]!, old[from + 2]!, old[from + 3]!);
      for (let i = 0; i < STRIDE; i++) slots[slot + i] = old[from + i]!;
    }
    offsets = enlarged(offsets, slotCount);
  }

  function insert(
    bytes: Uint8Array,
    start: number,
    end: number,
    a: number,
    b: number,
    c: number,
    d: number,
  ): number {
    if (size > 0.6 * slotCount) grow();
    const at = offsets[size]!;
    const needed = at + end - start;
    if (needed > pool.length) pool = enlarged(pool, Math.max(needed, pool.length * 2));
    for (let i = start, to = at; i < end; i++, to++) pool[to] = bytes[i]!;
    const slot = emptySlot(a, b, c, d);
    slots[slot] = a;
    slots[slot + 1] = b;
    slots[slot + 2] = c;
    slots[slot + 3] = d;
    slots[slot + 4] = ++size;
    offsets[size] = needed;
    return size - 1;
  }

  function poolEquals(index: number, bytes: Uint8Array, start: number, end: number): boolean {
    const at = offsets[index]!;
    const length = end - start;
    if (offsets[index + 1]! - at !== length) return false;
    let i = 0;
    while (i < length && pool[at + i] === bytes[start + i]) i++;
    return i === length;
  }

  /** `indexOf` from the first slot on, and for long chunks with their bytes. */
  function probe(
    bytes: Uint8Array,
    start: number,
    end: number,
    a: number,
    b: number,
    c: number,
    d: number,
  ): number {
    let slot = STRIDE * (hashWords(a, b, c, d) & mask);
    for (;;) {
      const index = slots[slot + 4]! - 1;
      if (index < 0) return insert(bytes, start, end, a, b, c, d);
      if (slots[slot] === a && slots[slot + 1] === b && slots[slot + 2] === c && slots[slot + 3] === d)
        if (end - start < LONG || poolEquals(index, bytes, start, end)) return index;
      slot += STRIDE;
      if (slot === slots.length) slot = 0;
    }
  }

  /** `indexOf` of a long chunk, or of one so near the end of the memory that 16 bytes cannot be read. */
  function indexOfSlowly(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    const last =
      length < LONG
        ? wordAt(bytes, start + 12, end) | (length << 24)
        : hashLong(bytes, start, end) | LONG_MARK;
    const [a, b, c] = [
      wordAt(bytes, start, end),
      wordAt(bytes, start + 4, end),
      wordAt(bytes, start + 8, end),
    ];
    return probe(bytes, start, end, a, b, c, last);
  }

  return {
    size: () => size,
    poolBytes: () => offsets[size]!,
    keys: () => ({ pool: pool.subarray(0, offsets[size]!), offsets: offsets.subarray(0, size + 1) }),
    indexOf(bytes, view, start, end) {
      const length = end - start;
      if (length >= LONG || start + LONG > view.byteLength) return indexOfSlowly(bytes, start, end);
      const keep = 4 * length;
      const a = view.getInt32(start, true) & MASKS[keep]!;
      const b = view.getInt32(start + 4, true) & MASKS[keep + 1]!;
      const c = view.getInt32(start + 8, true) & MASKS[keep + 2]!;
      const d = (view.getInt32(start + 12, true) & MASKS[keep + 3]!) | (length << 24);
      const slot = STRIDE * (hashWords(a, b, c, d) & mask);
      if (slots[slot] === a && slots[slot + 1] === b && slots[slot + 2] === c && slots[slot + 3] === d)
        return slots[slot + 4]! - 1;
      return probe(bytes, start, end, a, b, c, d);
    },
    clear() {
      slots.fill(0);
      size = 0;
    },
  };
}
