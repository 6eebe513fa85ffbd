// Every native kernel against the stock composition on the cpu backend: odd sizes, seeded random shapes, not-a-number,
// arrays at odd addresses, and any number of threads.

import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { setThreads } from '../../../src/backend/native/threads.js';
import { useBackend } from '../../../src/backend/use.js';
import { randomStream } from '../../../src/base/random.js';
import {
  add,
  causalAttention,
  embedding,
  gatedValueEmbedding,
  hasKernel,
  linear,
  lmHeadCrossEntropy,
  reluSquared,
  residualMix,
  rmsNorm,
  rotaryQkNorm,
} from '../../../src/ops/index.js';
import { adamwStep } from '../../../src/optim/adamw.js';
import { muonStep, secondMomentShape } from '../../../src/optim/muon.js';
import { expectClose } from '../../ops/check.js';
import { describeNative } from './present.js';

type Stream = ReturnType<typeof randomStream>;
type Op = (inputs: tf.Tensor[]) => tf.Tensor;
/** An operation on inputs of these shapes; made again for every draw of sizes. */
type Draw = { op: Op; shapes: number[][]; label: string };

const ids = (stream: Stream, length: number, from: number, limit: number) =>
  Int32Array.from({ length }, () => from + stream.int(limit - from));
const matrix = (x: tf.Tensor | undefined) => x as tf.Tensor2D;
const vector = (x: tf.Tensor | undefined) => x as tf.Tensor1D;

/** Operations by name, each with sizes drawn by `size(limit)`, from 1 to limit. */
const OPERATIONS: Record<string, (size: (limit: number) => number, stream: Stream) => Draw> = {
  embedding: (size, stream) => {
    const [V, W, N] = [size(40), size(150), size(70)];
    const list = ids(stream, N, 0, V);
    const op: Op = ([table]) => embedding(matrix(table), tf.tensor1d(list, 'int32'));
    return { op, shapes: [[V, W]], label: `V ${V}, W ${W}, N ${N}` };
  },
  rmsNorm: (size) => {
    const shape = [size(70), size(150)];
    return { op: ([x]) => rmsNorm(matrix(x)), shapes: [shape], label: `${shape}` };
  },
  linear: (size) => {
    const [N, I, O] = [size(140), size(300), size(140)];
    const op: Op = ([x, w]) => linear(matrix(x), matrix(w));
    return {
      op,
      shapes: [
        [N, I],
        [O, I],
      ],
      label: `N ${N}, I ${I}, O ${O}`,
    };
  },
  // Rows enough for the gradient of w in parts.
  'linear of many rows': (size) => {
    const [N, I, O] = [512 + size(1000), size(50), size(50)];
    const op: Op = ([x, w]) => linear(matrix(x), matrix(w));
    return {
      op,
      shapes: [
        [N, I],
        [O, I],
      ],
      label: `N ${N}, I ${I}, O ${O}`,
    };
  },
  rotaryQkNorm: (size, stream) => {
    const [B, T, heads, half] = [size(3), size(20), size(4), size(20)];
    const angles = normals(stream, [T, half]);
    const table = (f: (x: number) => number) => tf.tensor2d(Float32Array.from(angles, f), [T, half]);
    const op: Op = ([x]) => rotaryQkNorm(matrix(x), table(Math.cos), table(Math.sin), { heads });
    return { op, shapes: [[B * T, 2 * heads * half]], label: `B ${B}, T ${T}, H ${heads}, D ${2 * half}` };
  },
  gatedValueEmbedding: (size) => {
    const [N, G, D, C] = [size(600), size(4), size(20), size(40)];
    const K = size(C);
    const op: Op = ([v, ve, x, w]) => gatedValueEmbedding(matrix(v), matrix(ve), matrix(x), matrix(w));
    const shapes = [
      [N, G * D],
      [N, G * D],
      [N, C],
      [G, K],
    ];
    return { op, shapes, label: `N ${N}, G ${G}, D ${D}, C ${C}, K ${K}` };
  },
  causalAttention: (size) => {
    const [batch, seq, kvHeads, group, D] = [size(3), size(140), size(3), size(2), size(40)];
    const window = size(2) === 1 ? seq : size(seq) - 1;
    const heads = kvHeads * group;
    const op: Op = ([q, k, v]) =>
      causalAttention(matrix(q), matrix(k), matrix(v), { batch, seq, heads, kvHeads, window });
    const shapes = [heads, kvHeads, kvHeads].map((n) => [batch * seq, n * D]);
    const label = `B ${batch}, T ${seq}, H ${heads}, G ${kvHeads}, D ${D}, window ${window}`;
    return { op, shapes, label };
  },
  reluSquared: (size) => {
    const shape = [size(300), size(200)];
    return { op: ([x]) => reluSquared(x!), shapes: [shape], label: `${shape}` };
  },
  add: (size) => {
    const shape = [size(300), size(200)];
    return { op: ([a, b]) => add(a!, b!), shapes: [shape, shape], label: `${shape}` };
  },
  residualMix: (size) => {
    const [N, C, L] = [size(300), size(200), size(5)];
    const layer = size(L) - 1;
    const op: Op = ([x, x0, a, b]) => residualMix(matrix(x), matrix(x0), vector(a), vector(b), layer);
    return { op, shapes: [[N, C], [N, C], [L], [L]], label: `N ${N}, C ${C}, layer ${layer} of ${L}` };
  },
  lmHeadCrossEntropy: (size, stream) => {
    const [N, C, V] = [size(300), size(40), size(90)];
    const softcap = [15, 3, 100][stream.int(3)]!;
    const reduction = (['mean', 'sum', 'none'] as const)[stream.int(3)]!;
    const targets = ids(stream, N, -1, V);
    const op: Op = ([x, w]) =>
      lmHeadCrossEntropy(matrix(x), matrix(w), tf.tensor1d(targets, 'int32'), { softcap, reduction });
    const shapes = [
      [N, C],
      [V, C],
    ];
    return { op, shapes, label: `N ${N}, C ${C}, V ${V}, softcap ${softcap}, ${reduction}` };
  },
};

