// Studies that start from the results of others: read from any journal, recorded, and used by every sampler.

import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import {
  categorical,
  cmaesSampler,
  createStudy,
  float,
  gpSampler,
  int,
  type KnownStudy,
  knownStudies,
  loadStudy,
  type Params,
  randomSampler,
  readJournal,
  type SearchSpace,
  toUnit,
  tpeSampler,
} from '../../src/tune/index.js';
import { factorsOf } from '../../src/tune/samplers/sources.js';
import { scratchFolder } from './scratch.js';

const scratch = scratchFolder();
const optuna = fileURLToPath(new URL('../../../test/golden/journal/optuna.log', import.meta.url));

const SPACE = { x: float(-5, 5), n: int(1, 9), kind: categorical(['a', 'b']) };
const bowl = ({ x, n, kind }: { x: number; n: number; kind: string }) =>
  (x - 2) ** 2 + (n - 4) ** 2 / 4 + (kind === 'b' ? 0 : 1);

async function earlier(journal: string, trials: number, scale = (value: number) => value): Promise<void> {
  const study = createStudy({ name: 'small', space: SPACE, sampler: randomSampler(), storage: journal });
  await study.optimize(({ params }) => scale(bowl(params)), { trials });
}

describe('results of other studies', () => {
  test('are read from a journal in the parameters of the new space', async () => {
    const journal = scratch('journal.log');
    await earlier(journal, 8);
    const [known, ...more] = knownStudies(journal, { space: { x: float(-1, 1), depth: int(1, 4) } });
    expect(more).toEqual([]);
    const [log] = readJournal(journal);
    expect(known).toEqual({
      study: 'small',
      trials: log!.trials.map(({ params, value }) => ({ params: { x: params.x }, value })),
    });
  });

  test('can be those of a journal of Optuna, failed and pruned trials left out', () => {
    const logs = readJournal(optuna).filter(({ directions }) => directions.length === 1);
    for (const log of logs) {
      const complete = log.trials.filter(({ state }) => state === 'complete');
      const space = Object.assign({}, ...log.trials.map(({ distributions }) => distributions)) as SearchSpace;
      if (complete.length === 0 || Object.keys(space).length === 0) continue;
      const [known] = knownStudies(optuna, { space, direction: log.directions[0]!, name: log.name });
      expect(known!.study).toBe(log.name);
      expect(known!.trials.length).toBeLessThanOrEqual(complete.length);
      expect(known!.trials.length).toBeGreaterThan(0);
    }
    expect(logs.length).toBeGreaterThan(0);
  });

  test('leave out choices that the new space does not have', async () => {
    const journal = scratch('journal.log');
    await earlier(journal, 20);
    const space = { ...SPACE, kind: categorical(['b', 'c']) };
    const [known] = knownStudies(journal, { space });
    expect(known!.trials.length).toBeGreaterThan(2);
    expect(known!.trials.length).toBeLessThan(18);
    for (const { params } of known!.trials) expect(params.kind).toBe('b');
  });

  test('may have parameters completed that were not searched', async () => {
    const journal = scratch('journal.log');
    await earlier(journal, 5);
    const space = { ...SPACE, depth: int(1, 4) };
    const complete = (): Params => ({ depth: 3, x: 100, width: 7 });
    const [known] = knownStudies(journal, { space, complete });
    for (const { params } of known!.trials) {
      expect(Object.keys(params).sort()).toEqual(['depth', 'kind', 'n', 'x']);
      expect(params).toMatchObject({ depth: 3 });
      expect(params.x).not.toBe(100);
    }
  });

  test('are at most 400 of a study, the best ones among them', async () => {
    const journal = scratch('journal.log');
    await earlier(journal, 410);
    const [known] = knownStudies(journal, { space: SPACE });
    expect(known!.trials.length).toBe(400);
    const values = readJournal(journal)[0]!.trials.map(({ value }) => value!);
    const best = values.sort((a, b) => a - b).slice(0, 200);
    const kept = new Set(known!.trials.map(({ value }) => value));
    expect(best.every((value) => kept.has(value))).toBe(true);
    expect(new Set(known!.trials).size).toBe(400);
  });

  test('are refused where they cannot be meant', async () => {
    const journal = scratch('journal.log');
    await earlier(journal, 3);
    const refused = (options: Parameters<typeof knownStudies>[1]) => () => knownStudies(journal, options);
    expect(refused({ space: SPACE, name: 'large' })).toThrow(
      `Expected a study to start from in ${journal}, got small, none named large`,
    );
    expect(refused({ space: SPACE, direction: 'maximize' })).toThrow(
      `Expected a study to start from that maximizes one value, got small in ${journal}, which minimizes`,
    );
    expect(refused({ space: { lr: float(0, 1) } })).toThrow(
      `Expected complete trials with some of lr to start from, got none in ${journal}`,
    );
    const bad = [{}, [{ study: 'a' }], [{ study: 'a', trials: [{ params: {}, value: NaN }] }]];
    for (const warmStart of bad as unknown as KnownStudy[][])
      expect(() => createStudy({ space: SPACE, sampler: gpSampler(), warmStart })).toThrow(
        'Expected warmStart to be a list of { study, trials: [{ params, value }] }',
      );
  });
});

