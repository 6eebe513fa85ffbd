import { expect, test } from '@jest/globals';
import { describeKernels } from './places.js';
import { expectClose, fromBf16, numbers, sum, toBf16 } from './references.js';

const int = (n: number) => ({ int: n });

describeKernels('CUDA optimizer kernels', (bench) => {
  test.each([4, 1])('AdamW steps many tensors in one launch, VL %d', (VL) => {
    const sizes = [4096 * 2 + 5, 1, 64, 4096];
    const settings = [
      { keep: 0.99, rate: 0.01, beta1: 0.9, beta2: 0.95, correction: 20, eps: 1e-8 },
      { keep: 1, rate: 0.5, beta1: 0.8, beta2: 0.9, correction: 3, eps: 1e-10 },
    ];
    // All tensors in one array each, at multiples of 16 bytes.
    const starts = sizes.map((_, i) => sum(i, (j) => Math.ceil(sizes[j]! / 4) * 4));
    const total = starts[3]! + 4096;
    const [param, m, grad] = ['p', 'm', 'g'].map((name) => numbers(name, total)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const v = numbers('v', total).map(Math.abs);
    const expected = { param: param.slice(), m: m.slice(), v: v.slice() };
    sizes.forEach((size, t) => {
      const s = settings[t % 2]!;
      for (let i = starts[t]!; i < starts[t]! + size; i++) {
        expected.m[i] = m[i]! + (1 - s.beta1) * (grad[i]! - m[i]!);
        expected.v[i] = v[i]! + (1 - s.beta2) * (grad[i]! ** 2 - v[i]!);
        const step = (s.rate * expected.m[i]!) / (Math.sqrt(expected.v[i]! * s.correction) + s.eps);
        expected.param[i] = s.keep * param[i]! - step;
      }
    });
    const copy = new Uint16Array(total);
    const pieces = sizes.flatMap((size, t) =>
      Array.from({ length: Math.ceil(size / 4096) }, (_, i) => [t, i]),
    );
    const table = bench().table(
      sizes.map((size, t) => [
        ...[param, m, v, grad].map((array) => ({ array, at: starts[t]! * 4 })),
        // The second tensor has no copy.
        t === 1 ? 0 : { array: copy, at: starts[t]! * 2 },
        size,
        t % 2,
      ]),
    );
    const flat = Float32Array.from(
      settings.flatMap((s) => [s.keep, s.rate, s.beta1, s.beta2, s.correction, s.eps]),
    );
    const program = bench().program('adamw.cu', { TEAM: 64, VL });
    program.run('adamw', { grid: pieces.length, block: 64 }, [table, Int32Array.from(pieces.flat()), flat]);
    expectClose(param, expected.param);
    const second = starts[1]!;
    const rounded = toBf16(param).map((bits, i) => (i >= second && i < starts[2]! ? 0 : bits));
    for (const [t, size] of sizes.entries())
      expect(copy.slice(starts[t], starts[t]! + size)).toEqual(rounded.slice(starts[t], starts[t]! + size));
    expectClose(m, expected.m);
    expectClose(v, expected.v);
  });

  test.each([
    { R: 6, S: 4, VL: 4, bf16: false },
    { R: 5, S: 67, VL: 1, bf16: false },
    { R: 70, S: 70, VL: 1, bf16: true },
  ])('Muon around its products, %j', ({ R, S, VL, bf16 }) => {
    const K = 2;
    const n = R * S;
    const count = Math.max(R, S);
    const size = Math.min(R, S);
    const s = { lr: 0.02, mu: 0.9, beta2: 0.95, decay: 0.004 };
    const settings = Float32Array.of(s.lr, s.mu, s.beta2, s.decay);
    const [param, grad, momentum] = ['w', 'g', 'm'].map((name) => numbers(name, K * n)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const second = numbers('second', K * count).map(Math.abs);
    const copy = new Uint16Array(n);
    const matrices = bench().table(
      [...Array(K).keys()].map((k) => [
        { array: param, at: k * n * 4 },
        { array: grad, at: k * n * 4 },
        k === 0 ? { array: copy, at: 0 } : 0,
      ]),
    );
    const pieces = Math.ceil(n / 4096);
    const [u, squares] = [new Float32Array(K * n), new Float32Array(K * pieces)];
    const old = { param: param.slice(), momentum: momentum.slice(), second: second.slice() };
    const program = bench().program('muon.cu', bf16 ? { TEAM: 64, VL, ACT_BF16: 1 } : { TEAM: 64, VL });
    const grid = [pieces, K];
    program.run('muon_momentum', { grid, block: 64 }, [
      { long: n },
      matrices,
      settings,
      momentum,
      u,
      squares,
    ]);
    expectClose(
      momentum,
      old.momentum.map((m, i) => m + (1 - s.mu) * (grad[i]! - m)),
    );
    expectClose(
      u,
      u.map((_, i) => grad[i]! + s.mu * (momentum[i]! - grad[i]!)),
    );
    const stored = bf16 ? new Uint16Array(K * n) : new Float32Array(K * n);
    program.run('muon_start', { grid, block: 64 }, [{ long: n }, squares, u, stored]);
    const x = stored instanceof Uint16Array ? fromBf16(stored) : stored;
    const norms = [...Array(K).keys()].map((k) => Math.sqrt(sum(n, (i) => u[k * n + i]! ** 2)));
    expectClose(
      x,
      u.map((each, i) => each / (norms[Math.floor(i / n)]! * 1.02 + 1e-6)),
      bf16 ? 4e-3 : 2e-6,
    );

    const means = new Float32Array(K * count);
    if (R >= S)
      program.run('muon_row_squares', { grid: 2, block: 64 }, [int(K), int(R), int(S), stored, means]);
    else
      program.run('muon_column_squares', { grid: [Math.ceil(S / 32), K], block: 96 }, [
        int(R),
        int(S),
        stored,
        means,
      ]);
    const rowOf = (k: number, i: number, j: number) => x[k * n + (R >= S ? i * S + j : j * S + i)]!;
    const mean = means.map(
      (_, i) => sum(size, (j) => rowOf(Math.floor(i / count), i % count, j) ** 2) / size,
    );
    expectClose(means, mean);
    program.run('muon_factors', { grid: K, block: 64 }, [int(count), int(size), settings, means, second]);
    const now = old.second.map((each, i) => each + (1 - s.beta2) * (mean[i]! - each));
    expectClose(second, now);
    const factors = new Float64Array(K * count);
    for (let k = 0; k < K; k++) {
      const at = (i: number) => k * count + i;
      const scale = (i: number) => 1 / Math.sqrt(Math.max(now[at(i)]!, 1e-10));
      const norm = Math.sqrt(size * sum(count, (i) => mean[at(i)]!));
      const scaled = Math.sqrt(size * sum(count, (i) => mean[at(i)]! * scale(i) ** 2));
      for (let i = 0; i < count; i++) factors[at(i)] = (scale(i) * norm) / Math.max(scaled, 1e-10);
    }
    expectClose(means, factors);
    program.run('muon_update', { grid: 3, block: 64 }, [
      int(K),
      int(R),
      int(S),
      matrices,
      settings,
      stored,
      means,
    ]);
    expectClose(
      param,
      old.param.map((w, i) => {
        const [k, r, c] = [Math.floor(i / n), Math.floor((i % n) / S), i % S];
        const step = x[i]! * factors[k * count + (R >= S ? r : c)]!;
        return w - (s.lr * step + (step * w >= 0 ? s.decay * w : 0));
      }),
    );
    expect(copy).toEqual(toBf16(param.slice(0, n)));
    expect(second).not.toEqual(old.second);
  });
});
