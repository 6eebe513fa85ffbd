// The `webgpu` backend: any GPU with a Vulkan, Metal or Direct3D 12 driver, through Dawn (npm `webgpu`), with tfjs's WebGPU
// kernels and ours over them.

import * as tf from '@tensorflow/tfjs-core';
import { expect, messageOf } from '../../base/errors.js';
import { once } from '../../base/once.js';
import { declareCapabilities } from '../capabilities.js';
import { systemMemory } from '../machine.js';
import { quietly } from '../quiet.js';
import { registerKernels } from '../register.js';
import { withoutStderr } from '../stderr.js';
import type { BackendDriver, BackendInfo, BackendProbe, Precision, SelfCheck } from '../types.js';
import { type WebGpuBackend, webGpuBackendClass } from './backend.js';
import { largestBuffer } from './buffers.js';
import { webGpuScratch } from './footprint.js';
import { FUSED, STOCK } from './kernels/index.js';
import { type Loaded, loadWebGpu } from './load.js';
import { chooseMatmul } from './matmulVariant.js';

const PRECISIONS: readonly Precision[] = ['fp32'];

/** Asked for as large as the adapter has them. */
const LIMITS = [
  'maxBufferSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
] as const;

/** Used where the adapter offers them; timestamps are for benchmarks. */
const FEATURES = ['shader-f16', 'subgroups', 'timestamp-query'] as GPUFeatureName[];

type Opened = { loaded: Loaded; adapter: GPUAdapter };

/** Loads Dawn and finds an adapter, once; a failure is tried again next time. */
const open = once(async (): Promise<Opened> => {
  const loaded = await quietly(() => loadWebGpu(process.env.TINYGPT_WEBGPU_ADAPTER || undefined));
  return { loaded, adapter: await findAdapter(loaded) };
});

/** A discrete GPU before an integrated one. */
async function findAdapter({ gpu }: Loaded): Promise<GPUAdapter> {
  const adapter = await withoutStderr(() => gpu.requestAdapter({ powerPreference: 'high-performance' }));
  if (!adapter) throw new NoAdapter();
  return adapter;
}

class NoAdapter extends Error {
  constructor() {
    super('no GPU with a Vulkan, Metal or Direct3D 12 driver was found');
  }
}

/** $TINYGPT_WEBGPU_MEMORY, GiB of device memory that may be held. @throws UsageError unless it is a number > 0 */
export function memoryLimit(env: NodeJS.ProcessEnv = process.env): number {
  const text = env.TINYGPT_WEBGPU_MEMORY;
  if (!text) return Infinity;
  const limit = Number(text) * 2 ** 30;
  expect(limit > 0, () => `Expected TINYGPT_WEBGPU_MEMORY to be GiB > 0, got ${text}`);
  return limit;
}

async function start(precision: Precision): Promise<BackendInfo> {
  const opened = await open();
  const { loaded } = opened;
  const current = tf.engine().registry.webgpu as WebGpuBackend | undefined;
  // A backend whose device failed is replaced; its tensors are gone with the device.
  if (current?.failure) tf.removeBackend('webgpu');
  const isNew = !tf.findBackendFactory('webgpu');
  if (isNew) {
    // An adapter gives one device, so each device needs its own adapter.
    const fresh = await findAdapter(loaded);
    const device = await fresh.requestDevice({
      requiredFeatures: FEATURES.filter((feature) => fresh.features.has(feature)),
      requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, fresh.limits[name]])),
    });
    // Another call may have been faster.
    if (tf.findBackendFactory('webgpu')) device.destroy();
    else register(loaded, device, fresh.info);
  }
  await tf.setBackend('webgpu');
  await tf.ready();
  const backend = tf.backend() as unknown as WebGpuBackend;
  declareCapabilities('webgpu', {
    stepScratch: webGpuScratch,
    reservedBytes: () => backend.pool.numBytesAllocated,
    hasFailed: () => backend.failure !== undefined,
  });
  // A software driver would take seconds for it.
  if (isNew && !opened.adapter.info.isFallbackAdapter) await chooseMatmul(backend);
  return describe(opened, precision);
}

