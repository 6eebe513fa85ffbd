// Our samplers beside Optuna's where trials have constraints or two objectives, paired by seed: same problem, noise and
// trial 0.
//
//   node build/bench/goals.js --python python3 --seeds 10 --trials 60 [--problems a,b] [--samplers gp,optuna-gp]
//                             [--out results.jsonl] [--table-only]
//
// Runs are appended to the first file of --out and not repeated; further files (comma-separated, .gz or not) are read.

import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { askTell } from '../src/tune/askTell.js';
import { median } from '../src/tune/math/order.js';
import { frontOf, hypervolume, type Losses } from '../src/tune/pareto.js';
import { samplerByName } from '../src/tune/samplers/index.js';
import type { Params } from '../src/tune/types.js';
import { GOAL_PROBLEMS, type GoalProblem, type Measured } from './problems/goals.js';
import { mulberry32, noiseOf, randomParams } from './problems/types.js';

/**
 * What a run had reached after a quarter, half and all of its trials: of one objective the noise-free value of the best
 * feasible trial, of two the hypervolume of the front, as a share of the problem's box; null before a feasible trial.
 */
interface Run {
  problem: string;
  sampler: string;
  seed: number;
  trials: number;
  reached: (number | null)[];
  feasible: number;
  /** Mean seconds of an ask. */
  ask: number;
}

interface Contestant {
  ask(): Promise<{ params: Params; seconds: number }>;
  tell(measured: Measured): Promise<void>;
}

const first = (problem: GoalProblem, seed: number): Params =>
  problem.defaults ?? randomParams(problem.space, mulberry32(seed * 7907 + 17));

function ours(name: string, problem: GoalProblem, seed: number): Contestant {
  const { space, box } = problem;
  const two = box && { directions: ['minimize', 'minimize'] as const };
  const search = askTell(samplerByName(name), { space, defaults: first(problem, seed), seed, ...two });
  let number = 0;
  return {
    async ask() {
      const begin = performance.now();
      const asked = search.ask();
      number = asked.number;
      return { params: asked.params, seconds: (performance.now() - begin) / 1000 };
    },
    async tell({ values, violations }) {
      const told = box ? ([values[0]!, values[1]!] as const) : values[0]!;
      search.tell(number, told, violations.length > 0 ? violations : undefined);
    },
  };
}

/** A Python process that samples. */
class OptunaPeer {
  private readonly child: ChildProcess;
  private readonly lines: Interface;
  private readonly answers: AsyncIterator<string>;

  constructor(python: string) {
    const script = fileURLToPath(new URL('../../bench/goals_optuna.py', import.meta.url));
    this.child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.child.stdout! });
    this.answers = this.lines[Symbol.asyncIterator]();
  }

  private async request(message: object): Promise<unknown> {
    this.child.stdin!.write(`${JSON.stringify(message)}\n`);
    const { value, done } = await this.answers.next();
    if (done) throw new Error('The Python process ended');
    return JSON.parse(value);
  }

  async start(sampler: string, problem: GoalProblem, seed: number): Promise<Contestant> {
    const objectives = problem.box ? 2 : 1;
    const { space } = problem;
    await this.request({ op: 'start', sampler, seed, objectives, space, first: first(problem, seed) });
    return {
      ask: async () => (await this.request({ op: 'ask' })) as { params: Params; seconds: number },
      tell: async (measured) => void (await this.request({ op: 'tell', ...measured })),
    };
  }

  close(): void {
    this.child.stdin!.end();
    this.lines.close();
  }
}

async function race(problem: GoalProblem, sampler: string, seed: number, trials: number, who: Contestant) {
  const told: { exact: Losses; seen: Losses }[] = [];
  const reached: (number | null)[] = [];
  let seconds = 0;
  for (let number = 0; number < trials; number++) {
    const asked = await who.ask();
    seconds += asked.seconds;
    const { values, violations } = problem.measure(asked.params);
    const seen = values.map((v, k) => v + problem.noise[k]! * noiseOf(seed + 7919 * k, number));
    await who.tell({ values: seen, violations });
    if (violations.every((v) => v <= 0)) told.push({ exact: values, seen });
    if ([Math.ceil(trials / 4), Math.ceil(trials / 2), trials].includes(number + 1))
      reached.push(score(problem, told));
  }
  const ask = Number((seconds / trials).toPrecision(3));
  return { problem: problem.name, sampler, seed, trials, reached, feasible: told.length, ask } satisfies Run;
}

/** Lower is better; see `Run.reached`, hypervolumes negated. */
function score({ box }: GoalProblem, told: readonly { exact: Losses; seen: Losses }[]): number | null {
  const front = frontOf(told.map(({ seen }) => seen));
  const exact = told.filter(({ seen }) => front.includes(seen)).map((t) => t.exact);
  if (exact.length === 0) return null;
  if (!box) return Number(exact[0]![0]!.toPrecision(7));
  const whole = (box.reference[0] - box.ideal[0]) * (box.reference[1] - box.ideal[1]);
  return Number((hypervolume(exact, box.reference) / whole).toPrecision(7));
}

const textOf = (path: string): string => {
  const bytes = readFileSync(path);
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
};

