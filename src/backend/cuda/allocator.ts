// Device memory, kept between steps: cuMemAlloc takes tens of microseconds and cuMemFree waits for the whole device,
// so memory comes in segments, segments are cut into blocks, and free blocks are used again at once: all work is on one
// stream, so what was enqueued before has read a block before what comes after can write it. The scheme (two kinds of
// segments, best fit, split, merge with free neighbors) is that of PyTorch's c10/cuda/CUDACachingAllocator.cpp.
//
// Knows nothing of CUDA but two calls, so that it can be tested without one.

import { OutOfMemoryError } from '../outOfMemory.js';

/** Every block starts at a multiple of this, which vector loads and tensor cores want, and takes a multiple of it. */
export const GRANULE = 512;
/** Blocks up to this come from small segments of 2 MiB, so that a scalar never splits a large block. */
const SMALL = 2 ** 20;
const SMALL_SEGMENT = 2 * 2 ** 20;
/** Blocks up to this size come from segments of 20 MiB; larger ones have their own segment. */
const MEDIUM = 10 * 2 ** 20;
const MEDIUM_SEGMENT = 20 * 2 ** 20;
/** A segment for one block is a multiple of this, the driver's page size. */
const PAGE = 2 * 2 ** 20;

/** Where segments come from. */
export interface MemorySource {
  /** @returns the address; @throws OutOfMemoryError when there is no memory */
  take(bytes: number): number;
  give(address: number): void;
  /** Runs before segments are released. */
  settle?(): void;
  /** Bytes in all and free ones, for messages. */
  info(): { free: number; total: number };
}

/** A piece of allocated memory, until `free`. */
export interface Block {
  readonly address: number;
  /** At least the requested size. */
  readonly bytes: number;
}

/** Bytes. */
export interface AllocatorStatistics {
  /** In allocated blocks, and its peak since `resetPeak`. */
  current: number;
  peak: number;
  /** In segments held, and the most of it since `resetPeak`. */
  reserved: number;
  peakReserved: number;
  blocks: number;
  segments: number;
  /** Segments asked of the device, and rounds of giving back because none was left. */
  taken: number;
  trims: number;
}

/** See `createAllocator`. */
export interface Allocator {
  /** Memory of at least `bytes`, contents undefined. @throws OutOfMemoryError; what was allocated stays valid */
  allocate(bytes: number): Block;
  /** Cuts a block into neighbors of these sizes, multiples of GRANULE, which are handed back one by one; the last has the rest. */
  split(block: Block, sizes: readonly number[]): Block[];
  /** Hands a block back; its contents may be overwritten by work that is enqueued from now on. */
  free(block: Block): void;
  /** Gives free segments back to the device; returns their bytes. */
  trim(): number;
  /** Runs `work`; what it allocates comes from segments of the arena, and returns there when it is freed. */
  within<T>(arena: Arena, work: () => T): T;
  /**
   * An arena of at most so many bytes: segments that only `within` allocates from, until `release` hands them over to everybody.
   * It takes those that have free memory, so that what lies between other blocks serves it too.
   */
  createArena(most: number): Arena;
  /** The most bytes that segments may take; Infinity is only the device's own limit. */
  setLimit(bytes: number): void;
  /** Bytes that blocks may still take: free on the device or held idle, within the limit. */
  available(): number;
  statistics(): AllocatorStatistics;
  resetPeak(): void;
}

/** Segments set apart; see `Allocator`. */
export interface Arena {
  /** The most that its blocks took at once. */
  peakBytes(): number;
  release(): void;
}

interface Pools {
  small: ReturnType<typeof freeList>;
  large: ReturnType<typeof freeList>;
  /** Bytes of blocks in use, and their peak. */
  used: number;
  peak: number;
}

const emptyPools = (): Pools => ({ small: freeList(), large: freeList(), used: 0, peak: 0 });