function register(loaded: Loaded, device: GPUDevice, info: GPUAdapterInfo): void {
  const Backend = webGpuBackendClass(loaded);
  tf.env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', 256);
  tf.registerBackend('webgpu', () => new Backend(device, info, memoryLimit()));
  registerKernels({
    backendName: 'webgpu',
    kernels: { ...FUSED, ...STOCK },
    call: (kernel, { inputs, attrs, backend }) => kernel({ inputs, attrs, backend }),
  });
}

/** The card; Dawn's description names the driver. */
const nameOf = ({ info }: GPUAdapter): string =>
  [
    info.device.replace(/^-+|-+$/g, '') || info.description,
    info.vendor && `(${info.vendor}${info.architecture && ` ${info.architecture}`})`,
  ]
    .filter(Boolean)
    .join(' ');

function describe({ loaded, adapter }: Opened, precision: Precision): BackendInfo {
  const limit = memoryLimit();
  const software = adapter.info.isFallbackAdapter;
  const memory = Math.min(limit, software ? systemMemory() : Infinity);
  return {
    name: 'webgpu',
    precision,
    device: nameOf(adapter),
    version: `tfjs ${tf.version_core}, Dawn ${loaded.dawnVersion}`,
    gpu: !software,
    ...(Number.isFinite(memory) && { memoryBytes: memory }),
  };
}

async function probe(): Promise<BackendProbe> {
  const found: BackendProbe = { name: 'webgpu', available: false, precisions: [...PRECISIONS] };
  try {
    const opened = await open();
    const { info, limits } = opened.adapter;
    const software = info.isFallbackAdapter;
    return {
      ...found,
      available: true,
      info: describe(opened, 'fp32'),
      details: [
        `driver: ${info.description || 'unknown'}${software ? ', in software: used only when requested by name' : ''}`,
        `largest buffer ${(largestBuffer(limits) / 2 ** 30).toFixed(1)} GiB, ` +
          `${limits.maxComputeInvocationsPerWorkgroup} invocations and ` +
          `${limits.maxComputeWorkgroupStorageSize / 1024} KiB per workgroup`,
      ],
    };
  } catch (error) {
    return { ...found, ...diagnose(error) };
  }
}

/** Why the backend cannot be used, and what fixes it. */
function diagnose(error: unknown): Pick<BackendProbe, 'reason' | 'remedy' | 'broken'> {
  const reason = messageOf(error);
  if (/Cannot find .*dawn\.node/.test(reason))
    return {
      reason: `the package webgpu has no build for ${process.platform}-${process.arch}`,
      remedy: 'choose another with --backend',
    };
  if (/Cannot find (package|module)/.test(reason))
    return {
      reason: 'the package webgpu is not installed',
      remedy: 'npm install webgpu @tensorflow/tfjs-backend-webgpu',
    };
  const wanted = process.env.TINYGPT_WEBGPU_ADAPTER;
  if (wanted && reason.startsWith('no suitable backends'))
    return {
      reason: `no adapter has ${JSON.stringify(wanted)} in its name; there are ${
        [...reason.matchAll(/name: '(.*)'/g)].map(([, name]) => name).join(', ') || 'none'
      }`,
      remedy: 'name one with --device or TINYGPT_WEBGPU_ADAPTER, or leave it out',
    };
  if (error instanceof NoAdapter)
    return {
      reason,
      remedy:
        process.platform === 'linux'
          ? "install the Vulkan loader and the GPU's driver (Debian: libvulkan1, and mesa-vulkan-drivers or NVIDIA's driver)"
          : "install the GPU's current driver",
    };
  return { broken: true, reason, remedy: 'choose another with --backend' };
}

/** The fused kernels take part in the self-test. */
const checks = async (): Promise<SelfCheck[]> => (await import('../checks/fused.js')).fusedChecks();

export const driver: BackendDriver = { name: 'webgpu', precisions: PRECISIONS, probe, start, checks };
