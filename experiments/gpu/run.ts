// The proof of the cuda backend on a GPU, in one command, for whoever has one at hand:
// `npm run build && node build/experiments/gpu/run.js [--device 0] [--golden FILE]...`
// 1. golden runs replayed in fp32 and bf16; 2. random models of other sizes beside a backend of the processor; 3. both, and
// the kernels' tests, under compute-sanitizer where it is installed; 4. a training run on the `autoresearch` preset in bf16:
// tokens/s, MFU, peak memory; 5. 200 trials in one process, every tenth without memory.
// Each part is written to experiments/results/gpu as it is done. `--small` makes every size tiny, to try the script itself.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scriptOptions } from '../../bench/scriptOptions.js';
import { currentSession } from '../../src/backend/cuda/driver.js';
import type { Session } from '../../src/backend/cuda/session.js';
import { fallbacks, resetFallbacks } from '../../src/backend/fallbacks.js';
import { describeMachine, type Precision, useBackend } from '../../src/backend/index.js';
import { deviceMemory } from '../../src/backend/memory.js';
import { expect, messageOf, TrainingError } from '../../src/base/errors.js';
import { randomStream } from '../../src/base/random.js';
import { flag, integer, many, number, text } from '../../src/cli/options.js';
import { openSource, prepareDataset } from '../../src/data/index.js';
import { estimateMemory } from '../../src/model/memory.js';
import { resolveConfig, type TrainConfig } from '../../src/train/config.js';
import { measureTraining } from '../../src/train/measure.js';
import { presetConfig } from '../../src/train/presets.js';
import { train } from '../../src/train/trainer.js';
import { describeCase, drawCase } from '../../src/verify/randomCase.js';
import { BF16_TOLERANCES, FP32_TOLERANCES, verifyGolden } from '../../src/verify/verify.js';
import { defaultReference, RANDOM_TOLERANCES, verifyRandom } from '../../src/verify/verifyRandom.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PARTS = ['verify', 'random', 'sanitizer', 'train', 'trials'] as const;

const args = scriptOptions({
  device: integer('number of the GPU', { default: 0, min: 0 }),
  parts: text('parts to run, separated by commas', { default: PARTS.join(',') }),
  golden: many('another golden file; may be repeated', 'file'),
  models: integer('random models of each size and precision', { default: 10, min: 1 }),
  seconds: number('seconds of training', { default: 300, above: 0 }),
  trials: integer('trials', { default: 200, min: 1 }),
  small: flag('tiny sizes', { default: false }),
  out: text('folder of the results', { default: join(ROOT, 'experiments', 'results', 'gpu') }),
});
const chosenParts = args.parts.split(',') as (typeof PARTS)[number][];
expect(
  chosenParts.every((part) => PARTS.includes(part)),
  () => `Expected --parts among ${PARTS.join(', ')}, got ${args.parts}`,
);

process.env.TINYGPT_CUDA_DEVICE = `${args.device}`;
const folder = join(ROOT, 'test', 'golden', 'gpt');
const golden = [
  ...readdirSync(folder)
    .filter((name) => name.endsWith('.safetensors'))
    .map((name) => join(folder, name)),
  ...args.golden,
];
const scratch = mkdtempSync(join(tmpdir(), 'tinygpt-gpu-'));
mkdirSync(args.out, { recursive: true });

const info = await useBackend('cuda');
const session = (await currentSession()) as Session;
const precisions: Precision[] = session.device.chip >= 80 ? ['fp32', 'bf16'] : ['fp32'];
const machine = { ...(await describeMachine()), device: info.device, version: info.version };

/** Writes what a part found, also when it failed. */
async function part(name: (typeof PARTS)[number], run: () => Promise<object>): Promise<void> {
  if (!chosenParts.includes(name)) return;
  process.stderr.write(`${name}...\n`);
  let result: object;
  try {
    result = await run();
  } catch (error) {
    result = { failed: messageOf(error) };
    process.exitCode = 1;
  }
  const record = {
    command: ['node', 'build/experiments/gpu/run.js', ...process.argv.slice(2)].join(' '),
    machine,
    ...result,
  };
  writeFileSync(join(args.out, `${name}.json`), `${JSON.stringify(record, null, 2)}\n`);
  process.stdout.write(`${JSON.stringify({ part: name, ...result })}\n`);
}

