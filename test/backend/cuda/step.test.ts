// What a training step, an evaluation and sampling ask of the driver: no kernel left to the CPU, no wait for the device.

import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { FUSED_KERNELS, type KernelName } from '../../../src/backend/contract.js';
import { fallbacks, resetFallbacks } from '../../../src/backend/fallbacks.js';
import { runFused } from '../../../src/backend/fused.js';
import { createDecoder } from '../../../src/model/generate.js';
import { gptLogits, gptLoss } from '../../../src/model/gpt.js';
import { hasKernel } from '../../../src/ops/index.js';
import { withIds } from '../../../src/train/step.js';
import { relativeError } from '../../../src/verify/verify.js';
import { describeCuda, type Emulation } from './present.js';
import { SMALL, startTraining } from './steps.js';

// What is tested is a step as it is without a recording (graph.test.ts).
process.env.TINYGPT_CUDA_GRAPH = '0';

/** A wait on another thread; the interpreter of PTX does not tell it from one on this thread. */
const isWaitAside = (line: string) =>
  line === 'cuEventSynchronize aside' || (process.env.PTX_LIBRARIES && line.startsWith('cuEventSynchronize'));

/** Calls by name in what the driver logged since `work` began. */
async function callsDuring(device: Emulation, work: () => unknown): Promise<Record<string, number>> {
  const { controls } = device;
  expect(controls.fake_errors()).toBe('');
  controls.fake_reset();
  await work();
  const calls: Record<string, number> = {};
  for (const line of controls.fake_log().split('\n').filter(Boolean)) {
    const name = isWaitAside(line) ? 'cuEventSynchronize aside' : line.split(' ', 1)[0]!;
    calls[name] = (calls[name] ?? 0) + 1;
  }
  return calls;
}

/** Calls but those that only wait on another thread, whose number depends on the machine. */
const withoutPolls = ({
  cuEventQuery: _,
  'cuEventSynchronize aside': __,
  cuCtxSetCurrent: ___,
  ...calls
}: Record<string, number>) => calls;

const kernelsIn = (log: string): string[] =>
  log
    .split('\n')
    .filter((line) => line.startsWith('cuLaunchKernel'))
    .map((line) => line.split(' ')[1]!);

