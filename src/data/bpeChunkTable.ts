// A table of distinct chunks (byte strings), numbered in order of first appearance. The trainer counts
// chunks with it, the encoder remembers their ids; both keep their values in arrays beside it.
// Open addressing with linear probing; keys lie end to end in one pool, so nothing is allocated per chunk.

/** Distinct byte strings and their indices 0..size-1. */
export interface ChunkTable {
  /** Number of distinct chunks. */
  size(): number;
  /** Index of bytes[start..end); a chunk not seen before gets index size(). */
  indexOf(bytes: Uint8Array, start: number, end: number): number;
  /** Bytes that the keys occupy. */
  poolBytes(): number;
  /** Keys end to end, and [size + 1] where each begins; valid until the next insertion. */
  keys(): { pool: Uint8Array; offsets: Uint32Array };
  /** Forgets all chunks, keeps the memory. */
  clear(): void;
}

const MULTIPLIER = 0x9e3779b1 | 0; // 2^32 / golden ratio

/** 32-bit hash of bytes[start..end), four bytes a step. */
function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  let i = start;
  for (; i + 4 <= end; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    hash = Math.imul(hash ^ word, MULTIPLIER);
    hash ^= hash >>> 15;
  }
  let tail = 0;
  for (; i < end; i++) tail = (tail << 8) | bytes[i]!;
  hash = Math.imul(hash ^ tail, MULTIPLIER);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, MULTIPLIER);
  return hash ^ (hash >>> 13);
}

/**
 * Creates an empty table.
 * @param expected chunks it should hold without growing
 */
export function createChunkTable(expected = 1 << 14): ChunkTable {
  let slotCount = 2 ** Math.ceil(Math.log2(Math.max(expected, 8) * 2));
  let mask = slotCount - 1;
  /** [2 * slotCount]: hash, index + 1 (0: empty) */
  let slots = new Int32Array(2 * slotCount);
  let offsets = new Uint32Array(slotCount / 2 + 1);
  let pool = new Uint8Array(slotCount * 4);
  let size = 0;

  function grow(): void {
    const old = slots;
    slotCount *= 2;
    mask = slotCount - 1;
    slots = new Int32Array(2 * slotCount);
    for (let from = 0; from < old.length; from += 2) {
      if (old[from + 1] === 0) continue;
      let slot = old[from]! & mask;
      while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
      slots[2 * slot] = old[from]!;
      slots[2 * slot + 1] = old[from + 1]!;
    }
    const grown = new Uint32Array(slotCount / 2 + 1);
    grown.set(offsets);
    offsets = grown;
  }

  function insert(bytes: Uint8Array, start: number, end: number, hash: number, slot: number): number {
    if (size === slotCount / 2) {
      grow();
      slot = hash & mask;
      while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
    }
    const at = offsets[size]!;
    const needed = at + end - start;
    if (needed > pool.length) {
      const grown = new Uint8Array(Math.max(needed, pool.length * 2));
      grown.set(pool);
      pool = grown;
    }
    for (let i = start, to = at; i < end; i++, to++) pool[to] = bytes[i]!;
    const index = size++;
    offsets[size] = needed;
    slots[2 * slot] = hash;
    slots[2 * slot + 1] = size;
    return index;
  }

  return {
    size: () => size,
    poolBytes: () => offsets[size]!,
    keys: () => ({ pool: pool.subarray(0, offsets[size]!), offsets: offsets.subarray(0, size + 1) }),
    indexOf(bytes, start, end) {
      const hash = hashBytes(bytes, start, end);
      const length = end - start;
      let slot = hash & mask;
      for (;;) {
        const index = slots[2 * slot + 1]! - 1;
        if (index < 0) return insert(bytes, start, end, hash, slot);
        if (slots[2 * slot] === hash) {
          const at = offsets[index]!;
          if (offsets[index + 1]! - at === length) {
            let i = 0;
            while (i < length && pool[at + i] === bytes[start + i]) i++;
            if (i === length) return index;
          }
        }
        slot = (slot + 1) & mask;
      }
    },
    clear() {
      slots.fill(0);
      size = 0;
    },
  };
}
