// Merging for vocabularies of which some tokens cannot be reached by merging lower ranks, as Llama 3's has them. There
// merger.ts's search is not valid, so pairs are merged one by one as tiktoken does: a chunk that is a token as a whole is
// that token; else of all neighboring parts whose bytes together are a token, those of the lowest rank, leftmost among
// equals, are joined until there are none.
// Source: encode_ordinary and byte_pair_merge in tiktoken's lib.rs; a heap makes it n log n.

import type { Merger } from './merger.js';

/** Merges chunks; see Merger. */
export interface PlainMerger extends Pick<Merger, 'merge' | 'ids'> {
  /** The two ids that are joined last to make a token; undefined when merging does not end in it. */
  partsOf(token: Uint8Array): [number, number] | undefined;
}

/** A heap entry is rank * POSITIONS + position: the lowest rank comes first, and its leftmost pair. */
const POSITIONS = 2 ** 31;

/** @param tokens [V] bytes of each rank, all different, all 256 single bytes among them */
export function createPlainMerger(tokens: readonly Uint8Array[]): PlainMerger {
  const rankOf = new Map(tokens.map((token, rank) => [latin1(token, 0, token.length), rank]));
  const longest = tokens.reduce((most, { length }) => Math.max(most, length), 0);
  const heap = createHeap();
  let ids = new Int32Array(128);
  let last: [number, number] | undefined;

  /** Merges text, one character a byte, into `ids`; returns how many. */
  function mergeParts(text: string): number {
    const n = text.length;
    // Parts by where they begin: where the next one does, and the one before; their rank; the rank of the two joined.
    const next = Int32Array.from({ length: n }, (_, i) => i + 1);
    const before = Int32Array.from({ length: n + 1 }, (_, i) => i - 1);
    const rank = Int32Array.from({ length: n }, (_, i) => rankOf.get(text[i]!)!);
    const joined = new Int32Array(n).fill(-1);

    function look(at: number): void {
      const end = next[at]! < n ? next[next[at]!]! : Infinity;
      joined[at] = end - at > longest ? -1 : (rankOf.get(text.slice(at, end)) ?? -1);
      if (joined[at]! >= 0) heap.push(joined[at]! * POSITIONS + at);
    }

    for (let i = 0; i < n; i++) look(i);
    for (let entry = heap.pop(); entry !== undefined; entry = heap.pop()) {
      const at = entry % POSITIONS;
      const found = (entry - at) / POSITIONS;
      if (joined[at] !== found) continue; // has changed since
      const right = next[at]!;
      last = [rank[at]!, rank[right]!];
      rank[at] = found;
      next[at] = next[right]!;
      before[next[at]!] = at;
      joined[right] = -1;
      look(at);
      if (at > 0) look(before[at]!);
    }
    if (n > ids.length) ids = new Int32Array(n);
    let count = 0;
    for (let at = 0; at < n; at = next[at]!) ids[count++] = rank[at]!;
    return count;
  }

  return {
    get ids() {
      return ids;
    },
    merge(bytes, start, end) {
      const text = latin1(bytes, start, end);
      const whole = rankOf.get(text);
      if (whole === undefined) return mergeParts(text);
      ids[0] = whole;
      return 1;
    },
    partsOf: (token) => (mergeParts(latin1(token, 0, token.length)) === 1 ? last : undefined),
  };
}

/** Bytes as a string of as many characters, for look-up. */
function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}

/** A binary heap of numbers, the smallest first. */
function createHeap(): { push(value: number): void; pop(): number | undefined } {
  const heap: number[] = [];
  return {
    push(value) {
      let at = heap.push(value) - 1;
      for (let up = (at - 1) >> 1; at > 0 && heap[up]! > value; up = (at - 1) >> 1) {
        heap[at] = heap[up]!;
        at = up;
      }
      heap[at] = value;
    },
    pop() {
      const [first] = heap;
      const value = heap.pop();
      if (value === undefined || heap.length === 0) return first;
      let at = 0;
      for (let down = 1; down < heap.length; down = 2 * at + 1) {
        if (down + 1 < heap.length && heap[down + 1]! < heap[down]!) down++;
        if (heap[down]! >= value) break;
        heap[at] = heap[down]!;
        at = down;
      }
      heap[at] = value;
      return first;
    },
  };
}
