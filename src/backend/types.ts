// What a backend tells the rest of the project.

/** In the order in which the automatic choice looks at them (`byPreference`). */
export const BACKEND_NAMES = ['cuda', 'tensorflow', 'native', 'wasm', 'cpu'] as const;
export type BackendName = (typeof BACKEND_NAMES)[number];
export type Precision = 'fp32' | 'bf16';

/** The backend in use. */
export interface BackendInfo {
  name: BackendName;
  precision: Precision;
  /** The device in words, e.g. `AMD EPYC, 2 cores` or `NVIDIA H200`. */
  device: string;
  /** It computes on a GPU. */
  gpu?: boolean;
  /** Versions that matter, e.g. `tfjs 4.22.0, libtensorflow 2.9.1`. */
  version: string;
  /** Peak floating-point rate for MFU, operations a second; absent where not known. */
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
  /** Installed, yet it does not work: worth a remark, where mere absence is not. */
  broken?: boolean;
  /** Why it cannot be used. */
  reason?: string;
  /** The command or change that mends it. */
  remedy?: string;
}
