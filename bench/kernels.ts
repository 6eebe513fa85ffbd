// The kernels that the wasm backend replaces, against tfjs's own in the same process: best of many runs, each by
// wall-clock or CPU time, whichever is less, so that a busy machine has little influence.
// `node build/bench/kernels.js [--json]`

import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../src/backend/index.js';
import { flag } from '../src/cli/options.js';
import { scriptOptions } from './scriptOptions.js';

type Case = { name: string; run: () => tf.Tensor | tf.Tensor[] };

/** Shapes of a step of 16 rows of 128 tokens: width 128, 4 heads of 32, MLP 512. */
function cases(): Case[] {
  const x = (...shape: number[]) => tf.keep(tf.randomUniform(shape, -1, 1));
  const [tokens, wide, weight] = [x(2048, 128), x(2048, 512), x(512, 128)];
  const [heads, scores] = [x(64, 128, 32), x(64, 128, 128)];
  const [split, column] = [x(16, 128, 4, 32), x(2048, 1)];
  const ids = tf.keep(
    tf.tensor1d(
      Int32Array.from({ length: 2048 }, (_, i) => (i * 7919) % 2048),
      'int32',
    ),
  );
  return [
    { name: 'product [2048,128] [512,128]^T', run: () => tf.matMul(tokens, weight, false, true) },
    { name: 'product [2048,512] [512,128]', run: () => tf.matMul(wide, weight) },
    { name: 'product [2048,512]^T [2048,128]', run: () => tf.matMul(wide, tokens, true) },
    { name: 'scores, 64 x [128,32] [128,32]^T', run: () => tf.matMul(heads, heads, false, true) },
    { name: 'mixing, 64 x [128,128] [128,32]', run: () => tf.matMul(scores, heads) },
    { name: 'transposed mixing', run: () => tf.matMul(scores, heads, true) },
    { name: 'transpose [2048,512]', run: () => tf.transpose(wide) },
    { name: 'transpose [16,128,4,32] to heads', run: () => tf.transpose(split, [0, 2, 1, 3]) },
    { name: 'clone [2048,512]', run: () => tf.clone(wide) },
    { name: 'slice half of [2048,512]', run: () => tf.slice(wide, [0, 0], [2048, 256]) },
    { name: 'split [16,128,4,32] in two', run: () => tf.split(split, 2, 3) },
    { name: 'concat two [2048,128]', run: () => tf.concat([tokens, tokens], 1) },
    { name: 'unstack 64 of [128,128]', run: () => tf.unstack(scores) },
    { name: 'gather 2048 rows of 512', run: () => tf.gather(wide, ids) },
    { name: 'broadcast [2048,1] to [2048,512]', run: () => tf.broadcastTo(column, [2048, 512]) },
    { name: 'sum [2048,512] over columns', run: () => tf.sum(wide, 1) },
    { name: 'sum [2048,512] over rows', run: () => tf.sum(wide, 0) },
    { name: 'tanh [2048,512]', run: () => tf.tanh(wide) },
  ];
}

/** Best milliseconds of at least 7 runs within some 300 ms. */
function best({ run }: Case): number {
  let least = Number.POSITIVE_INFINITY;
  const end = performance.now() + 300;
  for (let i = 0; i < 7 || performance.now() < end; i++) {
    const [start, used] = [performance.now(), processorMs()];
    const out = run();
    least = Math.min(least, performance.now() - start, processorMs() - used);
    tf.dispose(out);
  }
  return least;
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function main(): Promise<void> {
  const { json } = await scriptOptions({ json: flag('print JSON', { default: false }) });
  await import('@tensorflow/tfjs-backend-wasm');
  await tf.setBackend('wasm');
  const all = cases();
  const stock = all.map(best);
  const info = await useBackend('wasm');
  const rows = all.map((one, i) => {
    const ms = best(one);
    return { kernel: one.name, stock_ms: stock[i]!, ms, ratio: stock[i]! / ms };
  });
  if (json) process.stdout.write(`${JSON.stringify({ device: info.device, version: info.version, rows })}\n`);
  else {
    process.stdout.write(`${info.device}, ${info.version}; milliseconds, stock and ours\n`);
    for (const { kernel, stock_ms, ms, ratio } of rows) {
      const numbers = [stock_ms.toFixed(3), ms.toFixed(3), `${ratio.toFixed(1)}x`].map((n) => n.padStart(9));
      process.stdout.write(`${kernel.padEnd(36)}${numbers.join(' ')}\n`);
    }
  }
}

await main();
