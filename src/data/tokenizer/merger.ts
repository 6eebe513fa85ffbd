// Finds the tokens that merging a chunk by rank ends in: of all neighboring pairs that make a token, the one of
// lowest rank, leftmost among equals, is merged until none is left. The result is the only sequence of tokens in
// which merging would join no two neighbors differently, so it is searched for directly: from left to right the
// longest token that is compatible with the one before, stepping back where none is. Every position is abandoned at
// most once, so the work is linear in the length of the chunk. Source: the merging is byte_pair_merge in tiktoken's
// lib.rs; the search, github/rust-gems crates/bpe, BacktrackEncoder and is_valid_token_pair.

const { imul, max } = Math;

/** Merges chunks of bytes. */
export interface Merger {
  /** Says that the ids left and right, in this order, make `id`. Ids are ranks. */
  add(left: number, right: number, id: number): void;
  /** Merges bytes[start..end), at least one, into `ids`; returns how many. */
  merge(bytes: Uint8Array, start: number, end: number): number;
  /** Result of the last merge; valid until the next. */
  readonly ids: Int32Array;
}

/**
 * Creates a merger that knows single bytes only. Tokens must be added in order of rank, each of two ids that
 * `merge` gave for its bytes.
 * @param byteIds [256] id of each single byte
 * @param tokens the bytes of every id
 */
export function createMerger(byteIds: Int32Array, tokens: Uint8Array[]): Merger {
  // A trie of the tokens. Node 0 is the root, byte b is node b + 1.
  let nodeCount = 257;
  const nodeCapacity = tokens.reduce((sum, token) => sum + token.length, 257);
  /** [nodes] parent << 8 | byte */
  const edges = new Int32Array(nodeCapacity);
  /** [nodes] id of the token that ends here, -1: none */
  const tokenAt = new Int32Array(nodeCapacity).fill(-1);
  /** [nodes] bytes from the root */
  const depth = new Int32Array(nodeCapacity);
  let children = createSlots(tokens.length);

  /** [2 * V] the ids that make an id; a single byte is made of itself, twice */
  const parts = new Int32Array(2 * tokens.length);
  const made = createSlots(tokens.length);

  for (let byte = 0; byte < 256; byte++) {
    const id = byteIds[byte]!;
    edges[byte + 1] = byte;
    tokenAt[byte + 1] = id;
    depth[byte + 1] = 1;
    parts[2 * id] = parts[2 * id + 1] = id;
  }

  let ids = new Int32Array(128);
  /** [n] node of each id */
  let nodes = new Int32Array(128);
  /** [n + 1] positions that cannot be reached in the end */
  let dead = new Uint8Array(129);

  /** Child of a node by a byte, 0: none. */
  function childOf(node: number, byte: number): number {
    const edge = (node << 8) | byte;
    let slot = hash(edge, 0) & children.mask;
    for (;;) {
      const child = children.values[slot]!;
      if (child === 0 || edges[child] === edge) return child;
      slot = (slot + 1) & children.mask;
    }
  }

  /** Id that two ids make, or a number above every id. */
  function join(left: number, right: number): number {
    let slot = hash(left, right) & made.mask;
    for (;;) {
      const id = made.values[slot]! - 1;
      if (id < 0) return 0x7fffffff;
      if (parts[2 * id] === left && parts[2 * id + 1] === right) return id;
      slot = (slot + 1) & made.mask;
    }
  }

  /**
   * Whether merging leaves left and right side by side. Takes merges back, the latest first, and asks each
   * time whether the two that then touched would have been joined before they grew further.
   */
  function compatible(left: number, right: number): boolean {
    let limit = 0x7fffffff;
    for (;;) {
      if (join(left, right) < limit) return false;
      if (left > right) {
        limit = left;
        left = parts[2 * left + 1]!;
        if (left !== limit) continue;
        limit = right + 1;
        right = parts[2 * right]!;
        if (right + 1 === limit) return true;
      } else {
        limit = right + 1;
        right = parts[2 * right]!;
        if (right + 1 !== limit) continue;
        limit = left;
        left = parts[2 * left + 1]!;
        if (left === limit) return true;
      }
    }
  }

  /** Node of the longest token at `at`. */
  function longest(bytes: Uint8Array, at: number, end: number): number {
    let node = bytes[at]! + 1;
    let found = node;
    for (let i = at + 1; i < end; i++) {
      node = childOf(node, bytes[i]!);
      if (node === 0) break;
      if (tokenAt[node]! >= 0) found = node;
    }
    return found;
  }

  /** Node of the next shorter token, 0: none. */
  function shorter(node: number): number {
    do node = edges[node]! >>> 8;
    while (tokenAt[node]! < 0 && node !== 0);
    return node;
  }

  function growTrie(): void {
    children = createSlots(2 * nodeCount);
    for (let node = 257; node < nodeCount; node++) put(children, hash(edges[node]!, 0), node);
  }

  return {
    get ids() {
      return ids;
    },
    add(left, right, id) {
      const token = tokens[id]!;
      let node = token[0]! + 1;
      for (let i = 1; i < token.length; i++) {
        let child = childOf(node, token[i]!);
        if (child === 0) {
          child = nodeCount++;
          edges[child] = (node << 8) | token[i]!;
          depth[child] = i + 1;
          if (4 * nodeCount > children.values.length) growTrie();
          else put(children, hash(edges[child]!, 0), child);
        }
        node = child;
      }
      tokenAt[node] = id;
      parts[2 * id] = left;
      parts[2 * id + 1] = right;
      put(made, hash(left, right), id + 1);
    },
    merge(bytes, start, end) {
      const length = end - start;
      if (length > ids.length || ids.length > 1 << 20) {
        // Scratch of an unusually long chunk is not kept.
        ids = new Int32Array(max(length, 128));
        nodes = new Int32Array(max(length, 128));
        dead = new Uint8Array(max(length, 128) + 1);
      }
      for (let i = 0; i <= length; i++) dead[i] = 0;
      let count = 0;
      let at = start;
      let node = longest(bytes, at, end);
      for (;;) {
        const id = tokenAt[node]!;
        const stop = at + depth[node]!;
        if (dead[stop - start] === 0 && (count === 0 || compatible(ids[count - 1]!, id))) {
          ids[count] = id;
          nodes[count++] = node;
          if (stop === end) return count;
          at = stop;
          node = longest(bytes, at, end);
          continue;
        }
        node = shorter(node);
        while (node === 0) {
          dead[at - start] = 1;
          node = nodes[--count]!;
          at -= depth[node]!;
          node = shorter(node);
        }
      }
    },
  };
}

/** Open addressing with linear probing, at most a quarter full because many look-ups miss; 0 is empty. */
interface Slots {
  values: Int32Array;
  mask: number;
}

function createSlots(capacity: number): Slots {
  const count = 2 ** Math.ceil(Math.log2(capacity * 4));
  return { values: new Int32Array(count), mask: count - 1 };
}

function put({ values, mask }: Slots, hash: number, value: number): void {
  let slot = hash & mask;
  while (values[slot] !== 0) slot = (slot + 1) & mask;
  values[slot] = value;
}

function hash(a: number, b: number): number {
  const mixed = imul(a, 0x9e3779b1) ^ imul(b, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
