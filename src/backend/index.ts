// The backend layer's public face. Light to import: tfjs loads when a backend is used.

export { describeFallbacks, fallbacks, resetFallbacks } from './fallbacks.js';
export { describeMachine, type Machine } from './machine.js';
export { type DeviceMemory, deviceMemory, type PeakWatch, trackPeak } from './memory.js';
export { isOutOfMemory } from './outOfMemory.js';
export {
  BACKEND_NAMES,
  type BackendInfo,
  type BackendName,
  type BackendProbe,
  type Precision,
  type SelfCheck,
} from './types.js';
export {
  availableMemory,
  brokenNote,
  byPreference,
  currentBackend,
  probeBackends,
  releaseDevice,
  reopenFailed,
  type UseBackendOptions,
  useBackend,
} from './use.js';

/** GPUs that CUDA_VISIBLE_DEVICES leaves visible; 0 without NVIDIA's driver. */
export const visibleGpus = async (): Promise<number> => (await import('./cuda/count.js')).countGpus();

/** Whether the TensorFlow that would be used is the build for GPUs. */
export async function hasGpuTensorflow(): Promise<boolean> {
  const [{ findPackages }, { VARIANTS }] = [
    await import('./tensorflow/find.js'),
    await import('./tensorflow/prepared.js'),
  ];
  return findPackages(import.meta.url).candidates[0]?.name === VARIANTS.gpu;
}
