// Choosing a backend: makes one current for tfjs, or says why it cannot be.

import { EnvironmentError, UsageError } from '../base/errors.js';
import { findDriver } from './driver.js';
import { BACKEND_NAMES, type BackendInfo, type BackendName, type Precision } from './types.js';

export interface UseBackendOptions {
  /** Default: the backend's first. */
  precision?: Precision;
  /** Receives one-line remarks, e.g. why a backend was passed over. */
  onNote?: (line: string) => void;
}

/**
 * Makes a backend current. Calling it again, or switching back and forth, leaks nothing.
 * @param name one of BACKEND_NAMES, or `auto`: the first in that order that is available and computes rightly
 * @throws UsageError for an unknown name, or a precision that the backend lacks
 * @throws EnvironmentError when the backend cannot be used on this machine
 */
export async function useBackend(
  name: BackendName | 'auto',
  options: UseBackendOptions = {},
): Promise<BackendInfo> {
  if (name === 'auto') return chooseBackend(options);
  if (!BACKEND_NAMES.includes(name))
    throw new UsageError(`Expected a backend among auto, ${BACKEND_NAMES.join(', ')}; got ${String(name)}`);
  const driver = await findDriver(name);
  if (!driver) throw new EnvironmentError(`The backend ${name} is not included in this version`);
  return driver.start(options.precision ?? driver.precisions[0]!);
}

async function chooseBackend(options: UseBackendOptions): Promise<BackendInfo> {
  for (const name of BACKEND_NAMES) if (await findDriver(name)) return useBackend(name, options);
  throw new EnvironmentError('No backend is available');
}
