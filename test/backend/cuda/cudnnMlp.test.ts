// The MLP's matmuls with their epilogues by cuDNN, on the emulated device: when they are chosen, and that everything that goes
// wrong leaves cuBLASLt and our kernels in charge, with the same bits as the operations one by one.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { createChoices } from '../../../src/backend/cuda/choices.js';
import { type Cudnn, createCudnn } from '../../../src/backend/cuda/cudnn/cudnn.js';
import { loadCudnn } from '../../../src/backend/cuda/library.js';
import type { Session } from '../../../src/backend/cuda/session.js';
import { createStopwatch } from '../../../src/backend/cuda/timing.js';
import { runFused } from '../../../src/backend/fused.js';
import { cudnnControl } from '../../cuda/device/device.js';
import { random, tensorOf } from '../../ops/check.js';
import { describeCuda } from './present.js';

/** x, wFc, wProj, sum and the gradient that comes in. */
type Arrays = Record<'x' | 'wFc' | 'wProj' | 'sum' | 'dy', tf.Tensor2D>;

const [N, C, M] = [20, 16, 24];

describeCuda(
  'the MLP by cuDNN',
  (device, backend) => {
    let [folder, notes, before] = ['', [] as string[], undefined as Cudnn | undefined];
    let control: (name: string, value: number) => void = () => {};
    const session = () => backend().session as { cudnn: Cudnn | undefined } & Session;

    /** cuDNN as a session has it, for every shape however small. */
    async function start(options: object = {}): Promise<Cudnn> {
      const { allocator, stream, transfer, driver } = session();
      const made = createCudnn({
        ...{ api: (await loadCudnn(12)).api, allocator, stream, transfer, leastFlops: 0 },
        selection: {
          choices: createChoices({ device: 'emulated', library: 'cuDNN' }, folder),
          stopwatch: createStopwatch(driver, stream)!,
        },
        onNote: (line) => notes.push(line),
        ...options,
      });
      session().cudnn = made;
      return made;
    }

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'tinygpt-cudnn-'));
      notes = [];
      before = session().cudnn;
      control = await cudnnControl(device().folder);
      device().controls.fake_reset();
    });
    afterEach(() => {
      control('', 0);
      session().cudnn = before;
      rmSync(folder, { recursive: true });
    });

    const arrays = ({ hidden = M, proj = 1 } = {}): Arrays => {
      const make = (name: string, shape: number[], scale = 1) =>
        tensorOf(random(name, shape, scale)) as tf.Tensor2D;
      return {
        x: make('x', [N, C]),
        wFc: make('fc', [hidden, C], C ** -0.5),
        wProj: make('proj', [C, hidden], proj * hidden ** -0.5),
        sum: make('sum', [N, C]),
        dy: make('dy', [N, C]),
      };
    };
    const values = (tensors: readonly tf.Tensor[]) => {
      const found = tensors.map((tensor) => tensor.dataSync());
      tf.dispose([...tensors]);
      return found;
    };
    /** y, and the three gradients. */
    const run = ({ dy, ...inputs }: Arrays) => {
      const { x, wFc, wProj } = inputs;
      const [y, hidden] = runFused('ReluSquaredMlp', inputs);
      const gradients = runFused('ReluSquaredMlpGrad', { x, wFc, wProj, hidden, dy });
      hidden.dispose();
      return values([y, ...gradients]);
    };
    /** The same by operations of their own. */
    const singly = ({ x, wFc, wProj, sum, dy }: Arrays) =>
      values(
        tf.tidy(() => {
          const [hidden] = runFused('ReluSquared', { x: runFused('Linear', { x, w: wFc })[0] });
          const [y] = runFused('Linear', { x: hidden as tf.Tensor2D, w: wProj, sum });
          const [dHidden, dwProj] = runFused('LinearGrad', { x: hidden as tf.Tensor2D, w: wProj, dy });
          const [back] = runFused('ReluSquaredGrad', { y: hidden, dy: dHidden });
          const [dx, dwFc] = runFused('LinearGrad', { x, w: wFc, dy: back as tf.Tensor2D });
          return [y, dx, dwFc, dwProj];
        }),
      );
    const count = (pattern: RegExp) => device().controls.fake_log().match(pattern)?.length ?? 0;
    const byCudnn = () => count(/cudnnBackendExecute \w+ of MLP/g);
    const byUs = () => count(/cuLaunchKernel relu_squared/g);

    test('without it the bits are those of the single operations', () => {
      session().cudnn = undefined;
      const given = arrays();
      expect(run(given)).toEqual(singly(given));
      expect(byCudnn()).toBe(0);
      tf.dispose(given);
    });

    test('is measured once it has passed the self-test, and chosen for both directions', async () => {
      const cudnn = await start();
      const given = arrays();
      run(given);
      expect([byCudnn(), byUs()]).toEqual([0, 2]);
      expect(cudnn.untested('MLP')).toBe(true);
      await (await start()).test('MLP', async () => []);
      run(given);
      expect([...session().cudnn!.used()]).toEqual([
        [`MLP forward ${N} ${C} ${M}`, 'cuDNN'],
        [`MLP backward ${N} ${C} ${M}`, 'cuDNN'],
      ]);
      const ours = byUs();
      const fused = run(given);
      expect(byUs()).toBe(ours);
      session().cudnn = undefined;
      // Rounded to bfloat16 once instead of twice.
      run(given).forEach((expected, i) => {
        const largest = Math.max(...expected.map(Math.abs));
        fused[i]!.forEach((value, j) => {
          expect(Math.abs(value - expected[j]!)).toBeLessThan(0.02 * largest);
        });
      });
      expect(notes).toEqual([]);
      tf.dispose(given);
    });

    test('a wrong gradient is found at a first step too, where the projection is zero', async () => {
      const cudnn = await start();
      await cudnn.test('MLP', async () => []);
      const given = arrays({ proj: 0 });
      const { x, wFc, wProj, sum, dy } = given;
      const [y, hidden] = runFused('ReluSquaredMlp', { x, wFc, wProj, sum });
      control('wrong', 0.5);
      tf.dispose([y, ...runFused('ReluSquaredMlpGrad', { x, wFc, wProj, hidden, dy }), hidden]);
      expect([...cudnn.used().values()]).toEqual(['cuDNN', 'own']);
      expect(notes).toEqual([expect.stringMatching(/^MLP by our kernels .* its MLP \(backward\) is off by/)]);
      tf.dispose(given);
    });

    test('rows that cuDNN cannot take, and a refusal, leave it to our kernels', async () => {
      await (await start()).test('MLP', async () => []);
      const odd = arrays({ hidden: 20 });
      const expected = singly(odd);
      expect(run(odd)).toEqual(expected);
      control('refuse', 1);
      const given = arrays();
      run(given);
      expect(byCudnn()).toBe(0);
      expect(notes).toEqual([expect.stringMatching(/it has no engine for MLP forward 20 16 20/)]);
      tf.dispose([odd, given]);
    });

    test('is apart from attention: its verdict, its faults and its notes', async () => {
      const cudnn = await start();
      await cudnn.test('attention', async () => ['attention: expected 1, got 2']);
      expect([cudnn.untested('attention'), cudnn.untested('MLP')]).toEqual([false, true]);
      await cudnn.test('MLP', async () => []);
      const given = arrays();
      run(given);
      expect([...cudnn.used().values()]).toEqual(['cuDNN', 'cuDNN']);
      device().controls.fake_fail('cudnnBackendExecute', 1, 5000);
      run(given);
      const executed = byCudnn();
      run(given);
      expect(byCudnn()).toBe(executed);
      expect(notes.map((line) => line.split(' ')[0])).toEqual(['Attention', 'MLP']);
      tf.dispose(given);
    });
  },
  'bf16',
);
