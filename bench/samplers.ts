// Our samplers compared with Optuna's and SMAC on every benchmark problem, paired by seed: same objective, noise and
// trial 0. `--problems real_training_15d` is the trainer itself (TINYGPT_THREADS=1 uses one core); there, `--samplers gp-short`
// spends the time of the first ten trials on forty of a quarter of the length, and starts from these.
//
//   node build/bench/samplers.js --python python3 --seeds 30 --trials 120 [--problems a,b] [--samplers gp,optuna-gp]
//                                [--out results.jsonl] [--json]
//
// Runs are appended to the first file of --out one by one and are not repeated; the table covers all requested runs.
// Further files of --out (comma-separated, .gz or not) are only read.

import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { UsageError } from '../src/base/errors.js';
import type { Sampler } from '../src/tune/types.js';
import { PROBLEMS, TRAINING } from './problems/index.js';
import { afterShortTrials, OptunaPeer, ours, type Run, race, SPENT } from './problems/race.js';
import { describeRuns, summarize } from './problems/table.js';
import type { Problem, TrainingProblem } from './problems/types.js';

const OURS = ['random', 'gp', 'cmaes', 'tpe', 'auto'];
const AFTER_SHORT = 'gp-short';
const PEERS = ['optuna-random', 'optuna-cmaes', 'optuna-tpe', 'optuna-gp', 'optuna-auto', 'smac'];

async function loadSampler(name: string): Promise<Sampler> {
  const module: Record<string, () => Sampler> = await import(`../src/tune/samplers/${name}.js`);
  return module[`${name}Sampler`]!();
}

function choose(list: string, known: string[], what: string): string[] {
  const chosen = list.split(',');
  for (const name of chosen)
    if (!known.includes(name))
      throw new UsageError(`Expected --${what} among ${known.join(', ')}, got ${name}`);
  return chosen;
}

function training(problem: Problem | TrainingProblem): TrainingProblem {
  if ('train' in problem) return problem;
  throw new UsageError(`Expected --samplers ${AFTER_SHORT} with real training, got ${problem.name}`);
}

/** A file of runs, perhaps compressed. */
function textOf(path: string): string {
  const bytes = readFileSync(path);
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
}

async function main(): Promise<void> {
  const all = [...PROBLEMS, ...TRAINING];
  const names = all.map((problem) => problem.name);
  const { values } = parseArgs({
    options: {
      python: { type: 'string', default: 'python3' },
      seeds: { type: 'string', default: '30' },
      from: { type: 'string', default: '0' },
      trials: { type: 'string', default: '120' },
      problems: { type: 'string', default: PROBLEMS.map(({ name }) => name).join(',') },
      samplers: { type: 'string', default: [...OURS, ...PEERS].join(',') },
      out: { type: 'string', default: 'runs/samplers.jsonl' },
      against: { type: 'string', default: 'optuna-gp' },
      json: { type: 'boolean', default: false },
      quiet: { type: 'boolean', default: false },
      'table-only': { type: 'boolean', default: false },
    },
  });
  const [seeds, from, trials] = [Number(values.seeds), Number(values.from), Number(values.trials)];
  const problems = choose(values.problems, names, 'problems').map((n) => all[names.indexOf(n)]!);
  const samplers = choose(values.samplers, [...OURS, AFTER_SHORT, ...PEERS], 'samplers');

  const runs = new Map<string, Run>();
  const key = (run: { problem: string; sampler: string; seed: number }) =>
    `${run.problem}/${run.sampler}/${run.seed}`;
  for (const out of values.out.split(','))
    if (existsSync(out))
      for (const line of textOf(out).split('\n'))
        if (line) {
          const run: Run = JSON.parse(line);
          if (run.curve.length >= trials) runs.set(key(run), run);
        }

  let peer: OptunaPeer | null = null;
  // Seeds outermost: stopped at any time, every problem has about as many runs.
  for (let seed = from; seed < seeds && !values['table-only']; seed++)
    for (const problem of problems)
      for (const name of samplers) {
        if (runs.has(key({ problem: problem.name, sampler: name, seed }))) continue;
        if (PEERS.includes(name)) peer ??= new OptunaPeer(values.python);
        const contestant = PEERS.includes(name)
          ? await peer!.start(name.replace('optuna-', ''), problem, seed)
          : name === AFTER_SHORT
            ? await afterShortTrials(await loadSampler('gp'), training(problem), seed)
            : ours(await loadSampler(name), problem, seed);
        const run = await race(problem, name, seed, trials, contestant, name === AFTER_SHORT ? SPENT : 0);
        runs.set(key(run), run);
        appendFileSync(values.out.split(',')[0]!, JSON.stringify(run) + '\n');
        if (!values.quiet)
          process.stderr.write(
            `${key(run)} ${run.curve[Math.min(59, trials - 1)]} ${run.curve.at(-1)} fails ${run.fails} ask ${run.ask}\n`,
          );
      }
  peer?.close();

  const wanted = [...runs.values()].filter(
    (run) =>
      problems.some((p) => p.name === run.problem) &&
      samplers.includes(run.sampler) &&
      run.seed >= from &&
      run.seed < seeds,
  );
  const summary = summarize(wanted, problems, samplers, trials, values.against);
  process.stdout.write(values.json ? JSON.stringify(summary, null, 2) + '\n' : describeRuns(summary));
}

main().catch((error) => {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exitCode;
});
