// Training steps recorded as CUDA graphs: the same bits as without, one launch instead of hundreds, nothing leaked.

import { afterEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { capabilities } from '../../../src/backend/capabilities.js';
import { mostBytes } from '../../../src/backend/cuda/recording.js';
import type { StepRecorder } from '../../../src/backend/recorder.js';
import { createDecoder } from '../../../src/model/generate.js';
import { gptLoss } from '../../../src/model/gpt.js';
import type { TrainConfig } from '../../../src/train/config.js';
import { describeCuda } from './present.js';
import { SMALL, startTraining, type Training } from './steps.js';

/** One layer of few tokens: what is tested are the calls. */
const TINY: TrainConfig = { ...SMALL, depth: 1, seqLen: 16, totalBatchSize: 32 };
/** Two steps as they come, one recorded, the others replayed. */
const STEPS = 6;

// The interpreter of PTX has no graphs.
const describeGraphs = process.env.PTX_LIBRARIES ? describeSkipped : describeCuda;
function describeSkipped(...[title]: Parameters<typeof describeCuda>): void {
  test.skip(`${title} (these stand-ins record no graphs)`, () => {});
}

const recorder = (): StepRecorder => capabilities().stepRecorder!;

/** Runs `work` without or with the recorder. */
async function recording<T>(on: boolean, work: () => Promise<T>): Promise<T> {
  const declared = capabilities() as { stepRecorder?: StepRecorder | undefined };
  const { stepRecorder } = declared;
  if (!on) declared.stepRecorder = undefined;
  try {
    return await work();
  } finally {
    declared.stepRecorder = stepRecorder;
  }
}

const GIB = 2 ** 30;

test('steps of up to an eighth of the memory of a device, from 1 to 4 GiB, are recorded as CUDA graphs', () => {
  expect([4, 24, 141].map((gibibytes) => mostBytes(gibibytes * GIB) / GIB)).toEqual([1, 3, 4]);
});

const valuesOf = (variables: Iterable<tf.Variable>) =>
  [...variables].map((variable) => Array.from(variable.dataSync()));

for (const precision of ['fp32', 'bf16'] as const)
  describeGraphs(
    `a training step as a CUDA graph in ${precision}`,
    (device, backend) => {
      afterEach(() => {
        device().controls.fake_reset();
        device().controls.fake_set_late_events(0);
      });

      const calls = () => {
        const counts: Record<string, number> = {};
        for (const line of device().controls.fake_log().split('\n').filter(Boolean)) {
          const name = line.split(' ', 1)[0]!;
          counts[name] = (counts[name] ?? 0) + 1;
        }
        // How often the end of work is asked for depends on the machine.
        const { cuEventQuery: _, cuEventSynchronize: __, cuCtxSetCurrent: ___, ...steady } = counts;
        return steady;
      };

      /** Losses of some steps, parameters and state after them, and what the last step called. */
      const train = (
        config: TrainConfig,
        {
          recorded,
          between,
        }: { recorded: boolean; between?: (training: Training, step: number) => void | Promise<void> },
      ) =>
        recording(recorded, async () => {
          const training = startTraining(config);
          try {
            const losses: number[] = [];
            for (let step = 0; step < STEPS; step++) {
              await between?.(training, step);
              device().controls.fake_reset();
              losses.push(await training.step());
            }
            const last = calls();
            const { gpt, optimizer } = training;
            const state = valuesOf([...gpt.params.values(), ...optimizer.state().values()]);
            return { losses, state, last };
          } finally {
            training.dispose();
          }
        });

      const runs = new Map<string, ReturnType<typeof train>>();
      /** The same without a recording. */
      const plainly = (config: TrainConfig) => {
        const key = JSON.stringify(config);
        const run = runs.get(key) ?? train(config, { recorded: false });
        runs.set(key, run);
        return run;
      };

      test.each([
        { passes: 1, late: 0 },
        { passes: 1, late: 1 },
        { passes: 2, late: 0 },
      ])(
        'gives the bits of the same step without it, by one copy and one launch: %j',
        async ({ passes, late }) => {
          device().controls.fake_set_late_events(late);
          const config = { ...TINY, totalBatchSize: passes * 32 };
          const { allocator } = backend().session;
          const before = { tensors: tf.memory().numTensors, current: allocator.statistics().current };
          const plain = await plainly(config);
          const graph = await train(config, { recorded: true });
          expect(graph.losses).toEqual(plain.losses);
          expect(graph.state).toEqual(plain.state);
          expect(new Set(plain.losses).size).toBe(STEPS);
          expect(plain.last.cuLaunchKernel).toBeGreaterThan(30);
          expect(graph.last).toEqual({
            cuMemcpyHtoDAsync_v2: 1,
            cuGraphLaunch: 1,
            // Only where the event of the losses did not tell.
            ...(late && { cuEventRecord: 1 }),
          });
          // The recording goes with its model.
          expect({ tensors: tf.memory().numTensors, current: allocator.statistics().current }).toEqual(
            before,
          );
        },
      );

      test('is replayed after an evaluation and a sample too', async () => {
        const plain = await plainly(TINY);
        const between = async ({ gpt, resolved }: Training, step: number) => {
          if (step !== STEPS - 1) return;
          const { deviceBatchSize: batch, seqLen: seq } = resolved.config;
          const ids = tf.range(0, batch * seq, 1, 'int32');
          tf.tidy(() => gptLoss(gpt, ids, ids, { batch, seq }, 'none').dataSync());
          ids.dispose();
          const decoder = createDecoder(gpt);
          await decoder.logits([1, 2]);
          await decoder.logits([3]);
          decoder.dispose();
        };
        const graph = await train(TINY, { recorded: true, between });
        expect(graph.losses).toEqual(plain.losses);
        expect(graph.last).toEqual({ cuMemcpyHtoDAsync_v2: 1, cuGraphLaunch: 1 });
      });

      test('is waited for as a whole where the driver records no events in graphs', async () => {
        const driver = backend().session.driver as { cuEventRecordWithFlags?: unknown };
        const { cuEventRecordWithFlags } = driver;
        driver.cuEventRecordWithFlags = undefined;
        try {
          const plain = await plainly(TINY);
          const graph = await train(TINY, { recorded: true });
          expect(graph.losses).toEqual(plain.losses);
          expect(graph.last).toEqual({ cuMemcpyHtoDAsync_v2: 1, cuGraphLaunch: 1, cuEventRecord: 1 });
        } finally {
          driver.cuEventRecordWithFlags = cuEventRecordWithFlags;
        }
      });

      test('is recorded again after the parameters were replaced', async () => {
        const between = ({ gpt }: Training, step: number) => {
          if (step !== 4) return;
          for (const variable of gpt.params.values())
            tf.tidy(() => variable.assign(tf.mul(variable, tf.scalar(0.5))));
        };
        const plain = await train(TINY, { recorded: false, between });
        const graph = await train(TINY, { recorded: true, between });
        expect(graph.losses).toEqual(plain.losses);
        expect(graph.state).toEqual(plain.state);
        expect(graph.last.cuGraphLaunch).toBe(1);
      });

      test('leaves the numbers of a tensor that shares a parameter as they are', async () => {
        let copies: tf.Tensor[] = [];
        let then: number[][] = [];
        const between = ({ gpt }: Training, step: number) => {
          if (step !== STEPS - 1) return;
          copies = [...gpt.params.values()].map((variable) => tf.clone(variable));
          then = valuesOf(copies as tf.Variable[]);
        };
        const plain = await plainly(TINY);
        const graph = await train(TINY, { recorded: true, between });
        expect(graph.state).toEqual(plain.state);
        expect(valuesOf(copies as tf.Variable[])).toEqual(then);
        tf.dispose(copies);
      });

      test('is given up when memory is short, and the training goes on', async () => {
        const { allocator } = backend().session;
        const plain = await plainly(TINY);
        const between = (_: Training, step: number) => {
          if (step === 4) allocator.trim();
        };
        const graph = await train(TINY, { recorded: true, between });
        expect(graph.losses).toEqual(plain.losses);
        expect(graph.state).toEqual(plain.state);
      });

      test('is not used when its replay gives other results, and the step counts as it was', () => {
        const variable = tf.variable(tf.tensor1d(Array.from({ length: 40 }, (_, i) => i)));
        let calls = 0;
        const { losses, recorded } = recorder().record(
          {
            variables: [variable],
            passes: ([ids]) => {
              const x = tf.cast(ids!, 'float32');
              return { losses: [tf.sum(tf.mul(x, tf.scalar(++calls)))], grads: {} };
            },
            update: () => undefined,
          },
          [Int32Array.from({ length: 40 }, () => 1)],
          [],
        );
        expect(losses).toEqual([40]);
        expect(recorded).toBeUndefined();
        expect(calls).toBe(2);
        expect(variable.dataSync()[39]).toBe(39);
        variable.dispose();
      });

      test('is not recorded where it, or its variables, take too much', () => {
        const { takes } = recorder();
        expect([takes(GIB, GIB), takes(GIB + 1, 1), takes(GIB, GIB + 1)]).toEqual([true, false, false]);
      });

      const failing = test.each([
        ['cuStreamBeginCapture_v2', 801],
        ['cuStreamEndCapture', 901],
        ['cuGraphInstantiateWithFlags', 801],
        ['cuGraphLaunch', 801],
        ['cuEventRecordWithFlags', 801],
        ['cuMemAllocHost_v2', 2],
        ['cuMemAlloc_v2', 2],
      ]);
      failing('is enqueued kernel by kernel where %s fails', async (call, code) => {
        const plain = await plainly(TINY);
        const { allocator } = backend().session;
        const losses = await recording(true, async () => {
          const training = startTraining(TINY);
          try {
            const all = [await training.step(), await training.step()];
            device().controls.fake_fail(call, 1, code);
            for (let step = 2; step < STEPS; step++) all.push(await training.step());
            return all;
          } finally {
            training.dispose();
          }
        });
        expect(losses).toEqual(plain.losses);
        allocator.trim();
      });
    },
    precision,
  );
