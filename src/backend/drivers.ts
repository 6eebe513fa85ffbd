// The list of backends. A new backend is one folder and one line here; its place in the automatic choice is in
// BACKEND_NAMES.

import { driverWithoutKoffi } from './absent.js';
import type { BackendDriver, BackendName } from './types.js';

/** Loaded on first use: tfjs packages cost tens of milliseconds each. */
const DRIVERS: Partial<Record<BackendName, () => Promise<{ driver: BackendDriver }>>> = {
  cuda: () => import('./cuda/driver.js'),
  tensorflow: () => import('./tensorflow/driver.js'),
  webgpu: () => import('./webgpu/driver.js'),
  native: () => import('./native/driver.js'),
  wasm: () => import('./wasm/driver.js'),
  cpu: () => import('./cpu/driver.js'),
};

/** The driver of a backend; undefined when this version does not include one. */
export async function findDriver(name: BackendName): Promise<BackendDriver | undefined> {
  try {
    return (await DRIVERS[name]?.())?.driver;
  } catch (error) {
    return driverWithoutKoffi(name, error);
  }
}
