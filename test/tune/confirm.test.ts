import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { confirmationText } from '../../src/report/confirmation.js';
import { progressOption, renderSvg } from '../../src/report/index.js';
import { confirmedOf, defaultNoise } from '../../src/report/study.js';
import { confirm, confirmationName, confirmationOf, isImprovement } from '../../src/tune/confirm.js';
import { categorical, float } from '../../src/tune/distributions.js';
import { studyNamed } from '../../src/tune/identity.js';
import { randomSampler } from '../../src/tune/samplers/random.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { createStudy } from '../../src/tune/study.js';
import type { Study } from '../../src/tune/studyTypes.js';
import type { RunningTrial } from '../../src/tune/trial.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-confirm-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const space = { x: float(0, 1) };
const open = (name: string, direction: 'minimize' | 'maximize' = 'minimize'): Study =>
  createStudy({
    space,
    name,
    direction,
    sampler: randomSampler(),
    storage: join(folder, `${name}.log`),
    objective: { task: 'noise' },
  }) as unknown as Study;

/** What another seed changes, the same for all configurations or not. */
const noise = (x: number, seed: number) => Math.sin(1e3 * x + 7 * seed);
const only = (trial: RunningTrial): number => trial.params.x as number;

describe('confirmation', () => {
  test('runs the best trials and the defaults on the same fresh seeds, and picks the winner by the means', async () => {
    const study = open('means');
    // In the search, seed 1 makes some configurations look better than they are.
    const objective = ({ params }: RunningTrial, seed: number) =>
      Math.abs((params.x as number) - 0.2) + 0.3 * noise(params.x as number, seed);
    await study.optimize((trial) => objective(trial, 1), { trials: 40 });
    const asked: [number, number][] = [];
    const found = await confirm(
      study,
      (trial, seed) => {
        asked.push([only(trial), seed]);
        return objective(trial, seed);
      },
      { top: 4, repeats: 3 },
    );
    expect(found.complete).toBe(true);
    expect(found.candidates.map(({ trial }) => trial === null)).toEqual([true, false, false, false, false]);
    expect(found.candidates[1]!.trial).toBe(study.best()!.number);
    expect(new Set(asked.map(([, seed]) => seed))).toEqual(new Set([1000, 1001, 1002]));
    expect(asked).toHaveLength(15);
    const means = found.candidates.map(({ mean }) => mean!);
    expect(found.winner!.mean).toBe(Math.min(...means));
    for (const { params, mean, gain, trial } of found.candidates) {
      const values = [1000, 1001, 1002].map((seed) => objective({ params } as RunningTrial, seed));
      expect(mean).toBeCloseTo(values.reduce((a, b) => a + b) / 3, 12);
      if (trial !== null) expect(gain!.mean).toBeCloseTo(means[0]! - mean!, 12);
    }
    expect(confirmationText(found)).toMatch(/winner: trial \d+, mean/);
  });

  test('the seed of the search is none of the fresh ones', async () => {
    const study = createStudy({ space, sampler: randomSampler(), seed: 1001 });
    await study.optimize(({ params }) => params.x, { trials: 5 });
    const seeds = new Set<number>();
    const run = ({ params }: RunningTrial, seed: number) => {
      seeds.add(seed);
      return (params.x as number) + seed;
    };
    const { candidates, complete } = await confirm(study as unknown as Study, run, { top: 1, repeats: 3 });
    expect(seeds).toEqual(new Set([1000, 1002, 1003]));
    expect(candidates.map(({ runs }) => runs.map(({ seed }) => seed))).toEqual([
      [1000, 1002, 1003],
      [1000, 1002, 1003],
    ]);
    expect(complete).toBe(true);
  });

  test('another seed alone is no improvement', async () => {
    const study = open('noise');
    const objective = (trial: RunningTrial, seed: number) => noise(only(trial), seed);
    await study.optimize((trial) => objective(trial, 1), { trials: 30 });
    const found = await confirm(study, objective, { top: 3, repeats: 5 });
    expect(isImprovement(found)).toBe(false);
    expect(confirmationText(found)).toMatch(/no trial was better|not distinguishable/);
  });

  test('a clear improvement is one', async () => {
    const study = open('clear', 'maximize');
    const objective = (trial: RunningTrial, seed: number) => only(trial) + 1e-3 * noise(only(trial), seed);
    await study.optimize((trial) => objective(trial, 1), { trials: 20 });
    const found = await confirm(study, objective);
    expect(found.winner!.trial).not.toBeNull();
    expect(isImprovement(found)).toBe(true);
  });

  test('resumes, repeats no run, and takes up trials of a longer search', async () => {
    const study = open('resume');
    await study.optimize((trial) => only(trial), { trials: 10 });
    let runs = 0;
    const controller = new AbortController();
    const partly = await confirm(
      study,
      (trial, seed) => {
        if (++runs === 5) {
          controller.abort();
          throw new Error('stopped');
        }
        return only(trial) + seed / 1e6;
      },
      { signal: controller.signal, catch: true },
    );
    expect(partly).toMatchObject({ complete: false });
    const rest = (trial: RunningTrial, seed: number) => {
      runs++;
      return only(trial) + seed / 1e6;
    };
    const whole = await confirm(open('resume'), rest);
    expect(whole.complete).toBe(true);
    expect(runs).toBe(13); // twelve, and the interrupted one again
    expect(await confirm(open('resume'), rest)).toEqual(whole);
    expect(runs).toBe(13);
    await study.optimize((trial) => (trial.number === 11 ? -1 : 2), { trials: 12 });
    const longer = await confirm(study, rest);
    expect(longer.candidates[1]!.trial).toBe(11);
    expect(runs).toBe(16);
  });

  test('a configuration that fails on a fresh seed does not win', async () => {
    const study = open('fails');
    await study.optimize((trial) => only(trial), { trials: 10 });
    const best = study.best()!.params.x;
    const fail = (trial: RunningTrial, seed: number) => {
      if (only(trial) === best && seed === 1001)
        throw Object.assign(new Error('nan'), { reason: 'diverged' });
      return only(trial);
    };
    const found = await confirm(study, fail);
    expect(found.complete).toBe(true);
    expect(found.candidates[1]).toMatchObject({ mean: null, interval: null, gain: null });
    expect(found.winner!.trial).toBe(found.candidates[2]!.trial);
    expect(confirmationText(found)).toContain('failed');
  });

  test('that no configuration has all its runs is said to be final where it is', async () => {
    const study = open('none');
    await study.optimize((trial) => only(trial), { trials: 2 });
    const found = await confirm(study, () => {
      throw Object.assign(new Error('nan'), { reason: 'diverged' });
    });
    expect(found).toMatchObject({ complete: true, winner: null });
    expect(confirmationText(found)).toContain('winner: none, each configuration has a run that failed');
    expect(confirmationText({ ...found, complete: false })).toContain('winner: none yet');
  });

  test('there is no gain over defaults that are as infinite', async () => {
    const study = createStudy({ space, sampler: randomSampler(), seed: 1 });
    await study.optimize(({ params }) => params.x, { trials: 3 });
    const found = await confirm(study as unknown as Study, () => Infinity, { top: 1 });
    expect(found.candidates[1]).toMatchObject({ mean: Infinity, gain: { mean: 0, interval: [0, 0] } });
    expect(confirmationText(found)).not.toContain('NaN');
  });

  test('a winner that is worse than the defaults, which violate a constraint, is called worse', async () => {
    const study = createStudy({ space, sampler: randomSampler(), seed: 1, constraints: ['size<1'] });
    const value = ({ number, params }: RunningTrial) => (number === 0 ? 0 : 1 + (params.x as number));
    for (let i = 0; i < 4; i++) {
      const trial = study.ask();
      trial.setUserAttr('size', i === 0 ? 2 : 0);
      study.tell(trial, value(trial as unknown as RunningTrial));
    }
    const again = ({ params }: RunningTrial, seed: number) => (params.x === 0.5 ? 0 : 1) + seed / 1e4;
    const found = await confirm(study as unknown as Study, again, { top: 2 });
    expect(found.winner).toMatchObject({ gain: { mean: expect.closeTo(-1, 9) } });
    expect(confirmationText(found)).toContain('worse than the defaults, which violate a constraint');
    const fail = ({ params }: RunningTrial) => {
      if (params.x !== 0.5) throw Object.assign(new Error('nan'), { reason: 'diverged' });
      return 1;
    };
    const none = createStudy({ space, sampler: randomSampler(), name: 'none', constraints: ['size<1'] });
    for (const size of [2, 0]) {
      const trial = none.ask();
      trial.setUserAttr('size', size);
      none.tell(trial, 1);
    }
    const text = confirmationText(await confirm(none as unknown as Study, fail));
    expect(text).toContain('winner: none, each configuration has a run that failed or violates a constraint');
  });

  test('a run that was killed so often that it is given up counts as failed, and the rest as finished', async () => {
    const study = open('given-up');
    await study.optimize((trial) => only(trial), { trials: 4 });
    const killed = study.best()!.params.x;
    const runs: number[] = [];
    const kill = (trial: RunningTrial, seed: number) => {
      runs.push(seed);
      if (only(trial) === killed && seed === 1001)
        throw Object.assign(new Error('killed'), { reason: 'killed' });
      return only(trial);
    };
    for (const complete of [false, false, true])
      expect(await confirm(study, kill, { top: 1 })).toMatchObject({ complete });
    expect(runs).toHaveLength(6 + 2);
    const found = await confirm(study, kill, { top: 1 });
    expect(runs).toHaveLength(8);
    expect(found.candidates[1]).toMatchObject({ mean: null, runs: [{}, { seed: 1001, value: null }, {}] });
    expect(found.winner).toMatchObject({ trial: null });
  });

  test('processes share its runs', async () => {
    const study = open('shared');
    await study.optimize((trial) => only(trial), { trials: 10 });
    let runs = 0;
    const objective = async (trial: RunningTrial) => {
      runs++;
      await new Promise((resolve) => setImmediate(resolve));
      return only(trial);
    };
    const found = await Promise.all([confirm(study, objective), confirm(open('shared'), objective)]);
    expect(runs).toBe(12);
    expect(found.some(({ complete }) => complete)).toBe(true);
  });

  test('is read back from the journal, and is part of its study there', async () => {
    const study = open('journal');
    await study.optimize((trial) => only(trial), { trials: 6 });
    const found = await confirm(study, only, { top: 2 });
    const studies = readJournal(study.path!);
    expect(studies.map(({ name }) => name)).toEqual(['journal', confirmationName('journal')]);
    expect(studyNamed(studies, undefined, 'it').name).toBe('journal');
    expect(confirmationOf(study, studies)).toEqual(found);
    expect(confirmationOf(study, studies.slice(0, 1))).toBeNull();
  });

  test('is told to pages by an attribute of its study, and drawn with its intervals', async () => {
    const study = open('drawn');
    const noisy = (trial: RunningTrial, seed: number) => only(trial) + 0.01 * noise(only(trial), seed);
    await study.optimize((trial) => noisy(trial, 1), { trials: 8 });
    const found = await confirm(study, noisy, { top: 2 });
    expect(confirmedOf(study.userAttrs).map(({ trial, mean, isWinner }) => [trial, mean, isWinner])).toEqual(
      found.candidates.map((one) => [one.trial, one.mean, one.trial === found.winner!.trial]),
    );
    expect(defaultNoise(study)).toMatchObject({ runs: 3, mean: found.candidates[0]!.mean });
    const series = progressOption(study).series as { name: string; data: unknown[] }[];
    expect(series.find(({ name }) => name === 'mean on fresh seeds')!.data).toHaveLength(2);
    expect(renderSvg(progressOption(study), 800, 400)).toContain('mean on fresh seeds');
    for (const hostile of [
      null,
      1,
      { candidates: 1 },
      { candidates: [null, { mean: 'x' }, { mean: 1, trial: {} }] },
    ])
      expect(confirmedOf({ confirmation: hostile })).toEqual([]);
  });

  test('of a study in memory stays in memory', async () => {
    const study = createStudy({ space, sampler: randomSampler() }) as unknown as Study;
    await study.optimize((trial) => only(trial), { trials: 5 });
    expect((await confirm(study, only, { top: 1, repeats: 2 })).candidates).toHaveLength(2);
  });

  test('without the defaults, a best trial that has their configuration is one like others', async () => {
    const study = open('bare');
    await study.optimize((trial) => (trial.number === 0 ? -1 : only(trial)), { trials: 4 });
    const found = await confirm(study, only, { top: 1, repeats: 2, withDefaults: false });
    expect(found.candidates.map(({ trial }) => trial)).toEqual([0]);
    expect(confirmationOf(study, readJournal(study.path!))!.candidates).toEqual(found.candidates);
  });

  test('the defaults are those that apply, and trial 0 is their configuration', async () => {
    const study = createStudy({
      space: { kind: categorical(['a', 'b']), x: float(0, 1), y: float(0, 1, { when: { kind: 'b' } }) },
      sampler: randomSampler(),
      storage: join(folder, 'conditional.log'),
    }) as unknown as Study;
    await study.optimize(({ number }) => number, { trials: 6 });
    const found = await confirm(study, ({ params }, seed) => Object.keys(params).length + seed, { top: 1 });
    expect(found.candidates[0]).toMatchObject({ trial: null, params: { kind: 'a', x: 0.5 }, searched: 0 });
    expect(found.candidates[0]!.params).not.toHaveProperty('y');
    expect(found.candidates[0]!.runs.map(({ value }) => value)).toEqual([1002, 1003, 1004]);
    expect(found.candidates[1]).toMatchObject({ trial: 1 });
    expect(confirmationOf(study, readJournal(study.path!))).toEqual(found);
  });

  test('equal configurations count once', async () => {
    const study = open('equal');
    study.enqueue([{ x: 0.1 }, { x: 0.1 }, { x: 0.5 }]);
    await study.optimize((trial) => only(trial), { trials: 5 });
    const { candidates } = await confirm(study, only, { top: 5, repeats: 1 });
    expect(candidates.map(({ params }) => params.x).filter((x) => x === 0.1 || x === 0.5)).toEqual([
      0.5, 0.1,
    ]);
  });
});

test('a search ends when `until` says so', async () => {
  const study = open('until');
  const outcome = await study.optimize((trial) => only(trial), {
    trials: 9,
    until: () => study.trials.length >= 4,
  });
  expect(outcome.stopped).toBe('until');
  expect(study.trials).toHaveLength(4);
});
