// Training steps recorded as CUDA graphs: the same bits as without, one launch instead of hundreds, nothing leaked.

import { afterEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { capabilities } from '../../../src/backend/capabilities.js';
import { createGpt, gptLoss } from '../../../src/model/gpt.js';
import { leanGrads, repeatedGrads } from '../../../src/ops/index.js';
import { resolveConfig, type TrainConfig } from '../../../src/train/config.js';
import { describeCuda } from './present.js';
import { SMALL, startTraining } from './steps.js';

/** One layer of few tokens: what is tested are the calls. */
const TINY: TrainConfig = { ...SMALL, depth: 1, seqLen: 16, totalBatchSize: 32 };
/** The first step is recorded; the second too, as the optimizer has moved the lambdas to the device; the others are replayed. */
const STEPS = 4;

process.env.TINYGPT_CUDA_GRAPH = '1';
// The interpreter of PTX has no graphs.
const describeGraphs = process.env.PTX_LIBRARIES ? describeSkipped : describeCuda;
function describeSkipped(...[title]: Parameters<typeof describeCuda>): void {
  test.skip(`${title} (these stand-ins record no graphs)`, () => {});
}

for (const precision of ['fp32', 'bf16'] as const)
  describeGraphs(
    `a training step as a CUDA graph in ${precision}`,
    (device, backend) => {
      afterEach(() => {
        device().controls.fake_reset();
      });

      /** Losses of some steps, and what the last of them called. */
      async function train(config: TrainConfig, { recorded }: { recorded: boolean }) {
        const declared = capabilities() as { recorder?: unknown };
        const { recorder } = declared;
        if (!recorded) declared.recorder = undefined;
        const training = startTraining(config);
        try {
          const losses: number[] = [];
          for (let step = 0; step < STEPS; step++) {
            device().controls.fake_reset();
            losses.push(await training.step());
          }
          const calls = device().controls.fake_log().split('\n');
          const count = (name: string) => calls.filter((line) => line.startsWith(`${name} `)).length;
          const weights = [...training.gpt.params.values()].map((weight) => Array.from(weight.dataSync()));
          return {
            losses,
            weights,
            launches: count('cuLaunchKernel') + count('cublasLtMatmul'),
            graphs: count('cuGraphLaunch'),
          };
        } finally {
          training.dispose();
          declared.recorder = recorder;
        }
      }

      test.each([1, 2])('gives the bits of the same step without, %i passes a step', async (passes) => {
        const config = { ...TINY, depth: 2, totalBatchSize: passes * 32 };
        const { allocator } = backend().session;
        const before = { tensors: tf.memory().numTensors, current: allocator.statistics().current };
        const plain = await train(config, { recorded: false });
        const graph = await train(config, { recorded: true });
        expect(graph.losses).toEqual(plain.losses);
        expect(graph.weights).toEqual(plain.weights);
        expect(plain.graphs).toBe(0);
        expect(graph.graphs).toBe(passes);
        expect(graph.launches).toBeLessThan(plain.launches / 2);
        // The recording goes with its model, at the latest when memory is looked for.
        allocator.trim();
        expect({ tensors: tf.memory().numTensors, current: allocator.statistics().current }).toEqual(before);
      });

      test('a gradient that is still in use keeps its numbers', async () => {
        const { model, config } = resolveConfig(TINY);
        const gpt = createGpt(model, { seed: 1 });
        const shape = { batch: config.deviceBatchSize, seq: config.seqLen };
        const loss = (ids: tf.Tensor1D, targets: tf.Tensor1D) =>
          gptLoss(gpt, ids, targets, shape) as tf.Scalar;
        const step = repeatedGrads(loss, gpt.params);
        const ids = (n: number) =>
          Int32Array.from({ length: shape.batch * shape.seq }, (_, i) => (i * n) % 200);
        const results: { got: tf.Tensor; expected: tf.Tensor }[] = [];
        for (const n of [1, 3, 7, 11]) {
          const { value, grads } = await step([ids(n), ids(n + 1)]);
          const [x, y] = [ids(n), ids(n + 1)].map((values) => tf.tensor1d(values, 'int32')) as tf.Tensor1D[];
          const plain = leanGrads(() => loss(x!, y!), gpt.params);
          results.push({ got: value, expected: plain.value });
          for (const [name, got] of Object.entries(grads))
            results.push({ got, expected: plain.grads[name]! });
          tf.dispose([x!, y!]);
        }
        for (const { got, expected } of results) expect(got.dataSync()).toEqual(expected.dataSync());
        expect(device().controls.fake_log()).toMatch(/cuGraphLaunch/);
        for (const { got, expected } of results) tf.dispose([got, expected]);
        gpt.dispose();
        backend().session.allocator.trim();
      });

      test.each(['cuStreamBeginCapture_v2', 'cuGraphInstantiateWithFlags', 'cuGraphLaunch', 'cuMemAlloc_v2'])(
        'is enqueued as before where %s fails',
        async (call) => {
          const plain = await train(TINY, { recorded: false });
          const training = startTraining(TINY);
          const { allocator } = backend().session;
          const losses = [];
          try {
            // Segments of the eager pass are there from the run before.
            device().controls.fake_fail(call, 1, call === 'cuMemAlloc_v2' ? 2 : 801);
            for (let step = 0; step < STEPS; step++) losses.push(await training.step());
          } finally {
            training.dispose();
          }
          expect(losses).toEqual(plain.losses);
          allocator.trim();
        },
      );
    },
    precision,
  );
