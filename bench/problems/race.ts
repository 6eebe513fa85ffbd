// One run of one sampler on one problem: ours in this process, Optuna's through a Python peer that only samples.
// Both see the same objective, the same noise for (seed, trial number) and the same trial 0.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Params, Sampler, StudyView, Trial } from '../../src/tune/types.js';
import { mulberry32, noiseOf, type Problem, randomParams } from './types.js';

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
  /** Noise-free value of the incumbent (the best observed trial) after each trial; null before the first success. */
  curve: (number | null)[];
  fails: number;
  /** Mean seconds of an ask. */
  ask: number;
}

/** Trial 0 of every sampler: the problem's defaults, or a random point so that nobody starts with knowledge. */
export function firstPoint(problem: Problem, seed: number): Params {
  return problem.defaults ?? randomParams(problem.space, mulberry32(seed * 7907 + 17));
}

/** Runs `trials` trials. */
export async function race(
  problem: Problem,
  sampler: string,
  seed: number,
  trials: number,
  contestant: Contestant,
): Promise<Run> {
  const curve: (number | null)[] = [];
  let observed = Infinity;
  let incumbent: number | null = null;
  let fails = 0;
  let seconds = 0;
  for (let number = 0; number < trials; number++) {
    const asked = await contestant.ask();
    seconds += asked.seconds;
    const exact = problem.evaluate(asked.params);
    const value = exact === null ? null : exact + problem.noise * noiseOf(seed, number);
    await contestant.tell(value);
    if (value === null) fails++;
    else if (value < observed) [observed, incumbent] = [value, exact];
    curve.push(incumbent === null ? null : Number(incumbent.toPrecision(7)));
  }
  return {
    problem: problem.name,
    sampler,
    seed,
    curve,
    fails,
    ask: Number((seconds / trials).toPrecision(3)),
  };
}

/** One of our samplers on a study held in memory. */
export function ours(sampler: Sampler, problem: Problem, seed: number): Contestant {
  const trials: Trial[] = [];
  const study: StudyView = {
    direction: 'minimize',
    space: problem.space,
    defaults: firstPoint(problem, seed),
    trials,
    seed,
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
  async start(sampler: string, problem: Problem, seed: number): Promise<Contestant> {
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
