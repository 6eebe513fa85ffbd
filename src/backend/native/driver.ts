// The `native` backend: fused kernels in C, called through koffi, on all cores. Whatever has no kernel of ours is the
// cpu backend's. The kernels are compiled at first use by the machine's own compiler (compile.ts).

import * as tf from '@tensorflow/tfjs-core';
import { EnvironmentError, messageOf, UsageError } from '../../base/errors.js';
import { discard } from '../../base/files.js';
import { once } from '../../base/once.js';
import { KOFFI_REMEDY } from '../absent.js';
import { declareCapabilities } from '../capabilities.js';
import { driver as cpu } from '../cpu/driver.js';
import { cpuName, systemMemory } from '../machine.js';
import { quietly } from '../quiet.js';
import { registerKernels } from '../register.js';
import type { BackendDriver, BackendInfo, BackendProbe, Precision } from '../types.js';
import type { NativeBackend } from './backend.js';
import {
  type CompiledLibrary,
  compileKernels,
  findCompiler,
  lacksSpace,
  NO_COMPILER_REMEDY,
  SOURCES,
} from './compile.js';
import { FUSED, STOCK } from './kernels/index.js';
import { loadLibrary } from './library.js';
import { recordWork } from './recording.js';
import { startThreads, threadsInUse } from './threads.js';

const PRECISIONS: readonly Precision[] = ['fp32', 'bf16'];

/** How the library multiplies bfloat16, by what tg_set_bf16 returns. */
const BF16_BY = ['rounding', 'AVX512-BF16', 'AMX'];

/** Stock kernels that only pass on what they get, or make constants. */
const HARMLESS = new Set(['Identity', 'Reshape', 'Fill']);

/** Compiles and loads, once; a failure is tried again next time. */
const load = once(async () => {
  const compiled = await compileKernels({ onCompile: announce });
  try {
    const library = await loadLibrary(compiled.path, SOURCES);
    startThreads(library);
    return { library, compiled };
  } finally {
    if (compiled.spare) discard(compiled.spare);
  }
});

function announce(compiler: string, unkept?: string): void {
  process.stderr.write(
    unkept
      ? `Compiling the native kernels with ${compiler} for this process only, which takes a few seconds, as the cache is not ` +
          `used: ${unkept}; remove others' write access, or set TINYGPT_CACHE to another folder\n`
      : `Compiling the native kernels with ${compiler}, once for this machine; this takes a few seconds\n`,
  );
}

async function start(precision: Precision): Promise<BackendInfo> {
  const { library, compiled } = await load();
  const bf16 = BF16_BY[library.tg_set_bf16(Number(precision === 'bf16'))]!;
  // Stock kernels come from the cpu backend, with its repairs.
  await cpu.start('fp32');
  const { NativeBackend } = await quietly(() => import('./backend.js'));
  if (!tf.findBackendFactory('native'))
    tf.registerBackend('native', () => new NativeBackend(library) as unknown as tf.KernelBackend);
  registerKernels({
    backendName: 'native',
    kernels: { ...FUSED, ...STOCK },
    stock: 'cpu',
    call: (kernel, { inputs, attrs, backend }) =>
      kernel({ inputs, attrs, backend, c: (backend as NativeBackend).c }),
    callStock(name, kernel, params) {
      // Kernels of the cpu backend compute without a call of C.
      if (!HARMLESS.has(name)) (params.backend as NativeBackend).cannotRepeat();
      return kernel(params);
    },
  });
  await tf.setBackend('native');
  await tf.ready();
  const backend = tf.backend() as unknown as NativeBackend;
  backend.bf16 = precision === 'bf16';
  declareCapabilities('native', {
    recorder: { record: (inputs, fixed, run) => recordWork(backend, inputs, fixed, run) },
    bf16Activations: backend.bf16,
  });
  return describe(compiled, precision, bf16);
}

function describe({ made }: CompiledLibrary, precision: Precision, bf16?: string): BackendInfo {
  const threads = threadsInUse();
  return {
    name: 'native',
    precision,
    device: `${cpuName()}, ${threads} thread${threads === 1 ? '' : 's'}`,
    version: `tfjs ${tf.version_core}, kernels by ${made}${bf16 ? `, bf16 by ${bf16}` : ''}`,
    memoryBytes: systemMemory(),
  };
}

async function probe(): Promise<BackendProbe> {
  const found: BackendProbe = { name: 'native', available: false, precisions: [...PRECISIONS] };
  if (process.platform === 'win32')
    return { ...found, reason: 'its kernels need a POSIX system', remedy: 'run under WSL 2' };
  try {
    return { ...found, available: true, info: describe((await load()).compiled, 'fp32') };
  } catch (error) {
    const reason = messageOf(error);
    if (!findCompiler()) return { ...found, reason, remedy: NO_COMPILER_REMEDY };
    if (error instanceof UsageError) return { ...found, broken: true, reason, remedy: 'fix the setting' };
    const remedy = lacksSpace(error)
      ? 'free some space, or set TINYGPT_CACHE and TMPDIR to folders that have it'
      : error instanceof EnvironmentError
        ? 'install a newer C compiler with its headers, or name one with CC'
        : KOFFI_REMEDY;
    return { ...found, broken: true, reason, remedy };
  }
}

const checks = async () => (await import('../checks/native.js')).checks();

export const driver: BackendDriver = { name: 'native', precisions: PRECISIONS, probe, start, checks };
