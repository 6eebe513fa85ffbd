import { expect, test } from '@jest/globals';
import { scoreGradients } from '../../../src/backend/cuda/footprint.js';
import {
  type AttentionLaunch,
  plainLaunch,
  tensorCoreLaunch,
} from '../../../src/backend/cuda/kernels/attention.js';
import { openEmulated, type Program } from '../../cuda/device/bench.js';
import { whyNoEmulatedDevice } from '../../cuda/device/device.js';
import { describeKernels } from './places.js';
import { type AttentionSizes, attention, expectClose, fromBf16, numbers, toBf16 } from './references.js';

type Values = Float32Array | Uint16Array;

/** Numbers between the rows of queries, and of keys and values, that belong to neither. */
const GAP = 8;

/** Rows of `width` numbers with gaps of NaN between them, and the rows alone. */
function spread<T extends Values>(x: T, width: number): T {
  const rows = x.length / width;
  const out = new (x.constructor as new (n: number) => T)(rows * (width + GAP));
  out.fill(x instanceof Uint16Array ? 0x7fc0 : Number.NaN);
  for (let n = 0; n < rows; n++) out.set(x.subarray(n * width, (n + 1) * width), n * (width + GAP));
  return out;
}
function gather<T extends Values>(x: T, width: number): T {
  const rows = x.length / (width + GAP);
  const out = new (x.constructor as new (n: number) => T)(rows * width);
  for (let n = 0; n < rows; n++) out.set(x.subarray(n * (width + GAP), n * (width + GAP) + width), n * width);
  return out;
}

/** The gradient of rows of heads before they were turned and normed to y, from its own (kernels/rows/rotary.h). */
function turnedBack(
  { N, T, H, D }: Record<'N' | 'T' | 'H' | 'D', number>,
  dy: Float64Array,
  y: Float32Array,
  cos: Float32Array,
  sin: Float32Array,
  rstd: (n: number, h: number) => number,
): Float64Array {
  const out = new Float64Array(dy.length);
  const half = D / 2;
  for (let r = 0; r < N * H; r++) {
    const [n, h] = [Math.floor(r / H), r % H];
    let along = 0;
    for (let d = 0; d < D; d++) along += (dy[r * D + d]! * y[r * D + d]!) / D;
    const z = (d: number) => rstd(n, h) * (dy[r * D + d]! - y[r * D + d]! * along);
    for (let i = 0; i < half; i++) {
      const [c, s] = [cos[(n % T) * half + i]!, sin[(n % T) * half + i]!];
      out[r * D + i] = z(i) * c - z(i + half) * s;
      out[r * D + half + i] = z(i) * s + z(i + half) * c;
    }
  }
  return out;
}

