// One GPU made ready: the driver initialized, a context current, a stream, memory, copies, kernels and products.

import { EnvironmentError, expect, messageOf } from '../../base/errors.js';
import { type Allocator, createAllocator } from './allocator.js';
import { createChoices, fingerprint } from './choices.js';
import { createCompiler, type KernelCompiler } from './compile.js';
import { type Cudnn, createCudnn } from './cudnn/cudnn.js';
import {
  chosenDevice,
  type DeviceProperties,
  driverVersion,
  OLDEST_BF16_CHIP,
  openDevice,
} from './device.js';
import { createLauncher, type Launcher } from './launch.js';
import {
  type CublasApi,
  type CudnnApi,
  type DriverApi,
  type Loaded,
  loadCublasLt,
  loadCudnn,
  loadDriver,
  loadNvrtc,
  MissingLibrary,
  type NvrtcApi,
  received,
} from './library.js';
import { createModules, type FindKernel } from './modules.js';
import { createProducts, type Products, type Selection } from './products.js';
import { CudaError, failure, isRefusedByCapture, lost } from './status.js';
import { createStopwatch } from './timing.js';
import { createTransfer, type Transfer } from './transfer.js';

const STREAM_NON_BLOCKING = 1;

/** The first driver that runs CUDA 12, whose libraries are the oldest that serve. */
const OLDEST_CUDA = 12;

interface Libraries {
  libcuda: Loaded<DriverApi>;
  nvrtc: Loaded<NvrtcApi>;
  cublas: Loaded<CublasApi>;
  /** Or why there is none. */
  cudnn: Loaded<CudnnApi> | string;
}

/** Everything that works on one GPU. */
export interface Session {
  readonly device: DeviceProperties;
  readonly driver: DriverApi;
  readonly stream: number;
  readonly allocator: Allocator;
  readonly transfer: Transfer;
  readonly launcher: Launcher;
  readonly compiler: KernelCompiler;
  readonly kernel: FindKernel;
  readonly products: Products;
  /** cuDNN, where it was found and may be used. */
  readonly cudnn: Cudnn | undefined;
  /** Start of a hash of the stored choices in use, on which the bits of results depend; undefined while there are none. */
  choices(): string | undefined;
  /** Where the libraries were found; for cuDNN, which is optional, or why it is not used. */
  readonly files: { libcuda: string; libnvrtc: string; libcublasLt: string; libcudnn: string };
  /** Sets what runs before memory is returned to the device: deferred work may still read it. */
  onTrim(settle: () => void): void;
  /** Device memory in all and free. */
  memoryInfo(): { free: number; total: number };
  /** Destroys the context with all that it holds. Never throws: after a device was lost the driver may refuse. */
  close(): void;
}

/**
 * Opens the GPU that --device or $TINYGPT_CUDA_DEVICE chose.
 * @throws MissingLibrary, CudaError, EnvironmentError, UsageError
 */
export async function openSession(
  options: {
    env?: NodeJS.ProcessEnv;
    onCompile?: (target: string) => void;
    onNote?: (line: string) => void;
  } = {},
): Promise<Session> {
  const { env = process.env } = options;
  const libcuda = await loadDriver(env);
  const driver = libcuda.api;
  driver.cuInit(0);
  const [major, minor] = driverVersion(driver);
  if (major < OLDEST_CUDA)
    throw new EnvironmentError(
      `the NVIDIA driver runs CUDA ${major}.${minor} at most, expected ${OLDEST_CUDA}.0 or later; install driver 525 or later`,
    );
  const device = openDevice(driver, chosenDevice(env));
  const [nvrtc, cublas] = await both(loadNvrtc(major, env), loadCublasLt(major, env));
  const cudnn = await optionalCudnn(device, nvrtc, cublas, env, options.onNote);
  const context = received((place) => driver.cuDevicePrimaryCtxRetain(place, device.handle));
  const close = () => {
    try {
      driver.cuDevicePrimaryCtxRelease_v2(device.handle);
    } catch {}
  };
  try {
    const code = driver.cuCtxSetCurrent(context);
    if (code !== 0) throw failure('driver', 'cuCtxSetCurrent', code);
    return { ...equip({ libcuda, nvrtc, cublas, cudnn }, device, context, env, options), close };
  } catch (error) {
    close();
    throw error;
  }
}

