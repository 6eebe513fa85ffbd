// How many GPUs there are, without opening one.

import { loadDriver, receivedInt } from './library.js';

/** GPUs that CUDA_VISIBLE_DEVICES leaves visible; 0 where there is no driver. No context is made. */
export async function countGpus(): Promise<number> {
  try {
    const { api } = await loadDriver();
    api.cuInit(0);
    return receivedInt((place) => api.cuDeviceGetCount(place));
  } catch {
    return 0;
  }
}
