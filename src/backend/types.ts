// A backend as the rest of the project sees it: its driver and what that reports.

import type * as tf from '@tensorflow/tfjs-core';

/** In the order of the automatic choice (`byPreference`). */
export const BACKEND_NAMES = ['cuda', 'tensorflow', 'webgpu', 'native', 'wasm', 'cpu'] as const;
export type BackendName = (typeof BACKEND_NAMES)[number];
export type Precision = 'fp32' | 'bf16';

/** The backend in use. */
export interface BackendInfo {
  name: BackendName;
  precision: Precision;
  /** The device, e.g. `AMD EPYC, 2 cores` or `NVIDIA H200`. */
  device: string;
  /** It computes on a GPU. */
  gpu?: boolean;
  /** Versions that matter, e.g. `tfjs 4.22.0, libtensorflow 2.9.1`. */
  version: string;
  /** Peak floating-point rate for MFU, operations per second; absent where unknown. */
  peakFlops?: number;
  /** Memory that tensors may take, bytes; absent where not known. */
  memoryBytes?: number;
}

/** What `doctor` found out about one backend. */
export interface BackendProbe {
  name: BackendName;
  available: boolean;
  /** Precisions that it offers. */
  precisions: Precision[];
  info?: BackendInfo;
  /** More for `doctor`, one line each, e.g. where libraries were found. */
  details?: string[];
  /** Installed but broken: worth a warning, unlike a backend that is absent. */
  broken?: boolean;
  /** Why it cannot be used. */
  reason?: string;
  /** The command or change that fixes it. */
  remedy?: string;
}

/** One case of the self-test. Layers above may pass their own, e.g. a golden step of a whole model. */
export interface SelfCheck {
  name: string;
  /** The tensor as the backend computes it (disposed of by the test), and what it must equal. */
  run(): { got: tf.Tensor; expected: ArrayLike<number> };
  /** Largest error per precision, relative to the largest magnitude expected. Default: 1e-5, bf16 2e-2. */
  tolerance?: Partial<Record<Precision, number>>;
}

/** One backend: what its folder (`src/backend/<name>/driver.ts`) exports. `probe` never throws; `start` may. */
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
  /** Bytes that tensors may still take, what other processes use and a margin left out. The backend has been started. */
  availableBytes?(): Promise<number>;
  /** Gives the device back as far as that is possible: this process will not use it again. Never throws. */
  release?(): Promise<void>;
}
