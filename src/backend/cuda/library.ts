// The CUDA libraries as functions, every call checked. Handles and device addresses are numbers: addresses have at
// most 57 bits on the hosts that NVIDIA supports and 49 on the device, and are far below 2^53 in practice.

import { EnvironmentError, messageOf } from '../../base/errors.js';
import { whyUntrusted } from '../../base/trust.js';
import type koffi from '../koffi.js';
import { type Candidate, candidates, companions, type LibraryName, PREPARED } from './find.js';
import { type CodeSpace, failure, isExhausted } from './status.js';

type Argument = number | string | readonly string[] | ArrayBufferView | null;
type Checked = (...args: Argument[]) => void;
/** A function whose result is left to the caller. */
type Raw = (...args: Argument[]) => number;
/** One that may also run on another thread, as koffi's functions may; the callback gets its result. */
type Aside = Raw & {
  async(...args: [...Argument[], (error: Error | null, result: number) => void]): void;
};

/** i int, u unsigned, z size_t, h handle or address, p array, s string, S array of strings, U uint64. */
const TYPES: Record<string, string> = {
  i: 'int',
  u: 'unsigned int',
  z: 'size_t',
  h: 'uintptr_t',
  p: 'void *',
  s: 'str',
  S: 'const char **',
  U: 'uint64_t',
  I: 'int64_t',
};

const DRIVER = {
  cuInit: 'u',
  cuDriverGetVersion: 'p',
  cuDeviceGetCount: 'p',
  cuDeviceGet: 'pi',
  cuDeviceGetName: 'pii',
  cuDeviceGetAttribute: 'pii',
  cuDeviceTotalMem_v2: 'pi',
  cuDevicePrimaryCtxRetain: 'pi',
  cuDevicePrimaryCtxRelease_v2: 'i',
  cuCtxSetCurrent: 'h',
  cuMemGetInfo_v2: 'pp',
  cuMemAlloc_v2: 'pz',
  cuMemFree_v2: 'U',
  cuMemAllocHost_v2: 'pz',
  cuMemFreeHost: 'h',
  cuMemcpyHtoDAsync_v2: 'Uhzh',
  cuMemcpyDtoHAsync_v2: 'hUzh',
  cuMemcpyDtoDAsync_v2: 'UUzh',
  cuMemsetD32Async: 'Uuzh',
  cuStreamCreate: 'pu',
  cuStreamSynchronize: 'h',
  cuStreamDestroy_v2: 'h',
  cuEventCreate: 'pu',
  cuEventRecord: 'hh',
  cuEventSynchronize: 'h',
  cuEventDestroy_v2: 'h',
  cuModuleLoadData: 'pp',
  cuModuleGetFunction: 'phs',
  cuModuleUnload: 'h',
  cuFuncSetAttribute: 'hii',
} as const;

/** Functions under their later names, and under those that drivers have had before. Absent where a driver has neither. */
const DRIVER_EITHER = {
  cuEventElapsedTime: [['cuEventElapsedTime_v2', 'cuEventElapsedTime'], 'phh'],
  cuStreamBeginCapture: [['cuStreamBeginCapture_v2'], 'hi'],
  cuStreamEndCapture: [['cuStreamEndCapture'], 'hp'],
  cuGraphInstantiate: [['cuGraphInstantiateWithFlags'], 'phU'],
  cuGraphLaunch: [['cuGraphLaunch'], 'hh'],
  cuGraphExecDestroy: [['cuGraphExecDestroy'], 'h'],
  cuGraphDestroy: [['cuGraphDestroy'], 'h'],
} as const;

/** Called so often, or with results other than failure, that their callers look at the code themselves. */
const DRIVER_RAW = { cuEventQuery: 'h', cuLaunchKernel: 'huuuuuuuhhh' } as const;

const NVRTC = {
  nvrtcVersion: 'pp',
  nvrtcGetNumSupportedArchs: 'p',
  nvrtcGetSupportedArchs: 'p',
  nvrtcCreateProgram: 'pssiSS',
  nvrtcDestroyProgram: 'p',
  nvrtcGetProgramLogSize: 'hp',
  nvrtcGetProgramLog: 'hp',
  nvrtcGetCUBINSize: 'hp',
  nvrtcGetCUBIN: 'hp',
  nvrtcGetPTXSize: 'hp',
  nvrtcGetPTX: 'hp',
} as const;

