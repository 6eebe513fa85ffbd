// Kills `tinygpt train` (SIGKILL) at random moments and resumes it, until it finishes: metrics must hold one record
// per step, and weights and val_bpb must have the bits of an uninterrupted run.
// node build/experiments/killTraining.js [--kills 50] [--seed 1]

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scriptOptions } from '../bench/scriptOptions.js';
import { sha256 } from '../src/base/files.js';
import { randomStream } from '../src/base/random.js';
import { integer } from '../src/cli/options.js';

const args = await scriptOptions({
  kills: integer('processes to kill', { default: 50, min: 1 }),
  seed: integer('of the moments', { default: 1, min: 0 }),
});
const random = randomStream(args.seed, 'killTraining');
const main = new URL('../src/cli/main.js', import.meta.url).pathname;
const root = mkdtempSync(join(tmpdir(), 'tinygpt-kills-'));
const STEPS = 400;
const SIZES = ['--vocab-size', '256', '--depth', '1', '--width', '32', '--seq-len', '32', '--head-dim', '16'];
const BATCH = ['--total-batch-size', '128', '--device-batch-size', '2', '--checkpoint-every', '5'];
const start = (folder: string) => [
  ...['train', '--bundled', '1', '--backend', 'wasm', '--steps', `${STEPS}`, '--sample-tokens', '0'],
  ...[...SIZES, ...BATCH, '--out', folder],
];

/** Runs a command; killed after so many milliseconds where given. */
const run = (args: string[], killAfter?: number) =>
  new Promise<{ code: number | null; stderr: string }>((resolve) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk) => (stderr += chunk));
    const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stderr });
    });
  });

const digest = (folder: string) =>
  sha256(
    ...['model.safetensors', 'state.safetensors'].map((name) => {
      const bytes = readFileSync(join(folder, 'checkpoint', name));
      return bytes.subarray(8 + Number(bytes.readBigUInt64LE()));
    }),
  );

const whole = join(root, 'whole');
if ((await run(start(whole))).code !== 0) throw new Error('the run that is left alone failed');
let [done, finished, lost, wrong, leftovers] = [0, 0, 0, 0, 0];
while (done < args.kills) {
  const folder = join(root, `killed-${finished}`);
  for (;;) {
    // Before the first checkpoint there is nothing to resume: the run starts again.
    const saved = existsSync(join(folder, 'checkpoint')) || existsSync(join(folder, 'checkpoint.old'));
    if (!saved) rmSync(folder, { recursive: true, force: true });
    const outcome = await run(
      saved ? ['train', '--resume', folder, '--sample-tokens', '0'] : start(folder),
      done < args.kills ? 500 + random.int(3000) : undefined,
    );
    if (outcome.code === null) done++;
    else if (outcome.code === 0) break;
    else {
      lost++;
      process.stderr.write(outcome.stderr);
      break;
    }
  }
  finished++;
  const records = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const kinds = records.map((line) => JSON.parse(line)).map(({ kind, step }) => step ?? kind);
  const expected = [...Array.from({ length: STEPS }, (_, step) => step), 'final'];
  if (JSON.stringify(kinds) !== JSON.stringify(expected) || digest(folder) !== digest(whole)) wrong++;
  leftovers += readdirSync(folder).filter((name) => name.endsWith('.tmp') || name.endsWith('.old')).length;
  process.stderr.write(`${done} kills, ${finished} runs finished\n`);
}
rmSync(root, { recursive: true, force: true });
process.stdout.write(`${JSON.stringify({ kills: done, finished, lost, wrong, leftovers })}\n`);
process.exitCode = lost + wrong + leftovers > 0 ? 1 : 0;
