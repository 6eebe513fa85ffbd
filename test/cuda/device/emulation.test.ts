import { beforeAll, describe, expect, test } from '@jest/globals';
import { type Bench, gpuPlace, type Launch, openEmulated } from './bench.js';
import { emulatedLibraries, isStandIn, whyNoEmulatedDevice } from './device.js';

const reason = whyNoEmulatedDevice();
const describeHere = reason ? describe.skip : describe;

const PROGRAM = `// Kernels for the emulation's own test.
#ifndef DYNAMIC_SHARED
#define DYNAMIC_SHARED(type, name) extern __shared__ __align__(16) type name[]
#endif
extern "C" __global__ void __launch_bounds__(64) reverse(int n, const float *x, char odd, double half, float *y) {
  __shared__ float tile[64];
  int i = blockIdx.x * 64 + threadIdx.x;
  tile[threadIdx.x] = i < n ? x[i] : 0;
  __syncthreads();
  int from = blockIdx.x * 64 + 63 - threadIdx.x;
  if (from < n) y[from] = tile[63 - threadIdx.x] * (float)half * odd;
}
extern "C" __global__ void warp_sums(const float *x, float *y) {
  float sum = x[blockIdx.x * 32 + threadIdx.x];
  for (int i = 16; i > 0; i /= 2) sum += __shfl_xor_sync(0xffffffff, sum, i);
  if (threadIdx.x == 0) y[blockIdx.x] = sum;
}
extern "C" __global__ void racy(float *y) {
  DYNAMIC_SHARED(float, tile);
  tile[threadIdx.x] = threadIdx.x;
  y[threadIdx.x] = tile[(threadIdx.x + 1) % 64];
}
extern "C" __global__ void uneven(float *y) {
  if (threadIdx.x == 3) return;
  __syncthreads();
  y[threadIdx.x] = 1;
}
extern "C" __global__ void halfWarps(int all, float *y) {
  __shared__ float tile[32];
  unsigned mine = threadIdx.x < 16 ? 0xffff : 0xffff0000;
  for (int turn = 0; turn < (threadIdx.x < 16 ? 1 : 3); turn++) {
    tile[threadIdx.x] = threadIdx.x + turn;
    __syncwarp(mine);
    y[blockIdx.x * 32 + threadIdx.x] = tile[all ? (threadIdx.x + 16) % 32 : threadIdx.x / 16 * 16 + (threadIdx.x + 1) % 16];
    __syncwarp(mine);
  }
}
extern "C" __global__ void late(float *y) {
  if (threadIdx.x < 16) y[threadIdx.x] = 1;
  else __syncwarp();
}
extern "C" __global__ void unnamed(float *y) { __syncwarp(0xffff); }
extern "C" __global__ void unnamed_source(float *y) {
  y[threadIdx.x] = __shfl_xor_sync(threadIdx.x < 16 ? 0xffff : 0xffff0000, y[threadIdx.x], 16);
}
extern "C" __global__ void misaligned(int n, float *y) { *(float4 *)(y + n) = make_float4(1, 2, 3, 4); }
extern "C" __global__ void out_of_bounds(int n, float *y) {
  __shared__ float tile[64];
  tile[n] = 1;
}
extern "C" __global__ void overflowing(int n, float *y) { y[n * n == 0] = 1; }
extern "C" __global__ void beyond(int n, float *y) { y[n + 4] = 1; }
extern "C" __global__ void shared_beyond(float *y) {
  DYNAMIC_SHARED(float, tile);
  y[0] = tile[1024 + threadIdx.x];
}
`;

