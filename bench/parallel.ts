// What parallel workers cost in quality: samplers with 1, 8 and 32 trials open at once against the same number of trials one
// after another, beside Optuna's (TPE with its constant liar). Workers are simulated: a trial takes a time drawn from its
// number, the one that ends first is told, and its worker asks again. Trials, noise and the first point are those of
// bench/samplers.ts.
//
//   node build/bench/parallel.js --python python3 --seeds 5 --trials 96 [--problems hartmann6_12d] [--samplers gp,optuna-gp]
//                                [--workers 1,8,32] [--out runs.jsonl]

import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { askTell } from '../src/tune/askTell.js';
import { samplerByName } from '../src/tune/samplers/index.js';
import type { Params } from '../src/tune/types.js';
import { PROBLEMS } from './problems/index.js';
import { firstPoint } from './problems/race.js';
import { median } from './problems/table.js';
import { mulberry32, noiseOf, type Problem } from './problems/types.js';

interface Contestant {
  ask(): Promise<{ number: number; params: Params }>;
  tell(number: number, value: number | null): Promise<void>;
  close?(): void;
}

function ours(name: string, problem: Problem, seed: number): Contestant {
  const { space } = problem;
  const search = askTell(samplerByName(name), { space, defaults: firstPoint(problem, seed), seed });
  return {
    ask: async () => search.ask(),
    tell: async (number, value) => search.tell(number, value ?? Number.NaN),
  };
}

async function optunas(python: string, sampler: string, problem: Problem, seed: number): Promise<Contestant> {
  const script = fileURLToPath(new URL('../../bench/parallel_optuna.py', import.meta.url));
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const call = async (request: object) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error('the Python peer has ended');
    return JSON.parse(value);
  };
  await call({ op: 'start', sampler, seed, space: problem.space, first: firstPoint(problem, seed) });
  return {
    ask: () => call({ op: 'ask' }),
    tell: (number, value) => call({ op: 'tell', number, value }),
    close: () => child.stdin.end(),
  };
}

/** The noise-free value of the best observed trial after `trials` of them. */
async function run(
  problem: Problem,
  seed: number,
  { trials, workers }: { trials: number; workers: number },
  contestant: Contestant,
): Promise<number | null> {
  const open: { number: number; params: Params; ends: number }[] = [];
  let [asked, observed, incumbent] = [0, Number.POSITIVE_INFINITY, null as number | null];
  for (let [told, clock] = [0, 0]; told < trials; told++) {
    while (asked < trials && open.length < workers) {
      const { number, params } = await contestant.ask();
      // Half to one and a half times the usual duration.
      open.push({ number, params, ends: clock + 0.5 + mulberry32(seed * 1009 + asked)() });
      asked++;
    }
    open.sort((a, b) => a.ends - b.ends);
    const { number, params, ends } = open.shift()!;
    clock = ends;
    const exact = problem.evaluate(params);
    const value = exact === null ? null : exact + problem.noise * noiseOf(seed, number);
    await contestant.tell(number, value);
    if (value !== null && value < observed) [observed, incumbent] = [value, exact];
  }
  return incumbent;
}

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    seeds: { type: 'string', default: '5' },
    trials: { type: 'string', default: '96' },
    problems: { type: 'string', default: 'hartmann6_12d' },
    samplers: {
      type: 'string',
      default: 'random,cmaes,tpe,gp,optuna-random,optuna-cmaes,optuna-tpe,optuna-gp',
    },
    workers: { type: 'string', default: '1,8,32' },
    out: { type: 'string', default: 'parallel.jsonl' },
  },
});
const trials = Number(values.trials);
const results = new Map<string, number[]>();
const known = new Map<string, number | null>();
if (existsSync(values.out))
  for (const line of readFileSync(values.out, 'utf8').split('\n').filter(Boolean)) {
    const { key, value } = JSON.parse(line);
    known.set(key, value);
  }
for (let seed = 0; seed < Number(values.seeds); seed++)
  for (const problemName of values.problems.split(','))
    for (const sampler of values.samplers.split(','))
      for (const workers of values.workers.split(',').map(Number)) {
        const problem = PROBLEMS.find(({ name }) => name === problemName)!;
        const key = `${problemName}/${sampler}/${workers}/${trials}/${seed}`;
        if (!known.has(key)) {
          const contestant = sampler.startsWith('optuna-')
            ? await optunas(values.python, sampler.slice(7), problem, seed)
            : ours(sampler, problem, seed);
          const value = await run(problem, seed, { trials, workers }, contestant);
          contestant.close?.();
          known.set(key, value);
          appendFileSync(values.out, `${JSON.stringify({ key, value })}\n`);
        }
        const row = `${problemName} ${sampler} ${workers}`;
        results.set(row, [...(results.get(row) ?? []), known.get(key) ?? Number.POSITIVE_INFINITY]);
      }
const counts = values.workers.split(',');
for (const problem of values.problems.split(',')) {
  console.log(`\n${problem}, median of ${values.seeds} seeds after ${trials} trials\n`);
  console.log(
    `| sampler | ${counts.map((n) => `${n} at once`).join(' | ')} |\n|---|${'---|'.repeat(counts.length)}`,
  );
  for (const sampler of values.samplers.split(',')) {
    const cells = counts.map((n) => median(results.get(`${problem} ${sampler} ${n}`)!).toFixed(3));
    console.log(`| ${sampler} | ${cells.join(' | ')} |`);
  }
}