interface Node extends Block {
  bytes: number;
  readonly segment: Segment;
  free: boolean;
  /** Neighbors within the segment. */
  before: Node | undefined;
  after: Node | undefined;
}

interface Segment {
  readonly address: number;
  readonly bytes: number;
  readonly small: boolean;
  /** Where its free nodes are listed. */
  pools: Pools;
}

/** An allocator over a device's memory. */
export function createAllocator(source: MemorySource, limit = Infinity): Allocator {
  const pools = emptyPools();
  /** Where allocations come from at this moment, and the segments of the arena that this is. */
  let current: { pools: Pools; segments: Segment[]; most: number } = { pools, segments: [], most: Infinity };
  const counts: AllocatorStatistics = {
    current: 0,
    peak: 0,
    reserved: 0,
    peakReserved: 0,
    blocks: 0,
    segments: 0,
    taken: 0,
    trims: 0,
  };
  const poolOf = ({ small, pools: own }: Segment) => (small ? own.small : own.large);

  const takeSegment = (bytes: number, small: boolean): Node => {
    const size = small ? SMALL_SEGMENT : bytes <= MEDIUM ? MEDIUM_SEGMENT : roundUp(bytes, PAGE);
    // Near the limit a segment of just what is needed may still fit.
    const sizes = size === roundUp(bytes, PAGE) ? [size] : [size, roundUp(bytes, PAGE)];
    let cause: unknown;
    for (const trimmed of [false, true]) {
      if (trimmed && trim() === 0) break;
      for (const each of sizes) {
        if (counts.reserved + each > limit) continue;
        try {
          return openSegment(each, small);
        } catch (error) {
          if (!(error instanceof OutOfMemoryError)) throw error;
          cause = error;
        }
      }
    }
    throw outOfMemory(bytes, cause);
  };

  const openSegment = (bytes: number, small: boolean): Node => {
    const held = current.segments.reduce((sum, segment) => sum + segment.bytes, 0);
    if (held + bytes > current.most)
      throw new OutOfMemoryError(`An arena has at most ${mebibytes(current.most)}`);
    const segment = { address: source.take(bytes), bytes, small, pools: current.pools };
    if (current.pools !== pools) current.segments.push(segment);
    counts.taken++;
    counts.segments++;
    counts.reserved += bytes;
    counts.peakReserved = Math.max(counts.peakReserved, counts.reserved);
    return { address: segment.address, bytes, segment, free: true, before: undefined, after: undefined };
  };

  const outOfMemory = (bytes: number, cause: unknown) => {
    const { free, total } = source.info();
    const limited = limit < Infinity ? `, limit ${mebibytes(limit)}` : '';
    return new OutOfMemoryError(
      `Out of GPU memory: ${mebibytes(bytes)} requested with ${mebibytes(counts.current)} in use and ` +
        `${mebibytes(counts.reserved)} held${limited}; the device has ${mebibytes(free)} of ${mebibytes(total)} free`,
      { cause, shortage: { bytes, inUse: counts.current, free, total } },
    );
  };

  const trim = (): number => {
    source.settle?.();
    let bytes = 0;
    for (const pool of [pools.small, pools.large])
      for (const node of pool.all()) {
        if (node.bytes < node.segment.bytes) continue;
        pool.remove(node);
        source.give(node.address);
        counts.segments--;
        bytes += node.bytes;
      }
    counts.reserved -= bytes;
    if (bytes > 0) counts.trims++;
    return bytes;
  };

  return {
    allocate(bytes) {
      const wanted = Math.max(GRANULE, roundUp(bytes, GRANULE));
      const small = wanted <= SMALL;
      const pool = small ? current.pools.small : current.pools.large;
      const node = pool.takeBest(wanted) ?? takeSegment(wanted, small);
      const rest = node.bytes - wanted;
      // A large block is not cut for a sliver that would serve nobody.
      if (rest > 0 && (small || rest > SMALL)) pool.add(cut(node, wanted));
      node.free = false;
      counts.blocks++;
      counts.current += node.bytes;
      counts.peak = Math.max(counts.peak, counts.current);
      current.pools.used += node.bytes;
      current.pools.peak = Math.max(current.pools.peak, current.pools.used);
      return node;
    },
    split(block, sizes) {
      let node = block as Node;
      return sizes.map((bytes, i) => {
        if (i === sizes.length - 1) return node;
        const [piece, rest] = [node, cut(node, bytes)];
        rest.free = false;
        counts.blocks++;
        node = rest;
        return piece;
      });
    },
    free(block) {
      let node = block as Node;
      if (node.free) throw new Error(`Block at ${node.address} is freed twice`);
      const pool = poolOf(node.segment);
      node.free = true;
      counts.blocks--;
      counts.current -= node.bytes;
      node.segment.pools.used -= node.bytes;
      const { before, after } = node;
      if (after?.free) {
        pool.remove(after);
        join(node, after);
      }
      if (before?.free) {
        pool.remove(before);
        join(before, node);
        node = before;
      }
      pool.add(node);
    },
    trim,
    within(arena, work) {
      const before = current;
      current = arena as typeof arena & typeof current;
      try {
        return work();
      } finally {
        current = before;
      }
    },
    createArena(most) {
      const own = emptyPools();
      const segments = [...new Set(hand(pools, own).map(({ segment }) => segment))];
      for (const segment of segments) segment.pools = own;
      const arena = {
        pools: own,
        segments,
        most,
        peakBytes: () => own.peak,
        release() {
          hand(own, pools);
          for (const segment of segments) segment.pools = pools;
          pools.used += own.used;
        },
      };
      return arena;
    },
    setLimit(bytes) {
      limit = bytes;
    },
    available: () => Math.max(0, Math.min(source.info().free + counts.reserved, limit) - counts.current),
    statistics: () => ({ ...counts }),
    resetPeak() {
      counts.peak = counts.current;
      counts.peakReserved = counts.reserved;
    },
  };
}

