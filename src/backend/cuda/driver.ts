// The `cuda` backend: NVIDIA GPUs through the CUDA driver, NVRTC and cuBLASLt, without a build step. What is found, what
// is missing, and the command that fixes it.

import * as tf from '@tensorflow/tfjs-core';
import { EnvironmentError, messageOf, UsageError } from '../../base/errors.js';
import { declareCapabilities } from '../capabilities.js';
import type { BackendDriver, BackendInfo, BackendProbe, Precision, SelfCheck } from '../types.js';
import type { CudaBackend } from './backend.js';
import type { Subject } from './cudnn/cudnn.js';
import { OLDEST_BF16_CHIP, peakFlops } from './device.js';
import { cudaScratch, readsTable } from './footprint.js';
import { MissingLibrary } from './library.js';
import type { createStepRecorder } from './recording.js';
import { memoryLimit, openSession, type Session } from './session.js';
import { cudaErrorOf } from './status.js';

const PRECISIONS: readonly Precision[] = ['fp32', 'bf16'];

let opening: Promise<Session> | undefined;

/** Opens the GPU, once; a failure is tried again next time. */
function open(): Promise<Session> {
  opening ??= openSession({ onCompile: announce, onNote: note }).catch((error) => {
    opening = undefined;
    throw error;
  });
  return opening;
}

function announce(target: string): void {
  process.stderr.write(
    `Compiling the CUDA kernels for ${target}, once for this GPU; this takes a few seconds\n`,
  );
}

function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

let recorder: ReturnType<typeof createStepRecorder> | undefined;
let unrecorded = false;

function noteUnrecorded(reason: string): void {
  if (!unrecorded) process.stderr.write(`A training step was not recorded as a CUDA graph: ${reason}\n`);
  unrecorded = true;
}

/** The GPU in use; undefined before the backend has started. For benchmarks and tests. */
export async function currentSession(): Promise<Session | undefined> {
  return opening;
}

async function start(precision: Precision): Promise<BackendInfo> {
  const session = await open();
  if (precision === 'bf16' && !precisionsOf(session).includes('bf16'))
    throw new UsageError(
      `Expected fp32 on ${session.device.name} (compute capability ${session.device.chip / 10}), got bf16, which needs ` +
        `${OLDEST_BF16_CHIP / 10} or later; leave --precision out`,
    );
  const { registerCuda } = await import('./register.js');
  await registerCuda(session);
  await tf.setBackend('cuda');
  await tf.ready();
  const backend = tf.backend() as unknown as CudaBackend;
  backend.precision = precision;
  const { canRecord, createStepRecorder } = await import('./recording.js');
  const records = process.env.TINYGPT_CUDA_GRAPH !== '0' && canRecord(session.driver);
  recorder ??= createStepRecorder(backend, noteUnrecorded);
  const { releaseAll } = recorder;
  session.onTrim(() => {
    backend.settle();
    releaseAll();
  });
  declareCapabilities('cuda', {
    ...(records && { stepRecorder: recorder }),
    addsSums: true,
    readsTable,
    bf16Activations: precision === 'bf16',
    choices: () => session.choices(),
    stepScratch: (sizes) => cudaScratch(sizes, precision, session.cudnn !== undefined),
    reservedBytes: () => backend.reservedBytes(),
  });
  return describe(session, precision);
}

const precisionsOf = ({ device }: Session): Precision[] =>
  PRECISIONS.filter((precision) => precision === 'fp32' || device.chip >= OLDEST_BF16_CHIP);

function describe({ device, compiler, products, cudnn }: Session, precision: Precision): BackendInfo {
  const { name, chip, memoryBytes, multiprocessors, ordinal } = device;
  const gibibytes = (memoryBytes / 2 ** 30).toFixed(1);
  const peak = peakFlops(device, precision);
  return {
    name: 'cuda',
    precision,
    device: `${name} (device ${ordinal}, sm_${chip}, ${multiprocessors} multiprocessors, ${gibibytes} GiB)`,
    version:
      `tfjs ${tf.version_core}, driver for CUDA ${device.driverVersion}, NVRTC ${compiler.version}, ` +
      `cuBLASLt ${products.version}, ${cudnn ? `cuDNN ${cudnn.version}, ` : ''}kernels ${compiler.fingerprint}`,
    gpu: true,
    memoryBytes: Math.min(memoryBytes, memoryLimit()),
    ...(peak !== undefined && { peakFlops: peak }),
  };
}