async function verify(): Promise<object> {
  const runs = [];
  for (const precision of precisions) {
    await useBackend('cuda', { precision });
    for (const file of golden) {
      const { name, passed, worst } = await verifyGolden(
        file,
        precision === 'bf16' ? BF16_TOLERANCES : FP32_TOLERANCES,
      );
      runs.push({ name, precision, passed, worst });
      if (!passed) process.exitCode = 1;
    }
  }
  return { runs };
}

/** Models drawn at random: seeds 0, 1, ... of both sizes; `tinygpt verify --random` repeats one. */
async function random(): Promise<object> {
  const reference = await defaultReference('cuda');
  const runs = [];
  for (const precision of precisions)
    for (const size of args.small ? (['small'] as const) : (['medium', 'large'] as const))
      for (let seed = 0; seed < (args.small ? 1 : args.models); seed++) {
        const drawn = drawCase(seed, size);
        process.stderr.write(`  ${precision} ${describeCase(drawn)}\n`);
        const { passed, worst, checks, seconds } = await verifyRandom(
          drawn,
          { backend: 'cuda', precision },
          reference,
        );
        const failed = checks.filter((check) => !check.passed);
        runs.push({ seed, size, precision, model: describeCase(drawn), passed, worst, failed, seconds });
        if (!passed) process.exitCode = 1;
      }
  return { reference, tolerances: RANDOM_TOLERANCES, runs };
}

/** Under compute-sanitizer, no access out of bounds, no race on shared memory: the replay, and the kernels' tests. */
async function sanitizer(): Promise<object> {
  const tool = ['compute-sanitizer', '/usr/local/cuda/bin/compute-sanitizer'].find(
    (path) => spawnSync(path, ['--version']).status === 0,
  );
  if (!tool) return { skipped: 'compute-sanitizer is not installed' };
  const file = golden[0]!;
  const runs = [];
  const programs: Record<string, string[]> = Object.fromEntries(
    precisions.map((precision) => [
      `verify ${precision}`,
      [
        ...[join(ROOT, 'build', 'src', 'cli', 'main.js'), 'verify', file, '--random', '1', '--size', 'small'],
        ...['--backend', 'cuda', '--precision', precision],
      ],
    ]),
  );
  const jest = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  if (existsSync(jest))
    programs['tests of the kernels'] = [
      ...['--experimental-vm-modules', jest, '-i', '-t', 'on a GPU'],
      join('build', 'test', 'backend', 'cuda', 'kernels'),
    ];
  for (const check of ['memcheck', 'racecheck'])
    for (const [program, words] of Object.entries(programs)) {
      const { status, stdout, stderr, error } = spawnSync(
        tool,
        ['--tool', check, '--error-exitcode', '9', process.execPath, ...words],
        { cwd: ROOT, encoding: 'utf8', timeout: 1_800_000, maxBuffer: 2 ** 28 },
      );
      const output = `${stdout}${stderr}${error ? messageOf(error) : ''}`;
      if (status !== 0) process.exitCode = 1;
      runs.push({ check, program, clean: status === 0, summary: output.trim().split('\n').slice(-12) });
    }
  return { runs };
}

const SMALL: Partial<TrainConfig> = {
  depth: 2,
  width: 64,
  headDim: 32,
  vocabSize: 300,
  seqLen: 32,
  deviceBatchSize: 2,
  totalBatchSize: 128,
  evalTokens: 128,
  untimedSteps: 1,
};

