// What a backend's folder (`src/backend/<name>/driver.ts`) must export, and the list of those there are.
// A new backend is one folder and one line here; its place in the automatic choice is in BACKEND_NAMES.

import type { SelfCheck } from './selfTest.js';
import type { BackendInfo, BackendName, BackendProbe, Precision } from './types.js';

/** One backend. `probe` never throws; `start` may. */
export interface BackendDriver {
  readonly name: BackendName;
  /** Precisions on offer, the default first. */
  readonly precisions: readonly Precision[];
  /** Loads what is needed to say whether the backend can work here; leaves the current tfjs backend as it is. */
  probe(): Promise<BackendProbe>;
  /**
   * Makes it the current tfjs backend (`tf.setBackend`, `tf.ready`), repairs applied; may be called again.
   * @throws EnvironmentError when it cannot work here
   */
  start(precision: Precision): Promise<BackendInfo>;
  /** Cases of the self-test besides the common ones. */
  checks?(): Promise<SelfCheck[]>;
}

/** Loaded on first use: tfjs packages cost tens of milliseconds each. */
const DRIVERS: Partial<Record<BackendName, () => Promise<{ driver: BackendDriver }>>> = {
  cuda: () => import('./cuda/driver.js'),
  tensorflow: () => import('./tensorflow/driver.js'),
  native: () => import('./native/driver.js'),
  wasm: () => import('./wasm/driver.js'),
  cpu: () => import('./cpu/driver.js'),
};

/** The driver of a backend; undefined when this version does not include one. */
export async function findDriver(name: BackendName): Promise<BackendDriver | undefined> {
  const load = DRIVERS[name];
  return load && (await load()).driver;
}
