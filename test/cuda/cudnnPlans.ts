// Asks the real cuDNN, where it is installed, for plans of attention's and the MLP's graphs on GPUs that are not here: cuDNN 9.8
// and later take a GPU's properties as JSON. One line of JSON for each. In a process of its own, as cuDNN needs a libcuda.so.1,
// which is a library that says that there is no GPU, and ends the process where it does not find cuBLASLt.
//
//   TINYGPT_CUDA_LIBRARIES=FOLDER:... node build/test/cuda/cudnnPlans.js [CHIP...]     default: 90, and for 80 and 100 one attention and the MLPs

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Graph } from '../../src/backend/cuda/cudnn/graph.js';
import { hiddenGradGraph, hiddenGraph, type MlpShape } from '../../src/backend/cuda/cudnn/mlp.js';
import { backwardGraph, forwardGraph, type SdpaShape } from '../../src/backend/cuda/cudnn/sdpa.js';
import { loadCublasLt, loadCudnn, loadNvrtc } from '../../src/backend/cuda/library.js';
import { compilerPath } from './device/device.js';

/** What is asked for: the self-test's shapes, those of presets (all sequences, or as many as go at a time), and odd ones. */
export const SHAPES: Record<string, Omit<SdpaShape, 'qStride' | 'kvStride'>> = {
  'self-test': { B: 2, T: 70, H: 2, G: 1, D: 64, window: 37 },
  'self-test, self-attention': { B: 2, T: 35, H: 2, G: 1, D: 64, window: 20 },
  autoresearch: { B: 128, T: 2048, H: 4, G: 4, D: 128, window: 2048 },
  'autoresearch, window': { B: 128, T: 2048, H: 4, G: 4, D: 128, window: 1024 },
  'grouped queries': { B: 4, T: 512, H: 4, G: 2, D: 64, window: 256 },
  'odd length': { B: 3, T: 100, H: 4, G: 1, D: 32, window: 37 },
  'heads of 256': { B: 2, T: 512, H: 2, G: 2, D: 256, window: 256 },
};

/** Chips that are asked about by default, and what is asked of those other than 90. */
const CHIPS = [80, 90, 100];
const ELSEWHERE = ['autoresearch, window'];

/** The MLP's: the self-test's, and those of a pass of presets. */
export const MLPS: Record<string, MlpShape> = {
  'MLP, self-test': { N: 70, C: 48, M: 40 },
  'MLP, autoresearch': { N: 262_144, C: 512, M: 2048 },
  'MLP, tinystories': { N: 16_384, C: 384, M: 1536 },
};

export interface Answer {
  cudnn: string;
  chip: number;
  shape: string;
  work: 'forward' | 'backward';
  /** Absent: refused. */
  workspaceBytes?: number;
}

/** Figures of an H100 or H200, a B200, an A100, and of GeForce cards. */
const PROPERTIES: Record<number, object> = {
  80: {
    multiProcessorCount: 108,
    maxSharedMemoryPerBlockOptin: 166_912,
    deviceName: 'NVIDIA A100-SXM4-80GB',
  },
  86: {
    multiProcessorCount: 84,
    maxSharedMemoryPerBlockOptin: 101_376,
    deviceName: 'NVIDIA GeForce RTX 3090',
  },
  89: {
    multiProcessorCount: 128,
    maxSharedMemoryPerBlockOptin: 101_376,
    deviceName: 'NVIDIA GeForce RTX 4090',
  },
  90: { multiProcessorCount: 132, maxSharedMemoryPerBlockOptin: 232_448, deviceName: 'NVIDIA H200' },
  100: { multiProcessorCount: 148, maxSharedMemoryPerBlockOptin: 232_448, deviceName: 'NVIDIA B200' },
  120: {
    multiProcessorCount: 170,
    maxSharedMemoryPerBlockOptin: 101_376,
    deviceName: 'NVIDIA GeForce RTX 5090',
  },
};

const propertiesOf = (chip: number): Uint8Array => {
  const whole = ![86, 89, 120].includes(chip);
  return Buffer.from(
    JSON.stringify({
      ...{ deviceVer: 10 * chip, driverVer: 13_000, cudaDeviceId: 0, pciDeviceId: 0, smCountOrigin: 0 },
      ...{ maxGridSize: [2 ** 31 - 1, 65_535, 65_535], maxBlockSize: [1024, 1024, 64], warpSize: 32 },
      ...{ regsPerBlock: 65_536, maxRegistersPerSM: 65_536, maxThreadsPerBlock: 1024 },
      ...{ maxThreadsPerSM: whole ? 2048 : 1536, maxCtasPerSM: whole ? 32 : 16 },
      ...{
        maxSharedMemoryPerBlock: 49_152,
        reservedSharedMemoryPerBlock: 1024,
        oversizedSharedMemoryPerBlock: 0,
      },
      ...{ isTccDriver: 0, supportCoopLaunch: 1, totalGlobalMem: 80e9, l2CacheSize: 50e6 },
      ...{ smClockRateKHz: 1_980_000, memClockRateKHz: 2_619_000, memoryBusWidth: 5120 },
      ...PROPERTIES[chip],
    }),
  );
};

