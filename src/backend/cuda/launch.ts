// Kernel launches. Arguments are packed into one buffer by CUDA's rules (each aligned to its own size), which is in
// memory that never moves, so that a launch allocates nothing: CU_LAUNCH_PARAM_BUFFER_POINTER, cuda.h.

import { expect, UsageError } from '../../base/errors.js';
import koffi from '../koffi.js';
import type { DriverApi } from './library.js';

/** The most bytes of arguments that a kernel may have on every chip. */
const MAX_ARGUMENT_BYTES = 4096;

/** The most blocks of a grid along x, and along y or z, on every chip (CUDA C++ Programming Guide, technical specifications). */
const MAX_GRID_X = 2 ** 31 - 1;
const MAX_GRID_YZ = 65_535;

/** Types of a kernel's arguments: address, int, float, 64-bit integer. */
export type ArgumentType = 'p' | 'i' | 'f' | 'l';

/** A kernel that can be launched. */
export interface KernelFunction {
  /** CUfunction. */
  readonly handle: number;
  readonly name: string;
  /** One letter an argument, see `ArgumentType`. */
  readonly types: string;
}

/** Blocks of a grid: x, and y and z where they are not 1. */
export type Grid = number | readonly [number, number] | readonly [number, number, number];

/** Enqueues kernels on one stream. */
export interface Launcher {
  /**
   * @param threads of a block; @param shared bytes of dynamic shared memory
   * @param values as the kernel's types say
   * @throws UsageError when a size does not fit the kernel's argument or the grid, CudaError
   */
  launch(
    kernel: KernelFunction,
    grid: Grid,
    threads: number,
    shared: number,
    values: readonly number[],
  ): void;
  /** Launches so far. */
  count(): number;
}

/** See `Launcher`. */
export function createLauncher(api: DriverApi, stream: number): Launcher {
  const buffer = pinned(MAX_ARGUMENT_BYTES);
  const view = new DataView(buffer.memory);
  // Pairs of a tag and a value, ended by 0: 1 the buffer's address, 2 the address of its size.
  const extra = pinned(48);
  const slots = new BigUint64Array(extra.memory);
  slots.set([1n, buffer.address, 2n, extra.address + 40n, 0n, 0n]);
  const extraAddress = Number(extra.address);
  let launches = 0;
  return {
    launch({ handle, name, types }, grid, threads, shared, values) {
      if (values.length !== types.length)
        throw new Error(`Expected ${types.length} arguments of kernel ${name}, got ${values.length}`);
      slots[5] = BigInt(pack(view, types, values, name));
      const [x, y = 1, z = 1] = typeof grid === 'number' ? [grid] : grid;
      if (x === 0 || y === 0 || z === 0) return;
      expect(
        x <= MAX_GRID_X && y <= MAX_GRID_YZ && z <= MAX_GRID_YZ,
        () =>
          `Expected a grid of at most ${MAX_GRID_X} x ${MAX_GRID_YZ} x ${MAX_GRID_YZ} blocks for kernel ${name}, ` +
          `got ${x} x ${y} x ${z}; make batch or model smaller`,
      );
      const code = api.cuLaunchKernel(handle, x, y, z, threads, 1, 1, shared, stream, 0, extraAddress);
      if (code !== 0) throw api.failed(`cuLaunchKernel of ${name}`, code);
      launches++;
    },
    count: () => launches,
  };
}

/**
 * Writes `values` into `view`, each aligned to its own size; returns the bytes taken.
 * @param kernel its name, for the error @throws UsageError when an integer does not fit
 */
export function pack(view: DataView, types: string, values: readonly number[], kernel = 'a kernel'): number {
  let at = 0;
  for (let i = 0; i < types.length; i++) {
    const value = values[i]!;
    const type = types.charCodeAt(i);
    if (type === LETTER.p || type === LETTER.l) {
      if (!Number.isSafeInteger(value)) throw misfit(kernel, i, 'an integer of 53 bits', value);
      at = (at + 7) & ~7;
      view.setUint32(at, (value % 2 ** 32) >>> 0, true);
      view.setInt32(at + 4, Math.floor(value / 2 ** 32), true);
      at += 8;
    } else {
      if (type === LETTER.f) view.setFloat32(at, value, true);
      else {
        if ((value | 0) !== value) throw misfit(kernel, i, 'an integer of 32 bits', value);
        view.setInt32(at, value, true);
      }
      at += 4;
    }
  }
  return at;
}

const misfit = (kernel: string, index: number, type: string, value: number) =>
  new UsageError(
    `Expected ${type} as argument ${index} of kernel ${kernel}, got ${value}; make batch or model smaller`,
  );

const LETTER = { p: 112, i: 105, f: 102, l: 108 };

function pinned(bytes: number): { address: bigint; memory: ArrayBuffer } {
  const pointer = koffi.alloc('uint8_t', bytes);
  return { address: koffi.address(pointer), memory: koffi.view(pointer, bytes) };
}