async function probe(): Promise<BackendProbe> {
  const found: BackendProbe = { name: 'cuda', available: false, precisions: [...PRECISIONS] };
  if (process.platform !== 'linux')
    return {
      ...found,
      reason: 'it needs Linux',
      remedy: 'on Windows run under WSL 2; elsewhere choose another',
    };
  try {
    const session = await open();
    const details = Object.entries(session.files).map(([name, path]) => `${name}: ${path}`);
    return {
      ...found,
      available: true,
      precisions: precisionsOf(session),
      info: describe(session, 'fp32'),
      details,
    };
  } catch (error) {
    return { ...found, ...diagnose(error) };
  }
}

/** Why the backend cannot be used and what fixes it. Without a driver there is most likely no GPU, which is not a fault. */
export function diagnose(error: unknown): Pick<BackendProbe, 'reason' | 'remedy' | 'broken'> {
  const reason = messageOf(error);
  if (error instanceof MissingLibrary) {
    if (error.library === 'libcuda')
      return {
        reason: `no NVIDIA driver (${reason})`,
        remedy:
          'on a machine with an NVIDIA GPU install its driver (525 or later); in a container start it with the GPUs ' +
          '(docker run --gpus all); if libcuda.so.1 is elsewhere, name its folder in TINYGPT_CUDA_LIBRARIES',
      };
    const newer = error.tooNew.length > 0 ? ', or install a newer driver' : '';
    return {
      broken: true,
      reason: `an NVIDIA driver was found, but ${reason}`,
      remedy: `npx tinygpt setup cuda${newer} (if the libraries are elsewhere, name their folder in TINYGPT_CUDA_LIBRARIES)`,
    };
  }
  if (error instanceof UsageError) return { broken: true, reason, remedy: 'fix the setting' };
  const cuda = cudaErrorOf(error);
  if (cuda) {
    // A driver without a GPU, as in many images, is as good as none.
    const noDevice = cuda.codeName === 'CUDA_ERROR_NO_DEVICE';
    return { broken: !noDevice, reason, remedy: cuda.advice };
  }
  const remedy =
    error instanceof EnvironmentError
      ? 'as the reason says, or choose another with --backend'
      : 'reinstall the dependencies (npm install), koffi among them';
  return { broken: true, reason, remedy };
}

/**
 * The fused kernels take part in the self-test, whose kernels are compiled beforehand. cuDNN is tested here: where it goes wrong,
 * only it is given up.
 */
async function checks(): Promise<SelfCheck[]> {
  const [{ fusedChecks, joinedChecks, cudnnChecks }, { prepareKernels }, { coreChecks }, { failuresOf }] =
    await Promise.all([
      import('../checks/fused.js'),
      import('./prepareChecks.js'),
      import('../checks/core.js'),
      import('../checks/selfTest.js'),
    ]);
  const own = [...fusedChecks(), ...joinedChecks()];
  await prepareKernels([...coreChecks(), ...own]);
  const { cudnn } = await open();
  const { precision } = tf.backend() as unknown as CudaBackend;
  for (const [subject, cases] of Object.entries(cudnnChecks()) as [Subject, SelfCheck[]][])
    if (precision === 'bf16' && cudnn?.untested(subject))
      await cudnn.test(subject, () => failuresOf(cases, 'bf16'));
  return own;
}

/** Device memory left to the driver and to libraries for what they load late, where there is that much. */
const MARGIN_BYTES = 512 * 2 ** 20;

async function availableBytes(): Promise<number> {
  const { allocator, device } = await open();
  return Math.max(0, allocator.available() - Math.min(MARGIN_BYTES, device.memoryBytes / 16));
}

async function release(): Promise<void> {
  const session = await opening?.catch(() => undefined);
  session?.close();
}

export const driver: BackendDriver = {
  name: 'cuda',
  precisions: PRECISIONS,
  probe,
  start,
  checks,
  availableBytes,
  release,
};