const normals = (stream: Stream, shape: number[]): Float32Array =>
  Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => stream.normal());

/** Value and gradients of an operation on the backend in use. */
function outcome({ op, shapes }: Draw, inputs: Float32Array[], scale: number): Float32Array[] {
  const tensors = inputs.map((values, i) => tf.tensor(values, shapes[i]!, 'float32'));
  const value = tf.tidy(() => op(tensors));
  // Every element has its own gradient.
  const dy = tf.tidy(() => tf.mul(tf.cos(tf.reshape(tf.range(0, value.size, 1), value.shape)), scale));
  const { value: taped, grads } = tf.valueAndGrads((...xs: tf.Tensor[]) => op(xs))(tensors, dy);
  const read = [value, taped, ...grads].map((x) => x.dataSync().slice() as Float32Array);
  tf.dispose([tensors, value, dy, taped, grads]);
  return read;
}

async function compareWithStock(draw: Draw, stream: Stream): Promise<void> {
  const inputs = draw.shapes.map((shape) => normals(stream, shape));
  await useBackend('native');
  const before = tf.memory().numTensors;
  const got = outcome(draw, inputs, 0.5);
  expect(tf.memory().numTensors).toBe(before);
  await useBackend('cpu');
  const want = outcome(draw, inputs, 0.5);
  got.forEach((values, i) => {
    const what = i < 2 ? 'value' : `gradient ${i - 2}`;
    expectClose(values, want[i]!, `${draw.label}: ${what}`, 3e-5);
  });
}

