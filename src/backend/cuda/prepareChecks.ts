// Compiles the self-test's kernels in parallel before it runs: a dry run that enqueues nothing collects them. One
// after another, as the test would request them, they take seconds.

import * as tf from '@tensorflow/tfjs-core';
import type { SelfCheck } from '../types.js';
import type { CudaBackend } from './backend.js';
import type { KernelSpec } from './modules.js';

/** Makes the kernels of `checks` ready on the current backend. Never throws: a failure shows in the test itself. */
export async function prepareKernels(checks: readonly SelfCheck[]): Promise<void> {
  const backend = tf.backend() as unknown as CudaBackend;
  const kernels: KernelSpec[] = [];
  for (const check of checks)
    try {
      kernels.push(...backend.collect(() => tf.tidy(() => void check.run())));
    } catch {
      // The test tells.
    }
  await backend.session.compiler.prepare(kernels);
}
