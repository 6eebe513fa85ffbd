// tinygpt verify: replays golden files on a backend, or compares it with another one on random models, and prints the
// largest errors.

import { BACKEND_NAMES, type BackendInfo, useBackend } from '../backend/index.js';
import { expect } from '../base/errors.js';
import { CASE_SIZES, describeCase, drawCase } from '../verify/randomCase.js';
import { BF16_TOLERANCES, FP32_TOLERANCES, verifyGolden } from '../verify/verify.js';
import { defaultReference, RANDOM_TOLERANCES, verifyRandom } from '../verify/verifyRandom.js';
import { BACKEND_OPTIONS, backendChoice, onNote } from './backendOptions.js';
import { choice, command, flag, group, integer, many, type ValuesOf } from './options.js';
import { abortOnInterrupt, counted, openScreen, type ProgressLine } from './terminal.js';

const FILES = { files: many('golden .safetensors files', 'file') };
const OPTIONS = {
  ...BACKEND_OPTIONS,
  ...group('Random models:', {
    random: integer('compare on this many random models', { min: 1 }),
    seed: integer('seed of the first model; the others use the seeds after it', { default: 0, min: 0 }),
    size: choice(CASE_SIZES, `${CASE_SIZES.join(', ')} (for a GPU)`, { default: 'medium' }),
    reference: choice(
      BACKEND_NAMES,
      'backend to compare with, in fp32 (default native, for native itself cpu)',
    ),
  }),
  json: flag('print one JSON object per file or model', { default: false }),
};

export const verifyCommand = command({
  options: OPTIONS,
  positionals: FILES,
  examples: [
    ['tinygpt verify run.safetensors', 'replay a recorded run'],
    ['tinygpt verify --random 10 --backend cuda --precision bf16', 'compare cuda with native on ten models'],
  ],
  run: runVerify,
});

type Arguments = ValuesOf<typeof OPTIONS & typeof FILES>;

/** Runs the command; resolves to the exit code: 1 when an error is beyond its tolerance. */
async function runVerify(args: Arguments): Promise<number> {
  const { files, random } = args;
  expect(
    files.length > 0 || random !== undefined,
    () => 'Expected golden files or --random N, got neither; see tinygpt verify --help',
  );
  const backend = await useBackend(backendChoice(args.backend, args.device), {
    precision: args.precision,
    onNote,
  });
  let passed = true;
  for (const file of files) passed = (await replay(file, backend, args.json)) && passed;
  if (random === undefined) return passed ? 0 : 1;
  const { progress, signal, close } = openScreen(
    'Stopping after this part of the model (Ctrl-C again exits at once)',
    {},
    (onFirst) => abortOnInterrupt(onFirst, { unread: true }),
  );
  try {
    passed = (await compareAll(args, random, backend, progress, signal)) && passed;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    close();
  }
  return signal.aborted ? 130 : passed ? 0 : 1;
}

/** Replays a golden file. */
async function replay(file: string, backend: BackendInfo, json: boolean): Promise<boolean> {
  const { name: backendName, precision } = backend;
  const tolerances = precision === 'bf16' ? BF16_TOLERANCES : FP32_TOLERANCES;
  const { name, passed, checks, worst } = await verifyGolden(file, tolerances);
  const failed = checks.filter((check) => !check.passed);
  const flips = checks.reduce((sum, check) => sum + check.flips, 0);
  if (json) {
    const report = { file, name, backend: backendName, precision, passed, worst, tolerances, failed, flips };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } else {
    process.stdout.write(`${name} on ${backendName} ${precision}: ${passed ? 'passed' : 'FAILED'}\n`);
    printErrors(worst, tolerances, failed);
    if (flips > 0) process.stdout.write(`  left out as flips        ${counted(flips, 'element')}\n`);
  }
  return passed;
}

/** Compares on `count` models; false when one is beyond its tolerances. */
async function compareAll(
  args: Arguments,
  count: number,
  backend: BackendInfo,
  progress: ProgressLine,
  signal: AbortSignal,
): Promise<boolean> {
  const reference = args.reference ?? (await defaultReference(backend.name));
  const { name, precision } = backend;
  const size = args.size;
  const tolerances = RANDOM_TOLERANCES[precision];
  const failures: number[] = [];
  for (let i = 0; i < count; i++) {
    const drawn = drawCase(args.seed + i, size);
    const label = `model ${i + 1} of ${count}`;
    const outcome = await verifyRandom(drawn, { backend: name, precision }, reference, {
      signal,
      onStage: (stage) => progress.update(() => `${label}: ${stage}`),
    });
    const { passed, worst, checks, seconds } = outcome;
    const failed = checks.filter((check) => !check.passed);
    const again =
      `npx tinygpt verify --random 1 --seed ${drawn.seed} --size ${size} --backend ${name} --precision ${precision} ` +
      `--reference ${reference}`;
    if (!passed) failures.push(drawn.seed);
    progress.end();
    if (args.json) {
      const report = {
        ...drawn,
        backend: name,
        precision,
        reference,
        passed,
        worst,
        tolerances,
        failed,
        again,
      };
      process.stdout.write(`${JSON.stringify({ ...report, seconds })}\n`);
      continue;
    }
    process.stdout.write(
      `${describeCase(drawn)}\n  ${name} ${precision} against ${reference} fp32: ${passed ? 'passed' : 'FAILED'}` +
        ` (${seconds.backend.toFixed(1)} s, reference ${seconds.reference.toFixed(1)} s)\n`,
    );
    printErrors(worst, tolerances, failed);
    if (!passed) process.stdout.write(`  reproduce: ${again}\n`);
  }
  if (!args.json)
    process.stdout.write(
      failures.length === 0
        ? `all ${count} passed\n`
        : `${failures.length} of ${count} FAILED: seed ${failures.join(', ')}\n`,
    );
  return failures.length === 0;
}

function printErrors<K extends string>(
  worst: Record<K, number>,
  tolerances: Readonly<Record<K, number>>,
  failed: readonly { name: string; error: number }[],
): void {
  for (const kind in worst) {
    const tolerance = tolerances[kind];
    const allowed = tolerance === Infinity ? 'shown only' : `of ${tolerance.toExponential(0)}`;
    process.stdout.write(`  ${kind.padEnd(24)} ${worst[kind].toExponential(2)}  ${allowed}\n`);
  }
  for (const { name, error } of failed.slice(0, 20))
    process.stdout.write(`  beyond: ${name} ${error.toExponential(2)}\n`);
}