/** Calls of the driver that cuDNN looks up: what loads a kernel returns a handle, the rest says that there is no GPU. */
const HANDLES =
  'cuLibraryLoadData cuLibraryGetKernel cuKernelGetFunction cuLibraryGetModule cuModuleLoadData cuModuleLoadDataEx ' +
  'cuModuleLoadFatBinary cuModuleGetFunction';
const DONE =
  'cuLibraryUnload cuModuleUnload cuKernelSetAttribute cuFuncSetAttribute cuKernelSetCacheConfig cuFuncSetCacheConfig';
const ZERO = 'cuKernelGetAttribute cuFuncGetAttribute';
const NONE =
  'cuInit cuGetErrorName cuGetErrorString cuGetProcAddress cuGetProcAddress_v2 cuCtxGetCurrent cuCtxGetLimit cuCtxPopCurrent ' +
  'cuCtxPushCurrent cuStreamGetCtx cuLinkCreate cuLinkAddData cuLinkComplete cuLinkDestroy cuLaunchKernel cuLaunchKernelEx ' +
  'cuLaunchCooperativeKernel cuDeviceGetCount cuDeviceGet cuLibraryLoadFromFile cuOccupancyMaxPotentialClusterSize ' +
  'cuOccupancyMaxActiveClusters cuTensorMapEncodeIm2col cuTensorMapEncodeTiled cuModuleGetGlobal cuMemcpyHtoD ' +
  'cuFuncGetModule cuModuleEnumerateFunctions cuModuleGetFunctionCount cuFuncGetName cuGetExportTable';

/** Loads a libcuda.so.1 without a GPU, unless there is a driver. */
async function loadNoDriver(): Promise<void> {
  const { default: koffi } = await import('../../src/backend/koffi.js');
  try {
    koffi.load('libcuda.so.1');
    return;
  } catch {}
  const each = (names: string, body: (name: string) => string) => names.split(' ').map(body);
  const source = [
    'int cuDriverGetVersion(int *v) { *v = 13020; return 0; }',
    'int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *n) { *n = 1; return 0; }',
    ...each(HANDLES, (name) => `int ${name}(void **p) { *p = (void *)64; return 0; }`),
    ...each(DONE, (name) => `int ${name}(void) { return 0; }`),
    ...each(ZERO, (name) => `int ${name}(int *p) { *p = 0; return 0; }`),
    ...each(NONE, (name) => `int ${name}(void) { return 100; }`),
  ];
  const folder = mkdtempSync(join(tmpdir(), 'tinygpt-no-driver-'));
  try {
    const [from, to] = [join(folder, 'cuda.c'), join(folder, 'libcuda.so.1')];
    writeFileSync(from, `${source.map((line) => `extern "C" ${line}`).join('\n')}\n`);
    execFileSync(compilerPath()!, [
      ...['-x', 'c++', '-fPIC', '-shared', '-Wl,-soname,libcuda.so.1', from, '-o', to],
    ]);
    koffi.load(to);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function ask(chips: number[], all: boolean): Promise<void> {
  await loadNoDriver();
  const { api, major } = await loadCudnn(13)
    .then(({ api }) => ({ api, major: 13 }))
    .catch(async () => ({ api: (await loadCudnn(12)).api, major: 12 }));
  for (const { file } of [await loadCublasLt(major), await loadNvrtc(major)])
    if (file.major !== major) throw new Error(`Expected libraries of CUDA ${major}, got ${file.path}`);
  const cudnn = `${api.cudnnGetVersion()} for CUDA ${api.cudnnGetCudartVersion()}`;
  const answer = (chip: number, shape: string, work: Answer['work'], graph: Graph) => {
    const plan = graph.plan({ properties: propertiesOf(chip) });
    const found: Answer = { cudnn, chip, shape, work, ...(plan && { workspaceBytes: plan.workspaceBytes }) };
    console.log(JSON.stringify(found));
  };
  for (const chip of chips)
    for (const [shape, sizes] of Object.entries(SHAPES)) {
      if (!all && chip !== 90 && !ELSEWHERE.includes(shape)) continue;
      const row = (sizes.H + 2 * sizes.G) * sizes.D;
      const whole = { ...sizes, qStride: row, kvStride: row };
      answer(chip, shape, 'forward', forwardGraph(api, whole).graph);
      answer(chip, shape, 'backward', backwardGraph(api, whole).graph);
    }
  for (const chip of chips)
    for (const [shape, sizes] of Object.entries(MLPS)) {
      answer(chip, shape, 'forward', hiddenGraph(api, sizes).graph);
      answer(chip, shape, 'backward', hiddenGradGraph(api, sizes).graph);
    }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const chips = process.argv.slice(2).map(Number);
  await ask(chips.length > 0 ? chips : CHIPS, chips.length > 0);
}