describeNative('native kernels', () => {
  test.each(Object.keys(OPERATIONS))('%s equals its stock composition, every size one', async (name) => {
    const stream = randomStream(1, `${name} ones`);
    await compareWithStock(
      OPERATIONS[name]!(() => 1, stream),
      stream,
    );
  });

  test.each(Object.keys(OPERATIONS))('%s equals its stock composition, sizes at random', async (name) => {
    const stream = randomStream(1, name);
    for (let i = 0; i < 4; i++) {
      const draw = OPERATIONS[name]!((limit) => 1 + stream.int(limit), stream);
      await compareWithStock(draw, stream);
    }
  });

  test.each([0, 1, 2, 61, 130].flatMap((window) => [1, 59, 61, 129].map((seq) => [window, seq])))(
    'attention with a window of %i over %i tokens',
    async (window, seq) => {
      const shape = { batch: 2, seq: seq!, heads: 2, kvHeads: 1, window: window! };
      const op: Op = ([q, k, v]) => causalAttention(matrix(q), matrix(k), matrix(v), shape);
      const shapes = [2, 1, 1].map((n) => [2 * seq!, n * 6]);
      await compareWithStock({ op, shapes, label: `window ${window}` }, randomStream(1, 'attention'));
    },
  );

  test('a window larger than the sequence, or infinite, masks nothing', async () => {
    await useBackend('native');
    const stream = randomStream(1, 'window');
    const inputs = [8, 4, 4].map((n) => tf.tensor2d(normals(stream, [10, n]), [10, n]));
    const run = (window: number) =>
      tf.tidy(() =>
        causalAttention(inputs[0]!, inputs[1]!, inputs[2]!, {
          batch: 2,
          seq: 5,
          heads: 2,
          kvHeads: 1,
          window,
        }).dataSync(),
      );
    expect(run(1e9)).toEqual(run(4));
    expect(run(Infinity)).toEqual(run(4));
    tf.dispose(inputs);
  });

  test.each([
    [[3, 5], [5, 2], false, false],
    [[5, 3], [5, 2], true, false],
    [[3, 5], [2, 5], false, true],
    [[70, 33], [65, 70], true, true],
    [[4, 3, 5], [4, 5, 2], false, false],
    [[4, 3, 5], [1, 5, 2], false, false],
    [[1, 5, 3], [4, 5, 2], true, false],
    [[2, 1, 3, 5], [1, 3, 2, 5], false, true],
    [[300, 1], [1, 300], false, false],
    [[0, 3], [3, 2], false, false],
  ] as [number[], number[], boolean, boolean][])(
    'matMul of %j and %j, transposed %p and %p',
    async (a, b, ta, tb) => {
      const stream = randomStream(1, 'matMul');
      const [x, y] = [normals(stream, a), normals(stream, b)];
      const run = () =>
        tf.tidy(() => {
          const product = tf.matMul(tf.tensor(x, a), tf.tensor(y, b), ta, tb);
          return { shape: product.shape, values: product.dataSync() };
        }) as unknown as { shape: number[]; values: Float32Array };
      await useBackend('native');
      const got = run();
      await useBackend('cpu');
      const want = run();
      expect(got.shape).toEqual(want.shape);
      expectClose(got.values, want.values, 'product');
    },
  );

  test.each(['add', 'sub', 'mul', 'div'] as const)('%s of tensors, numbers and broadcasts', async (name) => {
    const stream = randomStream(1, name);
    const shapes = [[7, 5], [7, 5], [1], [], [5], [7, 1], [1, 1, 1]];
    const values = shapes.map((shape) => normals(stream, shape));
    const run = () =>
      shapes.flatMap((a, i) =>
        shapes.map((b, j) =>
          tf.tidy(() => {
            // biome-ignore lint/performance/noDynamicNamespaceImportAccess: four operations by name
            const result = tf[name](tf.tensor(values[i]!, a), tf.tensor(values[j]!, b));
            return [...result.shape, ...result.dataSync()];
          }),
        ),
      ) as unknown as number[][];
    await useBackend('native');
    const got = run();
    await useBackend('cpu');
    expect(got).toEqual(run());
  });

  test('tanh is accurate to a few ulps', async () => {
    await useBackend('native');
    const x = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 150);
    const y = tf.tidy(() => tf.tanh(tf.tensor1d(x)).dataSync());
    y.forEach((value, i) => {
      const exact = Math.tanh(x[i]!);
      expect(Math.abs(value - exact)).toBeLessThanOrEqual(6e-7 * Math.abs(exact));
    });
    const special = [Number.NaN, Infinity, -Infinity, 1e30];
    expect(Array.from(tf.tidy(() => tf.tanh(tf.tensor1d(special)).dataSync()))).toEqual([
      Number.NaN,
      1,
      -1,
      1,
    ]);
  });

  const optimizers = async (backend: 'native' | 'cpu', rows: number, columns: number, count: number) => {
    await useBackend(backend);
    return tf.tidy(() => {
      const stream = randomStream(1, 'optimizers');
      const shape = [rows, columns];
      const variable = (shape: number[], scale: number) =>
        tf.variable(tf.mul(tf.tensor(normals(stream, shape), shape), scale));
      const params = Array.from({ length: count }, () => variable(shape, 1));
      const state = {
        momentum: variable([count, ...shape], 0.1),
        secondMoment: tf.variable(tf.ones(secondMomentShape(count, rows, columns))),
      };
      const adamState = { expAvg: variable(shape, 0.1), expAvgSq: tf.variable(tf.ones(shape)) };
      for (let step = 1; step <= 3; step++) {
        const grads = params.map(() => tf.tensor(normals(stream, shape), shape));
        muonStep(params, grads, state, {
          lr: 0.02,
          momentum: 0.9,
          beta2: 0.95,
          weightDecay: 0.1,
          nsSteps: 5,
        });
        const constants = { lr: 0.01, beta1: 0.8, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, step };
        adamwStep(params[0]!, grads[0]!, adamState, constants);
      }
      const all = [...params, state.momentum, state.secondMoment, adamState.expAvg, adamState.expAvgSq];
      const read = all.map((x) => x.dataSync().slice() as Float32Array);
      tf.dispose(all);
      return read as unknown as tf.Tensor[];
    }) as unknown as Float32Array[];
  };

  test.each([
    [1, 1, 1],
    [5, 3, 2],
    [3, 70, 3],
    [70, 3, 1],
    [33, 33, 5],
    [2, 32, 2],
  ])('AdamW and Muon on %i x %i matrices, %i of them', async (rows, columns, count) => {
    const got = await optimizers('native', rows, columns, count);
    const want = await optimizers('cpu', rows, columns, count);
    // Polar Express magnifies roundings: five steps with slopes up to 8.
    got.forEach((values, i) => {
      expectClose(values, want[i]!, `tensor ${i}`, 2e-4);
    });
  });

  test('results have the same bits for any number of threads', async () => {
    await useBackend('native');
    const run = async () => {
      const all: Float32Array[] = [];
      for (const [name, draw] of Object.entries(OPERATIONS)) {
        const stream = randomStream(2, name);
        const drawn = draw((limit) => Math.max(1, limit - stream.int(3)), stream);
        const inputs = drawn.shapes.map((shape) => normals(stream, shape));
        all.push(...outcome(drawn, inputs, 1));
      }
      all.push(...(await optimizers('native', 40, 70, 3)));
      return all;
    };
    const results: Float32Array[][] = [];
    for (const threads of [1, 2, 5]) {
      setThreads(threads);
      results.push(await run());
    }
    setThreads(2);
    results.push(await run());
    for (const other of results.slice(1)) expect(other).toEqual(results[0]);
  });

  test('bf16 rounds the operands of matmuls and activations, and fp32 is exact again after it', async () => {
    const stream = randomStream(1, 'bf16');
    const [x, w] = [normals(stream, [37, 45]), normals(stream, [50, 45])];
    const run = (x: Float32Array, w: Float32Array) =>
      tf
        .tidy(() =>
          tf
            .grads((...xs: tf.Tensor[]) => linear(matrix(xs[0]), matrix(xs[1])))(
              [tf.tensor(x, [37, 45]), tf.tensor(w, [50, 45])],
              tf.ones([37, 50]),
            )
            .concat(linear(tf.tensor2d(x, [37, 45]), tf.tensor2d(w, [50, 45]))),
        )
        .map((result) => result.dataSync() as Float32Array);
    const rounded = (values: Float32Array) => {
      const bits = new Uint32Array(values.slice().buffer);
      for (let i = 0; i < bits.length; i++)
        bits[i] = ((bits[i]! + 0x7fff + ((bits[i]! >>> 16) & 1)) & 0xffff0000) >>> 0;
      return new Float32Array(bits.buffer);
    };
    await useBackend('native');
    const whole = run(x, w);
    const expected = run(rounded(x), rounded(w));
    expect((await useBackend('native', { precision: 'bf16' })).precision).toBe('bf16');
    const got = run(x, w);
    for (const [i, values] of got.entries()) {
      expect(values).not.toEqual(whole[i]);
      if (i === 1) expectClose(values, expected[i]!, 'the gradient of the weights', 1e-6);
      else {
        expect(values).toEqual(rounded(values));
        const off = values.map((value, j) => Math.abs(value / expected[i]![j]! - 1));
        expect(Math.max(...off)).toBeLessThan(2 ** -8);
      }
    }
    await useBackend('native');
    expect(run(x, w)).toEqual(whole);
  });

  test('a bf16 activation can be read like any tensor', async () => {
    await useBackend('native', { precision: 'bf16' });
    const before = tf.memory().numTensors;
    const stream = randomStream(2, 'bf16');
    const [x, w] = [
      tf.tensor2d(normals(stream, [7, 9]), [7, 9]),
      tf.tensor2d(normals(stream, [5, 9]), [5, 9]),
    ];
    const make = () => linear(x, w);
    const shown = tf.tidy(() => make().dataSync());
    const first = make();
    // Another shape, stock kernels, and ours.
    const [flat, copy] = [tf.reshape(first, [35]), tf.clone(first)];
    const negative = tf.neg(first);
    expect([...negative.dataSync()]).toEqual([...shown].map((value) => -value));
    const doubled = tf.add(make(), copy);
    expect([...doubled.dataSync()]).toEqual([...shown].map((value) => 2 * value));
    expect([...flat.dataSync()]).toEqual([...shown]);
    first.dispose();
    expect([...copy.dataSync()]).toEqual([...shown]);
    // Both operands of a product are the same tensor.
    const other = make();
    const square = linear(other, other);
    const plain = tf.tensor2d(shown.slice(), [7, 5]);
    expect([...square.dataSync()]).toEqual([...linear(plain, plain).dataSync()]);
    // What was made in bf16 is read in fp32.
    const kept = make();
    await useBackend('native');
    const norm = rmsNorm(kept);
    const wanted = rmsNorm(plain);
    expect([...norm.dataSync()]).toEqual([...wanted.dataSync()]);
    tf.dispose([x, w, flat, copy, negative, doubled, other, square, plain, kept, norm, wanted]);
    expect(tf.memory().numTensors - before).toBeLessThanOrEqual(2); // made within expressions
  });

  test('NaN passes through every operation', async () => {
    await useBackend('native');
    for (const [name, draw] of Object.entries(OPERATIONS)) {
      const stream = randomStream(3, name);
      const drawn = draw((limit) => Math.min(limit, 5), stream);
      const inputs = drawn.shapes.map((shape) => normals(stream, shape).fill(Number.NaN));
      for (const [i, values] of outcome(drawn, inputs, 1).entries()) {
        // These gradients do not see the inputs, or only some of them.
        if (i >= 2 && ['embedding', 'residualMix', 'add'].includes(name)) continue;
        if (i === 2 && name === 'gatedValueEmbedding') continue;
        expect([name, i, values.some((value) => Number.isNaN(value))]).toEqual([name, i, true]);
      }
    }
    tf.tidy(() => {
      const param = tf.variable(tf.ones([3, 2]));
      const state = {
        momentum: tf.variable(tf.zeros([1, 3, 2])),
        secondMoment: tf.variable(tf.zeros([1, 3, 1])),
      };
      const constants = { lr: 0.1, momentum: 0.9, beta2: 0.9, weightDecay: 0, nsSteps: 5 };
      muonStep([param], [tf.fill([3, 2], Number.NaN)], state, constants);
      expect(Array.from(param.dataSync())).toEqual(new Array(6).fill(Number.NaN));
    });
  });

  test('accepts arrays at unaligned addresses', async () => {
    await useBackend('native');
    const stream = randomStream(1, 'odd');
    const [x, w] = [normals(stream, [8 * 40 + 1]), normals(stream, [33 * 40 + 1])];
    const run = (x: Float32Array, w: Float32Array) =>
      tf.tidy(() => linear(rmsNorm(tf.tensor2d(x, [8, 40])), tf.tensor2d(w, [33, 40])).dataSync());
    expect(run(x.subarray(1), w.subarray(1))).toEqual(run(x.slice(1), w.slice(1)));
  });

  test('ids and targets out of range throw and leak nothing', async () => {
    await useBackend('native');
    const before = tf.memory().numTensors;
    const table = tf.ones([4, 3]) as tf.Tensor2D;
    const wrong = tf.tensor1d([0, 4], 'int32');
    expect(hasKernel('Embedding')).toBe(true);
    expect(() => tf.tidy(() => embedding(table, wrong))).toThrow(/ids in \[0, 4\), got 4 at 1/);
    expect(() =>
      tf.tidy(() => lmHeadCrossEntropy(tf.ones([2, 3]), table, wrong, { softcap: 15, reduction: 'mean' })),
    ).toThrow(/targets in \[0, 4\) or -1, got 4 at 1/);
    tf.dispose([table, wrong]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
