// The proof of the cuda backend on a GPU, in one command: `npm run build && node build/experiments/gpu/proof.js [--minutes 10]`,
// or, on a machine without Node or network, `sh run.sh` in the folder that pack.ts makes.
//
// Parts, the most valuable first: the self-test's checks, golden runs, speed with milliseconds by kernel, PyTorch's speed on the
// same shapes, attention beside PyTorch's and by cuDNN, the losses of 200 steps beside PyTorch's, trials that run out of memory,
// compute-sanitizer on a golden run, random models beside a backend of the processor. Each runs in a process of its own within a
// time of its own, whatever became of the others, and writes what it finds to OUT/proof.jsonl as it finds it; OUT/summary.md is
// written anew after each part.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { availableParallelism, constants } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scriptOptions } from '../../bench/scriptOptions.js';
import { expect } from '../../src/base/errors.js';
import { defaultCacheFolder, writeFileAtomic } from '../../src/base/files.js';
import { flag, integer, number, text } from '../../src/cli/options.js';
import { endGroup, endOf } from './child.js';
import { type ProofOptions, RECORDS, record } from './record.js';
import { summarize } from './summary.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PART = fileURLToPath(new URL('part.js', import.meta.url));

/** Parts in their order and the most seconds of each. Those of an earlier one that are left do not go to the next. */
const PARTS: Record<string, number> = {
  checks: 60,
  golden: 60,
  speed: 120,
  peer: 240,
  attention: 80,
  cudnn: 40,
  losses: 120,
  trials: 50,
  graph: 20,
  sanitizer: 90,
  random: 60,
};
/** Who computes attention in these parts; elsewhere whoever is faster. */
const CUDNN: Record<string, string> = { attention: 'off', cudnn: 'always' };
/** A part is not begun with less time than this. */
const LEAST_SECONDS = 10;

const args = await scriptOptions({
  minutes: number('minutes in all', { default: 10, above: 0 }),
  device: integer('number of the GPU', { default: 0, min: 0 }),
  parts: text('parts to run, separated by commas', { default: Object.keys(PARTS).join(',') }),
  python: text('the Python with PyTorch (default: the first that imports torch)', { placeholder: 'file' }),
  data: text('folder of prepared data (default: the cache)', { placeholder: 'folder' }),
  tiny: flag('tiny sizes, to try the script itself', { default: false }),
  out: text('folder of the results', { default: join(ROOT, 'experiments', 'results', 'gpu') }),
});
const parts = args.parts.split(',');
expect(
  parts.every((part) => part in PARTS),
  () => `Expected --parts among ${Object.keys(PARTS).join(', ')}, got ${args.parts}`,
);

const out = resolve(args.out);
mkdirSync(out, { recursive: true });
rmSync(join(out, RECORDS), { force: true });
const end = performance.now() + 60_000 * args.minutes;
const secondsLeft = () => (end - performance.now()) / 1000;

/** Pythons to look for PyTorch in. */
const PYTHONS = [
  ...(process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'python3')),
  ...['/opt/conda/bin', '/opt/venv/bin', '/venv/bin', '/usr/local/bin', '/usr/bin'].map((folder) =>
    join(folder, 'python3'),
  ),
];

function findPython(): string | undefined {
  if (args.python !== undefined) return args.python;
  for (const python of new Set(PYTHONS))
    if (existsSync(python) && spawnSync(python, ['-c', 'import torch'], { timeout: 60_000 }).status === 0)
      return python;
  return undefined;
}

