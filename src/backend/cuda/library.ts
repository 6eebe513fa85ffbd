// The CUDA libraries as functions, every call checked. Handles and device addresses are numbers: addresses have at
// most 57 bits on the hosts that NVIDIA supports and 49 on the device, and are far below 2^53 in practice.

import { DeviceLostError, EnvironmentError, messageOf } from '../../base/errors.js';
import { whyUntrusted } from '../../base/trust.js';
import type { loadForGood } from '../koffi.js';
import { type Candidate, candidates, companions, type LibraryName, PREPARED } from './find.js';
import { type CodeSpace, CudaError, failure, isExhausted, lost } from './status.js';

type Argument = number | string | readonly string[] | ArrayBufferView | null;
type Checked = (...args: Argument[]) => void;
/** A function whose result is left to the caller. */
type Raw = (...args: Argument[]) => number;
/** One that may also run on another thread, as koffi's functions may; the callback gets its result. */
export type Aside = Raw & {
  async(...args: [...Argument[], (error: Error | null, result: number) => void]): void;
};

// Parameters as C declares them (cuda.h, nvrtc.h, cublasLt.h, cudnn_graph.h), except that a handle or an address which is handed back is a
// number, `uintptr_t`, and that `str` is a text.

const DRIVER = {
  cuInit: 'unsigned int',
  cuDriverGetVersion: 'void *',
  cuDeviceGetCount: 'void *',
  cuDeviceGet: 'void *, int',
  cuDeviceGetName: 'void *, int, int',
  cuDeviceGetAttribute: 'void *, int, int',
  cuDeviceTotalMem_v2: 'void *, int',
  cuDevicePrimaryCtxRetain: 'void *, int',
  cuDevicePrimaryCtxRelease_v2: 'int',
  cuMemGetInfo_v2: 'void *, void *',
  cuMemAlloc_v2: 'void *, size_t',
  cuMemFree_v2: 'uint64_t',
  cuMemAllocHost_v2: 'void *, size_t',
  cuMemFreeHost: 'uintptr_t',
  cuMemcpyHtoDAsync_v2: 'uint64_t, uintptr_t, size_t, uintptr_t',
  cuMemcpyDtoHAsync_v2: 'uintptr_t, uint64_t, size_t, uintptr_t',
  cuMemcpyDtoDAsync_v2: 'uint64_t, uint64_t, size_t, uintptr_t',
  cuMemsetD32Async: 'uint64_t, unsigned int, size_t, uintptr_t',
  cuStreamCreate: 'void *, unsigned int',
  cuStreamSynchronize: 'uintptr_t',
  cuStreamDestroy_v2: 'uintptr_t',
  cuEventCreate: 'void *, unsigned int',
  cuEventRecord: 'uintptr_t, uintptr_t',
  cuEventDestroy_v2: 'uintptr_t',
  cuModuleLoadData: 'void *, void *',
  cuModuleGetFunction: 'void *, uintptr_t, str',
  cuModuleUnload: 'uintptr_t',
  cuFuncSetAttribute: 'uintptr_t, int, int',
} as const;

/** Functions under their later names, and under those that drivers have had before. Absent where a driver has neither. */
const DRIVER_EITHER = {
  cuEventElapsedTime: [['cuEventElapsedTime_v2', 'cuEventElapsedTime'], 'void *, uintptr_t, uintptr_t'],
  cuEventRecordWithFlags: [['cuEventRecordWithFlags'], 'uintptr_t, uintptr_t, unsigned int'],
  cuStreamBeginCapture: [['cuStreamBeginCapture_v2'], 'uintptr_t, int'],
  cuStreamEndCapture: [['cuStreamEndCapture'], 'uintptr_t, void *'],
  cuGraphInstantiate: [['cuGraphInstantiateWithFlags'], 'void *, uintptr_t, uint64_t'],
  cuGraphLaunch: [['cuGraphLaunch'], 'uintptr_t, uintptr_t'],
  cuGraphExecDestroy: [['cuGraphExecDestroy'], 'uintptr_t'],
  cuGraphDestroy: [['cuGraphDestroy'], 'uintptr_t'],
} as const;

/** Called on other threads too. */
const DRIVER_ASIDE = { cuCtxSetCurrent: 'uintptr_t', cuEventSynchronize: 'uintptr_t' } as const;

/** Called so often, or with results other than failure, that their callers look at the code themselves. */
const DRIVER_RAW = {
  cuEventQuery: 'uintptr_t',
  cuLaunchKernel:
    'uintptr_t, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int, uintptr_t, uintptr_t, uintptr_t',
} as const;