/** What works in the context that is current. */
function equip(
  { libcuda, nvrtc, cublas, cudnn }: Libraries,
  device: DeviceProperties,
  context: number,
  env: NodeJS.ProcessEnv,
  { onCompile, onNote }: { onCompile?: (target: string) => void; onNote?: (line: string) => void },
): Omit<Session, 'close'> {
  const driver = libcuda.api;
  const stream = received((place) => driver.cuStreamCreate(place, STREAM_NON_BLOCKING));
  const memoryInfo = () => {
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
    driver.cuMemGetInfo_v2(free, total);
    return { free: Number(free[0]), total: Number(total[0]) };
  };
  let settle = () => {};
  const allocator = createAllocator(
    {
      settle: () => settle(),
      take: (bytes) => received((place) => driver.cuMemAlloc_v2(place, bytes)),
      give: (address) => driver.cuMemFree_v2(address),
      info: memoryInfo,
    },
    memoryLimit(env),
  );
  const transfer = createTransfer(driver, stream, context);
  const makeRoom = () => allocator.trim() + transfer.trim();
  let asking = false;
  // A GPU that has fallen off the bus, or slept, may answer every call with a code that does not say so, such as 999.
  const deviceError = () => {
    if (asking) return undefined;
    asking = true;
    try {
      driver.cuStreamSynchronize(stream);
      return undefined;
    } catch (error) {
      if (!(error instanceof CudaError)) return error as Error;
      return isRefusedByCapture(error) ? undefined : lost(error);
    } finally {
      asking = false;
    }
  };
  Object.assign(libcuda.rescue, { makeRoom, deviceError });
  const library = typeof cudnn === 'string' ? undefined : cudnn;
  for (const each of library ? [cublas, library] : [cublas])
    Object.assign(each.rescue, { makeRoom, deviceError });
  const compiler = createCompiler(nvrtc.api, { chip: device.chip, ...(onCompile && { onFirst: onCompile }) });
  const choosing = (library: string) => selectionFor(device, library, driver, stream, env);
  const blas = `cuBLASLt ${cublas.api.cublasLtGetVersion()}`;
  const products = createProducts(cublas.api, allocator, stream, choosing(blas));
  const fused =
    library &&
    createCudnn({
      ...{ api: library.api, allocator, stream, transfer, onNote },
      selection: choosing(`cuDNN ${library.api.cudnnGetVersion()}, kernels ${compiler.fingerprint}`),
      always: env.TINYGPT_CUDA_CUDNN === 'always',
    });
  return {
    device,
    driver,
    stream,
    allocator,
    transfer,
    launcher: createLauncher(driver, stream),
    compiler,
    kernel: createModules(driver, compiler),
    products,
    cudnn: fused,
    choices: () => fingerprint([...products.used(), ...(fused?.used() ?? [])]),
    files: {
      libcuda: libcuda.file.path,
      libnvrtc: nvrtc.file.path,
      libcublasLt: cublas.file.path,
      libcudnn: typeof cudnn === 'string' ? cudnn : cudnn.file.path,
    },
    onTrim: (work) => {
      settle = work;
    },
    memoryInfo,
  };
}

/** cuDNN, unless TINYGPT_CUDA_CUDNN=off, or why not; it must be made for the CUDA of the other libraries. @throws UsageError */
async function optionalCudnn(
  { chip }: DeviceProperties,
  nvrtc: Loaded<NvrtcApi>,
  cublas: Loaded<CublasApi>,
  env: NodeJS.ProcessEnv,
  onNote?: (line: string) => void,
): Promise<Loaded<CudnnApi> | string> {
  const wanted = env.TINYGPT_CUDA_CUDNN;
  expect(
    !wanted || wanted === 'off' || wanted === 'always',
    () => `Expected TINYGPT_CUDA_CUDNN to be off or always, got ${wanted}`,
  );
  if (wanted === 'off') return 'turned off by TINYGPT_CUDA_CUDNN=off';
  if (chip < OLDEST_BF16_CHIP) return `it needs compute capability ${OLDEST_BF16_CHIP / 10} or later`;
  if (nvrtc.file.major !== cublas.file.major) return 'NVRTC and cuBLASLt are of different CUDA versions';
  try {
    return await loadCudnn(cublas.file.major, env, cublas.file);
  } catch (error) {
    if (error instanceof MissingLibrary && !error.found) return 'none, which is fine: our kernels compute';
    onNote?.(`Our kernels compute instead of cuDNN: ${messageOf(error)}`);
    return messageOf(error);
  }
}

/** How algorithms are chosen: by time, unless TINYGPT_CUDA_MATMULS=heuristic. */
function selectionFor(
  { name, chip, multiprocessors }: DeviceProperties,
  library: string,
  driver: DriverApi,
  stream: number,
  env: NodeJS.ProcessEnv,
): Selection | undefined {
  const stopwatch = createStopwatch(driver, stream);
  if (!stopwatch || env.TINYGPT_CUDA_MATMULS === 'heuristic') return undefined;
  const device = `${name}, sm_${chip}, ${multiprocessors} multiprocessors`;
  return { choices: createChoices({ device, library }), stopwatch };
}

/** Both, or an error that names all that is missing. */
async function both<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  const [first, second] = await Promise.allSettled([a, b]);
  if (first.status === 'fulfilled' && second.status === 'fulfilled') return [first.value, second.value];
  const errors = [first, second].flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  const missing = errors.filter((error) => error instanceof MissingLibrary);
  if (missing.length < 2) throw errors[0];
  const [{ library, tooNew, message }, other] = missing as [MissingLibrary, MissingLibrary];
  throw new MissingLibrary(library, [...tooNew, ...other.tooNew], `${message}; ${other.message}`);
}

/** $TINYGPT_CUDA_MEMORY, GiB of device memory that may be held. @throws UsageError unless it is a number > 0 */
export function memoryLimit(env: NodeJS.ProcessEnv = process.env): number {
  const text = env.TINYGPT_CUDA_MEMORY;
  if (!text) return Infinity;
  const limit = Number(text) * 2 ** 30;
  expect(limit > 0, () => `Expected TINYGPT_CUDA_MEMORY to be GiB > 0, got ${text}`);
  return limit;
}
