// Launches, bytes and FLOPs of a training step on the cuda backend by kernel, and the milliseconds that they come to at assumed
// rates: the step runs on a device that computes nothing. A prediction to plan by, not a measurement.
//   node build/experiments/gpu/count.js [CONFIG]     e.g. '{"depth":4,"width":256}'; default: the `autoresearch` preset, bf16

import * as tf from '@tensorflow/tfjs-core';
import { declareCapabilities } from '../../src/backend/capabilities.js';
import { createAllocator } from '../../src/backend/cuda/allocator.js';
import type { CudaBackend } from '../../src/backend/cuda/backend.js';
import { cudaScratch, readsTable } from '../../src/backend/cuda/footprint.js';
import { registerCuda } from '../../src/backend/cuda/register.js';
import type { Session } from '../../src/backend/cuda/session.js';
import { createGpt } from '../../src/model/gpt.js';
import { estimateMemory } from '../../src/model/memory.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import { type ResolvedConfig, resolveConfig } from '../../src/train/config.js';
import { presetConfig } from '../../src/train/presets.js';
import { trainStep } from '../../src/train/step.js';

/** Assumed of an H200: bytes and FLOPs per second, and seconds that a launch takes at least. */
const MEMORY = 4.3e12;
const MATMUL = 650e12;
const ATTENTION = { attention: 300e12, attention_grad_kv: 220e12, attention_grad_q: 300e12 };
const SHORTEST = 2.5e-6;

interface Work {
  bytes: number;
  flops?: number;
  rate?: number;
}

type Values = readonly number[];

/** Rows that come from memory: of N by id those of the table, which then stay in the GPU's L2 cache. */
const rowsRead = (N: number, ids: number, V: number) => (ids ? Math.min(N, V) : N);

/** Bytes of the kernels that move much, from their arguments; others count as a launch. */
const BYTES: Record<string, (values: Values) => number> = {
  accumulate: ([n]) => 12 * n!,
  binary: ([n]) => 12 * n!,
  attention_delta: ([rows], D = headDim) => 4 * rows! * D,
  cross_entropy: ([rows, V]) => 4 * rows! * V!,
  embedding: ([N, , W]) => 6 * N! * W!,
  embedding_grad: ([V, W]) => 4 * V! * W! + 2 * tokens * W!,
  gate_dw: ([N, , , K]) => 2 * N! * K!,
  gate_dx_add: ([N, , , K]) => 4 * N! * K!,
  gated_grad: ([N, G, D, , , ids, V]) => (4 * N! + 2 * rowsRead(N!, ids!, V!)) * G! * D!,
  mix_norm: ([N, C, , , x, , ids, V]) => ((x ? 10 : 6) * N! + 4 * rowsRead(N!, ids!, V!)) * C!,
  mix_norm_grad: ([N, C, , x, , ids, V, , , , , , , sum]) =>
    ((18 + (x ? 4 : 0) + (sum ? 4 : 0)) * N! + 4 * rowsRead(N!, ids!, V!)) * C!,
  relu_squared: ([n]) => 4 * n!,
  relu_squared_grad: ([n]) => 6 * n!,
  rms_norm: ([N, C]) => 6 * N! * C!,
  rms_norm_grad: ([N, C, , , ids, V, , sum, , copy]) =>
    copy ? (10 + (sum ? 4 : 0)) * N! * C! : ((8 + (sum ? 4 : 0)) * N! + 4 * rowsRead(N!, ids!, V!)) * C!,
  rotary: ([N, , heads, D]) => 4 * N! * heads! * D!,
  rotary_grad: ([N, , heads, D]) => 6 * N! * heads! * D!,
  value_embedding: ([N, , G, D, , , , , ids, V]) => (4 * N! + 2 * rowsRead(N!, ids!, V!)) * G! * D!,
};

let headDim = 0;
let tokens = 0;

const sumOver = (count: number, step: number, term: (i: number) => number): number => {
  let sum = 0;
  for (let i = 0; i < count; i += step) sum += term(i);
  return sum;
};

/** Attention's kernels on tensor cores, by tiles: of `rows` queries of a warp and `columns` keys. */
function attentionWork(name: keyof typeof ATTENTION, blocks: number, [T, H, G, window]: Values): Work {
  const [seq, reach, D] = [T!, window!, headDim];
  const grouped = name === 'attention_grad_kv' ? H! / G! : 1;
  const heads = (blocks / Math.ceil(seq / 128)) * grouped;
  const [rows, columns] = name === 'attention_grad_kv' ? [32, 16] : [32, 64];
  const pairs = sumOver(seq, rows, (i) => {
    const last = Math.ceil(Math.min(i + rows, seq) / columns) * columns;
    return rows * (last - Math.floor(Math.max(0, i - reach) / columns) * columns);
  });
  const stored = sumOver(
    seq,
    128,
    (j) => 2 * 128 * 32 * Math.ceil((Math.min(seq, j + 128 + reach) - j) / 32),
  );
  const matmuls = { attention: 2, attention_grad_kv: 4, attention_grad_q: 1 }[name];
  const arrays = { attention: 4, attention_grad_kv: 6, attention_grad_q: 3 }[name];
  return {
    bytes: heads * (2 * arrays * seq * D + (name === 'attention' ? 0 : stored)),
    flops: heads * matmuls * 2 * pairs * D,
    rate: ATTENTION[name],
  };
}