describe('a study that starts from others', () => {
  for (const make of [gpSampler, cmaesSampler, tpeSampler])
    test(`records them, and continues without them (${make().name})`, async () => {
      const other = scratch('other.log');
      await earlier(other, 30);
      const warmStart = knownStudies(other, { space: SPACE });
      const params = async (storage: string, then: KnownStudy[] | undefined) => {
        const options = { space: SPACE, storage, seed: 3 };
        const study = createStudy({ ...options, sampler: make(), warmStart });
        await study.optimize(({ params }) => bowl(params), { trials: 5 });
        const again = loadStudy({ storage, sampler: make(), ...(then && { warmStart: then }) });
        await again.optimize(({ params }) => bowl(params as Parameters<typeof bowl>[0]), { trials: 8 });
        return again.trials.map((trial) => trial.params);
      };
      const whole = await params(scratch('journal.log'), warmStart);
      expect(await params(scratch('journal.log'), undefined)).toEqual(whole);
      expect(await params(scratch('journal.log'), [])).toEqual(whole);
      const cold = createStudy({ space: SPACE, sampler: make(), seed: 3 });
      await cold.optimize(({ params }) => bowl(params), { trials: 8 });
      expect(cold.trials.map((trial) => trial.params)).not.toEqual(whole);
    });

  test('has one objective', () => {
    const options = {
      space: SPACE,
      sampler: gpSampler(),
      directions: ['minimize', 'minimize'],
      warmStart: [],
    };
    expect(() => createStudy(options as unknown as Parameters<typeof createStudy>[0])).toThrow('warmStart');
  });
});

const WIDE: SearchSpace = Object.fromEntries(
  ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, float(0, 1)]),
);
const wideBowl = (params: Params) =>
  Object.entries(WIDE).reduce((sum, [name, d]) => sum + (toUnit(d, params[name]!) - 0.8) ** 2, 0);

/** Median over seeds of the best value after so many trials. */
async function median(make: () => ReturnType<typeof tpeSampler>, trials: number, known: KnownStudy[]) {
  const best: number[] = [];
  for (const seed of [1, 2, 3, 4, 5]) {
    const defaults = Object.fromEntries(Object.keys(WIDE).map((name) => [name, 0.2]));
    const study = createStudy({ space: WIDE, defaults, sampler: make(), seed, warmStart: known });
    await study.optimize(({ params }) => wideBowl(params), { trials });
    best.push(study.best()!.value);
  }
  return best.sort((a, b) => a - b)[2]!;
}

describe('other studies', () => {
  async function known(scale: (value: number) => number): Promise<KnownStudy> {
    const study = createStudy({ space: WIDE, sampler: randomSampler(), seed: 9 });
    await study.optimize(({ params }) => scale(wideBowl(params)), { trials: 60 });
    const trials = study.trials.map(({ params, value }) => ({ params: params as Params, value: value! }));
    return { study: 'other', trials };
  }

  for (const make of [cmaesSampler, tpeSampler])
    test(`help early on, and do not mislead for long (${make().name})`, async () => {
      const [good, bad] = [await known((value) => 5 + 3 * value), await known((value) => -value)];
      expect(await median(make, 12, [good])).toBeLessThan(0.7 * (await median(make, 12, [])));
      const late = await median(make, 50, []);
      for (const others of [[bad], [good, bad], [bad, good]])
        expect(await median(make, 50, others)).toBeLessThan(2 * late + 0.02);
    });

  test('are combined by how well each predicts', () => {
    const y = Float64Array.from({ length: 40 }, (_, i) => Math.sin(i));
    const other = Float64Array.from({ length: 40 }, (_, i) => Math.cos(3 * i));
    const [good, opposite, unrelated] = factorsOf(y, [y, y.map((v) => -v), other]);
    expect(good).toBeGreaterThan(0.85);
    expect(good).toBeLessThan(1.1);
    expect(opposite).toBe(0);
    expect(unrelated).toBeLessThan(0.1);
    // Without values all are trusted alike.
    expect(factorsOf([], [new Float64Array(), new Float64Array()])).toEqual([0.5, 0.5]);
  });
});
