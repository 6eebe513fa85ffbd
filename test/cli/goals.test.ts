import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { flagOf } from '../../src/base/names.js';
import { goalsOf, withGoals } from '../../src/cli/goals.js';
import { frontTrialLine, trialLine } from '../../src/cli/trialLine.js';
import { formatEntry } from '../../src/tune/journal/lines.js';
import { createStudyEntry, createTrialEntry, finishEntry } from '../../src/tune/journal/records.js';
import type { Objective } from '../../src/tune/studyTypes.js';
import { TRAIN_METRICS } from '../../src/tune/trainObjective.js';
import { makeTrial } from '../report/trials.js';
import { out, run } from './capture.js';

const task = { metricName: 'val_bpb', direction: 'minimize', metrics: TRAIN_METRICS } as const;
const none = {
  constraint: [],
  objectives: undefined,
  pruner: undefined,
  contest: undefined,
  confirm: undefined,
  reference: undefined,
  stopWhenConverged: false,
};
const front = (objectives: string) => goalsOf({ ...none, objectives }, task).front;

describe('--objectives and --constraint', () => {
  test('take the usual direction of a metric unless one is given', () => {
    expect(front('val_bpb,peak_memory_bytes')).toEqual({
      directions: ['minimize', 'minimize'],
      metricNames: ['val_bpb', 'peak_memory_bytes'],
    });
    expect(front('val_bpb, tokens_per_second')!.directions).toEqual(['minimize', 'maximize']);
    expect(front('tokens_per_second:minimize,val_bpb:maximize')!.directions).toEqual([
      'minimize',
      'maximize',
    ]);
    const any = { metricName: 'accuracy', direction: 'maximize' } as const;
    expect(goalsOf({ ...none, objectives: 'accuracy,latency' }, any).front!.directions).toEqual([
      'maximize',
      'minimize',
    ]);
  });

  test('say at the start what cannot be', () => {
    for (const text of ['val_bpb', 'val_bpb,val_bpb', 'val_bpb,num_params,mfu_percent'])
      expect(() => front(text)).toThrow(
        /two different metrics, got ".*"; limit a further one with --constraint/,
      );
    for (const text of ['', 'val_bpb,', 'val_bpb:up,num_params', 'val_bpb:,num_params'])
      expect(() => front(text)).toThrow(/Expected --objectives as two metrics with :minimize or :maximize/);
    expect(() => front('val_bpb,memory')).toThrow(
      /Expected a metric among val_bpb, .*peak_memory_bytes.*, got memory/,
    );
    expect(() => goalsOf({ ...none, constraint: ['memory<1'] }, task)).toThrow(/got memory/);
    for (const option of [
      { pruner: 'median' },
      { contest: 'gp,tpe' },
      { confirm: 2 },
      { reference: 1 },
      { stopWhenConverged: true },
    ])
      expect(() => goalsOf({ ...none, objectives: 'val_bpb,num_params', ...option }, task)).toThrow(
        `Expected no ${flagOf(Object.keys(option)[0]!)} with --objectives`,
      );
    expect(
      goalsOf({ ...none, objectives: 'val_bpb,num_params', pruner: 'nop', confirm: 0 }, task).front,
    ).toBeTruthy();
  });

  test('an objective returns what its run recorded, and fails where a metric is missing', async () => {
    const goals = goalsOf({ ...none, objectives: 'num_params,val_bpb' }, task);
    const attrs: Record<string, unknown> = {};
    const trial = { setUserAttr: (key: string, value: unknown) => void (attrs[key] = value) } as never;
    const measuring: Objective = (t) => {
      t.setUserAttr('num_params', 7);
      return 1.5;
    };
    const objective = withGoals(measuring, goals, 'val_bpb');
    expect(await objective(trial)).toEqual([7, 1.5]);
    expect(attrs).toEqual({ num_params: 7 });
    await expect(withGoals(() => 1.5, goals, 'val_bpb')(trial)).rejects.toMatchObject({
      message: 'The trial did not measure num_params',
      reason: 'metric_missing',
    });
  });
});

test('the line of a trial says that it violates a constraint, and is not compared with the best', () => {
  const good = makeTrial(0, 'complete', 2, { params: { x: 1 } });
  const bad = makeTrial(1, 'complete', 1, { params: { x: 2 }, systemAttrs: { constraints: [0.5] } });
  expect(trialLine(bad, [good, bad], { x: 1 })).toMatch(/1\.0000 {2}best 2\.0000 .* constraint +x=2/);
});

test('a trial that equals the best one before it is not called the best', () => {
  const trials = [makeTrial(0, 'complete', 2), makeTrial(1, 'complete', 2)];
  expect(trialLine(trials[0]!, trials, {})).toContain(' best  ');
  expect(trialLine(trials[1]!, trials, {})).toContain(' complete  ');
});

