import { expect, test } from '@jest/globals';
import { describeKernels } from './places.js';
import { expectClose, fromBf16, integers, numbers, sum, toBf16 } from './references.js';

const EPSILON = 2 ** -23;

/** Sizes of teams: lanes of a warp, a warp, a block; numbers moved at once. */
const TEAMS = [
  { TEAM: 8, VL: 4 },
  { TEAM: 32, VL: 1 },
  { TEAM: 64, VL: 4 },
  { TEAM: 8, VL: 8 },
];
/** A grid that leaves some rows for a second turn. */
const launchOf = (rows: number, { TEAM }: { TEAM: number }) => {
  const block = Math.max(64, TEAM);
  return { grid: Math.max(1, Math.ceil((rows * TEAM) / block / 2)), block };
};
const int = (n: number) => ({ int: n });
/** In the place of ids and a table's rows: the matrix has its own. */
const OWN_ROWS = [null, int(0)];

describeKernels('CUDA row kernels', (bench) => {
  test.each(TEAMS)('rms norm and its gradient, %j', (team) => {
    const program = bench().program('norm.cu', team);
    for (const [N, width] of [
      [5, 36],
      [1, 1],
      [17, 3],
    ] as const) {
      const C = width * (width % team.VL ? team.VL : 1);
      const [x, dy] = [numbers('x', N * C), numbers('dy', N * C)];
      const [y, dx, rstd] = [new Float32Array(N * C), new Float32Array(N * C), new Float32Array(N)];
      program.run('rms_norm', launchOf(N, team), [int(N), int(C), { float: EPSILON }, x, y, rstd]);
      const scale = Float64Array.from(
        { length: N },
        (_, n) => (sum(C, (c) => x[n * C + c]! ** 2) / C + EPSILON) ** -0.5,
      );
      expectClose(rstd, scale);
      expectClose(
        y,
        x.map((each, i) => each * scale[Math.floor(i / C)]!),
      );
      program.run('rms_norm_grad', launchOf(N, team), [
        int(N),
        int(C),
        y,
        rstd,
        ...OWN_ROWS,
        dy,
        null,
        dx,
        null,
      ]);
      const along = Float64Array.from(
        { length: N },
        (_, n) => sum(C, (c) => dy[n * C + c]! * x[n * C + c]! * scale[n]!) / C,
      );
      expectClose(
        dx,
        dx.map((_, i) => {
          const n = Math.floor(i / C);
          return scale[n]! * (dy[i]! - x[i]! * scale[n]! * along[n]!);
        }),
      );
    }
  });

  test.each<{ TEAM: number; VL: number; ACT_BF16: number }>([
    { TEAM: 8, VL: 4, ACT_BF16: 0 },
    { TEAM: 32, VL: 1, ACT_BF16: 0 },
    { TEAM: 64, VL: 4, ACT_BF16: 0 },
    { TEAM: 4, VL: 8, ACT_BF16: 1 },
    { TEAM: 32, VL: 8, ACT_BF16: 1 },
  ])('the mix of the residual stream, its norm, and the gradient of both, %j', ({ ACT_BF16, ...team }) => {
    const half = ACT_BF16 === 1;
    const program = bench().program('norm.cu', half ? { ...team, ACT_BF16 } : team);
    const floats = (x: Float32Array | Uint16Array) => (x instanceof Uint16Array ? fromBf16(x) : x);
    const [N, C, L, layer, tolerance] = [21, 48, 3, 1, half ? 1e-2 : 1e-5];
    const [x, x0, dMixed, sum0] = ['x', 'x0', 'dMixed', 'sum0'].map((name) => numbers(name, N * C)) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const [resid, first] = [numbers('resid', L), numbers('first', L)];
    const [mixed, rstd] = [new Float32Array(N * C), new Float32Array(N)];
    const make = (values: Float32Array = new Float32Array(N * C)) => (half ? toBf16(values) : values);
    const [y, dy] = [make(), make(numbers('dy', N * C))];
    const sizes = [int(N), int(C), int(layer)];
    const lambdas = [x, x0, ...OWN_ROWS, resid, first];
    program.run('mix_norm', launchOf(N, team), [...sizes, { float: EPSILON }, ...lambdas, mixed, y, rstd]);
    const [a, b] = [resid[layer]!, first[layer]!];
    const m = Float64Array.from({ length: N * C }, (_, i) => a * x[i]! + b * x0[i]!);
    const scale = Float64Array.from(
      rstd,
      (_, n) => (sum(C, (c) => m[n * C + c]! ** 2) / C + EPSILON) ** -0.5,
    );
    const row = (i: number) => Math.floor(i / C);
    expectClose(mixed, m);
    expectClose(rstd, scale);
    const normed = m.map((each, i) => each * scale[row(i)]!);
    expectClose(floats(y), normed, tolerance);

    const launch = launchOf(N, team);
    const [dx, rounded, dx0] = [new Float32Array(N * C), new Uint16Array(N * C), new Float32Array(N * C)];
    const sums = new Uint8Array(16 * launch.grid);
    const made = [sum0, dx, rounded, dx0, sums];
    program.run('mix_norm_grad', launch, [...sizes, ...lambdas, y, rstd, dMixed, dy, ...made]);
    const [ys, dys] = [floats(y), floats(dy)];
    const along = Float64Array.from(rstd, (_, n) => sum(C, (c) => dys[n * C + c]! * ys[n * C + c]!) / C);
    const g = m.map((_, i) => dMixed[i]! + rstd[row(i)]! * (dys[i]! - ys[i]! * along[row(i)]!));
    expectClose(
      dx,
      g.map((each) => a * each),
    );
    expect([...rounded]).toEqual([...toBf16(dx)]);
    expectClose(
      dx0,
      g.map((each, i) => sum0[i]! + b * each),
    );
    const parts = new Float64Array(sums.buffer);
    const total = (k: number) => sum(launch.grid, (block) => parts[2 * block + k]!);
    expectClose(
      [total(0), total(1)],
      [x, x0].map((from) => sum(N * C, (i) => g[i]! * from[i]!)),
    );
  });

  test.each([
    { TEAM: 16, VL: 4 },
    { TEAM: 4, VL: 8 },
    { TEAM: 32, VL: 1 },
  ])('rms norm of floats to bfloat16; its gradient is added to a sum and rounded beside it, %j', (team) => {
    const [N, C] = [6, 24];
    const [x, sums] = [numbers('x', N * C), numbers('sums', N * C)];
    const dy = toBf16(numbers('dy', N * C));
    const [y, rstd] = [new Uint16Array(N * C), new Float32Array(N)];
    const program = bench().program('norm.cu', { ...team, ACT_BF16: 1 });
    program.run('rms_norm', launchOf(N, team), [int(N), int(C), { float: EPSILON }, x, y, rstd]);
    expectClose(
      rstd,
      rstd.map((_, n) => (sum(C, (c) => x[n * C + c]! ** 2) / C + EPSILON) ** -0.5),
    );
    // Rounded once, to nearest even.
    expect([...y]).toEqual([...toBf16(x.map((each, i) => each * rstd[Math.floor(i / C)]!))]);
    const [dx, rounded] = [new Float32Array(N * C), new Uint16Array(N * C)];
    const given = [int(N), int(C), y, rstd, ...OWN_ROWS, dy];
    program.run('rms_norm_grad', launchOf(N, team), [...given, sums, dx, rounded]);
    const [ys, dys] = [fromBf16(y), fromBf16(dy)];
    expectClose(
      dx,
      dx.map((_, i) => {
        const n = Math.floor(i / C);
        const along = sum(C, (c) => ys[n * C + c]! * dys[n * C + c]!) / C;
        return sums[i]! + rstd[n]! * (dys[i]! - ys[i]! * along);
      }),
    );
    expect(rounded).toEqual(toBf16(dx));
    // In place.
    program.run('rms_norm_grad', launchOf(N, team), [...given, null, dx, null]);
    const alone = dx.slice();
    const total = sums.slice();
    program.run('rms_norm_grad', launchOf(N, team), [...given, total, total, null]);
    expect(total).toEqual(sums.map((each, i) => Math.fround(each + alone[i]!)));
  });

  test.each([
    { TEAM: 4, VL: 4, D: 24 },
    { TEAM: 32, VL: 1, D: 6 },
    { TEAM: 4, VL: 8, D: 48 },
  ])('rotary embedding with the norm of heads, and its gradient, %j', ({ D, ...team }) => {
    const [B, T, H] = [2, 5, 3];
    const [N, half] = [B * T, D / 2];
    const [x, dy] = [numbers('x', N * H * D), numbers('dy', N * H * D)];
    const angles = numbers('angles', T * half, 3);
    const [cos, sin] = [angles.map(Math.cos), angles.map(Math.sin)];
    const [y, dx, rstd] = [x.slice(), x.slice(), new Float32Array(N * H)];
    const program = bench().program('rotary.cu', team);
    const sizes = [int(N), int(T), int(H), int(D), int(H * D)];
    program.run('rotary', launchOf(N * H, team), [...sizes, { float: EPSILON }, x, cos, sin, y, rstd]);
    program.run('rotary_grad', launchOf(N * H, team), [...sizes, y, rstd, cos, sin, dy, dx]);
    const [expectedY, expectedDx] = [new Float64Array(x.length), new Float64Array(x.length)];
    for (let r = 0; r < N * H; r++) {
      const at = (Math.floor(r / H) % T) * half;
      const z = new Float64Array(D);
      for (let i = 0; i < half; i++) {
        const [a, b, c, s] = [x[r * D + i]!, x[r * D + half + i]!, cos[at + i]!, sin[at + i]!];
        z[i] = a * c + b * s;
        z[half + i] = b * c - a * s;
      }
      const scale = (sum(D, (d) => z[d]! ** 2) / D + EPSILON) ** -0.5;
      const along = sum(D, (d) => z[d]! * scale * dy[r * D + d]!) / D;
      for (let i = 0; i < half; i++) {
        const [g1, g2] = [i, half + i].map((d) => scale * (dy[r * D + d]! - z[d]! * scale * along));
        const [c, s] = [cos[at + i]!, sin[at + i]!];
        expectedY[r * D + i] = z[i]! * scale;
        expectedY[r * D + half + i] = z[half + i]! * scale;
        expectedDx[r * D + i] = g1! * c - g2! * s;
        expectedDx[r * D + half + i] = g1! * s + g2! * c;
      }
    }
    expectClose(y, expectedY);
    expectClose(dx, expectedDx);
  });

  test('rotary embedding and gates work in place on a part of wider rows', () => {
    const [B, T, H, G, D, C, K] = [1, 5, 3, 2, 16, 8, 4];
    const [N, heads, stride] = [B * T, H + G, (H + 2 * G) * D];
    const rows = numbers('rows', N * stride);
    const angles = numbers('angles', (T * D) / 2, 3);
    const [cos, sin] = [angles.map(Math.cos), angles.map(Math.sin)];
    const team = { TEAM: 4, VL: 4 };
    const sizes = [int(N), int(T), int(heads), int(D)];
    const part = (x: Float32Array, from: number, width: number) =>
      Float32Array.from(
        { length: N * width },
        (_, i) => x[Math.floor(i / width) * stride + from + (i % width)]!,
      );
    const rotary = bench().program('rotary.cu', team);
    const run = (x: Float32Array, dy: Float32Array, width: number) => {
      const rstd = new Float32Array(N * heads);
      const launch = launchOf(N * heads, team);
      rotary.run('rotary', launch, [...sizes, int(width), { float: EPSILON }, x, cos, sin, x, rstd]);
      rotary.run('rotary_grad', launch, [...sizes, int(width), x, rstd, cos, sin, dy, dy]);
      return rstd;
    };
    const alone = { x: part(rows, 0, heads * D), dy: part(numbers('dy', rows.length), 0, heads * D) };
    const wide = { x: rows.slice(), dy: numbers('dy', rows.length) };
    expect(run(wide.x, wide.dy, stride)).toEqual(run(alone.x, alone.dy, heads * D));
    expect(part(wide.x, 0, heads * D)).toEqual(alone.x);
    expect(part(wide.dy, 0, heads * D)).toEqual(alone.dy);
    expect(part(wide.x, heads * D, G * D)).toEqual(part(rows, heads * D, G * D));
    const [ve, x, w] = [numbers('ve', N * G * D), numbers('x', N * C), numbers('w', G * K)];
    const gated = bench().program('value_embedding.cu', team);
    const gate = (v: Float32Array, width: number) => {
      const out = new Float32Array(N * G);
      const given = [int(N), int(C), int(G), int(D), int(K), int(width)];
      gated.run('value_embedding', launchOf(N * G, team), [...given, v, ve, ...OWN_ROWS, x, w, v, out]);
      return out;
    };
    // The values' part at the start of the rows.
    const [values, same] = [rows.slice(), part(rows, 0, G * D)];
    expect(gate(values, stride)).toEqual(gate(same, G * D));
    expect(part(values, 0, G * D)).toEqual(same);
  });

  test.each([
    { TEAM: 8, VL: 4, C: 20, D: 8, K: 12 },
    { TEAM: 32, VL: 1, C: 7, D: 5, K: 3 },
    { TEAM: 8, VL: 8, C: 24, D: 8, K: 16 },
  ])('gated value embedding and its gradient, %j', ({ C, D, K, ...team }) => {
    const [N, G] = [300, 2];
    const [v, ve, dy] = ['v', 've', 'dy'].map((name) => numbers(name, N * G * D)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const [x, w] = [numbers('x', N * C), numbers('w', G * K)];
    const [y, gate] = [new Float32Array(N * G * D), new Float32Array(N * G)];
    const [dve, dz, dx] = [new Float32Array(N * G * D), new Float32Array(N * G), new Float32Array(N * C)];
    const pieces = 2;
    const [parts, dw] = [new Float32Array(pieces * G * K), new Float32Array(G * K)];
    const program = bench().program('value_embedding.cu', team);
    const all = [int(N), int(C), int(G), int(D), int(K)];
    const values = [v, ve, ...OWN_ROWS];
    program.run('value_embedding', launchOf(N * G, team), [...all, int(G * D), ...values, x, w, y, gate]);
    const byHead = [int(N), int(G), int(D), int(G * D), ve, ...OWN_ROWS];
    program.run('gated_grad', launchOf(N * G, team), [...byHead, gate, dy, dve, dz]);
    program.run('gate_dx', launchOf(N, team), [int(N), int(C), int(G), int(K), dz, w, dx]);
    const added = new Float32Array(N * C).fill(0.25);
    program.run('gate_dx_add', launchOf(N, team), [int(N), int(C), int(G), int(K), dz, w, added]);
    expectClose(
      added,
      dx.map((each) => each + 0.25),
    );
    program.run('gate_dw', { grid: pieces, block: 32 }, [int(N), int(C), int(G), int(K), dz, x, parts]);
    program.run('gate_dw_sums', { grid: 1, block: 32 }, [int(pieces), int(G * K), parts, dw]);
    const open = gate.map((_, r) => {
      const [n, g] = [Math.floor(r / G), r % G];
      return 2 / (1 + Math.exp(-sum(K, (k) => x[n * C + k]! * w[g * K + k]!)));
    });
    expectClose(gate, open);
    expectClose(
      y,
      v.map((each, i) => each + open[Math.floor(i / D)]! * ve[i]!),
    );
    expectClose(
      dve,
      dy.map((each, i) => each * open[Math.floor(i / D)]!),
    );
    const dGate = open.map((o, r) => sum(D, (d) => dy[r * D + d]! * ve[r * D + d]!) * o * (1 - o / 2));
    expectClose(
      dx,
      dx.map((_, i) => {
        const [n, c] = [Math.floor(i / C), i % C];
        return c < K ? sum(G, (g) => dGate[n * G + g]! * w[g * K + c]!) : 0;
      }),
    );
    expectClose(
      dw,
      dw.map((_, j) => sum(N, (n) => dGate[n * G + Math.floor(j / K)]! * x[n * C + (j % K)]!)),
      1e-5,
    );
  });

  test.each([
    { TEAM: 64, VL: 4, n: 4096 * 2 + 20 },
    { TEAM: 64, VL: 1, n: 4097 },
    { TEAM: 64, VL: 8, n: 4096 + 24 },
  ])('squared ReLU and the residual mix with their gradients, %j', ({ n, ...team }) => {
    const program = bench().program('elementwise.cu', team);
    const [x, x0, dy] = ['x', 'x0', 'dy'].map((name) => numbers(name, n)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    x[3] = Number.NaN;
    const [y, dx] = [new Float32Array(n), new Float32Array(n)];
    // Fewer blocks than pieces: some take a second one.
    const launch = { grid: 2, block: 64 };
    program.run('relu_squared', launch, [{ long: n }, x, y]);
    expect(y[3]).toBeNaN();
    x[3] = y[3] = 0.25;
    y[3] = 0.0625;
    expectClose(
      y,
      x.map((each) => Math.max(each, 0) ** 2),
    );
    program.run('relu_squared_grad', launch, [{ long: n }, y, dy, dx]);
    expectClose(
      dx,
      x.map((each, i) => 2 * Math.max(each, 0) * dy[i]!),
    );

    const [rounded, widened] = [new Uint16Array(n), new Float32Array(n)];
    program.run('to_bf16', launch, [{ long: n }, dy, rounded]);
    expect(rounded).toEqual(toBf16(dy));
    program.run('from_bf16', launch, [{ long: n }, rounded, widened]);
    expect(widened).toEqual(fromBf16(rounded));

    // In place and to another array.
    const total = Float32Array.from(x);
    program.run('accumulate', launch, [{ long: n }, { float: 0.5 }, total, dy, total]);
    program.run('accumulate', launch, [{ long: n }, { float: 0.5 }, x, dy, dx]);
    expect(total).toEqual(x.map((each, i) => Math.fround((each + dy[i]!) * 0.5)));
    expect(dx).toEqual(total);

    const [resid, first, layer, L] = [numbers('a', 3), numbers('b', 3), 1, 3];
    program.run('residual_mix', launch, [{ long: n }, int(layer), x, x0, resid, first, y]);
    expectClose(
      y,
      x.map((each, i) => resid[1]! * each + first[1]! * x0[i]!),
    );
    const pieces = Math.ceil(n / 4096);
    const sums = new Float32Array(pieces * 4);
    const [dx0, dresid, dfirst] = [new Float32Array(n), new Float32Array(L), new Float32Array(L)];
    const inputs = [{ long: n }, int(layer), x, x0, resid, first, dy];
    const copy = new Uint16Array(n);
    program.run('residual_mix_grad', launch, [...inputs, null, dx, copy, dx0, sums]);
    expect(copy).toEqual(toBf16(dx));
    const sum0 = x0.slice();
    program.run('residual_mix_grad', launch, [...inputs, sum0, dx, null, sum0, sums]);
    expectClose(
      sum0,
      x0.map((each, i) => each + first[1]! * dy[i]!),
    );
    program.run('residual_mix_sums', { grid: 1, block: 64 }, [
      int(pieces),
      int(L),
      int(layer),
      sums,
      dresid,
      dfirst,
    ]);
    expectClose(
      dx,
      dy.map((each) => resid[1]! * each),
    );
    expectClose(
      dx0,
      dy.map((each) => first[1]! * each),
    );
    expectClose(dresid, [0, sum(n, (i) => x[i]! * dy[i]!), 0], 1e-7);
    expectClose(dfirst, [0, sum(n, (i) => x0[i]! * dy[i]!), 0], 1e-7);
  });

  test.each([{ VL: 8 }, { VL: 4 }, { VL: 1 }])('sums of floats and bfloat16 numbers, %j', ({ VL }) => {
    const n = 4096 + 24;
    const program = bench().program('elementwise.cu', { TEAM: 64, VL, ACT_BF16: 1 });
    const [a, b] = [toBf16(numbers('a', n)), toBf16(numbers('b', n))];
    const [x, y, both] = [numbers('x', n), new Float32Array(n), new Uint16Array(n)];
    const [as, bs] = [fromBf16(a), fromBf16(b)];
    program.run('add_activation', { grid: 2, block: 64 }, [{ long: n }, x, b, y]);
    expect(y).toEqual(x.map((each, i) => Math.fround(each + bs[i]!)));
    program.run('add_activations', { grid: 2, block: 64 }, [{ long: n }, a, b, both]);
    expect(both).toEqual(toBf16(as.map((each, i) => each + bs[i]!)));
  });

  test.each([
    { VL: 4, W: 36, N: 2100, V: 50 },
    { VL: 1, W: 33, N: 7, V: 1100 },
  ])('embedding, and the sum of its gradients by id in order, %j', ({ VL, W, N, V }) => {
    const team = { TEAM: 32, VL };
    const program = bench().program('embedding.cu', team);
    const table = numbers('table', V * W);
    const ids = integers('ids', N, 0, V);
    // One token all through, so that its row has many to add.
    for (let n = 0; n < N; n += 3) ids[n] = 5;
    const y = new Float32Array(N * W);
    program.run('embedding', launchOf(N, team), [int(N), int(V), int(W), table, ids, y]);
    expect(y).toEqual(y.map((_, i) => table[ids[Math.floor(i / W)]! * W + (i % W)]!));

    // Ids that are no rows are dropped.
    ids[1] = -1;
    ids[2] = V;
    const chunks = Math.ceil(N / 1024);
    const [counts, starts, order] = [new Int32Array(chunks * V), new Int32Array(V + 1), new Int32Array(N)];
    program.run('ids_count', { grid: chunks, block: 256 }, [int(N), int(V), ids, counts]);
    program.run('ids_prefix', { grid: Math.ceil(V / 64), block: 64 }, [int(chunks), int(V), counts, starts]);
    program.run('ids_starts', { grid: 1, block: 1024 }, [int(V), starts]);
    program.run('ids_place', { grid: chunks, block: 1024 }, [int(N), int(V), ids, counts, starts, order]);
    const sorted = [...ids.keys()]
      .filter((n) => ids[n]! >= 0 && ids[n]! < V)
      .sort((a, b) => ids[a]! - ids[b]! || a - b);
    expect([...order.subarray(0, sorted.length)]).toEqual(sorted);
    const dtable = new Float32Array(V * W).fill(1);
    const grid = [V, Math.ceil(W / (32 * VL))];
    program.run('embedding_grad', { grid, block: 256 }, [int(V), int(W), starts, order, y, dtable]);
    const expected = new Float64Array(V * W);
    for (const n of sorted) for (let c = 0; c < W; c++) expected[ids[n]! * W + c]! += y[n * W + c]!;
    expectClose(dtable, expected);
  });

  test.each([
    { TEAM: 8, VL: 4, ACT_BF16: 0 },
    { TEAM: 32, VL: 1, ACT_BF16: 0 },
    { TEAM: 64, VL: 4, ACT_BF16: 0 },
    { TEAM: 4, VL: 8, ACT_BF16: 1 },
  ])('rows of a table by id serve as the same rows in memory do, to the bit, %j', ({ ACT_BF16, ...team }) => {
    const half = ACT_BF16 === 1;
    const defines = half ? { ...team, ACT_BF16 } : team;
    const [N, V, G, D, K] = [21, 6, 2, 24, 8];
    const C = G * D;
    const ids = integers('ids', N, 0, V);
    const [table, x, dy, dMixed] = [
      numbers('table', V * C),
      ...['x', 'dy', 'dMixed'].map((name) => numbers(name, N * C)),
    ] as [Float32Array, Float32Array, Float32Array, Float32Array];
    const [resid, first, w] = [numbers('resid', 2), numbers('first', 2), numbers('w', G * K)];
    const scales = numbers('scales', V).map(Math.abs);
    const taken = <T extends Float32Array | Uint16Array>(from: T, width: number): T => {
      const rows =
        from.constructor === Uint16Array ? new Uint16Array(N * width) : new Float32Array(N * width);
      return rows.map((_, i) => from[ids[Math.floor(i / width)]! * width + (i % width)]!) as T;
    };
    const act = (values: Float32Array) => (half ? toBf16(values) : values);
    const make = () => act(new Float32Array(N * C));
    const launch = launchOf(N, team);
    const norm = bench().program('norm.cu', defines);
    const gated = bench().program('value_embedding.cu', defines);
    /** What all kernels give. @param same x is x0 */
    const results = (byId: boolean, known: Int32Array, same: boolean) => {
      const rows = byId ? [known, int(V)] : OWN_ROWS;
      const from = <T extends Float32Array | Uint16Array>(values: T, width: number) =>
        byId ? values : taken(values, width);
      const x0 = from(table, C);
      const mixing = [int(N), int(C), int(1)];
      const both = [same ? (byId ? null : x0) : x, x0, ...rows, resid, first];
      const [mixed, y, rstd] = [new Float32Array(N * C), make(), new Float32Array(N)];
      norm.run('mix_norm', launch, [...mixing, { float: EPSILON }, ...both, mixed, y, rstd]);
      const [dx, rounded, dx0] = [new Float32Array(N * C), new Uint16Array(N * C), new Float32Array(N * C)];
      const sums = new Uint8Array(16 * launch.grid);
      const gradient = [y, rstd, dMixed, act(dy), null];
      norm.run('mix_norm_grad', launch, [...mixing, ...both, ...gradient, dx, rounded, dx0, sums]);
      const normGrad = new Float32Array(N * C);
      const normed = [from(act(table), C), from(scales, 1), ...rows];
      norm.run('rms_norm_grad', launch, [int(N), int(C), ...normed, act(dy), null, normGrad, null]);
      const [values, gate] = [make(), new Float32Array(N * G)];
      const heads = launchOf(N * G, team);
      const ve = [from(act(table), C), ...rows];
      const sizes = [int(N), int(C), int(G), int(D), int(K), int(C)];
      gated.run('value_embedding', heads, [...sizes, act(x), ...ve, act(dy), w, values, gate]);
      const [dve, dz] = [make(), new Float32Array(N * G)];
      gated.run('gated_grad', heads, [int(N), int(G), int(D), int(C), ...ve, gate, act(dy), dve, dz]);
      return { mixed, y, rstd, dx, rounded, dx0, sums, normGrad, values, gate, dve, dz };
    };
    for (const same of [false, true]) expect(results(true, ids, same)).toEqual(results(false, ids, same));

    // An id that is no row makes the whole row not-a-number.
    const unknown = ids.slice();
    unknown.set([-1, V], 3);
    const { mixed, y, rstd, dx, normGrad, values } = results(true, unknown, false);
    const floats = (a: Float32Array | Uint16Array) => (a instanceof Uint16Array ? fromBf16(a) : a);
    for (const each of [mixed, y, dx, normGrad, values])
      expect([...floats(each).keys()].filter((i) => Number.isNaN(floats(each)[i]))).toEqual(
        Array.from({ length: 2 * C }, (_, i) => 3 * C + i),
      );
    expect([...rstd.subarray(3, 5)]).toEqual([Number.NaN, Number.NaN]);
  });

  test('an id outside the table reads NaN', () => {
    const y = new Float32Array(6);
    const program = bench().program('embedding.cu', { TEAM: 32, VL: 1 });
    const ids = Int32Array.of(0, 2, -1);
    program.run('embedding', { grid: 1, block: 96 }, [
      int(3),
      int(2),
      int(2),
      Float32Array.of(1, 2, 3, 4),
      ids,
      y,
    ]);
    expect([...y]).toEqual([1, 2, Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
  });

  test.each([
    { TEAM: 64, VL: 4, V: 300, cap: 15, HELD: 2 },
    { TEAM: 32, VL: 1, V: 33, cap: 15, HELD: 4 },
    { TEAM: 32, VL: 8, V: 256, cap: 100, HELD: 1 },
    { TEAM: 64, VL: 4, V: 100, cap: 15, HELD: 0 },
    { TEAM: 32, VL: 1, V: 33, cap: 100, HELD: 0 },
    { TEAM: 64, VL: 8, V: 128, cap: 15, HELD: 0 },
  ])('cross-entropy under the soft cap, with its gradient, %j', ({ V, cap, ...team }) => {
    const N = 9;
    const program = bench().program('cross_entropy.cu', team);
    const targets = integers('targets', N, 0, V);
    targets[2] = -1;
    const logits = numbers('logits', N * V, 3 * cap);
    const z = logits.slice();
    const [losses, weight, loss] = [new Float32Array(N), new Float32Array(1), new Float32Array(1)];
    const one = { grid: 1, block: team.TEAM };
    program.run('mean_weight', one, [int(N), targets, weight]);
    expect(weight[0]).toBeCloseTo(1 / 8, 7);
    const sizes = [int(N), int(V), { float: cap }];
    program.run('cross_entropy', launchOf(N, team), [...sizes, int(1), weight, targets, z, losses]);
    const [expected, expectedGrad] = [new Float64Array(N), new Float64Array(N * V)];
    for (let n = 0; n < N; n++) {
      if (targets[n]! < 0) continue;
      const capped = Array.from({ length: V }, (_, j) => cap * Math.tanh(logits[n * V + j]! / cap));
      const top = Math.max(...capped);
      const total = sum(V, (j) => Math.exp(capped[j]! - top));
      expected[n] = top + Math.log(total) - capped[targets[n]!]!;
      for (let j = 0; j < V; j++) {
        const p = Math.exp(capped[j]! - top) / total - (j === targets[n] ? 1 : 0);
        expectedGrad[n * V + j] = (p * (1 - (capped[j]! / cap) ** 2)) / 8;
      }
    }
    expectClose(losses, expected, 1e-5);
    expectClose(z, expectedGrad, 1e-5);
    program.run('sum_losses', one, [int(N), losses, weight, loss]);
    expect(loss[0]).toBeCloseTo(sum(N, (n) => expected[n]!) / 8, 4);
    // Without a gradient the logits stay.
    const untouched = logits.slice();
    program.run('cross_entropy', launchOf(N, team), [...sizes, int(0), null, targets, untouched, losses]);
    expect(untouched).toEqual(logits);
    targets[4] = V;
    program.run('cross_entropy', launchOf(N, team), [...sizes, int(0), null, targets, untouched, losses]);
    expect(losses[4]).toBeNaN();
  });
});
