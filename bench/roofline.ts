// Where a training step of the native backend goes: the milliseconds of every C kernel by its sizes, its GFLOP/s or
// GB/s against the peaks measured in the same run (multiply-adds in registers, memory), and what is left to
// TypeScript. With --python also its matmuls against OpenBLAS and oneDNN. Times are those of the fastest tenth of the
// calls, so that a busy machine has little influence; shares are of the kernels' sum.
// `node build/bench/roofline.js --preset cpu --precision bf16 [--shape w256-t256] [--python python3] [--json]`

import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../src/backend/index.js';
import type { NativeBackend } from '../src/backend/native/backend.js';
import { compileKernels } from '../src/backend/native/compile.js';
import { setThreads, threadsInUse } from '../src/backend/native/threads.js';
import { reportError } from '../src/cli/cli.js';
import { choice, flag, integer, number, text } from '../src/cli/options.js';
import { resolveConfig } from '../src/train/config.js';
import { measureTraining } from '../src/train/measure.js';
import { PRESET_NAMES } from '../src/train/presets.js';
import { scriptOptions } from './scriptOptions.js';
import { benchConfig, SHAPES } from './shapes.js';

type Sizes = number[];
/** Which of a kernel's arguments are sizes, its operations or bytes, and how much of the bytes is left in bf16. */
type Work = {
  sizes: number;
  from?: number;
  flops?: (s: Sizes) => number;
  bytes?: (s: Sizes) => number;
  bf16?: number;
};

/** Pairs of a query and a key that it sees, over all heads, times 4 D: both products of the forward pass. */
const attended = ([B, T, H, , D, window]: Sizes): number => {
  let pairs = 0;
  for (let i = 0; i < T!; i++) pairs += Math.min(i, window!) + 1;
  return 4 * B! * H! * D! * pairs;
};

const product = (s: Sizes) => 2 * s[0]! * s[1]! * s[2]!;
const WORK: Record<string, Work> = {
  linear: { from: 1, sizes: 4, flops: product },
  linear_grad: { from: 1, sizes: 4, flops: (s) => 2 * product(s) },
  lm_head: { from: 1, sizes: 4, flops: (s) => 3 * product(s) },
  attention: { from: 1, sizes: 7, flops: attended },
  attention_grad: { from: 1, sizes: 7, flops: (s) => 2.5 * attended(s) },
  // Five steps of Polar Express; half of the two symmetric products.
  muon: {
    sizes: 3,
    flops: ([count, r, s]) => {
      const [n, m] = [Math.min(r!, s!), Math.max(r!, s!)];
      return 5 * count! * (n * n * m + n * n * n + 2 * n * n * m);
    },
  },
  binary: { from: 2, sizes: 3, bytes: ([n]) => 12 * n! },
  rms_norm: { from: 1, sizes: 3, bytes: ([n, c]) => 8 * n! * c!, bf16: 6 / 8 },
  rms_norm_grad: { from: 1, sizes: 3, bytes: ([n, c]) => 12 * n! * c!, bf16: 10 / 12 },
  rotary: { from: 1, sizes: 5, bytes: ([n, , h, d]) => 8 * n! * h! * d!, bf16: 4 / 8 },
  rotary_grad: { from: 1, sizes: 5, bytes: ([n, , h, d]) => 12 * n! * h! * d!, bf16: 8 / 12 },
  relu_squared: { from: 1, sizes: 2, bytes: ([n]) => 8 * n!, bf16: 4 / 8 },
  relu_squared_grad: { from: 1, sizes: 2, bytes: ([n]) => 12 * n!, bf16: 6 / 12 },
  residual_mix: { sizes: 1, bytes: ([n]) => 12 * n! },
  residual_mix_grad: { sizes: 1, bytes: ([n]) => 20 * n! },
  embedding: { sizes: 3, bytes: ([n, , w]) => 8 * n! * w! },
  embedding_grad: { sizes: 3, bytes: ([n, v, w]) => (12 * n! + 4 * v!) * w! },
  value_embedding: { from: 1, sizes: 6, bytes: ([n, , g, d]) => 12 * n! * g! * d!, bf16: 8 / 12 },
  value_embedding_grad: { from: 1, sizes: 6, bytes: ([n, c, g, d]) => 4 * n! * (3 * g! * d! + c!) },
  adamw: { sizes: 1, bytes: ([n]) => 28 * n! },
};

