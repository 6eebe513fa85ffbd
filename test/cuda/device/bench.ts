// Runs one kernel of kernels/cuda without the project's runtime: arrays go up, the kernel runs, arrays come back.
// Every launch is made twice and must give the same bits: on the emulated device with threads and blocks in a
// different order, on a GPU, where there is one, as is. Under compute-sanitizer the kernels' tests are its test
// program.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { candidates, type LibraryName } from '../../../src/backend/cuda/find.js';
import { type Controls, controlsOf, emulatedLibraries, isStandIn, whyNoEmulatedDevice } from './device.js';

const KERNELS = fileURLToPath(new URL('../../../../kernels/', import.meta.url));

export type Cells = Float32Array | Int32Array | Uint16Array | Uint8Array | BigInt64Array;

/** A kernel's argument: an array (its device address is passed), or a number with its C type. */
export type Argument =
  | Cells
  | Table
  | { int: number }
  | { long: number }
  | { float: number }
  | { bytes: Uint8Array }
  | null;

/** An array of device addresses (of a place in another array, in bytes) and 64-bit numbers, passed by its own address. */
export interface Table {
  rows: ({ array: Cells; at: number } | number)[][];
}

export interface Launch {
  grid: number | readonly number[];
  block: number;
  /** Bytes of dynamic shared memory. */
  shared?: number;
}

/** A compiled source. */
export interface Program {
  /** Runs `kernel`; arrays among the arguments then hold what it left in them. @throws what went wrong */
  run(kernel: string, launch: Launch, args: readonly Argument[]): void;
}

export interface Bench {
  /** Compute capability times 10. */
  chip: number;
  /** Of the emulated device. */
  controls?: Controls;
  /** An argument made of addresses. */
  table(rows: Table['rows']): Table;
  /** Compiles kernels/cuda/`file`, or a text of several lines, with these macros. @throws with the compiler's messages */
  program(file: string, defines?: Readonly<Record<string, number | string>>): Program;
}

/** Where kernels can be run. */
export interface Place {
  /** In words, with the reason where it cannot be used. */
  name: string;
  usable: boolean;
  open(): Promise<Bench>;
}

/** The emulated device, as a chip of compute capability 8.0, and the machine's first GPU. */
export const PLACES: readonly Place[] = [emulatedPlace(), await gpuPlace()];

function emulatedPlace(): Place {
  const reason = whyNoEmulatedDevice();
  const name = `the emulated device${reason ? ` (${reason})` : ''}`;
  return { name, usable: reason === undefined, open: () => openEmulated() };
}

/** The machine's GPU, never a stand-in for its driver, whatever is loaded in this process. */
export async function gpuPlace(): Promise<Place> {
  const { default: koffi } = await import('../../../src/backend/koffi.js');
  const load = (library: LibraryName) => {
    for (const { path } of candidates(library)) {
      try {
        const loaded = koffi.load(path);
        if (!isStandIn(loaded)) return loaded;
      } catch {}
    }
    return undefined;
  };
  const [cuda, nvrtc] = [load('libcuda'), load('libnvrtc')];
  const usable =
    cuda !== undefined && nvrtc !== undefined && cuda.func('cuInit', 'int', ['unsigned int'])(0) === 0;
  const missing = cuda === undefined ? 'no NVIDIA driver' : nvrtc === undefined ? 'no NVRTC' : 'no device';
  return {
    name: `a GPU${usable ? '' : ` (${missing})`}`,
    usable,
    open: async () => benchOf(koffi, cuda!, nvrtc!),
  };
}

/** Opens the emulated device. */
export async function openEmulated(chip = 80): Promise<Bench & { controls: Controls }> {
  const { default: koffi } = await import('../../../src/backend/koffi.js');
  const folder = emulatedLibraries();
  const controls = await controlsOf(folder);
  // 99 KiB of shared memory a block, the least of chips from 8.0 on.
  controls.fake_set_device(1, Math.floor(chip / 10), chip % 10, 4, 101_376);
  controls.fake_set_tight(1);
  const [cuda, nvrtc] = ['libcuda.so.1', 'libnvrtc.so.12'].map((file) => koffi.load(join(folder, file)));
  return { ...benchOf(koffi, cuda!, nvrtc!, controls), controls };
}