/** A session whose device computes nothing: what is enqueued goes to `note`. */
function countingSession(note: (name: string, work: Work) => void) {
  let next = 2 ** 30;
  const take = (bytes: number) => {
    next += bytes;
    return next - bytes;
  };
  const info = () => ({ free: 2 ** 40, total: 2 ** 40 });
  const allocator = createAllocator({ take, give() {}, info });
  const nothing = () => {};
  const session = {
    allocator,
    device: {
      name: 'counted',
      chip: 90,
      multiprocessors: 132,
      sharedBytes: 227 * 1024,
      memoryBytes: 2 ** 40,
    },
    stream: 0,
    driver: { cuMemcpyDtoDAsync_v2: nothing, cuMemsetD32Async: nothing },
    transfer: {
      upload: nothing,
      read: async (_: number, bytes: number) => new ArrayBuffer(bytes),
      readSync: (_: number, bytes: number) => new ArrayBuffer(bytes),
      finished: async () => {},
      synchronize: nothing,
    },
    kernel: ({ name }: { name: string }) => ({ handle: 0, name, types: '' }),
    launcher: {
      launch({ name }: { name: string }, grid: unknown, _threads: number, _shared: number, values: Values) {
        note(
          name,
          name in ATTENTION
            ? attentionWork(name as keyof typeof ATTENTION, grid as number, values)
            : { bytes: BYTES[name]?.(values) ?? 0 },
        );
      },
    },
    products: {
      multiply({
        m,
        n,
        k,
        batch = 1,
        beta = 0,
        operands,
        result = 'fp32',
      }: Parameters<Session['products']['multiply']>[0]) {
        const [each, out] = [operands, result].map((type) => (type === 'bf16' ? 2 : 4)) as [number, number];
        const bytes = batch * ((m * k + k * n) * each + m * n * out * (beta ? 2 : 1));
        const where = batch > 1 ? 'Muon' : [m, n, k].includes(vocab) ? 'the head' : 'the layers';
        note(`matmuls of ${where}`, { bytes, flops: 2 * m * n * k * batch, rate: MATMUL });
      },
    },
    onTrim: nothing,
  };
  return session as unknown as Session;
}

let vocab = 0;

/** Two steps of training on made-up ids, the second of them counted. */
async function countStep(
  resolved: ResolvedConfig,
): Promise<Map<string, Work & { calls: number; ms: number }>> {
  const rows = new Map<string, Work & { calls: number; ms: number }>();
  let on = false;
  const session = countingSession((name, { bytes, flops = 0, rate = MATMUL }) => {
    if (!on) return;
    const row = rows.get(name) ?? { calls: 0, bytes: 0, flops: 0, ms: 0 };
    rows.set(name, {
      calls: row.calls + 1,
      bytes: row.bytes + bytes,
      flops: row.flops! + flops,
      ms: row.ms + 1e3 * Math.max(SHORTEST, bytes / MEMORY, flops / rate),
    });
  });
  await registerCuda(session);
  await tf.setBackend('cuda');
  (tf.backend() as unknown as CudaBackend).precision = 'bf16';
  declareCapabilities('cuda', {
    addsSums: true,
    readsTable,
    bf16Activations: true,
    stepScratch: (sizes) => cudaScratch(sizes, 'bf16'),
  });
  const { config, model, optimizer: settings, accumulation } = resolved;
  const { deviceBatchSize: batch, seqLen: seq, recompute } = config;
  [headDim, tokens, vocab] = [model.width / model.heads, batch * seq, model.vocabSize];
  const gpt = createGpt(model, { seed: 1 });
  const optimizer = createOptimizer(gpt, settings);
  const ids = new Int32Array(batch * seq);
  const loader = {
    next: async () => ({ inputs: ids, targets: ids, epoch: 1 }),
    state: () => ({ epoch: 1, nextDocument: 0, buffer: [] }),
    close: async () => undefined,
  };
  const shape = { batch, seq, recompute, accumulation, progress: () => 0 };
  await trainStep(gpt, optimizer, loader, shape);
  on = true;
  await trainStep(gpt, optimizer, loader, shape);
  const { peak, peakReserved } = session.allocator.statistics();
  const { peakBytes } = estimateMemory(model, { batch, accumulation, recompute });
  const [used, reserved, estimated] = [peak, peakReserved, peakBytes].map((n) => (n / 2 ** 30).toFixed(1));
  console.log(`memory: ${used} GiB in use, ${reserved} GiB reserved; the estimate is ${estimated} GiB`);
  return rows;
}

const resolved = resolveConfig({ ...presetConfig('autoresearch'), ...JSON.parse(process.argv[2] ?? '{}') });
const rows = [...(await countStep(resolved))].sort(([, a], [, b]) => b.ms - a.ms);
const total = { calls: 0, bytes: 0, flops: 0, ms: 0 };
const line = (name: string, { calls, bytes, flops = 0, ms }: Work & { calls: number; ms: number }) =>
  console.log(
    `${name.padEnd(24)}${calls.toString().padStart(6)}${(bytes / 1e9).toFixed(1).padStart(9)} GB` +
      `${(flops / 1e12).toFixed(2).padStart(8)} TFLOP${ms.toFixed(2).padStart(9)} ms`,
  );
for (const [name, row] of rows) {
  line(name, row);
  for (const key of ['calls', 'bytes', 'flops', 'ms'] as const) total[key] += row[key] ?? 0;
}
line('step', total);
console.log(`${((1e-3 * resolved.config.totalBatchSize) / total.ms).toFixed(2)} M tokens/s`);
process.exit(0);
