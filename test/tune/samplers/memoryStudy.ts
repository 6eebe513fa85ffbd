// A study in memory with several workers, and rules that every sampler must follow.

import { describe, expect, test } from '@jest/globals';
import { type Random, randomStream } from '../../../src/base/random.js';
import { categorical, contains, float, int, sampleUniform } from '../../../src/tune/distributions.js';
import type { Direction, Params, Sampler, SearchSpace, StudyView, Trial } from '../../../src/tune/types.js';

/** A value (NaN and infinities included), failed, or pruned after these reports. */
export type Outcome = number | 'fail' | { reports: [step: number, value: number][] };
export type Objective = (params: Params, number: number) => Outcome;

export interface MemoryStudy extends StudyView {
  trials: Trial[];
  /** Asks and records a running trial. */
  start(sampler: Sampler): Trial;
  /** Records how it ended, a moment after everything before. */
  finish(trial: Trial, outcome: Outcome): void;
  /** One worker. */
  run(sampler: Sampler, count: number, objective: Objective): MemoryStudy;
  /** Several workers that finish in random order. */
  runParallel(sampler: Sampler, count: number, workers: number, objective: Objective): MemoryStudy;
  /** Lowest value. */
  best(): number;
}

export type StudySettings = { seed?: number | string; direction?: Direction; defaults?: Params };

export function memoryStudy(space: SearchSpace, settings: StudySettings = {}): MemoryStudy {
  const { seed = 1, direction = 'minimize' } = settings;
  const random = randomStream(seed, 'test/defaults');
  const defaults =
    settings.defaults ??
    Object.fromEntries(Object.entries(space).map(([name, d]) => [name, sampleUniform(d, random)]));
  const trials: Trial[] = [];
  let clock = 0;
  const study: MemoryStudy = {
    space,
    defaults,
    direction,
    seed,
    trials,
    start(sampler) {
      const number = trials.length;
      const { params, systemAttrs = {} } = sampler.ask(study, number);
      const trial: Trial = {
        number,
        id: number,
        state: 'running',
        value: null,
        params,
        distributions: space,
        intermediate: new Map(),
        userAttrs: {},
        // As they come back from a journal.
        systemAttrs: JSON.parse(JSON.stringify(systemAttrs)),
        start: clock++,
        end: null,
      };
      trials.push(trial);
      return trial;
    },
    finish(trial, outcome) {
      trial.end = clock++;
      if (outcome === 'fail') trial.state = 'fail';
      else if (typeof outcome === 'number') [trial.state, trial.value] = ['complete', outcome];
      else {
        trial.state = 'pruned';
        for (const [step, value] of outcome.reports) trial.intermediate.set(step, value);
        trial.value = outcome.reports.at(-1)?.[1] ?? null;
      }
    },
    run(sampler, count, objective) {
      for (let i = 0; i < count; i++) {
        const trial = study.start(sampler);
        study.finish(trial, objective(trial.params, trial.number));
      }
      return study;
    },
    runParallel(sampler, count, workers, objective) {
      const order = randomStream(seed, 'test/workers');
      const running: Trial[] = [];
      for (let started = 0; started < count || running.length > 0; ) {
        if (started < count && running.length < workers) {
          running.push(study.start(sampler));
          started++;
        } else {
          const [trial] = running.splice(order.int(running.length), 1);
          study.finish(trial!, objective(trial!.params, trial!.number));
        }
      }
      return study;
    },
    best: () => Math.min(...trials.map((t) => (t.state === 'complete' ? t.value! : Infinity))),
  };
  return study;
}

