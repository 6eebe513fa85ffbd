// Learns BPE merges from distinct chunks and their counts: again and again the most frequent pair of
// neighboring ids becomes a new id. Chunks are counted by bpe.ts; the tokenizer is tokenizer.ts.
// Source: train_core_incremental in rustbpe's lib.rs. Its queue refreshes counts lazily, and counts of
// queued pairs only fall, so what it pops is always the pair of highest count and, among equals, of the
// smallest (left, right); overlapping repeats count, `aaa` has two pairs (a, a). The same is computed here on
// flat arrays: a merge visits the positions of its pair, not the words that hold it, and sums the changes
// per neighbor before it touches the table of pairs.

import { enlarged } from './enlarged.js';
import { createPairQueue } from './pairQueue.js';

/** Learns one merge after the other. */
export interface MergeLearner {
  /** Merges the best pair and returns [left id, right id], or undefined when no pair remains. */
  next(): [number, number] | undefined;
}

const IDS = 1 << 16;
/** In place of an id: between words, and where a token has become part of the one before. */
const NO_ID = 0xffff;

/** Neighbors on one side of the merged pair. */
interface Side {
  /** [IDS] how often each stands there, weighted by the count of the word */
  readonly weight: Float64Array;
  /** [IDS] at how many positions, then where the list of positions continues */
  readonly positions: Uint32Array;
  /** Ids with a weight, in order of appearance */
  readonly touched: number[];
}

function createSide(): Side {
  return { weight: new Float64Array(IDS), positions: new Uint32Array(IDS), touched: [] };
}

const grown = (array: Uint32Array<ArrayBuffer>, needed: number) =>
  needed <= array.length ? array : enlarged(array, Math.max(needed, 2 * array.length));

/**
 * Prepares learning. Ids are bytes 0-255, then 256, 257, ... in order of merging, below 65,535.
 * @param pool bytes of the distinct chunks, end to end
 * @param offsets [chunks + 1] where each chunk begins in the pool
 * @param counts [chunks] how often each occurs, below 2^32
 */
export function createMergeLearner(
  pool: Uint8Array,
  offsets: Uint32Array,
  counts: ArrayLike<number>,
): MergeLearner {
  // The words, each followed by NO_ID. A token stands at its first position; its length stands at its first and
  // last, so that both neighbors are found in one step.
  const size = pool.length + offsets.length;
  const ids = new Uint16Array(size).fill(NO_ID);
  let longest = 0;
  for (let word = 0; word + 1 < offsets.length; word++)
    longest = Math.max(longest, offsets[word + 1]! - offsets[word]!);
  const spans = (longest < IDS ? new Uint16Array(size) : new Uint32Array(size)).fill(1);
  /** Count of the word at each position */
  const weights = new Uint32Array(size);

  const pairs = createPairQueue();
  /** [pairs + 1] positions of a pair: where[whereStart[pair]..whereStart[pair + 1]), from left to right */
  let whereStart = new Uint32Array(1 << 12);
  let where = new Uint32Array(0);
  let whereEnd = 0;

  const left = createSide();
  const right = createSide();
  /** New pairs of the current merge: the neighbor, right ones marked by IDS, and the position of the pair. */
  let eventIds = new Uint32Array(1 << 10);
  let eventPositions = new Uint32Array(1 << 10);
  let events = 0;
  let merges = 0;

  /** Adds a pair with room for its positions, and returns where that is. */
  function addPair(a: number, b: number, count: number, positions: number): number {
    const pair = pairs.add(a, b, count);
    const start = whereEnd;
    whereEnd += positions;
    whereStart = grown(whereStart, pair + 2);
    whereStart[pair + 1] = whereEnd;
    return start;
  }

  function layOutWords(): void {
    let at = 1;
    for (let word = 0; word + 1 < offsets.length; word++) {
      for (let i = offsets[word]!; i < offsets[word + 1]!; i++, at++) {
        ids[at] = pool[i]!;
        weights[at] = counts[word]!;
      }
      at++;
    }
  }

  /** Counts the pairs of bytes and lists their positions. */
  function countBytePairs(): void {
    const weight = new Float64Array(IDS);
    const positions = new Uint32Array(IDS);
    for (let i = 0; i + 1 < size; i++) {
      if (ids[i] === NO_ID || ids[i + 1] === NO_ID) continue;
      const key = (ids[i]! << 8) | ids[i + 1]!;
      weight[key]! += weights[i]!;
      positions[key]!++;
    }
    for (let key = 0; key < IDS; key++)
      if (positions[key]! > 0) positions[key] = addPair(key >> 8, key & 0xff, weight[key]!, positions[key]!);
    where = new Uint32Array(whereEnd);
    for (let i = 0; i + 1 < size; i++) {
      if (ids[i] === NO_ID || ids[i + 1] === NO_ID) continue;
      where[positions[(ids[i]! << 8) | ids[i + 1]!]!++] = i;
    }
  }

  function touch(side: Side, id: number, mark: number, position: number, weight: number): void {
    if (side.positions[id]!++ === 0) side.touched.push(id);
    side.weight[id]! += weight;
    if (events === eventIds.length) {
      eventIds = grown(eventIds, events + 1);
      eventPositions = grown(eventPositions, events + 1);
    }
    eventIds[events] = id | mark;
    eventPositions[events++] = position;
  }

  /** Merges a, b into `merged` at their listed positions, unless an earlier merge has taken one of them. */
  function mergeAll(start: number, stop: number, a: number, b: number, merged: number): void {
    for (let i = start; i < stop; i++) {
      const at = where[i]!;
      if (ids[at] !== a) continue;
      const second = at + spans[at]!;
      if (ids[second] !== b) continue;
      const previous = at - spans[at - 1]!;
      const next = second + spans[second]!;
      ids[at] = merged;
      ids[second] = NO_ID;
      spans[at] = spans[next - 1] = next - at;
      const weight = weights[at]!;
      if (ids[previous] !== NO_ID) touch(left, ids[previous]!, 0, previous, weight);
      if (ids[next] !== NO_ID) touch(right, ids[next]!, IDS, at, weight);
    }
  }

  /** Moves counts from the old pairs beside a, b to the new ones beside `merged`, and lists their positions. */
  function updatePairs(a: number, b: number, merged: number): void {
    for (const y of right.touched) {
      pairs.decrease(b, y, right.weight[y]!);
      right.positions[y] = addPair(merged, y, right.weight[y]!, right.positions[y]!);
    }
    for (const x of left.touched) {
      // Where two merged pairs meet, x is `merged` and the right side has just counted (merged, a).
      pairs.decrease(x, a, left.weight[x]!);
      left.positions[x] = addPair(x, merged, left.weight[x]!, left.positions[x]!);
    }
    where = grown(where, whereEnd);
    for (let e = 0; e < events; e++) {
      const id = eventIds[e]!;
      const { positions } = id < IDS ? left : right;
      where[positions[id & (IDS - 1)]!++] = eventPositions[e]!;
    }
    events = 0;
    for (const { touched, weight, positions } of [left, right]) {
      for (const id of touched) weight[id] = positions[id] = 0;
      touched.length = 0;
    }
  }

  layOutWords();
  countBytePairs();
  pairs.flush();

  return {
    next() {
      const pair = pairs.pop();
      if (pair < 0) return undefined;
      const a = pairs.leftOf(pair);
      const b = pairs.rightOf(pair);
      const merged = 256 + merges++;
      mergeAll(whereStart[pair]!, whereStart[pair + 1]!, a, b, merged);
      updatePairs(a, b, merged);
      pairs.flush();
      return [a, b];
    },
  };
}