type Koffi = typeof import('koffi').default;
type Library = ReturnType<Koffi['load']>;

function benchOf(koffi: Koffi, cuda: Library, nvrtc: Library, controls?: Controls): Bench {
  const call = (name: string, ...types: string[]) => cuda.func(name, 'int', types);
  const check = (code: number, what: string) => {
    if (code !== 0) throw new Error(`${what}: ${code} ${controls?.fake_errors() ?? ''}`);
  };
  const cuMemAlloc = call('cuMemAlloc_v2', 'void *', 'size_t');
  const cuMemFree = call('cuMemFree_v2', 'uint64_t');
  const upload = call('cuMemcpyHtoDAsync_v2', 'uint64_t', 'void *', 'size_t', 'uintptr_t');
  const download = call('cuMemcpyDtoHAsync_v2', 'void *', 'uint64_t', 'size_t', 'uintptr_t');
  const synchronize = call('cuStreamSynchronize', 'uintptr_t');
  const load = call('cuModuleLoadData', 'void *', 'void *');
  const getFunction = call('cuModuleGetFunction', 'void *', 'uintptr_t', 'str');
  const setAttribute = call('cuFuncSetAttribute', 'uintptr_t', 'int', 'int');
  const launch = call(
    'cuLaunchKernel',
    'uintptr_t',
    ...Array(7).fill('unsigned int'),
    'uintptr_t',
    'void *',
    'void *',
  );
  const compiler = {
    create: nvrtc.func('nvrtcCreateProgram', 'int', ['void *', 'str', 'str', 'int', 'void *', 'void *']),
    compile: nvrtc.func('nvrtcCompileProgram', 'int', ['uintptr_t', 'int', 'const char **']),
    logSize: nvrtc.func('nvrtcGetProgramLogSize', 'int', ['uintptr_t', 'void *']),
    log: nvrtc.func('nvrtcGetProgramLog', 'int', ['uintptr_t', 'void *']),
    size: nvrtc.func('nvrtcGetCUBINSize', 'int', ['uintptr_t', 'void *']),
    get: nvrtc.func('nvrtcGetCUBIN', 'int', ['uintptr_t', 'void *']),
  };
  const place = () => new BigUint64Array(1);
  check(call('cuInit', 'unsigned int')(0), 'cuInit');
  const context = place();
  check(call('cuDevicePrimaryCtxRetain', 'void *', 'int')(context, 0), 'cuDevicePrimaryCtxRetain');
  check(call('cuCtxSetCurrent', 'uintptr_t')(context[0]!), 'cuCtxSetCurrent');
  const attribute = call('cuDeviceGetAttribute', 'void *', 'int', 'int');
  const capability = new Int32Array(2);
  [75, 76].forEach((which, i) => {
    check(attribute(capability.subarray(i), which, 0), 'cuDeviceGetAttribute');
  });
  const chip = 10 * capability[0]! + capability[1]!;

  const compile = (
    name: string,
    text: string,
    defines: Readonly<Record<string, number | string>>,
  ): Uint8Array => {
    const program = place();
    check(compiler.create(program, text, name, 0, null, null), 'nvrtcCreateProgram');
    const options = [
      `--gpu-architecture=sm_${chip}`,
      ...['cuda', 'rows'].map((folder) => `--include-path=${join(KERNELS, folder)}`),
      ...Object.entries(defines).map(([name, value]) => `--define-macro=${name}=${value}`),
    ];
    const code = compiler.compile(program[0], options.length, options);
    const size = place();
    if (code !== 0) {
      compiler.logSize(program[0], size);
      const log = Buffer.alloc(Number(size[0]));
      compiler.log(program[0], log);
      throw new Error(`${name}: ${code}\n${log.toString()}`);
    }
    compiler.size(program[0], size);
    const image = new Uint8Array(Number(size[0]));
    compiler.get(program[0], image);
    return image;
  };

  return {
    chip,
    controls,
    table: (rows) => ({ rows }),
    program(file, defines = {}) {
      const text = file.includes('\n') ? file : readFileSync(join(KERNELS, 'cuda', file), 'utf8');
      const module = place();
      check(load(module, compile(file.split('\n')[0]!, text, defines)), 'cuModuleLoadData');
      return {
        run(kernel, { grid, block, shared = 0 }, args) {
          const handle = place();
          check(getFunction(handle, module[0], kernel), `cuModuleGetFunction ${kernel}`);
          if (shared > 48 << 10) check(setAttribute(handle[0], 8, shared), 'cuFuncSetAttribute');
          const [x, y = 1, z = 1] = typeof grid === 'number' ? [grid] : grid;
          const once = (seed: number) => {
            controls?.fake_set_order(seed);
            const copies: { device: bigint; cells: Cells }[] = [];
            const placed = new Map<Cells, bigint>();
            const addressOf = (cells: Cells): bigint => {
              const known = placed.get(cells);
              if (known !== undefined) return known;
              const device = place();
              check(cuMemAlloc(device, Math.max(1, cells.byteLength)), 'cuMemAlloc');
              if (cells.byteLength) check(upload(device[0], cells, cells.byteLength, 0), 'upload');
              copies.push({ device: device[0]!, cells });
              placed.set(cells, device[0]!);
              return device[0]!;
            };
            const packed = pack(args, (each) => {
              if (ArrayBuffer.isView(each)) return addressOf(each as Cells);
              const cells = (each as Table).rows
                .flat()
                .map((cell) =>
                  typeof cell === 'number' ? BigInt(cell) : addressOf(cell.array) + BigInt(cell.at),
                );
              return addressOf(BigInt64Array.from(cells));
            });
            const size = new BigUint64Array([BigInt(packed.byteLength)]);
            const extra = new BigUint64Array([
              ...[1n, BigInt(koffi.address(packed))],
              ...[2n, BigInt(koffi.address(size)), 0n],
            ]);
            const launched = launch(handle[0], x, y, z, block, 1, 1, shared, 0, null, extra);
            const done = launched || synchronize(0);
            const results = copies.map(({ device, cells }) => {
              const result = cells.slice();
              if (cells.byteLength && !done) check(download(result, device, cells.byteLength, 0), 'download');
              return { cells, result };
            });
            for (const { device } of copies) cuMemFree(device);
            const errors = controls?.fake_errors();
            controls?.fake_reset();
            if (done || errors) throw new Error(`${kernel}: ${done} ${errors ?? ''}`);
            return results;
          };
          const first = once(0);
          const second = once(7);
          first.forEach(({ cells, result }, i) => {
            if (cells instanceof BigInt64Array) return;
            if (!Buffer.from(result.buffer).equals(Buffer.from(second[i]!.result.buffer)))
              throw new Error(
                `${kernel}: array ${i} differs from run to run, or with the order of the threads`,
              );
            (cells as Float32Array).set(result as Float32Array);
          });
        },
      };
    },
  };
}

/** The argument buffer of a launch: every argument at the next multiple of its own size. */
function pack(args: readonly Argument[], address: (each: Cells | Table) => bigint): Uint8Array {
  const buffer = Buffer.alloc(4096);
  let at = 0;
  const align = (size: number) => {
    at = Math.ceil(at / size) * size;
    at += size;
    return at - size;
  };
  for (const each of args) {
    if (each === null) buffer.writeBigUInt64LE(0n, align(8));
    else if (ArrayBuffer.isView(each) || 'rows' in each)
      buffer.writeBigUInt64LE(address(each as Cells | Table), align(8));
    else if ('int' in each) buffer.writeInt32LE(each.int, align(4));
    else if ('float' in each) buffer.writeFloatLE(each.float, align(4));
    else if ('long' in each) buffer.writeBigInt64LE(BigInt(each.long), align(8));
    else {
      // A struct of 4-byte numbers.
      at = Math.ceil(at / 4) * 4;
      buffer.set(each.bytes, at);
      at += each.bytes.byteLength;
    }
  }
  return new Uint8Array(buffer.buffer, buffer.byteOffset, at).slice();
}
