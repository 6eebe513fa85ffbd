// One run of one sampler on one problem: ours in this process, Optuna's through a Python peer that only samples.
// Both see the same objective, the same noise for (seed, trial number) and the same trial 0.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Params, Sampler, StudyView, Trial } from '../../src/tune/types.js';
import { asTrials } from '../../src/tune/warmStart.js';
import { mulberry32, noiseOf, type Problem, randomParams, type TrainingProblem } from './types.js';

/** Something that proposes points and hears how they did (null: the trial failed). */
export interface Contestant {
  /** @returns the point and the seconds that the sampler itself took, on the clock and of the processor */
  ask(): Promise<{ params: Params; seconds: number; processor?: number }>;
  tell(value: number | null): Promise<void>;
}

/** The record of one run. */
export interface Run {
  problem: string;
  sampler: string;
  seed: number;
  /**
   * Noise-free value of the incumbent (the best observed trial) after each trial, of real training its observed one;
   * null before the first success.
   */
  curve: (number | null)[];
  fails: number;
  /** Mean seconds of an ask. */
  ask: number;
  /** Of real training: the incumbents after half of the trials and after all, trained with fresh seeds, mean value. */
  fresh?: [number | null, number | null];
}

/** Seeds that no contestant trained with. */
const FRESH_SEEDS = [1001, 1002, 1003, 1004, 1005];

/** Trial 0 of every sampler: the problem's defaults, or a random point so that nobody starts with knowledge. */
export function firstPoint(problem: Problem | TrainingProblem, seed: number): Params {
  return problem.defaults ?? randomParams(problem.space, mulberry32(seed * 7907 + 17));
}

/** Runs `trials` trials, of which the time of the first `spent` is gone already; their values are null. */
export async function race(
  problem: Problem | TrainingProblem,
  sampler: string,
  seed: number,
  trials: number,
  contestant: Contestant,
  spent = 0,
): Promise<Run> {
  const curve: (number | null)[] = Array(spent).fill(null);
  let observed = Infinity;
  let incumbent: number | null = null;
  let fails = 0;
  let seconds = 0;
  let best: Params | null = null;
  const fresh: (number | null)[] = [];
  for (let number = spent; number < trials; number++) {
    const asked = await contestant.ask();
    seconds += asked.seconds;
    const real = 'train' in problem;
    const exact = real ? await problem.train(asked.params, seed) : problem.evaluate(asked.params);
    const value = exact === null || real ? exact : exact + problem.noise * noiseOf(seed, number);
    await contestant.tell(value);
    if (value === null) fails++;
    else if (value < observed) [observed, incumbent, best] = [value, exact, asked.params];
    curve.push(rounded(incumbent));
    if (real && (number + 1 === Math.ceil(trials / 2) || number + 1 === trials))
      fresh.push(best && rounded(await meanOf(problem, best)));
  }
  return {
    problem: problem.name,
    sampler,
    seed,
    curve,
    fails,
    ask: Number((seconds / (trials - spent)).toPrecision(3)),
    ...(fresh.length === 2 && { fresh: fresh as Run['fresh'] & {} }),
  };
}

const rounded = (value: number | null) => (value === null ? null : Number(value.toPrecision(7)));

/** Mean value over the fresh seeds; null where one fails. */
async function meanOf(problem: TrainingProblem, params: Params): Promise<number | null> {
  let sum = 0;
  for (const seed of FRESH_SEEDS) {
    const value = await problem.train(params, seed);
    if (value === null) return null;
    sum += value;
  }
  return sum / FRESH_SEEDS.length;
}

/** So many trials of a share of the budget come first; together they take the time of ten. */
const SHORT = { trials: 40, share: 1 / 4 };
export const SPENT = SHORT.trials * SHORT.share;

/** One of our samplers that starts from what it found in short trials. */
export async function afterShortTrials(
  sampler: Sampler,
  problem: TrainingProblem,
  seed: number,
): Promise<Contestant> {
  const first = ours(sampler, problem, seed + 5000);
  const trials: { params: Params; value: number }[] = [];
  for (let i = 0; i < SHORT.trials; i++) {
    const { params } = await first.ask();
    const value = await problem.train(params, seed, SHORT.share);
    await first.tell(value);
    if (value !== null) trials.push({ params, value });
  }
  return ours(sampler, problem, seed, asTrials([{ study: 'short', trials }]));
}

/** One of our samplers on a study held in memory. */
export function ours(
  sampler: Sampler,
  problem: Problem | TrainingProblem,
  seed: number,
  warmStart?: readonly (readonly Trial[])[],
): Contestant {
  const trials: Trial[] = [];
  const study: StudyView = {
    direction: 'minimize',
    space: problem.space,
    defaults: firstPoint(problem, seed),
    trials,
    seed,
    ...(warmStart && { warmStart }),
  };
  return {
    async ask() {
      const number = trials.length;
      const begin = performance.now();
      const proposal = sampler.ask(study, number);
      const seconds = (performance.now() - begin) / 1000;
      trials.push({
        number,
        id: number,
        state: 'running',
        value: null,
        params: proposal.params,
        distributions: problem.space,
        intermediate: new Map(),
        userAttrs: {},
        systemAttrs: proposal.systemAttrs ?? {},
        start: number,
        end: null,
      });
      return { params: proposal.params, seconds };
    },
    async tell(value) {
      const trial = trials.at(-1)!;
      trial.state = value === null ? 'fail' : 'complete';
      trial.value = value;
      trial.end = trial.number + 0.5;
    },
  };
}

/** A Python process with Optuna in it; one study at a time. */
export class OptunaPeer {
  private readonly child: ChildProcess;
  private readonly answers: AsyncIterator<string>;
  private readonly lines: Interface;

  constructor(python: string) {
    // The compiled file lies in build/bench/problems, the script in bench.
    const script = fileURLToPath(new URL('../../../bench/samplers_optuna.py', import.meta.url));
    this.child = spawn(python, [script], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, OMP_NUM_THREADS: '1', MKL_NUM_THREADS: '1' },
    });
    this.lines = createInterface({ input: this.child.stdout! });
    this.answers = this.lines[Symbol.asyncIterator]();
  }

  private async request(message: object): Promise<Record<string, unknown>> {
    this.child.stdin!.write(JSON.stringify(message) + '\n');
    const { value, done } = await this.answers.next();
    if (done) throw new Error('The Python peer ended early; is optuna installed for --python?');
    return JSON.parse(value);
  }

  /** Begins a study that already holds complete trials. */
  async startWith(
    sampler: string,
    problem: Problem,
    seed: number,
    trials: readonly { params: Params; value: number }[],
  ): Promise<Contestant> {
    await this.request({ op: 'start', sampler, seed, space: problem.space });
    await this.request({ op: 'load', trials });
    return this.contestant();
  }

  /** Begins a study with one of Optuna's samplers (gp, tpe, cmaes, random), settings as shipped. */
  async start(sampler: string, problem: Problem | TrainingProblem, seed: number): Promise<Contestant> {
    await this.request({
      op: 'start',
      sampler,
      seed,
      space: problem.space,
      first: firstPoint(problem, seed),
    });
    return this.contestant();
  }

  private contestant(): Contestant {
    return {
      ask: async () =>
        (await this.request({ op: 'ask' })) as { params: Params; seconds: number; processor: number },
      tell: async (value) => {
        await this.request({ op: 'tell', value });
      },
    };
  }

  close(): void {
    this.child.stdin!.end();
    this.lines.close();
  }
}
