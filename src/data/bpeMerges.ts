// Learns BPE merges from distinct chunks and their counts: again and again the most frequent pair of
// neighbouring ids becomes a new id. Counting chunks and the tokenizer itself are left to others.
// Source: train_core_incremental in rustbpe's lib.rs. Its queue refreshes counts lazily, and counts of
// queued pairs only fall, so what it pops is always the pair of highest count and, among equals, of the
// smallest (left, right); overlapping repeats count, `aaa` has two pairs (a, a). The same is computed here
// with flat arrays: a merge sums the changes per neighbour before it touches the table of pairs.

import { createPairQueue } from './bpePairQueue.js';

const IDS = 1 << 16;

/** Learns one merge after the other. */
export interface MergeLearner {
  /** Merges the best pair and returns [left id, right id], or undefined when no pair remains. */
  next(): [number, number] | undefined;
}

/** Neighbours on one side of the merged pair: what each gains, and the words where it stands. */
interface Side {
  /** [IDS] occurrences, weighted by the count of the word */
  readonly weight: Float64Array;
  /** [IDS] distinct words, then a cursor into their list */
  readonly words: Int32Array;
  /** [IDS] word seen last, so that a word enters a list once; -1: none */
  readonly lastWord: Int32Array;
  /** Ids with a weight, in order of appearance */
  readonly touched: number[];
}

function createSide(): Side {
  return {
    weight: new Float64Array(IDS),
    words: new Int32Array(IDS),
    lastWord: new Int32Array(IDS).fill(-1),
    touched: [],
  };
}

function grown<A extends Int32Array | Uint32Array | Float64Array>(array: A, needed: number): A {
  if (needed <= array.length) return array;
  const larger = new (array.constructor as new (length: number) => A)(Math.max(needed, 2 * array.length));
  larger.set(array);
  return larger;
}

/**
 * Prepares learning. Ids are bytes 0-255, then 256, 257, ... in order of merging, at most 65,536 in all.
 * @param pool bytes of the distinct chunks, end to end
 * @param offsets [chunks + 1] where each chunk begins in the pool
 * @param counts [chunks] how often each occurs
 */