const NVRTC = {
  nvrtcVersion: 'void *, void *',
  nvrtcGetNumSupportedArchs: 'void *',
  nvrtcGetSupportedArchs: 'void *',
  nvrtcCreateProgram: 'void *, str, str, int, const char **, const char **',
  nvrtcDestroyProgram: 'void *',
  nvrtcGetProgramLogSize: 'uintptr_t, void *',
  nvrtcGetProgramLog: 'uintptr_t, void *',
  nvrtcGetCUBINSize: 'uintptr_t, void *',
  nvrtcGetCUBIN: 'uintptr_t, void *',
  nvrtcGetPTXSize: 'uintptr_t, void *',
  nvrtcGetPTX: 'uintptr_t, void *',
} as const;

const NVRTC_RAW = { nvrtcCompileProgram: 'uintptr_t, int, const char **' } as const;

const CUBLAS = {
  cublasLtCreate: 'void *',
  cublasLtDestroy: 'uintptr_t',
  cublasLtMatmulDescCreate: 'void *, int, int',
  cublasLtMatmulDescDestroy: 'uintptr_t',
  cublasLtMatmulDescSetAttribute: 'uintptr_t, int, void *, size_t',
  cublasLtMatrixLayoutCreate: 'void *, int, uint64_t, uint64_t, int64_t',
  cublasLtMatrixLayoutDestroy: 'uintptr_t',
  cublasLtMatrixLayoutSetAttribute: 'uintptr_t, int, void *, size_t',
  cublasLtMatmulPreferenceCreate: 'void *',
  cublasLtMatmulPreferenceDestroy: 'uintptr_t',
  cublasLtMatmulPreferenceSetAttribute: 'uintptr_t, int, void *, size_t',
  cublasLtMatmulAlgoGetHeuristic:
    'uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, int, void *, void *',
  cublasLtMatmul:
    'uintptr_t, uintptr_t, void *, uintptr_t, uintptr_t, uintptr_t, uintptr_t, void *, uintptr_t, uintptr_t, uintptr_t, uintptr_t, void *, uintptr_t, size_t, uintptr_t',
} as const;

const CUDNN = {
  cudnnCreate: 'void *',
  cudnnSetStream: 'uintptr_t, uintptr_t',
  cudnnBackendCreateDescriptor: 'int, void *',
  cudnnBackendDestroyDescriptor: 'uintptr_t',
  cudnnBackendSetAttribute: 'uintptr_t, int, int, int64_t, void *',
  cudnnBackendGetAttribute: 'uintptr_t, int, int, int64_t, void *, void *',
  cudnnBackendFinalize: 'uintptr_t',
  cudnnBackendExecute: 'uintptr_t, uintptr_t, uintptr_t',
} as const;

/** Return a size_t, not a status. */
const CUDNN_VERSIONS = { cudnnGetVersion: '', cudnnGetCudartVersion: '' } as const;

/** Returns a size_t, not a status. */
const CUBLAS_VERSION = { cublasLtGetVersion: '' } as const;

type Functions<T, F> = { readonly [K in keyof T]: F };
export type DriverApi = Functions<typeof DRIVER, Checked> &
  Functions<typeof DRIVER_RAW, Raw> &
  Functions<typeof DRIVER_ASIDE, Aside> &
  Partial<Functions<typeof DRIVER_EITHER, Checked>> & {
    /** The error for a raw call that returned `code`. */
    failed(call: string, code: number): Error;
  };
export type NvrtcApi = Functions<typeof NVRTC, Checked> & Functions<typeof NVRTC_RAW, Aside>;
export type CublasApi = Functions<typeof CUBLAS, Checked> & Functions<typeof CUBLAS_VERSION, Raw>;
export type CudnnApi = Functions<typeof CUDNN, Checked> & Functions<typeof CUDNN_VERSIONS, Raw>;

type Handle = ReturnType<typeof loadForGood>;

/** A library that is loaded, and the file that it came from. */
export interface Loaded<Api> {
  api: Api;
  file: Candidate;
  rescue: Rescue;
}

/** What is tried before a failed call is an error. Set by the owner of the device's memory. */
export interface Rescue {
  /** Gives idle memory back to the device; returns its bytes. The call is then tried once more. */
  makeRoom?(): number;
  /** What the driver says of the device's state, where the code of a failed call does not tell. */
  deviceError?(): Error | undefined;
}

/** The allocator makes room itself, in an order of its own. */
const OWN_RESCUE = ['cuMemAlloc_v2'];

