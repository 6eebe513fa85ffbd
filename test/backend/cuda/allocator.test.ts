// The allocator on a fake device: blocks never overlap, memory is returned, and running out changes nothing.

import { describe, expect, test } from '@jest/globals';
import {
  type Block,
  createAllocator,
  GRANULE,
  type MemorySource,
} from '../../../src/backend/cuda/allocator.js';
import { isOutOfMemory } from '../../../src/backend/index.js';
import { OutOfMemoryError } from '../../../src/backend/outOfMemory.js';
import { randomStream } from '../../../src/base/random.js';

const MIB = 2 ** 20;

/** A device of so many bytes that hands out memory from ever higher addresses. */
function device(total: number) {
  const segments = new Map<number, number>();
  let next = 2 ** 40;
  let used = 0;
  const source: MemorySource & { used(): number; calls: { take: number; give: number } } = {
    calls: { take: 0, give: 0 },
    take(bytes) {
      source.calls.take++;
      if (used + bytes > total) throw new OutOfMemoryError('exhausted');
      const address = next;
      next += bytes + 4 * MIB;
      segments.set(address, bytes);
      used += bytes;
      return address;
    },
    give(address) {
      source.calls.give++;
      expect(segments.has(address)).toBe(true);
      used -= segments.get(address)!;
      segments.delete(address);
    },
    info: () => ({ free: total - used, total }),
    used: () => used,
  };
  return source;
}

