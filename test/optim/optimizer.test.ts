import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { Matrix, SVD } from 'ml-matrix';
import { applyMuon, muonUpdate, polarExpress } from '../../src/backend/updates.js';
import { randomStream } from '../../src/base/random.js';
import { MODEL_DEFAULTS, type ModelConfig } from '../../src/model/config.js';
import { adamwStep } from '../../src/optim/adamw.js';
import { OPTIMIZER_DEFAULTS, optimizerSettings, parameterGroups } from '../../src/optim/groups.js';
import { muonLrScale, muonStep, STOCK, secondMomentShape } from '../../src/optim/muon.js';
import { lrMultiplier, muonMomentum, muonWeightDecay } from '../../src/optim/schedule.js';
import { describeEachBackend } from '../backend/present.js';
import { tidyAsync } from '../ops/check.js';

const MODEL: ModelConfig = {
  ...MODEL_DEFAULTS,
  vocabSize: 96,
  seqLen: 32,
  depth: 3,
  heads: 2,
  kvHeads: 2,
  width: 64,
};

function normal(shape: number[], seed: number, scale = 1): tf.Tensor {
  const random = randomStream(seed, 'normal');
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, () => scale * random.normal()),
    shape,
  );
}

const zeros = (shape: number[]) => tf.variable(tf.zeros(shape), false);

async function singularValues(matrix: tf.Tensor): Promise<number[]> {
  return new SVD(new Matrix((await matrix.array()) as number[][]), { autoTranspose: true }).diagonal;
}