const NVRTC_RAW = { nvrtcCompileProgram: 'hiS' } as const;

const CUBLAS = {
  cublasLtCreate: 'p',
  cublasLtDestroy: 'h',
  cublasLtMatmulDescCreate: 'pii',
  cublasLtMatmulDescDestroy: 'h',
  cublasLtMatmulDescSetAttribute: 'hipz',
  cublasLtMatrixLayoutCreate: 'piUUI',
  cublasLtMatrixLayoutDestroy: 'h',
  cublasLtMatrixLayoutSetAttribute: 'hipz',
  cublasLtMatmulPreferenceCreate: 'p',
  cublasLtMatmulPreferenceDestroy: 'h',
  cublasLtMatmulPreferenceSetAttribute: 'hipz',
  cublasLtMatmulAlgoGetHeuristic: 'hhhhhhhipp',
  cublasLtMatmul: 'hhphhhhphhhhphzh',
} as const;

/** Returns a size_t, not a status. */
const CUBLAS_VERSION = { cublasLtGetVersion: '' } as const;

type Functions<T, F> = { readonly [K in keyof T]: F };
export type DriverApi = Functions<typeof DRIVER, Checked> &
  Functions<typeof DRIVER_RAW, Raw> &
  Partial<Functions<typeof DRIVER_EITHER, Checked>>;
export type NvrtcApi = Functions<typeof NVRTC, Checked> & Functions<typeof NVRTC_RAW, Aside>;
export type CublasApi = Functions<typeof CUBLAS, Checked> & Functions<typeof CUBLAS_VERSION, Raw>;

type Handle = ReturnType<typeof koffi.load>;

/** A library that is loaded, and the file that it came from. */
export interface Loaded<Api> {
  api: Api;
  file: Candidate;
  rescue: Rescue;
}

/** What is tried before a failed call is an error. Whoever owns the device's memory sets it. */
export interface Rescue {
  /** Gives idle memory back to the device; returns its bytes. The call is then tried once more. */
  makeRoom?(): number;
  /** What the driver says of the device's state, where a library above it says only that it failed. */
  deviceError?(): Error | undefined;
}

/** The allocator makes room itself, in an order of its own. */
const OWN_RESCUE = ['cuMemAlloc_v2'];

/** Loads libcuda. @throws EnvironmentError saying where was looked */
export const loadDriver = (env = process.env): Promise<Loaded<DriverApi>> =>
  load('libcuda', env, Infinity, (handle, rescue) => ({
    ...bind(handle, 'driver', DRIVER, rescue),
    ...launching(bindRaw(handle, DRIVER_RAW, 'int'), rescue),
    ...bindEither(handle, 'driver', DRIVER_EITHER, rescue),
  }));

/** A launch may need memory too: for its module, which is loaded late, or for local memory. */
function launching<T extends { cuLaunchKernel: Raw }>(api: T, rescue: Rescue): T {
  const { cuLaunchKernel } = api;
  return {
    ...api,
    cuLaunchKernel: (...args) => {
      const code = cuLaunchKernel(...args);
      return isExhausted('driver', code) && rescue.makeRoom?.() ? cuLaunchKernel(...args) : code;
    },
  };
}

/** Loads NVRTC, of no later CUDA than `major`, which the driver sets. @throws EnvironmentError */
export const loadNvrtc = (major: number, env = process.env): Promise<Loaded<NvrtcApi>> =>
  load('libnvrtc', env, major, (handle, rescue) => ({
    ...bind(handle, 'nvrtc', NVRTC, rescue),
    ...(bindRaw(handle, NVRTC_RAW, 'int') as Functions<typeof NVRTC_RAW, Aside>),
  }));

/** Loads cuBLASLt, of no later CUDA than `major`, which the driver sets. @throws EnvironmentError */
export const loadCublasLt = (major: number, env = process.env): Promise<Loaded<CublasApi>> =>
  load('libcublasLt', env, major, (handle, rescue) => ({
    ...bind(handle, 'cublas', CUBLAS, rescue),
    ...bindRaw(handle, CUBLAS_VERSION, 'size_t'),
  }));

