// tinygpt verify: replays golden files on a backend, or compares it with another on models drawn at random, and prints the
// largest errors.

import type { Argv } from 'yargs';
import { type BackendInfo, useBackend } from '../backend/index.js';
import { expect } from '../base/errors.js';
import { CASE_SIZES, type CaseSize, describeCase, drawCase } from '../verify/randomCase.js';
import { BF16_TOLERANCES, FP32_TOLERANCES, verifyGolden } from '../verify/verify.js';
import { defaultReference, RANDOM_TOLERANCES, verifyRandom } from '../verify/verifyRandom.js';
import { BACKEND_OPTIONS, backendChoice, precisionChoice } from './backendOptions.js';
import { abortOnInterrupt, openProgress, type ProgressLine } from './terminal.js';

export const verifyOptions = (yargs: Argv) =>
  yargs
    .positional('files', {
      type: 'string',
      array: true,
      default: [],
      describe: 'golden .safetensors files',
    })
    .options(BACKEND_OPTIONS)
    .options({
      random: { type: 'number', describe: 'compare on this many random models', group: 'Random models:' },
      seed: {
        type: 'number',
        default: 0,
        describe: 'of the first; the next have the next',
        group: 'Random models:',
      },
      size: {
        type: 'string',
        default: 'medium',
        describe: `${CASE_SIZES.join(', ')} (for a GPU)`,
        group: 'Random models:',
      },
      reference: {
        type: 'string',
        describe: 'backend to compare with, in fp32 (default native, for native itself cpu)',
        group: 'Random models:',
      },
      json: { type: 'boolean', default: false, describe: 'print one JSON object a file or model' },
    })
    .example('$0 verify run.safetensors', 'replay a recorded run')
    .example('$0 verify --random 10 --backend cuda --precision bf16', 'ten models, cuda beside native');

interface Arguments {
  files: string[];
  backend: string;
  precision?: string | undefined;
  device?: number | undefined;
  random?: number | undefined;
  seed: number;
  size: string;
  reference?: string | undefined;
  json: boolean;
}

/** Runs the command; resolves to the exit code: 1 when an error is beyond its tolerance. */
export async function verifyCommand(args: Arguments): Promise<number> {
  const { files, random } = args;
  expect(
    files.length > 0 || random !== undefined,
    () => 'Expected golden files or --random N, got neither; see tinygpt verify --help',
  );
  expect(
    random === undefined || (Number.isInteger(random) && random >= 1),
    () => `Expected --random to be an integer >= 1, got ${random}`,
  );
  expect(
    CASE_SIZES.includes(args.size as CaseSize),
    () => `Expected --size to be one of ${CASE_SIZES.join(', ')}; got ${args.size}`,
  );
  const backend = await useBackend(backendChoice(args.backend, args.device), precisionChoice(args.precision));
  let passed = true;
  for (const file of files) passed = (await replay(file, backend, args.json)) && passed;
  if (random === undefined) return passed ? 0 : 1;
  const progress = openProgress();
  const { signal, release } = abortOnInterrupt(() =>
    progress.note('Stopping after this part of the model (Ctrl-C again leaves at once)'),
  );
  try {
    passed = (await compareAll(args, random, backend, progress, signal)) && passed;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    progress.end();
    release();
  }
  return signal.aborted ? 130 : passed ? 0 : 1;
}

/** Replays a golden file. */
async function replay(file: string, backend: BackendInfo, json: boolean): Promise<boolean> {
  const { name: backendName, precision } = backend;
  const tolerances = precision === 'bf16' ? BF16_TOLERANCES : FP32_TOLERANCES;
  const { name, passed, checks, worst } = await verifyGolden(file, tolerances);
  const failed = checks.filter((check) => !check.passed);
  if (json) {
    const report = { file, name, backend: backendName, precision, passed, worst, tolerances, failed };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } else {
    process.stdout.write(`${name} on ${backendName} ${precision}: ${passed ? 'passed' : 'FAILED'}\n`);
    printErrors(worst, tolerances, failed);
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
  const choice = args.reference === undefined ? undefined : backendChoice(args.reference);
  expect(choice !== 'auto', () => 'Expected --reference to be a backend, got auto');
  const reference = choice ?? (await defaultReference(backend.name));
  const { name, precision } = backend;
  const size = args.size as CaseSize;
  const tolerances = RANDOM_TOLERANCES[precision];
  const failures: number[] = [];
  for (let i = 0; i < count; i++) {
    const drawn = drawCase(args.seed + i, size);
    const counted = `model ${i + 1} of ${count}`;
    const outcome = await verifyRandom(drawn, { backend: name, precision }, reference, {
      signal,
      onStage: (stage) => progress.update(() => `${counted}: ${stage}`),
    });
    const { passed, worst, checks, seconds } = outcome;
    const failed = checks.filter((check) => !check.passed);
    const again =
      `tinygpt verify --random 1 --seed ${drawn.seed} --size ${size} --backend ${name} --precision ${precision} ` +
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
      `${describeCase(drawn)}\n  ${name} ${precision} beside ${reference} fp32: ${passed ? 'passed' : 'FAILED'}` +
        ` (${seconds.backend.toFixed(1)} s, reference ${seconds.reference.toFixed(1)} s)\n`,
    );
    printErrors(worst, tolerances, failed);
    if (!passed) process.stdout.write(`  again: ${again}\n`);
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
