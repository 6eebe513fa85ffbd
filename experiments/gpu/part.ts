// One part of the proof, in a separate process that proof.ts starts: `node part.js NAME OPTIONS_JSON`. It runs
// without the self-test, so that one wrong kernel does not hide what the others do.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { selfTest } from '../../src/backend/checks/selfTest.js';
import { peakFlops } from '../../src/backend/cuda/device.js';
import { currentSession, driver } from '../../src/backend/cuda/driver.js';
import { fallbacks, resetFallbacks } from '../../src/backend/fallbacks.js';
import { describeMachine } from '../../src/backend/index.js';
import { deviceMemory } from '../../src/backend/memory.js';
import { messageOf, TrainingError } from '../../src/base/errors.js';
import { randomStream } from '../../src/base/random.js';
import { flopsPerToken } from '../../src/model/flops.js';
import { resolveConfig, type TrainConfig } from '../../src/train/config.js';
import { fixedBatches, measureTraining } from '../../src/train/measure.js';
import { presetConfig } from '../../src/train/presets.js';
import { train } from '../../src/train/trainer.js';
import { describeCase, drawCase } from '../../src/verify/randomCase.js';
import { BF16_TOLERANCES, FP32_TOLERANCES, verifyGolden } from '../../src/verify/verify.js';
import { defaultReference, verifyRandom } from '../../src/verify/verifyRandom.js';
import { attention, losses, measureAttention, peer } from './comparisons.js';
import {
  dataset,
  fittingConfigs,
  memoryOf,
  name,
  options,
  out,
  precisions,
  secondsLeft,
  start,
  tiny,
} from './context.js';
import { profileStep } from './profile.js';
import { attempt, record } from './record.js';
import { lossConfig, speedConfigs } from './sizes.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const GOLDEN = join(ROOT, 'test', 'golden', 'gpt');

async function about(): Promise<void> {
  await attempt(out, name, 'machine', async () => {
    const probe = await driver.probe();
    if (!probe.available) throw new Error(`${probe.reason}; to fix: ${probe.remedy}`);
    const session = (await currentSession())!;
    const { files, device } = session;
    return {
      machine: await describeMachine(),
      info: probe.info,
      files,
      device,
      memory: session.memoryInfo(),
    };
  });
}

async function checks(): Promise<void> {
  await about();
  for (const precision of await precisions())
    await attempt(out, name, `self-test ${precision}`, async () => {
      const session = await start(precision);
      const { failures, cases, milliseconds } = await selfTest(precision, await driver.checks!());
      return { failures, cases, milliseconds, compilations: session.compiler.compilations() };
    });
}

const goldenFiles = () => readdirSync(GOLDEN).filter((file) => file.endsWith('.safetensors'));

async function golden(files = goldenFiles()): Promise<void> {
  for (const precision of await precisions())
    for (const file of files)
      await attempt(out, name, `${file} ${precision}`, async () => {
        await start(precision);
        const tolerances = precision === 'bf16' ? BF16_TOLERANCES : FP32_TOLERANCES;
        const { passed, worst, checks: all } = await verifyGolden(join(GOLDEN, file), tolerances);
        return { passed, worst, failures: all.filter((check) => !check.passed).slice(0, 20) };
      });
}

async function speed(): Promise<void> {
  const precision = (await precisions()).at(-1)!;
  for (const [title, resolved] of await fittingConfigs()) {
    await attempt(out, name, `${title} ${precision}`, async () => {
      const session = await start(precision);
      const { allocator } = session;
      allocator.trim();
      allocator.resetPeak();
      resetFallbacks();
      const seconds = tiny ? 0 : title === 'autoresearch' ? 12 : 5;
      const measured = await measureTraining(resolved, { seconds, warmup: 3, force: true });
      const flops = flopsPerToken(resolved.model);
      const peak = peakFlops(session.device, precision);
      const { peak: allocated, peakReserved } = allocator.statistics();
      return {
        tokens_per_second: measured.tokensPerSecond,
        step_ms: 1000 * measured.stepSeconds,
        mfu_percent: peak ? (100 * flops * measured.tokensPerSecond) / peak : null,
        peak_memory_mb: allocated / 2 ** 20,
        peak_reserved_mb: peakReserved / 2 ** 20,
        estimated_memory_mb: memoryOf(resolved) / 2 ** 20,
        device_batch_size: resolved.config.deviceBatchSize,
        loss: measured.loss,
        fallbacks: fallbacks(),
        compilations: session.compiler.compilations(),
      };
    });
    await attempt(out, name, `${title} ${precision} by kernel`, async () => {
      const session = await start(precision, false);
      return profileStep(session, resolved, fixedBatches);
    });
  }
}