describe('the allocator', () => {
  test('memory of an arena is given to nobody else until the arena is released', () => {
    const source = device(2 ** 30);
    const allocator = createAllocator(source);
    const arena = allocator.createArena(64 * MIB);
    const inside = allocator.within(arena, () => [allocator.allocate(5000), allocator.allocate(3 * MIB)]);
    expect(allocator.statistics().reserved).toBe(22 * MIB);
    for (const block of inside) allocator.free(block);
    expect(arena.peakBytes()).toBe(5120 + 3 * MIB);
    expect(allocator.trim()).toBe(0);
    const { take } = source.calls;
    const outside = [allocator.allocate(5000), allocator.allocate(3 * MIB)];
    expect(source.calls.take).toBe(take + 2);
    expect(allocator.within(arena, () => allocator.allocate(5000)).address).toBe(inside[0]!.address);
    expect(() => allocator.within(arena, () => allocator.allocate(50 * MIB))).toThrow(OutOfMemoryError);
    for (const block of outside) allocator.free(block);
    arena.release();
    expect(allocator.trim()).toBe(42 * MIB);
    expect(allocator.statistics()).toMatchObject({ current: 5120, reserved: 2 * MIB });
  });

  test('an arena takes the free memory between the blocks of others, and gives all of it back', () => {
    const source = device(2 ** 30);
    const allocator = createAllocator(source);
    const [kept, idle] = [allocator.allocate(4 * MIB), allocator.allocate(3 * MIB)];
    allocator.free(idle);
    const { take } = source.calls;
    const arena = allocator.createArena(64 * MIB);
    const inside = allocator.within(arena, () => [allocator.allocate(3 * MIB), allocator.allocate(9 * MIB)]);
    expect(inside[0]!.address).toBe(idle.address);
    expect(source.calls.take).toBe(take);
    expect(arena.peakBytes()).toBe(12 * MIB);
    for (const block of inside) allocator.free(block);
    // A block that was there before leaves its memory to the arena, too.
    allocator.free(kept);
    const outside = allocator.allocate(2 * MIB);
    expect(source.calls.take).toBe(take + 1);
    arena.release();
    allocator.free(outside);
    expect(allocator.statistics()).toMatchObject({ current: 0, blocks: 0 });
    allocator.trim();
    expect(allocator.statistics()).toMatchObject({ reserved: 0, segments: 0 });
  });

  test('a freed block is reused without calling the device', () => {
    const source = device(2 ** 30);
    const allocator = createAllocator(source);
    const sizes = [5, 4096, 3 * MIB, 30 * MIB, 700];
    const step = () => {
      const blocks = sizes.map((bytes) => allocator.allocate(bytes));
      for (const block of blocks) allocator.free(block);
      return blocks.map(({ address }) => address);
    };
    const first = step();
    const { take } = source.calls;
    expect(step()).toEqual(first);
    expect(step()).toEqual(first);
    expect(source.calls.take).toBe(take);
  });

  test('blocks are aligned, large enough, and counted as handed out', () => {
    const allocator = createAllocator(device(2 ** 30));
    const blocks = [0, 1, 511, 513, MIB + 1].map((bytes) => allocator.allocate(bytes));
    for (const { address } of blocks) expect(address % GRANULE).toBe(0);
    const sum = blocks.reduce((total, { bytes }) => total + bytes, 0);
    expect(allocator.statistics()).toMatchObject({ current: sum, peak: sum, blocks: 5 });
    for (const block of blocks) allocator.free(block);
    expect(allocator.statistics()).toMatchObject({ current: 0, peak: sum, blocks: 0 });
    allocator.resetPeak();
    expect(allocator.statistics().peak).toBe(0);
  });

  test('neighbors that are free become one block again', () => {
    const source = device(64 * MIB);
    const allocator = createAllocator(source);
    const parts = [6, 6, 6].map((n) => allocator.allocate(n * MIB));
    for (const i of [0, 2, 1]) allocator.free(parts[i]!);
    const whole = allocator.allocate(18 * MIB);
    expect(whole.address).toBe(parts[0]!.address);
    expect(source.calls.take).toBe(1);
  });

  test('when the device has no more, free segments are given back and it is asked again', () => {
    const source = device(100 * MIB);
    const allocator = createAllocator(source);
    const block = allocator.allocate(60 * MIB);
    allocator.free(block);
    const larger = allocator.allocate(90 * MIB);
    expect(larger.bytes).toBeGreaterThanOrEqual(90 * MIB);
    expect(allocator.statistics()).toMatchObject({ trims: 1, segments: 1, reserved: 90 * MIB });
  });

  test('deferred work is done before segments are returned', () => {
    const source = device(100 * MIB);
    const order: string[] = [];
    const { give } = source;
    const allocator = createAllocator({
      ...source,
      settle: () => order.push('settle'),
      give: (address) => {
        order.push('give');
        give(address);
      },
    });
    allocator.free(allocator.allocate(60 * MIB));
    allocator.allocate(90 * MIB);
    expect(order).toEqual(['settle', 'give']);
  });

  test('running out of memory is a typed error with the numbers, and leaves the rest usable', () => {
    const source = device(64 * MIB);
    const allocator = createAllocator(source);
    const kept = allocator.allocate(40 * MIB);
    const before = allocator.statistics();
    let error: unknown;
    try {
      allocator.allocate(50 * MIB);
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(isOutOfMemory(error)).toBe(true);
    expect((error as OutOfMemoryError).shortage).toEqual({
      bytes: 50 * MIB,
      inUse: 40 * MIB,
      free: 24 * MIB,
      total: 64 * MIB,
    });
    expect((error as Error).message).toMatch(/Out of GPU memory: 50\.0 MiB requested with 40\.0 MiB in use/);
    expect(allocator.statistics()).toEqual(before);
    allocator.free(kept);
    expect(allocator.allocate(50 * MIB).bytes).toBe(50 * MIB);
  });

  test('near the end a segment of just what is needed is taken', () => {
    const allocator = createAllocator(device(12 * MIB));
    expect(allocator.allocate(5 * MIB).bytes).toBeGreaterThanOrEqual(5 * MIB);
    expect(allocator.statistics().reserved).toBeLessThanOrEqual(12 * MIB);
  });

  test('a memory limit acts like the end of device memory', () => {
    const source = device(2 ** 30);
    const allocator = createAllocator(source, 64 * MIB);
    const block = allocator.allocate(40 * MIB);
    expect(() => allocator.allocate(40 * MIB)).toThrow(/limit 64\.0 MiB/);
    allocator.setLimit(128 * MIB);
    allocator.allocate(40 * MIB);
    expect(source.used()).toBeLessThanOrEqual(128 * MIB);
    allocator.free(block);
  });

  test("the device's other errors pass through", () => {
    const source = device(2 ** 30);
    const allocator = createAllocator({
      ...source,
      take: () => {
        throw new Error('context lost');
      },
    });
    expect(() => allocator.allocate(1)).toThrow('context lost');
  });

  test('freeing twice is refused', () => {
    const allocator = createAllocator(device(2 ** 30));
    const block = allocator.allocate(100);
    allocator.free(block);
    expect(() => allocator.free(block)).toThrow(/freed twice/);
  });

  test.each([1, 2, 3])('at random: no overlap, exact counts, all of it given back (seed %i)', (seed) => {
    const random = randomStream(seed, 'allocator');
    const source = device(256 * MIB);
    const allocator = createAllocator(source);
    const live = new Map<Block, number>();
    let refused = 0;
    for (let i = 0; i < 3000; i++) {
      if (live.size > 0 && random.uniform() < 0.48) {
        const block = [...live.keys()][random.int(live.size)]!;
        live.delete(block);
        allocator.free(block);
      } else {
        const bytes = Math.floor(2 ** (25 * random.uniform()));
        try {
          const block = allocator.allocate(bytes);
          expect(block.bytes).toBeGreaterThanOrEqual(bytes);
          live.set(block, bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(OutOfMemoryError);
          refused++;
        }
      }
      if (random.uniform() < 0.01) allocator.trim();
      const { current, reserved, blocks } = allocator.statistics();
      expect(blocks).toBe(live.size);
      expect(current).toBe([...live.keys()].reduce((sum, block) => sum + block.bytes, 0));
      expect(reserved).toBe(source.used());
      if (i % 100 > 0) continue;
      const sorted = [...live.keys()].sort((a, b) => a.address - b.address);
      for (let j = 1; j < sorted.length; j++)
        expect(sorted[j]!.address).toBeGreaterThanOrEqual(sorted[j - 1]!.address + sorted[j - 1]!.bytes);
    }
    expect(refused).toBeGreaterThan(0);
    for (const block of live.keys()) allocator.free(block);
    allocator.trim();
    expect(source.used()).toBe(0);
    expect(allocator.statistics()).toMatchObject({ current: 0, reserved: 0, segments: 0 });
  });
});