const python = findPython();
const listed = process.env.CUDA_VISIBLE_DEVICES?.split(',');
// Its wheels hold NVRTC, cuBLASLt and cuDNN; Triton and torch.compile keep what they compile in the folder of the results.
const environment: NodeJS.ProcessEnv = {
  ...process.env,
  // PyTorch gets the same one, by nvidia-smi's numbers unless others are listed.
  ...(args.device > 0 && {
    CUDA_VISIBLE_DEVICES: listed?.[args.device] ?? `${args.device}`,
    ...(!listed && { CUDA_DEVICE_ORDER: 'PCI_BUS_ID' }),
  }),
  TINYGPT_CUDA_DEVICE: '0',
  // Kernels for another GPU than those that were packed are compiled within a part's time.
  UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE ?? `${Math.max(4, availableParallelism())}`,
  ...(python && { PATH: [dirname(python), process.env.PATH].filter(Boolean).join(delimiter) }),
  TORCHINDUCTOR_CACHE_DIR: join(out, 'inductor'),
  TRITON_CACHE_DIR: join(out, 'triton'),
};
record(out, 'proof', {
  minutes: args.minutes,
  tiny: args.tiny,
  python: python ?? null,
  node: process.version,
});

const summary = (): void => writeFileAtomic(join(out, 'summary.md'), summarize(out));

let atWork: ChildProcess | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    if (atWork) endGroup(atWork);
    summary();
    process.exit(128 + constants.signals[signal]);
  });

/** Runs a program in a process group of its own, which is ended as a whole when its time is over. */
async function runWithin(
  program: string,
  words: string[],
  seconds: number,
  variables: NodeJS.ProcessEnv = {},
): Promise<{ status: string; output: string }> {
  const child = spawn(program, words, {
    cwd: ROOT,
    env: { ...environment, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  atWork = child;
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    process.stdout.write(chunk);
    output = (output + chunk).slice(-20_000);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output = (output + chunk).slice(-20_000);
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    endGroup(child);
  }, 1000 * seconds);
  const end = await endOf(child);
  const status = end === 0 ? 'ok' : `ended with ${end}`;
  clearTimeout(timer);
  endGroup(child);
  return { status: late ? `ended after ${seconds.toFixed(0)} s` : status, output };
}

const optionsFor = (seconds: number): string => {
  const options: ProofOptions = {
    out,
    tiny: args.tiny,
    data: args.data ?? defaultCacheFolder(),
    ...(python && { python }),
    seconds,
  };
  return JSON.stringify(options);
};

async function sanitizer(seconds: number): Promise<void> {
  const tool = ['compute-sanitizer', '/usr/local/cuda/bin/compute-sanitizer'].find(
    (path) => spawnSync(path, ['--version']).status === 0,
  );
  if (!tool) return record(out, 'sanitizer', { skipped: 'compute-sanitizer is not installed' });
  const words = [
    '--tool',
    'memcheck',
    '--error-exitcode',
    '9',
    // Failed calls are errors of ours anyway, but for one that is expected: threads without a context are given it (transfer.ts).
    '--report-api-errors',
    'no',
    process.execPath,
    PART,
    'one golden run',
    optionsFor(seconds),
  ];
  const { status, output } = await runWithin(tool, words, seconds);
  const lines = output
    .trim()
    .split('\n')
    .filter((line) => line.startsWith('====='));
  record(out, 'sanitizer', { tool: 'memcheck', status, clean: status === 'ok', output: lines.slice(-20) });
}

/** On the driver that computes nothing (pack.ts) kernels are compiled, which takes as long as it takes. */
const patience = Number(process.env.PROOF_PATIENCE ?? 1);

for (const part of parts) {
  const seconds = Math.min(patience * PARTS[part]!, secondsLeft());
  const begun = performance.now();
  if (seconds < LEAST_SECONDS) record(out, part, { skipped: 'no time is left' });
  else if (part === 'sanitizer') await sanitizer(seconds);
  else {
    const { status, output } = await runWithin(
      process.execPath,
      ['--no-warnings', PART, part, optionsFor(seconds)],
      seconds,
      part in CUDNN ? { TINYGPT_CUDA_CUDNN: CUDNN[part] } : {},
    );
    const problem = status === 'ok' ? {} : { output: output.trim().split('\n').slice(-10) };
    record(out, part, { ended: status, seconds: Math.round((performance.now() - begun) / 1000), ...problem });
  }
  summary();
}
process.stdout.write(`\n${summarize(out)}\nEverything is in ${join(out, RECORDS)}\n`);
