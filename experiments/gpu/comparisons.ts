// Parts of the proof (part.ts) that compare with PyTorch: speed on the same shapes, attention alone, losses on the same batches.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type { Session } from '../../src/backend/cuda/session.js';
import { writeSafetensors } from '../../src/base/safetensors.js';
import type { BatchLoader } from '../../src/data/types.js';
import { createGpt } from '../../src/model/gpt.js';
import { causalAttention } from '../../src/ops/attention.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import { resolveConfig } from '../../src/train/config.js';
import { trainStep } from '../../src/train/step.js';
import {
  dataset,
  fittingConfigs,
  name,
  options,
  out,
  precisions,
  secondsLeft,
  start,
  tiny,
} from './context.js';
import { runPeer } from './peer.js';
import { attempt } from './record.js';
import { attentionCases, lossConfig, peerSizes } from './sizes.js';

/** Steps whose losses are compared with PyTorch's. */
const LOSS_STEPS = 200;

/** PyTorch's speed on the shapes of `speed`. */
export async function peer(): Promise<void> {
  for (const [title, resolved] of await fittingConfigs())
    await attempt(out, name, title, async () => {
      const sizes = peerSizes(resolved);
      const seconds = tiny ? 0 : title === 'autoresearch' ? 10 : 4;
      // Most of it compiles, and the first configuration matters most.
      return { reports: await runPeer(options, { mode: 'speed', seconds, ...sizes }, 0.6 * secondsLeft()) };
    });
}

/** Attention alone, by our kernels and PyTorch's. */
export async function attention(): Promise<void> {
  await measureAttention();
  const [precision, cases] = [(await precisions()).at(-1)!, attentionCases(tiny)];
  await attempt(out, name, 'PyTorch', async () => ({
    reports: await runPeer(
      options,
      { mode: 'attention', cases, precision, seconds: tiny ? 0 : 0.3 },
      0.9 * secondsLeft(),
    ),
  }));
}

/** Attention by our kernels, or by cuDNN, as TINYGPT_CUDA_CUDNN says. */
export async function measureAttention(): Promise<void> {
  const precision = (await precisions()).at(-1)!;
  for (const shape of attentionCases(tiny))
    await attempt(out, name, `T ${shape.seq} window ${shape.window}`, async () => {
      const { transfer, cudnn, files } = await start(precision);
      const { batch, seq, heads, headDim, window } = shape;
      const made = () => tf.randomNormal([batch * seq, heads * headDim]) as tf.Tensor2D;
      const [q, k, v, dy] = [made(), made(), made(), made()];
      const run = (...x: tf.Tensor[]) =>
        causalAttention(...(x as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D]), shape);
      const gradients = tf.grads(run);
      const forward = milliseconds(transfer, () => tf.dispose(run(q, k, v)));
      const both = milliseconds(transfer, () => tf.dispose(gradients([q, k, v], dy)));
      tf.dispose([q, k, v, dy]);
      const pairs = Array.from({ length: seq }, (_, i) => Math.min(i, window) + 1).reduce((a, b) => a + b, 0);
      const flops = 4 * batch * heads * headDim * pairs;
      const rates = { forward_tflops: flops / forward / 1e9, both_tflops: (3.5 * flops) / both / 1e9 };
      // Where cuDNN is used, for which shapes; else why not.
      const used = cudnn ? { [cudnn.version]: [...cudnn.used().keys()] } : files.libcudnn;
      return { shape, precision, forward_ms: forward, both_ms: both, ...rates, cudnn: used };
    });
}

/** Median of repetitions, the device's queue kept full within each. */
function milliseconds({ synchronize }: Session['transfer'], work: () => void): number {
  const times: number[] = [];
  const repetitions = tiny ? 1 : 10;
  for (let i = 0; i < (tiny ? 2 : 12); i++) {
    synchronize();
    const begun = performance.now();
    for (let n = 0; n < repetitions; n++) work();
    synchronize();
    times.push((performance.now() - begun) / repetitions);
  }
  return times.slice(1).sort((a, b) => a - b)[Math.floor((times.length - 1) / 2)]!;
}

/** Losses of the same steps from the same weights, ours and PyTorch's. */
export async function losses(): Promise<void> {
  const precision = (await precisions()).at(-1)!;
  const config = lossConfig(tiny);
  const steps = tiny ? 4 : LOSS_STEPS;
  const weights = join(out, 'weights.safetensors');
  const batches = join(out, 'batches.bin');
  const data = await dataset(config.vocabSize);
  const resolved = resolveConfig(config, data.tokenizer.vocabSize);
  const { deviceBatchSize: batch, seqLen: seq } = resolved.config;
  const { accumulation } = resolved;
  const ours: number[] = [];
  const finished = await attempt(out, name, `ours ${precision}`, async () => {
    await start(precision);
    const gpt = createGpt(resolved.model, { seed: 1 });
    const tensors = new Map<string, { shape: number[]; values: Float32Array }>();
    for (const [parameter, variable] of gpt.params)
      tensors.set(parameter, { shape: variable.shape, values: (await variable.data()) as Float32Array });
    writeSafetensors(weights, { tensors, metadata: {} });
    const loader = await data.loader('train', { batchSize: batch, seqLen: seq });
    const seen: { inputs: Int32Array; targets: Int32Array }[] = [];
    const recording: BatchLoader = {
      state: () => loader.state(),
      close: () => loader.close(),
      next: async () => {
        const next = await loader.next();
        seen.push({ inputs: next.inputs.slice(), targets: next.targets.slice() });
        return next;
      },
    };
    const optimizer = createOptimizer(gpt, resolved.optimizer);
    for (let step = 0; step < steps; step++) {
      const shape = { batch, seq, accumulation, progress: () => step / steps };
      ours.push((await trainStep(gpt, optimizer, recording, shape))!.loss);
    }
    await loader.close();
    optimizer.dispose();
    gpt.dispose();
    const bytes = (key: 'inputs' | 'targets') => seen.map((each) => Buffer.from(each[key].buffer));
    writeFileSync(batches, Buffer.concat([...bytes('inputs'), ...bytes('targets')]));
    return { losses: ours };
  });
  if (!finished) return;
  await attempt(out, name, 'PyTorch on the same batches', async () => {
    const sizes = peerSizes(resolved);
    const reports = await runPeer(
      options,
      { mode: 'loss', precision, steps, weights, batches, ...sizes },
      0.9 * secondsLeft(),
    );
    const theirs = (reports.findLast((report) => 'losses' in report)?.losses ?? []) as number[];
    const differences = theirs.map((loss, i) => Math.abs(loss - ours[i]!));
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    const last = Math.min(20, theirs.length);
    return {
      steps: theirs.length,
      largest_difference: Math.max(...differences),
      first_difference: differences[0] ?? null,
      mean_of_last: last
        ? { ours: mean(ours.slice(theirs.length - last, theirs.length)), theirs: mean(theirs.slice(-last)) }
        : null,
      reports,
    };
  });
}