for (const precision of ['fp32', 'bf16'] as const)
  describeCuda(
    `a step in ${precision}`,
    (device) => {
      test('runs on the device alone, and its work is enqueued without a wait', async () => {
        resetFallbacks();
        const training = startTraining({ ...SMALL, totalBatchSize: 128 });
        // The first step compiles kernels and takes memory; from then on each step is like the one before.
        await training.step();
        const second = await callsDuring(device(), () => training.step());
        const third = await callsDuring(device(), () => training.step());
        training.dispose();
        expect(fallbacks()).toEqual({});
        const steady = withoutPolls(third);
        expect(steady).toEqual(withoutPolls(second));
        // Allocation, compilation and blocking calls are absent; each of two losses comes back by an event.
        expect(Object.keys(steady).sort()).toEqual([
          'cuEventRecord',
          'cuLaunchKernel',
          'cuMemcpyDtoHAsync_v2',
          'cuMemcpyHtoDAsync_v2',
          'cublasLtMatmul',
        ]);
        expect(steady).toMatchObject({ cuMemcpyDtoHAsync_v2: 2, cuEventRecord: 2 });
      });

      test('moves no activation only to add or to round it', async () => {
        const training = startTraining({ ...SMALL, totalBatchSize: 128 });
        await training.step();
        device().controls.fake_reset();
        await training.step();
        const kernels = new Set(kernelsIn(device().controls.fake_log()));
        training.dispose();
        for (const name of ['to_bf16', 'from_bf16', 'add_activation', 'add_activations'])
          expect(kernels).not.toContain(name);
      });

      test('AdamW is one launch for all tensors, enqueued after the copy of the loss', async () => {
        const training = startTraining(SMALL);
        await training.step();
        device().controls.fake_reset();
        await training.step();
        const log = device().controls.fake_log();
        training.dispose();
        expect(kernelsIn(log).filter((name) => name === 'adamw')).toHaveLength(1);
        expect(log.indexOf('cuMemcpyDtoHAsync_v2')).toBeLessThan(log.indexOf('cuLaunchKernel adamw'));
        expect(log.indexOf('cuMemcpyDtoHAsync_v2')).toBeLessThan(log.indexOf('cuLaunchKernel muon_momentum'));
        // The order of the tokens is worked out once for all tables that they read.
        expect(kernelsIn(log).filter((name) => name === 'embedding_grad').length).toBeGreaterThan(1);
        expect(kernelsIn(log).filter((name) => name === 'ids_place')).toHaveLength(1);
      });

      test('evaluation, logits and sampling with a cache run on the device alone', async () => {
        resetFallbacks();
        const training = startTraining(SMALL);
        const { gpt } = training;
        const [batch, seq] = [2, 32];
        const inputs = Int32Array.from({ length: batch * seq }, (_, i) => (i * 31) % 260);
        const targets = inputs.map((id, i) => (i % 7 === 0 ? -1 : id));
        const [losses, logits] = withIds(gpt, { inputs, targets }, seq, (ids, next) => [
          tf.tidy(() => gptLoss(gpt, ids, next, { batch, seq }, 'none')),
          gptLogits(gpt, ids, { batch, seq }) as tf.Tensor,
        ]);
        const values = await losses!.data();
        expect(values.every(Number.isFinite)).toBe(true);
        expect(values[0]).toBe(0);
        // The cache decodes what the whole pass gives.
        const decoder = createDecoder(gpt);
        const whole = (await logits!.data()).slice(3 * 260, 4 * 260);
        await decoder.logits([...inputs.slice(0, 2)]);
        await decoder.logits([inputs[2]!]);
        const cached = await decoder.logits([inputs[3]!]);
        const scale = Math.max(...whole.map(Math.abs));
        const error = Math.max(...cached.map((v, i) => Math.abs(v - whole[i]!))) / scale;
        expect(error).toBeLessThan(precision === 'bf16' ? 3e-2 : 1e-5);
        decoder.dispose();
        tf.dispose([losses!, logits!]);
        training.dispose();
        expect(fallbacks()).toEqual({});
      });

      test('the head gives the same results in chunks of rows as in one', async () => {
        const [N, C, V] = [13, 24, 37];
        const wave = (n: number, step: number) =>
          Float32Array.from({ length: n }, (_, i) => Math.sin(step * i));
        const [x, w] = [tf.tensor2d(wave(N * C, 1.7), [N, C]), tf.tensor2d(wave(V * C, 0.3), [V, C])];
        const targets = tf.tensor1d(Int32Array.from({ length: N }, (_, i) => (i === 4 ? -1 : (7 * i) % V)));
        const run = (maxLogitsBytes?: number) => {
          const attrs = { softcap: 15, reduction: 'mean', withGrad: true, maxLogitsBytes } as const;
          return runFused('LmHeadCrossEntropy', { x, w, targets }, attrs) as tf.Tensor[];
        };
        const [whole, chunked] = [run(), run(V * 4 * 3)];
        for (const [i, tensor] of whole.entries()) {
          const [want, got] = [await tensor.data(), await chunked[i]!.data()];
          expect(relativeError(got, want)).toBeLessThan(1e-6);
        }
        tf.dispose([x, w, targets, ...whole, ...chunked]);
      });

      test('is the same to the bit when threads and blocks run in another order', async () => {
        const run = async (order: number) => {
          device().controls.fake_set_order(order);
          const training = startTraining(SMALL);
          const losses = [await training.step(), await training.step()];
          training.dispose();
          return losses;
        };
        const [up, shuffled] = [await run(0), await run(7)];
        device().controls.fake_set_order(0);
        expect(shuffled).toEqual(up);
      });
    },
    precision,
  );

describeCuda('the fused kernels', () => {
  test.each(Object.keys(FUSED_KERNELS) as KernelName[])('%s is there', (name) => {
    expect(hasKernel(name)).toBe(true);
  });
});
