// Which form of the matmul kernel a GPU runs: the one with quad broadcasts where the device has subgroups, it gives
// the same bits, and it is faster. Decided once when a device is opened, so that a run has one form throughout.

import * as tf from '@tensorflow/tfjs-core';
import { randomStream } from '../../base/random.js';
import type { WebGpuBackend } from './backend.js';
import { multiply } from './kernels/matmul.js';

/** Sizes of the trial product: odd enough that edges take part in the comparison. */
const [M, N, K] = [509, 517, 512];
const REPEATS = 5;
/** A form has to be so much faster to be preferred to the plain one. */
const GAIN = 1.03;

/** The product of two fixed matrices in one form: its result and the seconds of the fastest of some repetitions. */
async function tryForm(
  backend: WebGpuBackend,
  quads: boolean,
): Promise<{ result: Float32Array; seconds: number }> {
  backend.pipelines.quads = quads;
  const random = randomStream(0, 'webgpu.matmul');
  const values = (size: number) => Float32Array.from({ length: size }, () => random.normal());
  const [a, b] = [
    backend.makeTensorInfo([M, K], 'float32', values(M * K)),
    backend.makeTensorInfo([K, N], 'float32', values(K * N)),
  ];
  const c = backend.make([M, N]);
  try {
    let seconds = Infinity;
    let result = new Float32Array(0);
    for (let i = 0; i < REPEATS; i++) {
      const start = performance.now();
      multiply(backend, { m: M, n: N, k: K, a, b, c });
      result = (await backend.read(c.dataId)) as Float32Array<ArrayBuffer>;
      seconds = Math.min(seconds, (performance.now() - start) / 1000);
    }
    return { result, seconds };
  } finally {
    for (const { dataId } of [a, b, c]) backend.disposeData(dataId);
  }
}

/**
 * Sets the form.
 * @returns whether both gave the same bits, and how much faster quads were; undefined without subgroups
 */
export async function chooseMatmul(
  backend: WebGpuBackend,
): Promise<{ same: boolean; ratio: number } | undefined> {
  if (!backend.device.features.has('subgroups' as GPUFeatureName)) return undefined;
  const plain = await tryForm(backend, false);
  let quads = plain;
  try {
    quads = await tryForm(backend, true);
  } catch {
    backend.failure = undefined; // a driver that does not take it
  }
  const same = tf.util.arraysEqual(plain.result, quads.result);
  const ratio = plain.seconds / quads.seconds;
  backend.pipelines.quads = same && ratio > GAIN;
  return { same, ratio };
}