describeEachBackend('optimizers', () => {
  test.each([
    [5, 5],
    [24, 8],
    [7, 31],
    [1, 6],
  ])('Polar Express of a %i x %i matrix has singular values near 1', async (rows, columns) => {
    await tidyAsync(async () => {
      const x = polarExpress(STOCK, normal([2, rows, columns], 1) as tf.Tensor3D, 5);
      // The five polynomials bring [1e-3, 1] to within about 0.3 of 1 (Amsel et al., figure 1); random square
      // matrices can have smaller singular values, so those get a wider margin.
      const low = rows === columns ? 0.3 : 0.7;
      for (const matrix of tf.unstack(x))
        for (const value of await singularValues(matrix)) {
          expect(value).toBeGreaterThan(low);
          expect(value).toBeLessThan(1.3);
        }
    });
  });

  test('the Muon update of a stack equals that of each matrix alone', async () => {
    await tidyAsync(async () => {
      const options = { lr: 0.1, momentum: 0.9, beta2: 0.95, weightDecay: 0, nsSteps: 5 };
      const state = (count: number) => ({
        momentum: zeros([count, 12, 20]),
        secondMoment: zeros(secondMomentShape(count, 12, 20)),
      });
      const grads = normal([3, 12, 20], 2) as tf.Tensor3D;
      const together = muonUpdate(STOCK, tf.unstack(grads), state(3), options);
      for (const [i, grad] of tf.unstack(grads).entries()) {
        const alone = muonUpdate(STOCK, [grad], state(1), options);
        const difference = (
          await tf.max(tf.abs(tf.sub(tf.squeeze(alone, [0]), tf.unstack(together)[i]!))).data()
        )[0]!;
        expect(difference).toBeLessThan(1e-5);
      }
    });
  });

  test('Muon frees the stacked gradients before it orthogonalizes', async () => {
    await tidyAsync(async () => {
      const stack = { count: 3, rows: 200, columns: 4 }; // large beside its Gram matrices
      const bytes = 4 * stack.count * stack.rows * stack.columns;
      const many = (seed: number) =>
        Array.from({ length: stack.count }, (_, i) => normal([stack.rows, stack.columns], 10 * seed + i));
      const [params, grads] = [many(1).map((value) => tf.variable(value)), many(2)];
      const state = {
        momentum: zeros([stack.count, stack.rows, stack.columns]),
        secondMoment: zeros(secondMomentShape(stack.count, stack.rows, stack.columns)),
      };
      const before = tf.memory().numBytes;
      const held: number[] = [];
      const watched: typeof STOCK = {
        ...STOCK,
        batchMatMul(...inputs) {
          held.push((tf.memory().numBytes - before) / bytes);
          return STOCK.batchMatMul(...inputs);
        },
      };
      const options = { lr: 0.1, momentum: 0.9, beta2: 0.95, weightDecay: 0.1, nsSteps: 5 };
      tf.tidy(() => applyMuon(watched, params, grads, state, options));
      expect(held).toHaveLength(15);
      expect(Math.max(...held)).toBeLessThan(2.5); // the direction and its orthogonalization
    });
  });

  test('a stack of one matrix is taken apart without a copy', async () => {
    await tidyAsync(async () => {
      const stack = normal([1, 3, 4], 1);
      let parts: tf.Tensor[] = [];
      const { kernelNames } = await tf.profile(() => (parts = STOCK.unstack(stack)));
      expect(parts.map(({ shape }) => shape)).toEqual([[3, 4]]);
      expect(kernelNames).toEqual(['Reshape']);
    });
  });

  test('the Muon update keeps the norm of the orthogonalized gradient', async () => {
    await tidyAsync(async () => {
      const grads = normal([1, 16, 48], 3) as tf.Tensor3D;
      const state = { momentum: zeros([1, 16, 48]), secondMoment: zeros(secondMomentShape(1, 16, 48)) };
      const update = muonUpdate(STOCK, tf.unstack(grads), state, {
        lr: 1,
        momentum: 0,
        beta2: 0.95,
        weightDecay: 0,
        nsSteps: 5,
      });
      const before = polarExpress(STOCK, grads, 5);
      const norm = async (x: tf.Tensor) => (await tf.norm(x).data())[0]!;
      expect((await norm(update)) / (await norm(before))).toBeCloseTo(1, 4);
    });
  });

  test('cautious decay shrinks only weights that agree in sign with the update', async () => {
    await tidyAsync(async () => {
      const weight = tf.variable(tf.tensor2d([1, -1, 1, -1], [2, 2]));
      const grad = tf.tensor2d([1, 0, 0, 1], [2, 2]); // its polar factor is itself
      const state = { momentum: zeros([1, 2, 2]), secondMoment: zeros(secondMomentShape(1, 2, 2)) };
      const options = { lr: 0.1, momentum: 0, beta2: 0.95, weightDecay: 0.5, nsSteps: 5 };
      const plain = await muonUpdate(STOCK, [grad], state, options).data();
      const fresh = { momentum: zeros([1, 2, 2]), secondMoment: zeros(secondMomentShape(1, 2, 2)) };
      muonStep([weight], [grad], fresh, options);
      const [a, b, c, d] = await weight.data();
      expect(a).toBeCloseTo(1 - 0.1 * plain[0]! - 0.1 * 0.5 * 1, 5); // u > 0, w > 0: decays
      expect(d).toBeCloseTo(-1 - 0.1 * plain[3]!, 5); // u > 0, w < 0: does not
      // u = 0 agrees with either sign (the reference's mask is >= 0).
      expect(b).toBeCloseTo(-1 + 0.1 * 0.5, 4);
      expect(c).toBeCloseTo(1 - 0.1 * 0.5, 4);
    });
  });

  test('AdamW equals the formulas in double precision over ten steps', async () => {
    await tidyAsync(async () => {
      const options = { lr: 0.05, beta1: 0.8, beta2: 0.95, eps: 1e-8, weightDecay: 0.1 };
      const param = tf.variable(tf.tensor1d([0.5, -2, 3]));
      const state = { expAvg: zeros([3]), expAvgSq: zeros([3]) };
      const p = [0.5, -2, 3];
      const m = [0, 0, 0];
      const v = [0, 0, 0];
      for (let step = 1; step <= 10; step++) {
        const g = p.map((x, i) => 2 * x + i * Math.sin(step));
        adamwStep(param, tf.tensor1d(g), state, { ...options, step });
        for (let i = 0; i < 3; i++) {
          m[i] = 0.8 * m[i]! + 0.2 * g[i]!;
          v[i] = 0.95 * v[i]! + 0.05 * g[i]! ** 2;
          const update = m[i]! / (1 - 0.8 ** step) / (Math.sqrt(v[i]! / (1 - 0.95 ** step)) + 1e-8);
          p[i] = p[i]! * (1 - 0.05 * 0.1) - 0.05 * update;
        }
      }
      (await param.data()).forEach((value, i) => {
        expect(value).toBeCloseTo(p[i]!, 5);
      });
    });
  });

  test('Muon reaches the minimum of a least-squares problem', async () => {
    await tidyAsync(async () => {
      const target = normal([8, 12], 4, 0.1);
      const weight = tf.variable(tf.zeros([8, 12]));
      const state = { momentum: zeros([1, 8, 12]), secondMoment: zeros(secondMomentShape(1, 8, 12)) };
      const distance = async () => (await tf.norm(tf.sub(weight, target)).data())[0]!;
      const start = await distance();
      for (let step = 0; step < 80; step++) {
        const lr = 0.05 * (1 - step / 80);
        tf.tidy(() => {
          muonStep([weight], [tf.sub(weight, target)], state, {
            lr,
            momentum: 0.9,
            beta2: 0.95,
            weightDecay: 0,
            nsSteps: 5,
          });
        });
      }
      expect(await distance()).toBeLessThan(0.1 * start);
    });
  });
});

