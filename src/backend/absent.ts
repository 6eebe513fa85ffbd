// What stands for a backend whose packages cannot be loaded: koffi's library is in an optional package of its own for each
// platform, which `--omit=optional` and lock files from another platform leave out.

import { EnvironmentError, messageOf } from '../base/errors.js';
import type { BackendDriver, BackendName } from './types.js';

/** How to get koffi's library. */
export const KOFFI_REMEDY =
  'npm install --include=optional, without a node_modules or lock file of another platform';

/** A driver that cannot be used, and says why. @throws the error if it is another one */
export function driverWithoutKoffi(name: BackendName, error: unknown): BackendDriver {
  const reason = messageOf(error);
  if (!/cannot find .*koffi/i.test(reason)) throw error;
  return {
    name,
    precisions: ['fp32', 'bf16'],
    probe: async () => ({ name, available: false, precisions: [], reason, remedy: KOFFI_REMEDY }),
    start: () => Promise.reject(new EnvironmentError(`${reason}; to fix: ${KOFFI_REMEDY}`)),
  };
}