type Row = {
  kernel: string;
  sizes: Sizes;
  calls_a_step: number;
  ms_a_step: number;
  share: number;
  gflops: number | null;
  gb_per_second: number | null;
  of_peak: number | null;
};

/** Times every call of C from now on. @returns samples by kernel and sizes, and the milliseconds between calls, step by step */
function timeCalls(): { samples: Map<string, number[]>; between: number[] } {
  const { library } = tf.backend() as unknown as NativeBackend;
  const samples = new Map<string, number[]>();
  const between: number[] = [];
  let sum = 0;
  let last = 0;
  for (const [name, f] of Object.entries(library) as [keyof typeof library, (...a: never[]) => number][]) {
    const kernel = name.slice(3);
    const { from = 0, sizes = 0 } = WORK[kernel] ?? {};
    library[name] = ((...args: never[]) => {
      const start = performance.now();
      const out = f(...args);
      const end = performance.now();
      if (last) sum += start - last;
      if (kernel === 'lm_head') {
        between.push(sum);
        sum = 0;
      }
      const key = [kernel, ...args.slice(from, sizes)].join(' ');
      const known = samples.get(key);
      if (known) known.push(end - start);
      else samples.set(key, [end - start]);
      // What has been noted here is not the step's.
      last = performance.now();
      return out;
    }) as never;
  }
  return { samples, between };
}

/** Peaks of this machine: operations a second in the precision, bytes a second. */
async function measurePeaks(precision: string, threads: number): Promise<{ flops: number; bytes: number }> {
  const { default: koffi } = await import('koffi');
  const sources = fileURLToPath(new URL('../../bench/peak/', import.meta.url));
  const { path } = await compileKernels({
    sources,
    folder: join(tmpdir(), `tinygpt-peak-${process.getuid?.()}`),
  });
  const peak = koffi.load(path).func('double peak(int, int, int)');
  return { flops: peak(precision === 'bf16' ? 1 : 0, threads, 20), bytes: peak(2, threads, 5) };
}