describe('groups', () => {
  test('match the reference: AdamW by role, Muon by shape, rates scaled by width', () => {
    const groups = parameterGroups(MODEL, { ...OPTIMIZER_DEFAULTS, embeddingLr: 0.3, unembeddingLr: 0.004 });
    expect(groups.map((group) => [group.kind, group.params.length, group.initialLr])).toEqual([
      ['adamw', 1, 0.013856406460551019],
      ['adamw', 1, 1.0392304845413265],
      ['adamw', 2, 1.0392304845413265],
      ['adamw', 1, 0.005],
      ['adamw', 1, 0.5],
      ['muon', 2, 0.04],
      ['muon', 12, 0.04],
      ['muon', 3, 0.04],
      ['muon', 3, 0.04],
    ]);
    expect(groups.filter((group) => group.kind === 'muon').map((group) => group.shape)).toEqual([
      [2, 32],
      [64, 64],
      [64, 256],
      [256, 64],
    ]);
  });

  test.each([
    [{ matrixLr: -1 }, /matrixLr to be >= 0, got -1; set --matrix-lr/],
    [{ adamBeta2: 1 }, /adamBeta2 to be in \[0, 1\), got 1/],
    [{ warmupRatio: 1.5 }, /warmupRatio to be in \[0, 1\], got 1.5/],
    [{ nsSteps: 6 }, /nsSteps to be an integer from 1 to 5, got 6/],
    [{ embeddingWeightDecay: Number.NaN }, /embeddingWeightDecay to be >= 0, got NaN/],
  ])('refuse %j', (overrides, message) => {
    expect(() => optimizerSettings(overrides)).toThrow(message);
  });
});

describe('schedules', () => {
  const schedule = { warmupRatio: 0.1, warmdownRatio: 0.5, finalLrFrac: 0.2 };
  test.each([
    [0, 0],
    [0.05, 0.5],
    [0.1, 1],
    [0.49, 1],
    [0.5, 1],
    [0.75, 0.6],
    [1, 0.2],
  ])('the learning rate at %f of the budget is multiplied by %f', (progress, multiplier) => {
    expect(lrMultiplier(progress, schedule)).toBeCloseTo(multiplier, 12);
  });

  test('without warmup and warmdown the learning rate is constant', () => {
    for (const progress of [0, 0.5, 0.999])
      expect(lrMultiplier(progress, { warmupRatio: 0, warmdownRatio: 0, finalLrFrac: 0 })).toBe(1);
  });

  test('momentum warms up and weight decay falls', () => {
    const options = { start: 0.85, end: 0.95, warmupSteps: 300 };
    expect(muonMomentum(0, options)).toBeCloseTo(0.85, 12);
    expect(muonMomentum(150, options)).toBeCloseTo(0.9, 12);
    expect(muonMomentum(1000, options)).toBeCloseTo(0.95, 12);
    expect(muonMomentum(0, { ...options, warmupSteps: 0 })).toBeCloseTo(0.95, 12);
    expect(muonWeightDecay(0.25, 0.2)).toBeCloseTo(0.15, 12);
    expect(muonLrScale(8, 2)).toBe(2);
    expect(muonLrScale(2, 8)).toBe(1);
  });
});
