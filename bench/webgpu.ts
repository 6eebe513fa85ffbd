// Dispatches and bytes of one training step on the webgpu backend: our kernels compared with tfjs's stock kernels for
// the same step.
//
//   node build/bench/webgpu.js [--preset cpu] [--rows 1] [--json]
//
// A step of --rows rows: dispatches do not depend on their number. Bytes are those of all buffers bound to a dispatch, each counted once: what a kernel reads and writes at least once.

import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../src/backend/use.js';
import type { WebGpuBackend } from '../src/backend/webgpu/backend.js';
import { FUSED } from '../src/backend/webgpu/kernels/index.js';
import { resolveConfig } from '../src/train/config.js';
import { measureTraining } from '../src/train/measure.js';
import { presetConfig } from '../src/train/presets.js';

const { values } = parseArgs({
  options: {
    preset: { type: 'string', default: 'cpu' },
    rows: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});

type Counts = { dispatches: number; megabytes: number; secondsPerStep: number };

/** What `measureTraining` runs when it is given no time. */
const STEPS = 3;

/** Means over whole steps, optimizer included. */
async function count(): Promise<Counts> {
  const backend = tf.backend() as unknown as WebGpuBackend;
  const counts = { dispatches: 0, bytes: 0 };
  const note = (sizes: number[]) => {
    counts.dispatches++;
    counts.bytes += sizes.reduce((a, b) => a + b, 0);
  };
  const { run, recordAndSubmit } = backend;
  const sizeOf = (x: tf.TensorInfo) => 4 * tf.util.sizeFromShape(x.shape);
  backend.run = (dispatch) => {
    note(dispatch.bind.map((x) => ('dataId' in x ? sizeOf(x) : x.size)));
    run.call(backend, dispatch);
  };
  backend.recordAndSubmit = (program, output, inputs, uniforms) => {
    note([output, ...inputs].map(sizeOf));
    recordAndSubmit.call(backend, program, output, inputs, uniforms);
  };
  const config = presetConfig(values.preset);
  const rows = Number(values.rows);
  const sizes = { deviceBatchSize: rows, totalBatchSize: rows * config.seqLen };
  const resolved = resolveConfig({ ...config, ...sizes });
  const { stepSeconds } = await measureTraining(resolved, { seconds: 0, warmup: 0, force: true });
  backend.run = run;
  backend.recordAndSubmit = recordAndSubmit;
  return {
    dispatches: Math.round(counts.dispatches / STEPS),
    megabytes: Math.round(counts.bytes / STEPS / 1e6),
    secondsPerStep: stepSeconds,
  };
}

await useBackend('webgpu');
const ours = await count();
for (const name of Object.keys(FUSED)) tf.unregisterKernel(name, 'webgpu');
const stock = await count();
if (values.json) console.log(JSON.stringify({ preset: values.preset, ours, stock }));
else
  for (const [name, { dispatches, megabytes, secondsPerStep }] of Object.entries({ ours, stock }))
    console.log(
      `${name}: ${dispatches} dispatches, ${megabytes} MB bound, ${secondsPerStep.toFixed(2)} s a step`,
    );
