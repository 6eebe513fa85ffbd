// The GPU: which one, what it is, and whether it can be used here.

import { EnvironmentError, expect } from '../../base/errors.js';
import { type DriverApi, receivedInt } from './library.js';

/** What a GPU is. */
export interface DeviceProperties {
  /** Its number among the visible ones. */
  ordinal: number;
  handle: number;
  name: string;
  /** Compute capability, e.g. 90 for 9.0. */
  chip: number;
  multiprocessors: number;
  memoryBytes: number;
  /** Shared memory that a block may ask for, bytes. */
  sharedBytes: number;
  /** Highest CUDA that the driver runs, e.g. 12.4. */
  driverVersion: string;
}

/** The oldest chips that the kernels are written for (Turing), and those with bfloat16 products (Ampere). */
const OLDEST_CHIP = 75;
export const OLDEST_BF16_CHIP = 80;

const ATTRIBUTE = { multiprocessors: 16, clockKilohertz: 13, major: 75, minor: 76, sharedOptIn: 97 };

/** CUDA's version that a driver runs: [major, minor]. */
export function driverVersion(api: DriverApi): [number, number] {
  const version = receivedInt((place) => api.cuDriverGetVersion(place));
  return [Math.floor(version / 1000), Math.floor((version % 1000) / 10)];
}

/**
 * The number of the GPU to use among those that CUDA_VISIBLE_DEVICES leaves visible: what was chosen with --device, else
 * $TINYGPT_CUDA_DEVICE, else 0.
 * @throws UsageError unless it is a whole number >= 0
 */
export function chosenDevice(env: NodeJS.ProcessEnv = process.env): number {
  const text = env.TINYGPT_CUDA_DEVICE || '0';
  const ordinal = Number(text);
  expect(
    Number.isInteger(ordinal) && ordinal >= 0,
    () => `Expected the device to be a whole number >= 0, got ${text}; nvidia-smi lists the GPUs`,
  );
  return ordinal;
}

/**
 * Properties of a GPU. The driver must be initialized.
 * @throws UsageError when there is none of that number, EnvironmentError when it is too old
 */
export function openDevice(api: DriverApi, ordinal: number): DeviceProperties {
  const count = receivedInt((place) => api.cuDeviceGetCount(place));
  expect(
    ordinal < count,
    () =>
      `Expected --device below ${count}, the number of visible GPUs, got ${ordinal}; see nvidia-smi and CUDA_VISIBLE_DEVICES`,
  );
  const handle = receivedInt((place) => api.cuDeviceGet(place, ordinal));
  const attribute = (which: number) => receivedInt((place) => api.cuDeviceGetAttribute(place, which, handle));
  const chip = 10 * attribute(ATTRIBUTE.major) + attribute(ATTRIBUTE.minor);
  const name = nameOf(api, handle);
  if (chip < OLDEST_CHIP)
    throw new EnvironmentError(
      `${name} has compute capability ${chip / 10}; the kernels need ${OLDEST_CHIP / 10} (Turing, 2018) or later`,
    );
  const total = new BigUint64Array(1);
  api.cuDeviceTotalMem_v2(total, handle);
  return {
    ordinal,
    handle,
    name,
    chip,
    multiprocessors: attribute(ATTRIBUTE.multiprocessors),
    memoryBytes: Number(total[0]),
    sharedBytes: attribute(ATTRIBUTE.sharedOptIn),
    driverVersion: driverVersion(api).join('.'),
  };
}

function nameOf(api: DriverApi, handle: number): string {
  const text = new Uint8Array(256);
  api.cuDeviceGetName(text, text.length, handle);
  return Buffer.from(text).toString('utf8').split('\0', 1)[0]!;
}

/**
 * Dense peak rates of known GPUs in TFLOP/s: float32 without tensor cores, and bfloat16 with float32 sums; and their
 * multiprocessors, which tell a MIG slice's share. Sources: NVIDIA's data sheets; the reference takes 989.5 for an H100, too.
 */
const PEAK: readonly [RegExp, { fp32: number; bf16?: number; multiprocessors: number }][] = [
  [/GB200|B200/, { fp32: 75, bf16: 2250, multiprocessors: 148 }],
  [/GB300|B300/, { fp32: 75, bf16: 2250, multiprocessors: 148 }],
  [/H[12]00 NVL/, { fp32: 60, bf16: 835, multiprocessors: 132 }],
  [/H200|H100.*(SXM|HBM3)|GH200/, { fp32: 67, bf16: 989.5, multiprocessors: 132 }],
  [/H100/, { fp32: 51, bf16: 756, multiprocessors: 114 }],
  [/H20\b/, { fp32: 44, bf16: 148, multiprocessors: 78 }],
  [/A100|A800/, { fp32: 19.5, bf16: 312, multiprocessors: 108 }],
  [/A30\b/, { fp32: 10.3, bf16: 165, multiprocessors: 56 }],
  [/A40\b|RTX A6000/, { fp32: 38.7, bf16: 154.8, multiprocessors: 84 }],
  [/A10G/, { fp32: 31.5, bf16: 70, multiprocessors: 80 }],
  [/A10\b/, { fp32: 31.2, bf16: 125, multiprocessors: 72 }],
  [/L40S/, { fp32: 91.6, bf16: 362, multiprocessors: 142 }],
  [/L4\b/, { fp32: 30.3, bf16: 121, multiprocessors: 58 }],
  [/T4\b/, { fp32: 8.1, multiprocessors: 40 }],
  [/RTX 5090(?! (Ti|D|Laptop))/, { fp32: 104.8, bf16: 209.5, multiprocessors: 170 }],
  [/RTX 4090(?! (Ti|D|Laptop))/, { fp32: 82.6, bf16: 165.2, multiprocessors: 128 }],
  [/RTX 3090(?! (Ti|D|Laptop))/, { fp32: 35.6, bf16: 71, multiprocessors: 82 }],
  [/RTX 3060(?! (Ti|Laptop))/, { fp32: 12.7, bf16: 25.4, multiprocessors: 28 }],
];

/**
 * Peak operations a second of a GPU by its name, or of the slice of one that MIG gives, named e.g. `NVIDIA A100-SXM4-40GB MIG
 * 1g.5gb`; undefined where not known.
 */
export function peakFlops(
  { name, multiprocessors }: Pick<DeviceProperties, 'name' | 'multiprocessors'>,
  precision: 'fp32' | 'bf16',
): number | undefined {
  const rates = PEAK.find(([pattern]) => pattern.test(name))?.[1];
  const teraflops = rates?.[precision];
  if (rates === undefined || teraflops === undefined) return undefined;
  const share = /\bMIG\b/.test(name) ? Math.min(1, multiprocessors / rates.multiprocessors) : 1;
  return share * teraflops * 1e12;
}