async function main(): Promise<void> {
  const args = await scriptOptions({
    precision: choice(['fp32', 'bf16'], 'fp32 or bf16', { default: 'fp32' }),
    preset: choice(PRESET_NAMES, 'preset', { default: 'cpu' }),
    shape: choice(Object.keys(SHAPES), `${Object.keys(SHAPES).join(', ')}: instead of the preset's sizes`),
    seconds: number('seconds of timed steps', { default: 4, above: 0 }),
    threads: integer('threads (default: all cores)', { min: 1 }),
    python: text('a Python with numpy and torch, to measure their matmuls too'),
    json: flag('print JSON', { default: false }),
  });
  const { precision, device } = await useBackend('native', { precision: args.precision });
  if (args.threads !== undefined) setThreads(args.threads);
  const threads = threadsInUse();
  const peaks = await measurePeaks(precision, threads);
  const { samples, between } = timeCalls();
  const resolved = resolveConfig(benchConfig(args.preset, args.shape));
  const { stepSeconds } = await measureTraining(resolved, args);

  const count = (kernel: string) =>
    [...samples]
      .filter(([key]) => key.startsWith(`${kernel} `))
      .reduce((sum, [, each]) => sum + each.length, 0);
  const steps = count('lm_head') / resolved.accumulation;
  const rows: Row[] = [...samples]
    .filter(([key]) => key.split(' ')[0]! in WORK)
    .map(([key, times]) => {
      const [kernel, ...rest] = key.split(' ') as [string, ...string[]];
      const sizes = rest.map(Number);
      times.sort((a, b) => a - b);
      const ms = times[Math.floor(times.length / 10)]!;
      const { flops, bytes, bf16 = 1 } = WORK[kernel]!;
      const part = precision === 'bf16' ? bf16 : 1;
      const [rate, most] = flops ? [flops(sizes), peaks.flops] : [part * bytes!(sizes), peaks.bytes];
      const perSecond = (1000 * rate) / ms;
      const calls = times.length / steps;
      return {
        kernel,
        sizes,
        calls_a_step: calls,
        ms_a_step: ms * calls,
        share: 0,
        gflops: flops ? perSecond / 1e9 : null,
        gb_per_second: flops ? null : perSecond / 1e9,
        of_peak: perSecond / most,
      };
    });
  const kernelMs = rows.reduce((sum, row) => sum + row.ms_a_step, 0);
  for (const row of rows) row.share = row.ms_a_step / kernelMs;
  rows.sort((a, b) => b.share - a.share);

  const report = {
    shape: args.shape ?? args.preset,
    precision,
    device,
    threads,
    peak_gflops: peaks.flops / 1e9,
    peak_gb_per_second: peaks.bytes / 1e9,
    median_step_ms: 1000 * stepSeconds,
    kernels_ms: kernelMs,
    between_kernels_ms:
      between.sort((a, b) => a - b)[Math.floor(between.length / 2)]! * resolved.accumulation,
    kernels: rows,
    products: args.python ? peerProducts(args.python, precision, threads, rows) : null,
  };
  if (args.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else print(report);
}

/** GFLOP/s of the step's forward products over and over on the same arrays, ours and in OpenBLAS and oneDNN. */
function peerProducts(python: string, precision: string, threads: number, rows: Row[]) {
  const ours = rows.filter(({ kernel }) => kernel === 'linear');
  const { library } = tf.backend() as unknown as NativeBackend;
  const repeated = ours.map(({ sizes }) => {
    const [n, i, o] = sizes as [number, number, number];
    const [x, w, y] = [n * i, o * i, n * o].map((size) => new Float32Array(size).fill(0.5));
    let best = Number.POSITIVE_INFINITY;
    for (const begin = performance.now(); performance.now() - begin < 400; ) {
      const start = performance.now();
      library.tg_linear(0, n, i, o, x!, w!, y!);
      best = Math.min(best, performance.now() - start);
    }
    return product(sizes) / best / 1e6;
  });
  const script = fileURLToPath(new URL('../../bench/gemm_peer.py', import.meta.url));
  const input = JSON.stringify({ precision, threads, shapes: ours.map(({ sizes }) => sizes) });
  const { status, stdout, stderr } = spawnSync(python, [script], { input, encoding: 'utf8' });
  if (status !== 0) {
    process.stderr.write(`Peers skipped: ${stderr.trim().split('\n').at(-1)}\n`);
    return null;
  }
  const peers = JSON.parse(stdout) as { name: string; gflops: (number | null)[] }[];
  return ours.map(({ sizes, gflops }, i) => ({
    sizes,
    ours_in_the_step: gflops,
    ours: repeated[i],
    ...Object.fromEntries(peers.map((peer) => [peer.name, peer.gflops[i]])),
  }));
}

type Report = {
  shape: string;
  precision: string;
  device: string;
  peak_gflops: number;
  peak_gb_per_second: number;
  median_step_ms: number;
  kernels_ms: number;
  between_kernels_ms: number;
  kernels: Row[];
  products: object[] | null;
};

function print(report: Report): void {
  const { kernels, products, ...rest } = report;
  process.stdout.write(
    `${rest.shape} in ${rest.precision} on ${rest.device}; peak ${rest.peak_gflops.toFixed(0)} GFLOP/s, ` +
      `${rest.peak_gb_per_second.toFixed(1)} GB/s\n` +
      `step ${rest.median_step_ms.toFixed(1)} ms, kernels ${rest.kernels_ms.toFixed(1)} ms, ` +
      `between kernels ${rest.between_kernels_ms.toFixed(1)} ms\n`,
  );
  for (const row of kernels.filter(({ share }) => share >= 0.002)) {
    const rate =
      row.gflops === null ? `${row.gb_per_second!.toFixed(1)} GB/s   ` : `${row.gflops.toFixed(0)} GFLOP/s`;
    process.stdout.write(
      `${row.ms_a_step.toFixed(2).padStart(8)} ms ${(100 * row.share).toFixed(1).padStart(5)}% ` +
        `${row.calls_a_step.toFixed(0).padStart(4)} calls ${rate.padStart(14)} ` +
        `${(100 * row.of_peak!).toFixed(0).padStart(4)}% of peak  ${row.kernel} ${row.sizes.join(' ')}\n`,
    );
  }
  for (const each of products ?? []) process.stdout.write(`${JSON.stringify(each)}\n`);
}

await main().catch((error: unknown) => {
  process.exitCode = reportError(error);
});