/** One to seven parameters of all kinds, single values among them. */
export function randomSpace(random: Random): SearchSpace {
  const kinds = [
    () => float(-1, 3),
    () => float(1e-6, 10, { log: true }),
    () => float(0, 1, { step: 0.1 }),
    () => float(2, 2),
    () => int(-5, 5),
    () => int(0, 1),
    () => int(0, 1000, { step: 25 }),
    () => int(1, 4096, { log: true }),
    () => int(1, 2, { log: true }),
    () => int(-1_000_000_000, 1_000_000_000),
    () => categorical(['a', 2, true, null]),
    () => categorical([false, true]),
    () => categorical(['only']),
  ];
  const count = 1 + random.int(7);
  return Object.fromEntries(
    Array.from({ length: count }, (_, j) => [`p${j}`, kinds[random.int(kinds.length)]!()]),
  );
}

/** Values as bad objectives give them: huge, equal, infinite, none. */
export function randomOutcome(random: Random): Outcome {
  const odd: Outcome[] = [NaN, Infinity, -Infinity, 1e300, -1e300, 0, 0, 'fail', 'fail', { reports: [] }];
  const u = random.uniform();
  if (u < 0.3) return odd[random.int(odd.length)]!;
  if (u < 0.4)
    return {
      reports: [
        [0, random.uniform() < 0.2 ? NaN : random.normal()],
        [5, random.normal()],
      ],
    };
  return random.normal();
}

export function expectInSpace(space: SearchSpace, params: Params): void {
  expect(Object.keys(params).sort()).toEqual(Object.keys(space).sort());
  for (const [name, distribution] of Object.entries(space))
    if (!contains(distribution, params[name]))
      throw new Error(`${name} = ${params[name]} outside ${JSON.stringify(distribution)}`);
}

const paramsOf = (study: StudyView) => study.trials.map((trial) => trial.params);

/** Tests that hold for every sampler. */
export function describeContract(make: () => Sampler, trials = 30): void {
  describe('as every sampler', () => {
    test('asks for points of the space, whatever the space and the values', () => {
      for (let seed = 0; seed < 20; seed++) {
        const random = randomStream(seed, 'test/fuzz');
        const study = memoryStudy(randomSpace(random), { seed });
        study.runParallel(make(), trials, 1 + random.int(4), () => randomOutcome(random));
        for (const { params } of study.trials) expectInSpace(study.space, params);
      }
    });

    test('survives an objective that always fails, always prunes or is constant', () => {
      const random = randomStream(0, 'test/degenerate');
      for (const outcome of ['fail', { reports: [] }, 3, Infinity, NaN] as Outcome[]) {
        const study = memoryStudy(randomSpace(random)).run(make(), trials, () => outcome);
        for (const { params } of study.trials) expectInSpace(study.space, params);
      }
    });

    test('depends on seed, trials and number alone: a resumed study goes on as if never stopped', () => {
      for (let seed = 0; seed < 3; seed++) {
        const random = randomStream(seed, 'test/resume');
        const space = randomSpace(random);
        const outcomes = Array.from({ length: trials + 1 }, () => randomOutcome(random));
        const objective: Objective = (_, number) => outcomes[number]!;
        const whole = memoryStudy(space, { seed }).runParallel(make(), trials, 3, objective);
        const used = make();
        memoryStudy({ other: float(0, 1) }).run(used, 12, () => random.normal());
        const resumed = memoryStudy(space, { seed });
        let sampler = used;
        resumed.runParallel(
          {
            name: 'restarted',
            ask(study, number) {
              if (number % 7 === 0) sampler = make();
              // Another process sees other objects that say the same.
              return sampler.ask({ ...study, trials: structuredClone(study.trials) }, number);
            },
          },
          trials,
          3,
          objective,
        );
        expect(paramsOf(resumed)).toEqual(paramsOf(whole));
      }
    });

    test('another seed gives other points', () => {
      const space = { x: float(0, 1), y: float(0, 1) };
      const one = memoryStudy(space, { defaults: { x: 0.1, y: 0.2 }, seed: 1 }).run(make(), trials, () => 0);
      const two = memoryStudy(space, { defaults: { x: 0.1, y: 0.2 }, seed: 2 }).run(make(), trials, () => 0);
      expect(paramsOf(two).slice(2)).not.toEqual(paramsOf(one).slice(2));
    });
  });
}
