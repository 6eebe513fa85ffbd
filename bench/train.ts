// Training speed: tokens per second of whole steps (data excluded), one backend and shape at a time, compared with
// PyTorch in the same run. `npm run bench:train -- --backend native --peer pytorch --preset cpu --json`

import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { BACKEND_NAMES, probeBackends, useBackend } from '../src/backend/index.js';
import { setThreads } from '../src/backend/native/threads.js';
import { reportError } from '../src/cli/cli.js';
import { choice, flag, integer, number, text } from '../src/cli/options.js';
import { windowSizes } from '../src/model/config.js';
import { type ResolvedConfig, resolveConfig } from '../src/train/config.js';
import { measureTraining } from '../src/train/measure.js';
import { PRESET_NAMES } from '../src/train/presets.js';
import { watchResidentMemory } from './peakMemory.js';
import { scriptOptions } from './scriptOptions.js';
import { benchConfig, SHAPES } from './shapes.js';

type Peer = { variant: string; tokens_per_second: number; resident_mb: number | null };

/** PyTorch's variants on the same work, each in a process of its own, the fastest first; a reason without them. */
function measurePeer(
  { config, model, accumulation }: ResolvedConfig,
  options: {
    python: string;
    seconds: number;
    threads: number;
    precision: string;
    windows: readonly number[];
  },
): Peer[] | string {
  const input = {
    batch: config.deviceBatchSize,
    seq: config.seqLen,
    layers: model.depth,
    width: model.width,
    heads: model.heads,
    kv_heads: model.kvHeads,
    vocab: model.vocabSize,
    accumulation,
    warmup: 3,
    ...options,
  };
  const script = fileURLToPath(new URL('../../bench/train_torch.py', import.meta.url));
  const variants: Peer[] = [];
  for (const variant of ['eager', 'compile']) {
    const { status, stdout, stderr, error } = spawnSync(options.python, [script], {
      input: JSON.stringify({ ...input, variant }),
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
      env: { ...process.env, OMP_NUM_THREADS: `${options.threads}` },
    });
    if (error || status !== 0) return (error?.message ?? stderr.trim().split('\n').at(-1)) || 'failed';
    variants.push(JSON.parse(stdout.trim()) as Peer);
  }
  return variants.sort((a, b) => b.tokens_per_second - a.tokens_per_second);
}

async function main(): Promise<void> {
  const args = await scriptOptions({
    backend: choice(['auto', 'all', ...BACKEND_NAMES], 'a backend, auto, or all that are present', {
      default: 'auto',
    }),
    precision: choice(['fp32', 'bf16'], 'fp32 or bf16', { default: 'fp32' }),
    preset: choice(PRESET_NAMES, 'preset', { default: 'cpu' }),
    shape: choice(Object.keys(SHAPES), `${Object.keys(SHAPES).join(', ')}: instead of the preset's sizes`),
    peer: choice(['none', 'pytorch'], 'none or pytorch', { default: 'none' }),
    python: text('a Python with torch', { default: 'python3' }),
    seconds: number('seconds of timed steps, ours and each variant of the peer', { default: 10, above: 0 }),
    threads: integer('threads', { default: availableParallelism(), min: 1 }),
    json: flag('print JSON', { default: false }),
  });
  const config = benchConfig(args.preset, args.shape);
  const resolved = resolveConfig(config);
  const probes = args.backend === 'all' ? (await probeBackends()).filter((probe) => probe.available) : [];
  const names = args.backend === 'all' ? probes.map((probe) => probe.name) : [args.backend];
  const peer =
    args.peer === 'none'
      ? undefined
      : measurePeer(resolved, { ...args, windows: windowSizes(resolved.model) });
  if (typeof peer === 'string') process.stderr.write(`PyTorch skipped: ${peer}\n`);
  for (const name of names) {
    const backend = await useBackend(name, { precision: args.precision });
    if (backend.name === 'native') setThreads(args.threads);
    const grown = watchResidentMemory();
    const ours = await measureTraining(resolved, args);
    const residentMb = grown();
    const best = Array.isArray(peer) ? peer[0] : undefined;
    const report = {
      preset: args.preset,
      ...(args.shape && { shape: args.shape }),
      backend: backend.name,
      precision: backend.precision,
      device: backend.device,
      ours_tokens_per_second: ours.tokensPerSecond,
      peak_memory_mb: ours.peakBytes / 2 ** 20,
      ours_resident_mb: residentMb,
      peer_resident_mb: best?.resident_mb ?? null,
      peer_tokens_per_second: best?.tokens_per_second ?? null,
      peer: best ? `pytorch ${best.variant}` : null,
      ratio: best ? ours.tokensPerSecond / best.tokens_per_second : null,
      peers: Array.isArray(peer) ? peer : null,
    };
    if (args.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else {
      const rate = (value: number) => `${Math.round(value).toLocaleString('en-US')} tok/s`;
      const against = best
        ? `  ${report.peer} ${rate(best.tokens_per_second)}  ratio ${report.ratio!.toFixed(2)}`
        : '';
      process.stdout.write(
        `${args.shape ?? args.preset} on ${backend.name} ${backend.precision}: ${rate(ours.tokensPerSecond)}, ` +
          `${(ours.peakBytes / 2 ** 20).toFixed(0)} MB${against}\n`,
      );
    }
  }
}

await main().catch((error: unknown) => {
  process.exitCode = reportError(error);
});