describeHere(`The emulated device${reason ? ` (${reason})` : ''}`, () => {
  let bench: Bench;
  let program: ReturnType<Bench['program']>;
  beforeAll(async () => {
    bench = await openEmulated();
    program = bench.program(PROGRAM);
  });

  test('is not mistaken for a GPU once it is loaded, by its folder or by the bare name of the driver', async () => {
    const place = await gpuPlace();
    const before = process.env.TINYGPT_CUDA_LIBRARIES;
    process.env.TINYGPT_CUDA_LIBRARIES = emulatedLibraries();
    try {
      expect((await gpuPlace()).name).toBe(place.name);
    } finally {
      if (before === undefined) delete process.env.TINYGPT_CUDA_LIBRARIES;
      else process.env.TINYGPT_CUDA_LIBRARIES = before;
    }
    const { default: koffi } = await import('../../../src/backend/koffi.js');
    const standsIn = (() => {
      try {
        return isStandIn(koffi.load('libcuda.so.1'));
      } catch {
        return false; // this machine has no driver
      }
    })();
    expect(standsIn).toBe(false);
  });

  test('PTX_LIBRARIES names other stand-ins to use', () => {
    const before = process.env.PTX_LIBRARIES;
    process.env.PTX_LIBRARIES = '/ptx';
    try {
      expect(emulatedLibraries()).toBe('/ptx');
    } finally {
      if (before === undefined) delete process.env.PTX_LIBRARIES;
      else process.env.PTX_LIBRARIES = before;
    }
  });

  test('runs blocks with shared memory, arguments at the offsets of their types', () => {
    const x = Float32Array.from({ length: 130 }, (_, i) => i);
    const y = new Float32Array(130);
    const bytes = new Uint8Array(12);
    new DataView(bytes.buffer).setFloat64(4, 0.5, true);
    // char at 16, double at 24.
    bytes[0] = 3;
    const packed = new Uint8Array(16);
    packed[0] = 3;
    new DataView(packed.buffer).setFloat64(8, 0.5, true);
    program.run('reverse', { grid: 3, block: 64 }, [{ int: 130 }, x, { bytes: packed }, y]);
    expect([...y]).toEqual([...x].map((each) => each * 1.5));
  });

  test('exchanges values within warps', () => {
    const x = Float32Array.from({ length: 64 }, (_, i) => i);
    const y = new Float32Array(2);
    program.run('warp_sums', { grid: 2, block: 32 }, [x, y]);
    expect([...y]).toEqual([496, 496 + 32 * 32]);
  });

  test('a missing barrier is detected', () => {
    const y = new Float32Array(64);
    expect(() => program.run('racy', { grid: 1, block: 64, shared: 256 }, [y])).toThrow(
      /order of the threads/,
    );
  });

  test('a barrier that a thread does not reach is reported', () => {
    const y = new Float32Array(64);
    const launch = { grid: 1, block: 64 };
    expect(() => program.run('uneven', launch, [y])).toThrow(
      /Divergence within a block.*thread \(3,0,0\).*exited/s,
    );
  });

  test('barriers of parts of a warp hold their lanes and no others', () => {
    const y = new Float32Array(4 * 32);
    const [one, four] = [1, 4].map((grid) => ({ grid, block: 32 })) as [Launch, Launch];
    program.run('halfWarps', four, [{ int: 0 }, y]);
    expect([...y]).toEqual(Array.from(y, (_, i) => (i % 32 < 16 ? (i + 1) % 16 : 18 + ((i + 1) % 16))));
    // What the other half wrote needs a barrier of both.
    expect(() => program.run('halfWarps', four, [{ int: 1 }, y])).toThrow(/order of the threads/);
    expect(() => program.run('late', one, [y])).toThrow(/Divergence within a warp.*exited/s);
    expect(() => program.run('unnamed', one, [y])).toThrow(/does not name its own lane/);
    expect(() => program.run('unnamed_source', one, [y])).toThrow(/a lane that its mask does not name/);
  });

  test('launches that a device would refuse or run wrongly are reported with their line', () => {
    const y = new Float32Array(16);
    const one = { grid: 1, block: 1 };
    program.run('misaligned', one, [{ int: 4 }, y]);
    expect(() => program.run('misaligned', one, [{ int: 1 }, y])).toThrow(/Misaligned address at line 46/);
    expect(() => program.run('out_of_bounds', one, [{ int: 64 }, y])).toThrow(/out of bounds at line 49/);
    expect(() => program.run('overflowing', one, [{ int: 1 << 20 }, y])).toThrow(/Overflow at line 51/);
  });

  test('a write beyond an array is reported, with the distance', () => {
    const y = new Float32Array(10);
    expect(() => program.run('beyond', { grid: 1, block: 1 }, [{ int: 7 }, y])).toThrow(
      /44 bytes from the start of an allocation of 40/,
    );
    expect(() => program.run('beyond', { grid: 1, block: 1 }, [{ int: 5000 }, y])).toThrow(/unmapped memory/);
  });

  test('a read beyond dynamic shared memory is reported', () => {
    const y = new Float32Array(1);
    expect(() => program.run('shared_beyond', { grid: 1, block: 32, shared: 4096 }, [y])).toThrow(
      /unmapped memory/,
    );
  });

  test('a wrong number of argument bytes is refused', () => {
    const y = new Float32Array(1);
    expect(() =>
      program.run('racy', { grid: 1, block: 64, shared: 256 }, [y, { int: 1 }, { long: 1 }]),
    ).toThrow(/needs 8/);
  });

  test('a compile error comes with its line', () => {
    expect(() => bench.program('// A fault\n__global__ void fault() { nothing(); }')).toThrow(
      /:2:.*nothing/s,
    );
  });
});