/** Two-sided Wilcoxon signed-rank test by all 2^n signs, n <= 20; p of the differences being symmetric about 0. */
function signedRank(differences: readonly number[]): number {
  const d = differences.filter((v) => v !== 0);
  const n = d.length;
  if (n === 0 || n > 20) return Number.NaN;
  const sizes = d.map(Math.abs);
  const ranks = sizes.map((a) => {
    const below = sizes.filter((b) => b < a).length;
    return below + (sizes.filter((b) => b === a).length + 1) / 2;
  });
  const total = (n * (n + 1)) / 2;
  const seen = Math.abs(2 * d.reduce((sum, v, i) => sum + (v > 0 ? ranks[i]! : 0), 0) - total);
  let extreme = 0;
  for (let signs = 0; signs < 2 ** n; signs++) {
    let sum = 0;
    for (let i = 0; i < n; i++) if (signs & (1 << i)) sum += ranks[i]!;
    if (Math.abs(2 * sum - total) >= seen - 1e-9) extreme++;
  }
  return extreme / 2 ** n;
}

function table(
  runs: readonly Run[],
  problems: readonly GoalProblem[],
  samplers: readonly string[],
  against: string,
): string {
  const lines: string[] = [];
  for (const problem of problems) {
    const goal = problem.box
      ? 'hypervolume (higher is better)'
      : `best feasible value (lower is better, ${problem.minimum})`;
    lines.push(
      `${problem.name}: ${goal}`,
      `| sampler | 1/4 | 1/2 | all | won:lost against ${against}, p | feasible | ask |`,
      '|---|---|---|---|---|---|---|',
    );
    const of = (sampler: string) =>
      runs.filter((run) => run.problem === problem.name && run.sampler === sampler);
    const sign = problem.box ? -1 : 1;
    const loss = (value: number | null | undefined) =>
      value === null || value === undefined ? (problem.box ? 0 : 1e9) : sign * value;
    for (const sampler of samplers) {
      const mine = of(sampler);
      if (mine.length === 0) continue;
      const at = [0, 1, 2].map((k) => {
        const value = sign * median(mine.map((run) => loss(run.reached[k])));
        return value === 1e9 ? 'none' : value.toFixed(4);
      });
      const pairs = mine.flatMap((run) => {
        const other = of(against).find(({ seed }) => seed === run.seed);
        return other ? [loss(run.reached[2]) - loss(other.reached[2])] : [];
      });
      const won = pairs.filter((d) => d < 0).length;
      const lost = pairs.filter((d) => d > 0).length;
      const versus = sampler === against ? '' : `${won}:${lost}, ${signedRank(pairs).toFixed(3)}`;
      const feasible = median(mine.map((run) => run.feasible / run.trials));
      const ask = median(mine.map((run) => run.ask));
      lines.push(
        `| ${sampler} | ${at.join(' | ')} | ${versus} | ${(100 * feasible).toFixed(0)}% | ${ask.toPrecision(2)} s |`,
      );
    }
    lines.push('');
  }
  return `${lines.join('\n')}\n`;
}

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    seeds: { type: 'string', default: '10' },
    trials: { type: 'string', default: '60' },
    problems: { type: 'string', default: GOAL_PROBLEMS.map(({ name }) => name).join(',') },
    samplers: { type: 'string', default: 'gp,tpe,nsga2,cmaes,random,optuna-gp,optuna-tpe,optuna-nsga2' },
    against: { type: 'string', default: 'optuna-gp' },
    out: { type: 'string', default: 'runs/goals.jsonl' },
    'table-only': { type: 'boolean', default: false },
  },
});
const [seeds, trials] = [Number(flags.seeds), Number(flags.trials)];
const samplers = flags.samplers.split(',');
const problems = GOAL_PROBLEMS.filter(({ name }) => flags.problems.split(',').includes(name));
const key = (run: Pick<Run, 'problem' | 'sampler' | 'seed' | 'trials'>) =>
  `${run.problem}/${run.sampler}/${run.seed}/${run.trials}`;
const runs = new Map<string, Run>();
for (const file of flags.out.split(','))
  if (existsSync(file))
    for (const line of textOf(file).split('\n')) {
      const run: Run | null = line ? JSON.parse(line) : null;
      if (run?.trials === trials) runs.set(key(run), run);
    }

let peer: OptunaPeer | null = null;
for (let seed = 0; seed < seeds && !flags['table-only']; seed++)
  for (const problem of problems)
    for (const sampler of samplers) {
      if (sampler === 'cmaes' && problem.box) continue; // one objective only
      if (runs.has(key({ problem: problem.name, sampler, seed, trials }))) continue;
      const isPeer = sampler.startsWith('optuna-');
      if (isPeer) peer ??= new OptunaPeer(flags.python);
      const contestant = isPeer
        ? await peer!.start(sampler.slice('optuna-'.length), problem, seed)
        : ours(sampler, problem, seed);
      const run = await race(problem, sampler, seed, trials, contestant);
      runs.set(key(run), run);
      appendFileSync(flags.out.split(',')[0]!, `${JSON.stringify(run)}\n`);
    }
peer?.close();
process.stdout.write(
  table(
    [...runs.values()].filter(({ seed }) => seed < seeds),
    problems,
    samplers,
    flags.against,
  ),
);
