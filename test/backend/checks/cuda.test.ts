// The fused kernels' part of the self-test passes, and detects a wrong kernel.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { coreChecks } from '../../../src/backend/checks/core.js';
import { cudnnChecks, fusedChecks, joinedChecks } from '../../../src/backend/checks/fused.js';
import { failuresOf, selfTest } from '../../../src/backend/checks/selfTest.js';
import { createChoices } from '../../../src/backend/cuda/choices.js';
import { type Cudnn, createCudnn, type Subject } from '../../../src/backend/cuda/cudnn/cudnn.js';
import { loadCudnn } from '../../../src/backend/cuda/library.js';
import type { FindKernel, KernelSpec } from '../../../src/backend/cuda/modules.js';
import type { Session } from '../../../src/backend/cuda/session.js';
import { createStopwatch } from '../../../src/backend/cuda/timing.js';
import { cudnnControl } from '../../cuda/device/device.js';
import { describeCuda } from '../cuda/present.js';

let restore = () => {};

afterEach(() => {
  restore();
  restore = () => {};
});

/** Makes a kernel's outputs wrong by a tenth of a percent in one element each. */
function sabotage(name: string): void {
  const stock = tf.getKernel(name, 'cuda');
  const kernelFunc: tf.KernelFunc = (params) => {
    const backend = params.backend as unknown as { readSync(id: object): Float32Array } & tf.KernelBackend;
    const outputs = stock.kernelFunc(params) as tf.TensorInfo[];
    return outputs.map((out) => {
      const values = backend.readSync(out.dataId);
      values[values.length - 1] = values[values.length - 1]! * 1.5 + 0.05;
      backend.disposeData(out.dataId);
      return { ...out, dataId: backend.write(values, out.shape, out.dtype) };
    });
  };
  tf.unregisterKernel(name, 'cuda');
  tf.registerKernel({ ...stock, kernelFunc });
  restore = () => {
    tf.unregisterKernel(name, 'cuda');
    tf.registerKernel(stock);
  };
}

const cudaChecks = () => [...fusedChecks(), ...joinedChecks()];

for (const precision of ['fp32', 'bf16'] as const)
  describeCuda(
    `the self-test of fused kernels in ${precision}`,
    (device, backend) => {
      test('a dry run collects its kernels without enqueuing anything', async () => {
        const all = [...coreChecks(), ...cudaChecks()];
        const nameOf = ({ source, defines = {} }: KernelSpec) => `${source} ${JSON.stringify(defines)}`;
        const before = tf.memory().numTensors;
        device().controls.fake_reset();
        const collected = all.flatMap(({ run }) => backend().collect(() => tf.tidy(() => void run())));
        expect(device().controls.fake_log()).not.toMatch(/cuLaunchKernel|cuMemcpy|cuMemset|cublasLtMatmul/);
        expect(tf.memory().numTensors).toBe(before);
        const session = backend().session as { kernel: FindKernel };
        const find = session.kernel;
        const used: string[] = [];
        session.kernel = (spec) => {
          used.push(nameOf(spec));
          return find(spec);
        };
        try {
          expect((await selfTest(precision, cudaChecks())).failures).toEqual([]);
        } finally {
          session.kernel = find;
        }
        expect(new Set(collected.map(nameOf))).toEqual(new Set(used));
      });

      test('passes and leaks no tensors', async () => {
        const before = tf.memory().numTensors;
        const { failures } = await selfTest(precision, cudaChecks());
        expect(failures).toEqual([]);
        expect(tf.memory().numTensors).toBe(before);
      });

      if (precision === 'bf16' && !process.env.PTX_LIBRARIES)
        test.each<[Subject, string, number, unknown[]]>([
          ['attention', 'pass where cuDNN computes it', 0, []],
          ['attention', 'fail where cuDNN computes something else', 0.5, ['attention', 'attention']],
          ['MLP', 'pass where cuDNN computes it', 0, []],
          ['MLP', 'fail where cuDNN computes something else', 0.5, ['MLP']],
        ])('the cases of %s %s', async (subject, _, wrong, expected) => {
          const control = await cudnnControl(device().folder);
          control('wrong', wrong);
          device().controls.fake_reset();
          let failures: string[] = [];
          const { cudnn } = backend().session;
          await cudnn!.test(subject, async () => {
            failures = await failuresOf(cudnnChecks()[subject], precision);
            return [];
          });
          control('', 0);
          expect(failures).toEqual(expected.map((name) => expect.stringMatching(name as string)));
          const log = device().controls.fake_log();
          expect(log).toMatch(`cudnnBackendExecute backward of ${subject}`);
          expect(log).not.toMatch(subject === 'MLP' ? /relu_squared/ : /cuLaunchKernel attention/);
        });

      if (precision === 'bf16' && !process.env.PTX_LIBRARIES)
        test('its cases pass where our kernels and cuDNN are measured and compared', async () => {
          const session = backend().session as { cudnn: Cudnn | undefined } & Session;
          const { cudnn, allocator, stream, transfer, driver } = session;
          const folder = mkdtempSync(join(tmpdir(), 'tinygpt-choices-'));
          const notes: string[] = [];
          const measured = createCudnn({
            ...{ api: (await loadCudnn(12)).api, allocator, stream, transfer, leastFlops: 0 },
            selection: {
              choices: createChoices({ device: '', library: '' }, folder),
              stopwatch: createStopwatch(driver, stream)!,
            },
            onNote: (line) => notes.push(line),
          });
          try {
            session.cudnn = measured;
            for (const [subject, cases] of Object.entries(cudnnChecks())) {
              await measured.test(subject as Subject, async () => []);
              expect(await failuresOf(cases, precision)).toEqual([]);
            }
            expect(measured.used().size).toBe(6);
            expect(notes.join()).not.toMatch(/off|repeat|fails/);
          } finally {
            session.cudnn = cudnn;
            rmSync(folder, { recursive: true });
          }
        });
    },
    precision,
  );

describeCuda('a wrong fused kernel', () => {
  test.each([
    ['LinearGrad', 'linear map'],
    ['RotaryQkNorm', 'rotary'],
    ['CausalAttentionGrad', 'attention'],
    ['LmHeadCrossEntropy', 'cross-entropy'],
    ['EmbeddingGrad', 'embedding'],
    ['ResidualMixNormGrad', 'mix and its norm'],
    ['SelfAttentionGrad', 'self-attention'],
  ])('%s is found', async (name, failure) => {
    sabotage(name);
    const checks = cudaChecks().filter((check) => check.name.includes(failure));
    const { failures } = await selfTest('fp32', checks);
    expect(failures.join('\n')).toContain(failure);
  });
});