/** Loads libcuda. @throws EnvironmentError saying where was looked */
export const loadDriver = (env = process.env): Promise<Loaded<DriverApi>> =>
  load('libcuda', env, Infinity, (handle, rescue) => ({
    ...bind(handle, 'driver', DRIVER, rescue),
    ...launching(bindRaw(handle, DRIVER_RAW, 'int'), rescue),
    ...(bindRaw(handle, DRIVER_ASIDE, 'int') as Functions<typeof DRIVER_ASIDE, Aside>),
    ...bindEither(handle, 'driver', DRIVER_EITHER, rescue),
    failed: (call: string, code: number) => failureOf('driver', call, code, rescue),
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

/** The first cuDNN whose descriptors and patterns are those of src/backend/cuda/cudnn. */
const OLDEST_CUDNN = 91_000;

/**
 * Loads cuDNN 9 made for CUDA `major`. It needs cuBLASLt and NVRTC of that CUDA, and ends the process where it does not find
 * them: load these first. Of two versions in a process the second calls into the first one's parts, so that only the first which is
 * found can serve.
 * @param cublas where cuBLASLt was found: a cuDNN from there is the most likely to be made for it
 * @throws MissingLibrary
 */
export const loadCudnn = (
  major: number,
  env = process.env,
  cublas?: Candidate,
): Promise<Loaded<CudnnApi>> => {
  const open = (handle: Handle, rescue: Rescue): CudnnApi => {
    const api = {
      ...bind(handle, 'cudnn', CUDNN, rescue),
      ...bindRaw(handle, CUDNN_VERSIONS, 'size_t'),
    };
    const [version, cuda] = [api.cudnnGetVersion(), Math.floor(api.cudnnGetCudartVersion() / 1000)];
    if (version < OLDEST_CUDNN || cuda !== major)
      throw new EnvironmentError(
        `expected cuDNN 9.10 or later for CUDA ${major}, got version ${version} for CUDA ${cuda}`,
      );
    return api;
  };
  return load('libcudnn', env, major, open, cublas);
};

/** A library that could not be loaded. */
export class MissingLibrary extends EnvironmentError {
  override readonly name = 'MissingLibrary';
  /** @param tooNew files of a later CUDA than the driver runs; @param found whether there are others, which do not serve */
  constructor(
    readonly library: LibraryName,
    readonly tooNew: readonly Candidate[],
    message: string,
    readonly found = false,
  ) {
    super(message);
  }
}

async function load<Api>(
  library: LibraryName,
  env: NodeJS.ProcessEnv,
  major: number,
  open: (handle: Handle, rescue: Rescue) => Api,
  beside?: Candidate,
): Promise<Loaded<Api>> {
  const { loadForGood } = await import('../koffi.js');
  const tooNew: Candidate[] = [];
  const failures: string[] = [];
  for (const file of candidates(library, env, undefined, beside)) {
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
      for (const path of companions(file)) loadForGood(path);
      const rescue: Rescue = {};
      return { api: open(loadForGood(file.path), rescue), file, rescue };
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
  throw new MissingLibrary(library, tooNew, what, failures.length > 0);
}

function bind<T extends Record<string, string>>(
  handle: Handle,
  space: CodeSpace,
  parameters: T,
  rescue: Rescue,
): Functions<T, Checked> {
  const raw = bindRaw(handle, parameters, 'int');
  const checked = Object.entries<Raw>(raw).map(([name, call]) => [
    name,
    (...args: Argument[]) => {
      let code = call(...args);
      if (code === 0) return;
      if (isExhausted(space, code) && !OWN_RESCUE.includes(name) && rescue.makeRoom?.()) code = call(...args);
      if (code !== 0) throw failureOf(space, name, code, rescue);
    },
  ]);
  return Object.fromEntries(checked) as Functions<T, Checked>;
}

/** The error for a failed call: the loss of the device where that is behind it. */
function failureOf(space: CodeSpace, call: string, code: number, { deviceError }: Rescue): Error {
  if (space !== 'driver') return deviceError?.() ?? failure(space, call, code);
  const error = failure(space, call, code);
  return error instanceof CudaError && deviceError?.() instanceof DeviceLostError ? lost(error) : error;
}

/** Binds the first name of each that the library has. */
function bindEither<T extends Record<string, readonly [readonly string[], string]>>(
  handle: Handle,
  space: CodeSpace,
  functions: T,
  rescue: Rescue,
): Partial<Functions<T, Checked>> {
  const bound: Record<string, Checked> = {};
  for (const [name, [names, list]] of Object.entries(functions))
    for (const each of names)
      try {
        bound[name] ??= bind(handle, space, { [each]: list }, rescue)[each]!;
      } catch {} // this library does not have it
  return bound as Partial<Functions<T, Checked>>;
}

function bindRaw<T extends Record<string, string>>(
  handle: Handle,
  parameters: T,
  result: string,
): Functions<T, Raw> {
  const functions = Object.entries(parameters).map(([name, list]) => [
    name,
    handle.func(`${result} ${name}(${list})`),
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
