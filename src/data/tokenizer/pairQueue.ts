// The pairs of neighboring ids with their counts: a hash table to change a count, and a heap that gives
// the pair of highest count, among equals the one of smallest (left, right). Knows nothing about words.

import { enlarged } from './enlarged.js';

const { imul } = Math;

/** Pairs in order of count. A pair is added once; its count then only falls. */
export interface PairQueue {
  /** Adds a pair and returns its index; it can be popped after the next `flush`. */
  add(left: number, right: number, count: number): number;
  /** Lowers the count of a pair; a pair never added is ignored. */
  decrease(left: number, right: number, by: number): void;
  /** Queues the pairs added since the last call. */
  flush(): void;
  /** Removes the best pair and returns its index, or -1 when no pair has a positive count. */
  pop(): number;
  leftOf(pair: number): number;
  rightOf(pair: number): number;
}

/** Creates an empty queue; ids must be below 65,536. */
export function createPairQueue(): PairQueue {
  let capacity = 1 << 12;
  let size = 0;
  /** [pairs] left << 16 | right: its order is the order of (left, right) */
  let keys = new Uint32Array(capacity);
  /** [pairs] current counts */
  let counts = new Float64Array(capacity);
  /** [2 * capacity] index + 1 of the pair (0: empty), linear probing */
  let slots = new Int32Array(2 * capacity);
  let mask = 2 * capacity - 1;

  // Heap of pairs under the count they had when queued, which is never below the current one.
  let heapPairs = new Int32Array(capacity);
  let heapCounts = new Float64Array(capacity);
  let heapSize = 0;
  let queued = 0;

  function slotOf(key: number): number {
    let hash = imul(key ^ (key >>> 15), 0x9e3779b1);
    hash ^= hash >>> 15;
    let slot = hash & mask;
    for (;;) {
      const pair = slots[slot]! - 1;
      if (pair < 0 || keys[pair] === key) return slot;
      slot = (slot + 1) & mask;
    }
  }

  function grow(): void {
    capacity *= 2;
    mask = 2 * capacity - 1;
    keys = enlarged(keys, capacity);
    counts = enlarged(counts, capacity);
    heapPairs = enlarged(heapPairs, capacity);
    heapCounts = enlarged(heapCounts, capacity);
    slots = new Int32Array(2 * capacity);
    for (let pair = 0; pair < size; pair++) slots[slotOf(keys[pair]!)] = pair + 1;
  }

  /** Settles `pair` at the hole `at` or below it. */
  function siftDown(at: number, pair: number, count: number): void {
    const key = keys[pair]!;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heapSize) break;
      let childCount = heapCounts[child]!;
      const other = child + 1;
      if (other < heapSize) {
        const otherCount = heapCounts[other]!;
        if (
          otherCount > childCount ||
          (otherCount === childCount && keys[heapPairs[other]!]! < keys[heapPairs[child]!]!)
        ) {
          child = other;
          childCount = otherCount;
        }
      }
      if (childCount < count || (childCount === count && keys[heapPairs[child]!]! > key)) break;
      heapPairs[at] = heapPairs[child]!;
      heapCounts[at] = childCount;
      at = child;
    }
    heapPairs[at] = pair;
    heapCounts[at] = count;
  }

  /** Settles `pair` at the hole `at` or above it. */
  function siftUp(at: number, pair: number, count: number): void {
    const key = keys[pair]!;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const parentCount = heapCounts[parent]!;
      if (parentCount > count || (parentCount === count && keys[heapPairs[parent]!]! < key)) break;
      heapPairs[at] = heapPairs[parent]!;
      heapCounts[at] = parentCount;
      at = parent;
    }
    heapPairs[at] = pair;
    heapCounts[at] = count;
  }

  return {
    leftOf: (pair) => keys[pair]! >>> 16,
    rightOf: (pair) => keys[pair]! & 0xffff,
    add(left, right, count) {
      if (size === capacity) grow();
      const key = ((left << 16) | right) >>> 0;
      const pair = size++;
      keys[pair] = key;
      counts[pair] = count;
      slots[slotOf(key)] = size;
      return pair;
    },
    decrease(left, right, by) {
      const pair = slots[slotOf(((left << 16) | right) >>> 0)]! - 1;
      if (pair >= 0) counts[pair]! -= by;
    },
    flush() {
      for (; queued < size; queued++) if (counts[queued]! > 0) siftUp(heapSize++, queued, counts[queued]!);
    },
    pop() {
      while (heapSize > 0) {
        const pair = heapPairs[0]!;
        const count = counts[pair]!;
        const fresh = heapCounts[0] === count;
        if (!fresh && count > 0) {
          siftDown(0, pair, count);
          continue;
        }
        heapSize--;
        if (heapSize > 0) siftDown(0, heapPairs[heapSize]!, heapCounts[heapSize]!);
        if (fresh) return pair;
      }
      return -1;
    },
  };
}