/** Forward and backward against plain loops; `store` gives activations their type. */
function check(
  program: Program,
  { own, threads, gradThreads, gradQThreads, shared, storesScores }: AttentionLaunch,
  sizes: AttentionSizes,
  tolerance: number,
  store: (x: Float32Array) => Values = (x) => x,
): void {
  const { B, T, H, G, D, window } = sizes;
  const N = B * T;
  const name = JSON.stringify(sizes);
  const stored = Object.fromEntries(
    (['q', 'k', 'v', 'dy'] as const).map((each) => [
      each,
      store(numbers(`${name} ${each}`, N * D * (each === 'k' || each === 'v' ? G : H), 2)),
    ]),
  ) as Record<'q' | 'k' | 'v' | 'dy', Values>;
  const floats = (x: Values) => (x instanceof Uint16Array ? fromBf16(x) : x);
  const expected = attention(sizes, {
    q: floats(stored.q),
    k: floats(stored.k),
    v: floats(stored.v),
    dy: floats(stored.dy),
  });
  const like = (size: number) => store(new Float32Array(size));
  const [wide, narrow] = [H * D, G * D];
  const y = like(N * wide);
  const [dq, dk, dv] = [spread(y, wide), ...[0, 1].map(() => spread(like(N * narrow), narrow))] as [
    Values,
    Values,
    Values,
  ];
  const [lse, delta] = [new Float32Array(N * H), new Float32Array(N * H)];
  const blocks = Math.ceil(T / own);
  const { dy } = stored;
  const [q, k, v] = [spread(stored.q, wide), spread(stored.k, narrow), spread(stored.v, narrow)];
  const sizesOf = [
    ...[{ int: T }, { int: H }, { int: G }, { int: window }, { float: 1 / Math.sqrt(D) }],
    ...[{ int: wide + GAP }, { int: narrow + GAP }],
  ];
  const blockOf = { forward: threads, gradQ: gradQThreads, gradKv: gradThreads };
  const launch = (heads: number, kernel: keyof typeof shared) => ({
    grid: blocks * heads,
    block: blockOf[kernel],
    shared: shared[kernel],
  });
  program.run('attention', launch(B * H, 'forward'), [...sizesOf, q, k, v, y, lse]);
  expectClose(floats(y), expected.y, tolerance);
  expectClose(lse, expected.lse, tolerance);
  program.run('attention_delta', { grid: 2, block: 64 }, [{ int: N * H }, y, dy, delta]);
  expectClose(delta, expected.delta, tolerance);
  const given = [q, k, v, dy, lse, delta];
  let after = () => {};
  if (storesScores) {
    // The kv heads in two parts, where there is more than one.
    const { reach, bytes } = scoreGradients(T, Math.min(T, window), D);
    const each = Math.ceil((B * G) / 2);
    const angles = numbers('angles', (T * D) / 2, 3);
    const [cos, sin] = [angles.map(Math.cos), angles.map(Math.sin)];
    const rstd = numbers('rstd', N * (H + G)).map((each) => each + 1.5);
    const tables = [rstd, cos, sin];
    const none = [null, null, null];
    const [dqTurned, dkTurned] = [dq.slice(), dk.slice()];
    after = () => {
      if (D > 128) return;
      const back = (dy: Float64Array, y: Values, heads: number, from: number) =>
        turnedBack({ N, T, H: heads, D }, dy, floats(y), cos, sin, (n, h) => rstd[n * (H + G) + from + h]!);
      expectClose(floats(gather(dqTurned, wide)), back(expected.dq, stored.q, H, 0), tolerance);
      expectClose(floats(gather(dkTurned, narrow)), back(expected.dk, stored.k, G, H), tolerance);
    };
    for (let head = 0; head < B * G; head += each) {
      const count = Math.min(each, B * G - head);
      // What is not stored must not be read: NaN.
      const scores = new Uint16Array((count * H * bytes) / G / 2).fill(0x7fc0);
      const common = [...sizesOf, { int: head }, { int: reach }];
      for (const turned of D <= 128 ? [tables, none] : [none]) {
        const [before, dkTo, dqTo] = [
          [...common, ...turned],
          turned === none ? dk : dkTurned,
          turned === none ? dq : dqTurned,
        ] as const;
        program.run('attention_grad_kv', launch(count, 'gradKv'), [...before, ...given, dkTo, dv, scores]);
        program.run('attention_grad_q', launch((count * H) / G, 'gradQ'), [...before, q, k, scores, dqTo]);
      }
    }
  } else {
    program.run('attention_grad_q', launch(B * H, 'gradQ'), [...sizesOf, ...given, dq]);
    program.run('attention_grad_kv', launch(B * G, 'gradKv'), [...sizesOf, ...given, dk, dv]);
  }
  expectClose(floats(gather(dq, wide)), expected.dq, tolerance);
  expectClose(floats(gather(dk, narrow)), expected.dk, tolerance);
  expectClose(floats(gather(dv, narrow)), expected.dv, tolerance);
  after();
}