/** Moves all free nodes; returns them. */
const hand = (from: Pools, to: Pools): Node[] =>
  (['small', 'large'] as const).flatMap((kind) => {
    const nodes = from[kind].all();
    for (const node of nodes) {
      from[kind].remove(node);
      to[kind].add(node);
    }
    return nodes;
  });

/** Shortens a node to `bytes` and returns the free rest. */
function cut(node: Node, bytes: number): Node {
  const rest: Node = {
    address: node.address + bytes,
    bytes: node.bytes - bytes,
    segment: node.segment,
    free: true,
    before: node,
    after: node.after,
  };
  if (node.after) node.after.before = rest;
  node.after = rest;
  node.bytes = bytes;
  return rest;
}

/** Lengthens a node by the one after it. */
function join(node: Node, next: Node): void {
  node.bytes += next.bytes;
  node.after = next.after;
  if (next.after) next.after.before = node;
}

/** Free nodes by size, then by address, so that equal requests meet equal blocks. */
function freeList() {
  const nodes: Node[] = [];
  /** Index of the first node that is not before (bytes, address). */
  const find = (bytes: number, address: number): number => {
    let [low, high] = [0, nodes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const node = nodes[middle]!;
      if (node.bytes < bytes || (node.bytes === bytes && node.address < address)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    add(node: Node) {
      nodes.splice(find(node.bytes, node.address), 0, node);
    },
    remove(node: Node) {
      nodes.splice(find(node.bytes, node.address), 1);
    },
    /** The smallest node of at least `bytes`, taken out. */
    takeBest(bytes: number): Node | undefined {
      const index = find(bytes, 0);
      return index < nodes.length ? nodes.splice(index, 1)[0] : undefined;
    },
    all: () => [...nodes],
  };
}

const roundUp = (bytes: number, unit: number): number => Math.ceil(bytes / unit) * unit;

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
