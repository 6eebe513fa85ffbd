// Kernel arguments in one buffer, by CUDA's rules.

import { describe, expect, test } from '@jest/globals';
import { createLauncher, pack } from '../../../src/backend/cuda/launch.js';
import type { DriverApi } from '../../../src/backend/cuda/library.js';
import { randomStream } from '../../../src/base/random.js';

const SIZE: Record<string, number> = { p: 8, l: 8, i: 4, f: 4 };

/** Reads what `pack` wrote, by the rule that each argument is at the next multiple of its size. */
function unpack(view: DataView, types: string): number[] {
  let at = 0;
  return [...types].map((type) => {
    const size = SIZE[type]!;
    at = Math.ceil(at / size) * size;
    const value =
      type === 'f'
        ? view.getFloat32(at, true)
        : type === 'i'
          ? view.getInt32(at, true)
          : Number(view.getBigInt64(at, true));
    at += size;
    return value;
  });
}

/** Bytes that arguments of these types take. */
function packedBytes(types: string): number {
  let at = 0;
  for (const type of types) {
    const size = type === 'p' || type === 'l' ? 8 : 4;
    at = Math.ceil(at / size) * size + size;
  }
  return at;
}

describe('arguments of a launch', () => {
  test('an address after an int leaves a gap; an int after an address leaves none', () => {
    const view = new DataView(new ArrayBuffer(64));
    expect(pack(view, 'ipi', [7, 0x7f_1234_5678_90, -1])).toBe(20);
    expect(view.getInt32(0, true)).toBe(7);
    expect(view.getBigUint64(8, true)).toBe(0x7f_1234_5678_90n);
    expect(view.getInt32(16, true)).toBe(-1);
    expect(packedBytes('ipi')).toBe(20);
  });

  test('64-bit integers keep their sign and size', () => {
    const view = new DataView(new ArrayBuffer(64));
    const values = [-1, 2 ** 40 + 3, -(2 ** 33), 2 ** 31, 0];
    pack(view, 'lllll', values);
    expect(unpack(view, 'lllll')).toEqual(values);
  });

  test('at random: every argument is where a kernel reads it', () => {
    const random = randomStream(1, 'launch');
    const view = new DataView(new ArrayBuffer(512));
    for (let round = 0; round < 300; round++) {
      const types = Array.from({ length: random.int(30) }, () => 'pifl'[random.int(4)]).join('');
      const values = [...types].map((type) => {
        if (type === 'f') return Math.fround(random.normal());
        if (type === 'i') return random.int(2 ** 32) - 2 ** 31;
        return Math.floor(random.uniform() * 2 ** 47);
      });
      const bytes = pack(view, types, values);
      expect(bytes).toBe(packedBytes(types));
      expect(unpack(view, types)).toEqual(values);
    }
  });

  test('a wrong number of arguments is refused, and an empty grid does nothing', () => {
    const calls: unknown[] = [];
    const api = { cuLaunchKernel: (...args: unknown[]) => calls.push(args) && 0 } as unknown as DriverApi;
    const launcher = createLauncher(api, 0);
    const kernel = { handle: 1, name: 'k', types: 'ip' };
    expect(() => launcher.launch(kernel, 1, 32, 0, [1])).toThrow('Expected 2 arguments of kernel k, got 1');
    launcher.launch(kernel, 0, 32, 0, [1, 2]);
    launcher.launch(kernel, [4, 0], 32, 0, [1, 2]);
    expect(calls).toEqual([]);
    launcher.launch(kernel, [4, 2], 32, 0, [1, 2]);
    expect(launcher.count()).toBe(1);
    expect(calls).toHaveLength(1);
  });

  test.each([
    ['i', 2 ** 31],
    ['i', -(2 ** 31) - 1],
    ['i', 2 ** 32],
    ['i', 1.5],
    ['l', 2 ** 53],
    ['p', Number.NaN],
  ])('an integer that does not fit its argument is refused: %s %d', (type, value) => {
    const view = new DataView(new ArrayBuffer(64));
    expect(() => pack(view, type, [value], 'k')).toThrow(
      /Expected an integer .* argument 0 of kernel k, got/,
    );
  });

  test.each([[[2 ** 31, 1, 1]], [[1, 65_536, 1]], [[1, 1, 65_536]]] as [[number, number, number]][])(
    'a grid beyond what chips have is refused: %j',
    (grid) => {
      const calls: unknown[] = [];
      const api = { cuLaunchKernel: (...args: unknown[]) => calls.push(args) && 0 } as unknown as DriverApi;
      const kernel = { handle: 1, name: 'k', types: 'i' };
      expect(() => createLauncher(api, 0).launch(kernel, grid, 32, 0, [1])).toThrow('blocks for kernel k');
      expect(calls).toEqual([]);
    },
  );
});