test('values of any size stay apart from the words around them, and small ones are not shown as zero', () => {
  const line = (value: number) => {
    const trial = makeTrial(0, 'complete', value);
    return trialLine(trial, [trial], trial.params);
  };
  expect(line(1.5)).toMatch(/^ {3}0 {3}1\.5000 {2}best 1\.5000 {2}/);
  expect(line(-1234.5)).toContain('  -1234.5000  best -1234.5000  ');
  expect(line(Infinity)).toContain('best Infinity ');
  expect(line(3.25e-6)).toContain('  3.25e-6  best 3.25e-6  ');
  expect(line(0)).toContain('  0.0000  best 0.0000  ');
});

test('the line of a trial of two objectives has both values, and whether it is in the front', () => {
  const of = (number: number, values: number[]) =>
    makeTrial(number, 'complete', values[0]!, { values, params: { x: number } });
  const trials = [of(0, [1, 2e9]), of(1, [2, 3e9])];
  const directions = ['minimize', 'minimize'] as const;
  expect(frontTrialLine(trials[0]!, trials, { x: 0 }, directions)).toMatch(/^ {3}0 +1 +2\S+ .*front/);
  expect(frontTrialLine(trials[1]!, trials, { x: 0 }, directions)).toMatch(/complete +x=1/);
});

describe('tune', () => {
  let folder: string;
  const tune = (name: string, ...more: string[]) => [
    ...['tune', '--command', `node ${join(folder, 'run.mjs')} {x} {y}`, '--metric', 'loss'],
    ...['--space', join(folder, 'space.json'), '--out', join(folder, name), ...more],
  ];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tinygpt-goals-'));
    const script = `const [x, y] = process.argv.slice(2).map(Number);
console.log(JSON.stringify({ loss: (x - 1) ** 2 + y, size: x + 0.1 }));\n`;
    writeFileSync(join(folder, 'run.mjs'), script);
    const range = { kind: 'float', low: 0, high: 1 };
    writeFileSync(join(folder, 'space.json'), JSON.stringify({ space: { x: range, y: range } }));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('searches for a Pareto front, writes it, and resumes', async () => {
    const args = ['--objectives', 'loss,size', '--constraint', 'size<0.9'];
    expect(await run(...tune('front', '--trials', '8', '--sampler', 'random', ...args))).toBe(0);
    expect(out).toContain('Objectives: loss (minimize) and size (minimize)');
    expect(out).toContain('Constraints: size<0.9');
    expect(out).toMatch(/trial +loss +size/);
    const front = JSON.parse(readFileSync(join(folder, 'front', 'front.json'), 'utf8'));
    for (const { values } of front) expect(values[1]).toBeLessThan(0.9);
    expect(existsSync(join(folder, 'front', 'front.svg'))).toBe(true);
    expect(await run(...tune('front', '--trials', '10', '--sampler', 'nsga2', '--json', ...args))).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ complete: 10, best_trial: null });
    expect(JSON.parse(out).front.length).toBeGreaterThan(0);
    expect(await run('report', join(folder, 'front'))).toBe(0);
    expect(out).toContain('Pareto front: ');
  });

  test('reports a study of three objectives, as Optuna makes them', async () => {
    const journal = join(folder, 'three', 'journal.log');
    const values = [
      [1, 5, 2],
      [2, 4, 3],
      [3, 9, 1],
    ];
    const entries = [
      createStudyEntry('three', 'minimize', 'maximize', 'minimize'),
      ...values.flatMap((each, i) => [
        createTrialEntry(0, {}, { state: 'running', params: {}, start: 1e12 }),
        finishEntry(i, 'complete', each, { start: 1e12, end: 1e12 + 1 }),
      ]),
    ];
    mkdirSync(join(folder, 'three'));
    writeFileSync(journal, entries.map((entry) => `${formatEntry(entry, 'other')}\n`).join(''));
    expect(await run('report', join(folder, 'three'))).toBe(0);
    expect(out).toContain('Pareto front: 2 trials');
    const front: { trial: number }[] = JSON.parse(readFileSync(join(folder, 'three', 'front.json'), 'utf8'));
    expect(front.map(({ trial }) => trial)).toEqual([0, 2]);
  });

  test('reports that no trial satisfies the constraints', async () => {
    expect(await run(...tune('none', '--trials', '2', '--constraint', 'size<0.01', '--json'))).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ complete: 2, best_trial: null, best_value: null });
    expect(await run('report', join(folder, 'none'))).toBe(0);
    expect(out).toContain('2 complete (2 beyond a constraint)');
    expect(out).toContain('None of 2 complete trials satisfies the constraints');
  });
});