/** The reference's default model on generated stories. */
async function training(): Promise<object> {
  const precision = precisions.at(-1)!;
  const { peakFlops } = await useBackend('cuda', { precision });
  const config = { ...presetConfig('autoresearch'), ...(args.small && SMALL) };
  const source = await openSource({ bundled: args.small ? 0.2 : 64 }, { cacheFolder: scratch });
  const data = await prepareDataset({ source, vocabSize: config.vocabSize, cacheFolder: scratch });
  session.allocator.resetPeak();
  resetFallbacks();
  const budget = args.small ? { steps: 3 } : { seconds: args.seconds };
  const result = await train(config, { data, budget, peakFlops });
  const { model, accumulation, config: resolved } = resolveConfig(config, data.tokenizer.vocabSize);
  const estimate = estimateMemory(model, { batch: resolved.deviceBatchSize, accumulation });
  const { peak, peakReserved } = session.allocator.statistics();
  const again = await measureTraining(resolveConfig(config), { seconds: args.small ? 0 : 30 });
  return {
    precision,
    config,
    val_bpb: result.valBpb,
    steps: result.numSteps,
    tokens: result.tokens,
    training_seconds: result.trainingSeconds,
    tokens_per_second: result.tokensPerSecond,
    mfu_percent: result.mfuPercent,
    median_step_seconds: again.stepSeconds,
    peak_memory_mb: peak / 2 ** 20,
    peak_reserved_mb: peakReserved / 2 ** 20,
    estimated_memory_mb: estimate.peakBytes / 2 ** 20,
    fallbacks: fallbacks(),
    losses: result.losses.filter((_, i) => i % Math.max(1, Math.floor(result.losses.length / 100)) === 0),
  };
}

/** Trials of many sizes in one process; every tenth finds the device as good as full. */
async function trials(): Promise<object> {
  await useBackend('cuda', { precision: precisions.at(-1)! });
  const source = await openSource({ bundled: args.small ? 0.2 : 1 }, { cacheFolder: scratch });
  const vocabSize = args.small ? 300 : 1024;
  const data = await prepareDataset({ source, vocabSize, cacheFolder: scratch });
  const { allocator, memoryInfo } = session;
  const random = randomStream(1, 'gpu.trials');
  const count = { complete: 0, out_of_memory: 0, other: 0 };
  const samples: { trial: number; tensors: number; bytes: number; device_free: number; rss_mb: number }[] =
    [];
  for (let trial = 0; trial < args.trials; trial++) {
    const base = args.small
      ? SMALL
      : { ...SMALL, vocabSize, seqLen: 256, deviceBatchSize: 8, totalBatchSize: 2048 };
    const headDim = [32, 64, 96, 128][random.int(args.small ? 1 : 4)]!;
    const width = args.small ? 64 : headDim * (1 + random.int(6));
    const depth = 1 + random.int(args.small ? 2 : 8);
    const config = { ...presetConfig('cpu'), ...base, headDim, width, depth };
    allocator.trim();
    if (trial % 10 === 9) allocator.setLimit(allocator.statistics().reserved + 2 ** 19 + random.int(2 ** 21));
    try {
      await train(config, { data, budget: { steps: args.small ? 1 : 3 }, seed: trial });
      count.complete++;
    } catch (error) {
      const exhausted = error instanceof TrainingError && error.reason === 'out_of_memory';
      count[exhausted ? 'out_of_memory' : 'other']++;
      if (!exhausted) process.stderr.write(`trial ${trial}: ${messageOf(error)}\n`);
    }
    allocator.setLimit(Infinity);
    allocator.trim();
    const { tensors, bytes } = deviceMemory();
    const rss = Math.round(process.memoryUsage().rss / 2 ** 20);
    samples.push({ trial, tensors, bytes, device_free: memoryInfo().free, rss_mb: rss });
  }
  const seen = (key: 'tensors' | 'bytes' | 'device_free') => [
    ...new Set(samples.map((sample) => sample[key])),
  ];
  const flat = seen('tensors').length === 1 && seen('bytes').length === 1;
  if (!flat || count.other > 0) process.exitCode = 1;
  return {
    ...count,
    flat,
    tensors_seen: seen('tensors'),
    bytes_seen: seen('bytes'),
    device_free_seen: seen('device_free'),
    rss_mb: samples.filter((_, i) => i % 20 === 0).map((sample) => sample.rss_mb),
  };
}

try {
  await part('verify', verify);
  await part('random', random);
  await part('sanitizer', sanitizer);
  await part('train', training);
  await part('trials', trials);
} finally {
  if (existsSync(scratch)) rmSync(scratch, { recursive: true, force: true });
}
process.exit();
