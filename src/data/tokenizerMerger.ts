// Merges the bytes of one chunk by rank: of all neighbouring pairs that make a token, the one of lowest rank,
// leftmost among equals, until none is left. Short chunks scan for the lowest (quadratic, but small and flat);
// long ones keep candidates in a heap, so that a 100,000-letter chunk takes n log n steps.
// Source: byte_pair_merge in tiktoken's lib.rs.

/** Merges chunks of bytes. */
export interface Merger {
  /** Says that ids left, right make `id`; a rank is its id. */
  add(left: number, right: number, id: number): void;
  /** Merges bytes[start..end) into `ids`; returns how many. */
  merge(bytes: Uint8Array, start: number, end: number): number;
  /** Result of the last merge; valid until the next. */
  readonly ids: Int32Array;
}

const { floor, imul } = Math;

const NONE = 0x7fffffff;
/** From this many bytes on, the heap is faster. */
const HEAP_FROM = 128;
/** A heap entry is rank * POSITIONS + position: its order is by rank, then leftmost. */
const POSITIONS = 2 ** 32;

/**
 * Creates a merger that knows no merges yet.
 * @param byteIds [256] id of each single byte
 * @param capacity merges to make room for
 */
export function createMerger(byteIds: Int32Array, capacity: number): Merger {
  // Open addressing, at most a quarter full because most look-ups miss. [3 * slots]: left, right, id + 1.
  const slotCount = 2 ** Math.ceil(Math.log2(Math.max(capacity, 16) * 4));
  const mask = slotCount - 1;
  const slots = new Int32Array(3 * slotCount);

  let ids = new Int32Array(HEAP_FROM);
  /** [n] id that ids[i] and its right neighbour make, or NONE */
  let made = new Int32Array(HEAP_FROM);

  function slotOf(left: number, right: number): number {
    let hash = imul(left, 0x9e3779b1) ^ imul(right, 0x85ebca6b);
    hash ^= hash >>> 15;
    let slot = 3 * (hash & mask);
    while (slots[slot + 2] !== 0 && (slots[slot] !== left || slots[slot + 1] !== right)) {
      slot += 3;
      if (slot === slots.length) slot = 0;
    }
    return slot;
  }

  function find(left: number, right: number): number {
    const id = slots[slotOf(left, right) + 2]!;
    return id === 0 ? NONE : id - 1;
  }

  function mergeShort(n: number): number {
    while (n > 1) {
      let lowest = NONE;
      let at = 0;
      for (let i = 0; i < n - 1; i++) {
        if (made[i]! < lowest) {
          lowest = made[i]!;
          at = i;
        }
      }
      if (lowest === NONE) break;
      n--;
      ids[at] = lowest;
      for (let i = at + 1; i < n; i++) {
        ids[i] = ids[i + 1]!;
        made[i] = made[i + 1]!;
      }
      if (at > 0) made[at - 1] = find(ids[at - 1]!, lowest);
      made[at] = at < n - 1 ? find(lowest, ids[at + 1]!) : NONE;
    }
    return n;
  }

  function mergeLong(n: number): number {
    const before = new Int32Array(n);
    const after = new Int32Array(n);
    const heap = new Float64Array(3 * n); // n at first, and each merge adds two
    let size = 0;

    function push(position: number): void {
      if (made[position] === NONE) return;
      const entry = made[position]! * POSITIONS + position;
      let at = size++;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (heap[parent]! <= entry) break;
        heap[at] = heap[parent]!;
        at = parent;
      }
      heap[at] = entry;
    }

    function pop(): number {
      const top = heap[0]!;
      const entry = heap[--size]!;
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= size) break;
        if (child + 1 < size && heap[child + 1]! < heap[child]!) child++;
        if (heap[child]! >= entry) break;
        heap[at] = heap[child]!;
        at = child;
      }
      heap[at] = entry;
      return top;
    }

    for (let i = 0; i < n; i++) {
      before[i] = i - 1;
      after[i] = i + 1;
      push(i);
    }
    while (size > 0) {
      const top = pop();
      const id = floor(top / POSITIONS);
      const at = top - id * POSITIONS;
      if (made[at] !== id) continue; // its pair has changed since
      const right = after[at]!;
      const next = after[right]!;
      const previous = before[at]!;
      ids[at] = id;
      made[right] = NONE;
      after[at] = next;
      made[at] = NONE;
      if (next < n) {
        before[next] = at;
        made[at] = find(id, ids[next]!);
        push(at);
      }
      if (previous >= 0) {
        made[previous] = find(ids[previous]!, id);
        push(previous);
      }
    }
    let count = 0;
    for (let i = 0; i < n; i = after[i]!) ids[count++] = ids[i]!;
    return count;
  }

  return {
    get ids() {
      return ids;
    },
    add(left, right, id) {
      const slot = slotOf(left, right);
      slots[slot] = left;
      slots[slot + 1] = right;
      slots[slot + 2] = id + 1;
    },
    merge(bytes, start, end) {
      const n = end - start;
      // Scratch of an unusually long chunk is not kept.
      if (n > ids.length || ids.length > 1 << 20) {
        ids = new Int32Array(Math.max(n, HEAP_FROM));
        made = new Int32Array(Math.max(n, HEAP_FROM));
      }
      for (let i = 0; i < n; i++) ids[i] = byteIds[bytes[start + i]!]!;
      for (let i = 0; i < n - 1; i++) made[i] = find(ids[i]!, ids[i + 1]!);
      if (n > 0) made[n - 1] = NONE;
      return n < HEAP_FROM ? mergeShort(n) : mergeLong(n);
    },
  };
}
