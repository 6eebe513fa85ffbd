// A replay must not fail by chance where rounding decides a sign, and must fail for everything else.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { useBackend } from '../../src/backend/index.js';
import { readSafetensors, type TensorFile, writeSafetensors } from '../../src/base/safetensors.js';
import { muonLrScale } from '../../src/optim/muon.js';
import { errorBesidesFlips } from '../../src/verify/flips.js';
import { verifyGolden } from '../../src/verify/verify.js';
import { stepError } from '../../src/verify/verifyRandom.js';

const GOLDEN = 'test/golden/gpt/tiny-mha.safetensors';
const MATRIX = 'transformer.h.0.mlp.c_fc.weight';

let folder: string;
beforeAll(async () => {
  await useBackend('wasm');
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-flips-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** What the replay of the golden file says when the file was changed so. */
async function replay(change: (file: TensorFile) => void) {
  const file = readSafetensors(GOLDEN);
  change(file);
  const path = join(folder, 'changed.safetensors');
  writeSafetensors(path, file);
  const { passed, checks } = await verifyGolden(path);
  const failed = checks.filter((check) => !check.passed).map(({ name }) => name);
  return { passed, failed, flips: checks.reduce((sum, check) => sum + check.flips, 0) };
}

const metaOf = (file: TensorFile) => JSON.parse(file.metadata.meta!);
const valuesOf = (file: TensorFile, name: string) => file.tensors.get(name)!.values as Float32Array;

/** lr wd of the first step for a matrix, of which a flip takes |W| times as much. */
function decayOf(file: TensorFile, name: string): number {
  const { setup_optimizer, steps } = metaOf(file);
  const [rows, columns] = file.tensors.get(`param.${name}`)!.shape as [number, number];
  const { lr_multiplier, muon_weight_decay } = steps[0];
  return setup_optimizer.matrix_lr * lr_multiplier * muonLrScale(rows, columns) * muon_weight_decay;
}

/** Indices of the largest magnitudes first. */
const byMagnitude = (values: Float32Array) =>
  Array.from(values.keys()).sort((a, b) => Math.abs(values[b]!) - Math.abs(values[a]!));

/** Moves so many elements of a matrix after the first step by `times` what a flip takes. */
const flip =
  (count: number, times = 1) =>
  (file: TensorFile) => {
    const [before, after] = [valuesOf(file, `param.${MATRIX}`), valuesOf(file, `after0.${MATRIX}`)];
    for (const i of byMagnitude(before).slice(0, count))
      after[i]! += times * decayOf(file, MATRIX) * Math.abs(before[i]!);
  };

describe('after the first step', () => {
  test('one element that differs by the cautious decay is a flip', async () => {
    expect(await replay(flip(1))).toEqual({ passed: true, failed: [], flips: 1 });
  });

  test('a larger difference, or too many flips, is a failure', async () => {
    expect((await replay(flip(1, 2))).failed).toEqual([`after0.${MATRIX}`]);
    // 4,096 elements: 4 may flip.
    expect((await replay(flip(4))).passed).toBe(true);
    expect((await replay(flip(5))).failed).toEqual([`after0.${MATRIX}`]);
  });

  test('an AdamW step may flip its sign only where the gradient is nearly zero', async () => {
    const name = 'value_embeds.1.weight';
    const turned = (nearlyZero: boolean) => (file: TensorFile) => {
      const { setup_optimizer, config } = metaOf(file);
      const order = byMagnitude(valuesOf(file, `step0.grad.${name}`));
      const grad = valuesOf(file, `step0.grad.${name}`);
      const i = nearlyZero ? order.findLast((i) => grad[i] !== 0)! : order[0]!;
      valuesOf(file, `after0.${name}`)[i]! +=
        2 * setup_optimizer.embedding_lr * (config.n_embd / 768) ** -0.5;
    };
    expect((await replay(turned(false))).failed).toEqual([`after0.${name}`]);
    const grad = valuesOf(readSafetensors(GOLDEN), `step0.grad.${name}`);
    const order = byMagnitude(grad);
    const least = Math.abs(grad[order.findLast((i) => grad[i] !== 0)!]! / grad[order[0]!]!);
    // The recorded run has such an element: otherwise the next line would say nothing.
    expect(least).toBeLessThan(1e-4);
    expect(await replay(turned(true))).toMatchObject({ failed: [], flips: 1 });
  });

  test('gradients, losses and logits have no flips', async () => {
    for (const name of ['logits', 'loss_per_token', `step0.grad.${MATRIX}`]) {
      const { failed } = await replay((file) => {
        const values = valuesOf(file, name);
        values[byMagnitude(values)[0]!]! *= 1.001;
      });
      expect(failed).toEqual([name]);
    }
  });
});

test('a value that is not finite and an array of another size are never flips', () => {
  const reach = () => 10;
  expect(errorBesidesFlips([1, Number.NaN], [1, 2], 0.1, reach, 5).error).toBe(Infinity);
  expect(errorBesidesFlips([1], [1, 2], 0.1, reach, 5).error).toBe(Infinity);
  expect(errorBesidesFlips([1, 3], [1, 2], 0.1, reach, 5)).toEqual({ error: 0, flips: 1 });
  expect(errorBesidesFlips([1, 3], [1, 2], 0.1, reach, 0)).toEqual({ error: 0.5, flips: 0 });
});

test('on random models a flip of a small matrix is left out, other differences are not', () => {
  const before = Float32Array.from({ length: 32 }, (_, i) => 0.2 * Math.cos(i));
  const want = before.map((w, i) => w - 0.04 * 0.18 * Math.sin(i));
  const reach = { decay: 0.04 * 0.4, sign: 0, limit: () => 1 };
  const error = (change: (after: Float32Array) => void) => {
    const got = want.slice();
    change(got);
    return stepError(got, before, want, before, reach);
  };
  expect(error((got) => (got[0]! -= reach.decay * before[0]!))).toBeLessThan(1e-5);
  expect(error((got) => (got[0]! -= 1.2 * reach.decay * before[0]!))).toBeGreaterThan(1e-2);
  expect(error((got) => (got[0]! -= 0.8 * reach.decay * before[0]!))).toBeGreaterThan(1e-2);
  expect(
    error((got) => {
      for (const i of [0, 3]) got[i]! -= reach.decay * before[i]!;
    }),
  ).toBeGreaterThan(1e-2);
});

test.each([
  ['no steps', { steps: [] }, /no valid steps/],
  ['no sizes', { config: null }, /no valid config/],
  ['a batch that is none', { batch: -1 }, /no valid batch/],
  ['a batch of another size', { batch: 7 }, /expected tokens \[7,\d+\]/],
  ['a smaller vocabulary', { config: { vocab_size: 5 } }, /Expected|expected/],
])('a golden file with %s is one line', async (_, change, message) => {
  const error = await replay((file) => {
    const meta = metaOf(file);
    const config = { ...meta.config, ...(change as { config?: object }).config };
    file.metadata.meta = JSON.stringify({
      ...meta,
      ...change,
      config: 'config' in change && !change.config ? null : config,
    });
  }).catch((e: unknown) => e);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toContain('\n');
  expect((error as { exitCode?: number }).exitCode).toBeGreaterThan(0);
});