export function createMergeLearner(
  pool: Uint8Array,
  offsets: Uint32Array,
  counts: ArrayLike<number>,
): MergeLearner {
  const wordCount = offsets.length - 1;
  /** Current ids of all words; word w has lengths[w] of them from offsets[w]. */
  const ids = Uint16Array.from(pool);
  const lengths = new Int32Array(wordCount);
  for (let w = 0; w < wordCount; w++) lengths[w] = offsets[w + 1]! - offsets[w]!;

  const pairs = createPairQueue();
  /** [pairs] words where the pair stands: whereLength entries of `where` from whereStart */
  let whereStart = new Uint32Array(1 << 12);
  let whereLength = new Int32Array(1 << 12);
  let where = new Int32Array(1 << 12);
  let whereTop = 0;

  const left = createSide();
  const right = createSide();
  /** The current merge's (neighbour, word) events; right neighbours are marked by IDS. */
  let eventId = new Int32Array(1 << 10);
  let eventWord = new Int32Array(1 << 10);
  let events = 0;
  let merges = 0;

  function addPair(a: number, b: number, count: number, words: number): void {
    const pair = pairs.add(a, b, count);
    whereStart = grown(whereStart, pair + 1);
    whereLength = grown(whereLength, pair + 1);
    whereStart[pair] = whereTop;
    whereLength[pair] = words;
    whereTop += words;
  }

  /** Counts the pairs of bytes, and lists for each the words that hold it. */
  function countBytePairs(): void {
    const weight = new Float64Array(IDS);
    const words = new Int32Array(IDS);
    const lastWord = new Int32Array(IDS).fill(-1);
    for (let w = 0; w < wordCount; w++) {
      const stop = offsets[w + 1]! - 1;
      for (let i = offsets[w]!; i < stop; i++) {
        const key = (ids[i]! << 8) | ids[i + 1]!;
        weight[key]! += counts[w]!;
        if (lastWord[key] !== w) {
          lastWord[key] = w;
          words[key]!++;
        }
      }
    }
    const cursor = new Uint32Array(IDS);
    for (let key = 0; key < IDS; key++) {
      cursor[key] = whereTop;
      if (words[key]! > 0) addPair(key >> 8, key & 0xff, weight[key]!, words[key]!);
    }
    where = new Int32Array(whereTop);
    lastWord.fill(-1);
    for (let w = 0; w < wordCount; w++) {
      const stop = offsets[w + 1]! - 1;
      for (let i = offsets[w]!; i < stop; i++) {
        const key = (ids[i]! << 8) | ids[i + 1]!;
        if (lastWord[key] === w) continue;
        lastWord[key] = w;
        where[cursor[key]!++] = w;
      }
    }
  }

  function touch(side: Side, id: number, mark: number, word: number, count: number): void {
    side.weight[id]! += count;
    if (side.lastWord[id] === word) return;
    if (side.lastWord[id] === -1) side.touched.push(id);
    side.lastWord[id] = word;
    side.words[id]!++;
    if (events === eventId.length) {
      eventId = grown(eventId, events + 1);
      eventWord = grown(eventWord, events + 1);
    }
    eventId[events] = id | mark;
    eventWord[events++] = word;
  }

  /** Replaces a, b by `merged` in one word, from left to right. */
  function mergeWord(word: number, a: number, b: number, merged: number): void {
    const start = offsets[word]!;
    const stop = start + lengths[word]!;
    const count = counts[word]!;
    let read = start;
    while (read < stop - 1 && (ids[read] !== a || ids[read + 1] !== b)) read++;
    let write = read;
    while (read < stop) {
      const id = ids[read]!;
      if (id === a && read + 1 < stop && ids[read + 1] === b) {
        if (write > start) touch(left, ids[write - 1]!, 0, word, count);
        if (read + 2 < stop) touch(right, ids[read + 2]!, IDS, word, count);
        ids[write++] = merged;
        read += 2;
      } else {
        ids[write++] = id;
        read++;
      }
    }
    lengths[word] = write - start;
  }

  /** Moves counts from the old pairs beside a, b to the new ones beside `merged`, and lists their words. */
  function updatePairs(a: number, b: number, merged: number): void {
    for (const y of right.touched) {
      pairs.decrease(b, y, right.weight[y]!);
      const words = right.words[y]!;
      right.words[y] = whereTop;
      addPair(merged, y, right.weight[y]!, words);
    }
    for (const x of left.touched) {
      // Where two merged pairs meet, x is `merged` and the right side has just counted (merged, a).
      pairs.decrease(x, a, left.weight[x]!);
      const words = left.words[x]!;
      left.words[x] = whereTop;
      addPair(x, merged, left.weight[x]!, words);
    }
    where = grown(where, whereTop);
    for (let e = 0; e < events; e++) {
      const id = eventId[e]!;
      const side = id < IDS ? left : right;
      where[side.words[id & (IDS - 1)]!++] = eventWord[e]!;
    }
    for (const side of [left, right]) {
      for (const id of side.touched) {
        side.weight[id] = 0;
        side.words[id] = 0;
        side.lastWord[id] = -1;
      }
      side.touched.length = 0;
    }
    events = 0;
  }

  countBytePairs();
  pairs.flush();

  return {
    next() {
      const pair = pairs.pop();
      if (pair < 0) return undefined;
      const a = pairs.leftOf(pair);
      const b = pairs.rightOf(pair);
      const merged = 256 + merges++;
      const start = whereStart[pair]!;
      const stop = start + whereLength[pair]!;
      for (let at = start; at < stop; at++) mergeWord(where[at]!, a, b, merged);
      updatePairs(a, b, merged);
      pairs.flush();
      return [a, b];
    },
  };
}