/** The small model with its steps recorded as CUDA graphs, and without. */
async function graph(): Promise<void> {
  const precision = (await precisions()).at(-1)!;
  const resolved = resolveConfig(speedConfigs(tiny).small!);
  for (const graphs of [true, false])
    await attempt(
      out,
      name,
      `small ${precision} ${graphs ? 'as a CUDA graph' : 'launch by launch'}`,
      async () => {
        const { launcher } = await start(precision, graphs);
        const launches = launcher.count();
        let steps = 0;
        const onStep = () => {
          steps++;
        };
        const seconds = tiny ? 0 : 4;
        const measured = await measureTraining(resolved, { seconds, warmup: 5, force: true, onStep });
        return {
          tokens_per_second: measured.tokensPerSecond,
          step_ms: 1000 * measured.stepSeconds,
          loss: measured.loss,
          steps,
          kernels_launched: launcher.count() - launches,
        };
      },
    );
}

/** Trials of many sizes in one process; every fifth finds the device as good as full. */
async function trials(): Promise<void> {
  const precision = (await precisions()).at(-1)!;
  await attempt(out, name, precision, async () => {
    const session = await start(precision);
    const { allocator, memoryInfo } = session;
    const vocabSize = lossConfig(tiny).vocabSize;
    const data = await dataset(vocabSize);
    const random = randomStream(1, 'gpu.trials');
    const count = { complete: 0, out_of_memory: 0, other: 0 };
    const errors: string[] = [];
    const seen = { tensors: new Set<number>(), bytes: new Set<number>(), free: new Set<number>() };
    let trial = 0;
    for (; trial < (tiny ? 5 : 60) && secondsLeft() > 0.2 * options.seconds; trial++) {
      const headDim = [32, 64, 96, 128][random.int(tiny ? 1 : 4)]!;
      const sizes: Partial<TrainConfig> = tiny
        ? { ...lossConfig(true), depth: 1 + random.int(2) }
        : { headDim, width: headDim * (1 + random.int(6)), depth: 1 + random.int(8), seqLen: 256 };
      const batch = tiny ? {} : { deviceBatchSize: 8, totalBatchSize: 2048, evalTokens: 2048 };
      const config = { ...presetConfig('cpu'), vocabSize, ...sizes, ...batch };
      allocator.trim();
      if (trial % 5 === 4)
        allocator.setLimit(allocator.statistics().reserved + 2 ** 19 + random.int(2 ** 21));
      try {
        await train(config, { data, budget: { steps: tiny ? 1 : 3 }, seed: trial, force: true });
        count.complete++;
      } catch (error) {
        const exhausted = error instanceof TrainingError && error.reason === 'out_of_memory';
        count[exhausted ? 'out_of_memory' : 'other']++;
        if (!exhausted) errors.push(`trial ${trial}: ${messageOf(error)}`);
      }
      allocator.setLimit(Infinity);
      allocator.trim();
      session.transfer.trim();
      seen.tensors.add(deviceMemory().tensors);
      seen.bytes.add(deviceMemory().bytes);
      seen.free.add(memoryInfo().free);
    }
    const flat = seen.tensors.size === 1 && seen.bytes.size === 1;
    const lists = Object.fromEntries(Object.entries(seen).map(([key, set]) => [key, [...set]]));
    return { trials: trial, ...count, flat, seen: lists, errors };
  });
}

/** Models drawn at random beside a backend of the processor; `tinygpt verify --random` repeats one. */
async function random(): Promise<void> {
  const reference = await defaultReference('cuda');
  const both = await precisions();
  for (let seed = 0; seed < (tiny ? 1 : 10) && secondsLeft() > 0.3 * options.seconds; seed++)
    for (const precision of both) {
      const drawn = drawCase(seed, tiny ? 'small' : 'medium');
      await attempt(out, name, `${precision} ${describeCase(drawn)}`, async () => {
        const {
          passed,
          worst,
          checks: all,
        } = await verifyRandom(drawn, { backend: 'cuda', precision }, reference);
        return { seed, precision, reference, passed, worst, failures: all.filter((check) => !check.passed) };
      });
    }
}

const PARTS: Record<string, () => Promise<void>> = {
  checks,
  golden,
  speed,
  peer,
  attention,
  cudnn: measureAttention,
  losses,
  trials,
  graph,
  random,
  /** What compute-sanitizer watches. */
  'one golden run': () => golden(goldenFiles().slice(0, 1)),
};

const run = PARTS[name];
if (run) await run().catch((error: unknown) => record(out, name, { failed: messageOf(error) }));
else process.exitCode = 2;
process.exit();