describeKernels('CUDA attention', (bench) => {
  test.each([
    { B: 2, T: 37, H: 2, G: 1, D: 16, window: 37 },
    { B: 1, T: 70, H: 3, G: 3, D: 16, window: 9 },
    { B: 1, T: 33, H: 1, G: 1, D: 6, window: 1 },
    { B: 1, T: 1, H: 2, G: 2, D: 6, window: 2 ** 31 - 1 },
    { B: 1, T: 65, H: 4, G: 2, D: 40, window: 0 },
    { B: 1, T: 20, H: 1, G: 1, D: 250, window: 18 },
    { B: 2, T: 35, H: 2, G: 1, D: 256, window: 11 },
  ])('plain, %j', (sizes) => {
    check(bench().program('attention.cu', { D: sizes.D }), plainLaunch(sizes.D), sizes, 2e-5);
  });

  test('plain, activations in bfloat16', () => {
    const sizes = { B: 1, T: 40, H: 2, G: 1, D: 16, window: 12 };
    check(bench().program('attention.cu', { D: 16, ACT_BF16: 1 }), plainLaunch(sizes.D), sizes, 1e-2, toBf16);
  });

  // Operands are rounded to bfloat16, with a relative error of 2^-9 each; so are probabilities and their gradients.
  test.each([
    { B: 1, T: 260, H: 2, G: 1, D: 32, window: 260 },
    { B: 1, T: 300, H: 1, G: 1, D: 16, window: 70 },
    { B: 2, T: 140, H: 1, G: 1, D: 64, window: 9 },
    { B: 1, T: 197, H: 1, G: 1, D: 96, window: 64 },
    { B: 1, T: 194, H: 2, G: 1, D: 128, window: 2 ** 31 - 1 },
    { B: 1, T: 260, H: 1, G: 1, D: 128, window: 33 },
    { B: 2, T: 67, H: 1, G: 1, D: 16, window: 7 },
    { B: 1, T: 130, H: 1, G: 1, D: 112, window: 0 },
    { B: 1, T: 130, H: 1, G: 1, D: 160, window: 40 },
    { B: 2, T: 67, H: 2, G: 1, D: 256, window: 33 },
    { B: 2, T: 67, H: 2, G: 2, D: 32, window: 20 },
    { B: 3, T: 1, H: 1, G: 1, D: 32, window: 0 },
  ])('on tensor cores, %j', (sizes) => {
    if (bench().chip < 80) return;
    const program = bench().program('attention_mma.cu', { D: sizes.D });
    check(program, tensorCoreLaunch(sizes.D)!, sizes, 1.5e-2, toBf16);
  });

  test('shared memory stays within what every chip gives a block', () => {
    for (let D = 2; D <= 256; D += 2)
      // Compute capability 8.6, 8.9 and 12.0: 99 KiB (CUDA C++ Programming Guide, technical specifications).
      for (const bytes of Object.values(tensorCoreLaunch(D)?.shared ?? {}))
        expect(bytes).toBeLessThanOrEqual(99 * 1024);
  });

  test('NaN in a key reaches only the queries that see it', () => {
    const [T, D] = [8, 16];
    const [q, k, v] = ['q', 'k', 'v'].map((name) => numbers(name, T * D)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    k[3 * D] = Number.NaN;
    const [y, lse] = [new Float32Array(T * D), new Float32Array(T)];
    const sizes = [
      ...[{ int: T }, { int: 1 }, { int: 1 }, { int: 2 }, { float: 0.25 }],
      ...[{ int: D }, { int: D }],
    ];
    const program = bench().program('attention.cu', { D });
    program.run('attention', { grid: 1, block: 128 }, [...sizes, q, k, v, y, lse]);
    const affected = [...Array(T).keys()].filter((i) => Number.isNaN(y[i * D]));
    expect(affected).toEqual([3, 4, 5]);
  });
});

// Compiled otherwise: attention_grad_kv leaves the values in shared memory there.
const reason = whyNoEmulatedDevice();
(reason ? test.skip : test)(`attention on tensor cores of 12.0${reason ? ` (${reason})` : ''}`, async () => {
  const bench = await openEmulated(120);
  try {
    const sizes = { B: 1, T: 140, H: 2, G: 1, D: 128, window: 90 };
    check(bench.program('attention_mma.cu', { D: 128 }), tensorCoreLaunch(128)!, sizes, 1.5e-2, toBf16);
  } finally {
    await openEmulated();
  }
});
