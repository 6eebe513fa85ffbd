// tinygpt verify: replays golden files on a backend and prints the largest errors.

import type { Argv } from 'yargs';
import { useBackend } from '../backend/index.js';
import { BF16_TOLERANCES, FP32_TOLERANCES, verifyGolden } from '../train/verify.js';
import { BACKEND_OPTIONS, backendChoice, precisionChoice } from './backendOptions.js';

export const verifyOptions = (yargs: Argv) =>
  yargs
    .positional('files', {
      type: 'string',
      array: true,
      demandOption: true,
      describe: 'golden .safetensors files',
    })
    .options(BACKEND_OPTIONS)
    .options({ json: { type: 'boolean', default: false, describe: 'print one JSON object a file' } });

/** Runs the command; resolves to the exit code: 1 when an error is beyond its tolerance. */
export async function verifyCommand(args: {
  files: string[];
  backend: string;
  device?: number | undefined;
  precision?: string | undefined;
  json: boolean;
}): Promise<number> {
  const backend = await useBackend(backendChoice(args.backend, args.device), precisionChoice(args.precision));
  const tolerances = backend.precision === 'bf16' ? BF16_TOLERANCES : FP32_TOLERANCES;
  let allPassed = true;
  for (const file of args.files) {
    const { name, passed, checks, worst } = await verifyGolden(file, tolerances);
    allPassed &&= passed;
    const failed = checks.filter((check) => !check.passed);
    if (args.json) {
      const { name: backendName, precision } = backend;
      const report = { file, name, backend: backendName, precision, passed, worst, tolerances, failed };
      process.stdout.write(`${JSON.stringify(report)}\n`);
      continue;
    }
    process.stdout.write(
      `${name} on ${backend.name} ${backend.precision}: ${passed ? 'passed' : 'FAILED'}\n`,
    );
    for (const [kind, error] of Object.entries(worst)) {
      const tolerance = tolerances[kind as keyof typeof tolerances];
      process.stdout.write(
        `  ${kind.padEnd(24)} ${error.toExponential(2)}  of ${tolerance.toExponential(0)}\n`,
      );
    }
    for (const { name: tensor, error } of failed.slice(0, 20))
      process.stdout.write(`  beyond: ${tensor} ${error.toExponential(2)}\n`);
  }
  return allPassed ? 0 : 1;
}