/** A library that could not be loaded. */
export class MissingLibrary extends EnvironmentError {
  override readonly name = 'MissingLibrary';
  /** @param tooNew files of a later CUDA than the driver runs */
  constructor(
    readonly library: LibraryName,
    readonly tooNew: readonly Candidate[],
    message: string,
  ) {
    super(message);
  }
}

/** Companions of loaded libraries, which must stay loaded. */
const kept: Handle[] = [];

async function load<Api>(
  library: LibraryName,
  env: NodeJS.ProcessEnv,
  major: number,
  open: (handle: Handle, rescue: Rescue) => Api,
): Promise<Loaded<Api>> {
  const { default: koffi } = await import('../koffi.js');
  const tooNew: Candidate[] = [];
  const failures: string[] = [];
  for (const file of candidates(library, env)) {
    const later = file.major > major;
    if (later && !file.path.includes('/')) continue;
    if (later) {
      tooNew.push(file);
      continue;
    }
    try {
      // Other places are the system's, or named by the user.
      const untrusted = file.where === PREPARED ? whyUntrusted(file.path) : undefined;
      if (untrusted) throw new EnvironmentError(untrusted);
      for (const path of companions(file)) kept.push(koffi.load(path));
      const rescue: Rescue = {};
      return { api: open(koffi.load(file.path), rescue), file, rescue };
    } catch (error) {
      // A bare name that is not there is no news.
      if (file.path.includes('/')) failures.push(`${file.path}: ${messageOf(error)}`);
    }
  }
  const [later] = tooNew;
  const what = later
    ? `only ${later.path} was found, of CUDA ${later.major}; the driver runs CUDA ${major} at most`
    : failures.length > 0
      ? `${library} cannot be loaded (${failures.join('; ')})`
      : `${library} was not found`;
  throw new MissingLibrary(library, tooNew, what);
}

function bind<T extends Record<string, string>>(
  handle: Handle,
  space: CodeSpace,
  signatures: T,
  rescue: Rescue,
): Functions<T, Checked> {
  const raw = bindRaw(handle, signatures, 'int');
  const checked = Object.entries<Raw>(raw).map(([name, call]) => [
    name,
    (...args: Argument[]) => {
      let code = call(...args);
      if (code === 0) return;
      if (isExhausted(space, code) && !OWN_RESCUE.includes(name) && rescue.makeRoom?.()) code = call(...args);
      if (code !== 0) throw rescue.deviceError?.() ?? failure(space, name, code);
    },
  ]);
  return Object.fromEntries(checked) as Functions<T, Checked>;
}

/** Binds the first name of each that the library has. */
function bindEither<T extends Record<string, readonly [readonly string[], string]>>(
  handle: Handle,
  space: CodeSpace,
  functions: T,
  rescue: Rescue,
): Partial<Functions<T, Checked>> {
  const bound: Record<string, Checked> = {};
  for (const [name, [names, letters]] of Object.entries(functions))
    for (const each of names)
      try {
        bound[name] ??= bind(handle, space, { [each]: letters }, rescue)[each]!;
      } catch {} // this library does not have it
  return bound as Partial<Functions<T, Checked>>;
}

function bindRaw<T extends Record<string, string>>(
  handle: Handle,
  signatures: T,
  result: string,
): Functions<T, Raw> {
  const functions = Object.entries(signatures).map(([name, letters]) => [
    name,
    handle.func(
      name,
      result,
      [...letters].map((letter) => TYPES[letter]!),
    ),
  ]);
  return Object.fromEntries(functions) as unknown as Functions<T, Raw>;
}

/** A handle or address that a call stores through a pointer: `call` gets the place, the number comes back. */
export function received(call: (place: Uint32Array) => void): number {
  const place = new Uint32Array(2);
  call(place);
  return place[1]! * 2 ** 32 + place[0]!;
}

/** The same for an int. */
export function receivedInt(call: (place: Int32Array) => void): number {
  const place = new Int32Array(1);
  call(place);
  return place[0]!;
}
