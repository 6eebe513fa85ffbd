import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openProgress } from '../../src/cli/terminal.js';
import { changes, trialLine } from '../../src/cli/trialLine.js';
import { limitsFromArguments, studyPlace, type TuneArguments } from '../../src/cli/tuneOptions.js';
import { runTrials } from '../../src/cli/tuneRun.js';
import { presetConfig } from '../../src/train/presets.js';
import { float } from '../../src/tune/distributions.js';
import { randomSampler } from '../../src/tune/samplers/random.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { createStudy } from '../../src/tune/study.js';
import type { Study } from '../../src/tune/studyTypes.js';
import { makeTrial } from '../report/trials.js';
import { err, out, run } from './capture.js';
import { tinyStudyFolder, tinyTune } from './tinyStudy.js';

const folder = tinyStudyFolder({ depth: { kind: 'int', low: 1, high: 2 } });

/** A study of a tiny model on a tiny text: three steps a trial. */
const tune = (name: string, ...more: string[]) => tinyTune(folder, 'wasm', 3, name, ...more);

describe('tune', () => {
  test('writes the best configuration, the report and the log, and resumes from its journal', async () => {
    expect(await run(...tune('study', '--trials', '3', '--sampler', 'random', '--pruner', 'nop'))).toBe(0);
    const at = join(folder, 'study');
    for (const file of ['journal.log', 'best.json', 'progress.svg', 'report.html', 'tune.log'])
      expect(existsSync(join(at, file))).toBe(true);
    expect(out).toMatch(/^ +0 +\d\.\d{4} +best +\d\.\d{4} .*defaults$/m);
    expect(out).toContain('3 trials: 3 complete');
    expect(JSON.parse(readFileSync(join(at, 'best.json'), 'utf8'))).toMatchObject({ width: 32, seqLen: 16 });

    expect(await run(...tune('study', '--trials', '5', '--sampler', 'gp', '--json'))).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ complete: 5, failed: 0 });
    expect(err).toContain('Resuming after 3 trials');
  });

  test('its best configuration can be trained', async () => {
    const args = [
      '--text',
      join(folder, 'stories.txt'),
      '--cache-folder',
      join(folder, 'cache'),
      '--steps',
      '2',
    ];
    const config = join(folder, 'study', 'best.json');
    expect(
      await run('train', '--backend', 'wasm', '--config', config, ...args, '--out', join(folder, 'again')),
    ).toBe(0);
  });

  test('--fix fixes parameters', async () => {
    const fix = ['--fix', 'depth=2', '--enqueue', join(folder, 'first.json')];
    writeFileSync(join(folder, 'first.json'), JSON.stringify([{ matrixLr: 0.05 }]));
    expect(await run(...tune('fixed', '--trials', '2', ...fix))).toBe(0);
    const log = readFileSync(join(folder, 'fixed', 'journal.log'), 'utf8');
    expect(log).toContain('"depth":2');
    expect(log).not.toContain('"param_name":"depth"');
    expect(out).toContain('matrixLr=0.05');
  });

  test('--enqueue adds all of a file or nothing, and on a later start what is missing', async () => {
    const file = join(folder, 'queue.json');
    const args = (trials: number) => tune('queue', '--trials', `${trials}`, '--enqueue', file);
    writeFileSync(file, JSON.stringify([{ matrixLr: 0.05 }, { matrixLr: 3 }]));
    expect(await run(...args(2))).toBe(2);
    expect(err).toMatch(/^error: In --enqueue .*queue\.json: Entry 2: Parameter matrixLr: .* got 3$/m);
    const trials = () => readJournal(join(folder, 'queue', 'journal.log'))[0]!.trials;
    expect(trials()).toHaveLength(1); // the defaults only
    writeFileSync(file, JSON.stringify([{ matrixLr: 0.05 }, { depth: 2 }]));
    expect(await run(...args(2))).toBe(0);
    writeFileSync(file, JSON.stringify([{ matrixLr: 0.05 }, { depth: 2 }, { matrixLr: 0.06 }]));
    expect(await run(...args(4))).toBe(0);
    expect(trials().map(({ params }) => [params.matrixLr, params.depth])).toEqual([
      [0.04, 1],
      [0.05, 1],
      [0.04, 2],
      [0.06, 1],
    ]);
  });

  test('defaults that a space leaves out are those of --config, else of the preset', async () => {
    const config = JSON.parse(readFileSync(join(folder, 'tiny.json'), 'utf8'));
    const changed = join(folder, 'changed.json');
    writeFileSync(changed, JSON.stringify({ ...config, matrixLr: 0.07, weightDecay: 0.9 }));
    const space = join(folder, 'wider.json');
    const decay = { kind: 'float', low: 0, high: 0.5 };
    const rate = { kind: 'float', low: 0.001, high: 0.2, log: true };
    writeFileSync(
      space,
      JSON.stringify({ space: { matrixLr: rate, weightDecay: decay, unembeddingLr: rate } }),
    );
    const args = tune('defaults', '--trials', '1').map((word) =>
      word.endsWith('tiny.json') ? changed : word.endsWith('space.json') ? space : word,
    );
    expect(await run(...args)).toBe(0);
    expect(readJournal(join(folder, 'defaults', 'journal.log'))[0]!.trials[0]!.params).toEqual({
      matrixLr: 0.07,
      weightDecay: 0.5,
      unembeddingLr: presetConfig('cpu').unembeddingLr,
    });
    expect(err).toContain(
      "The configuration's weightDecay 0.9 lies outside float 0 .. 0.5; the default is 0.5",
    );
    // What is not searched stays as it is.
    const only = args.map((word) => word.replace(join(folder, 'defaults'), join(folder, 'only')));
    expect(await run(...only, '--only', 'matrixLr')).toBe(0);
    expect(err).not.toContain('lies outside');
    const [first] = readJournal(join(folder, 'only', 'journal.log'))[0]!.trials;
    expect(first!.userAttrs.config).toMatchObject({ matrixLr: 0.07, weightDecay: 0.9 });
  });

  test('--fix and --only work together, whichever parameters they name', async () => {
    expect(await run(...tune('both', '--trials', '1', '--fix', 'depth=2', '--only', 'matrixLr'))).toBe(0);
    expect(await run(...tune('both', '--trials', '1', '--fix', 'depth=2', '--only', 'depth,matrixLr'))).toBe(
      0,
    );
    expect(readJournal(join(folder, 'both', 'journal.log'))[0]!.trials[0]!.params).toEqual({
      matrixLr: 0.04,
    });
    expect(await run(...tune('both', '--fix', 'depth=2', '--only', 'depth'))).toBe(2);
    expect(err).toContain('Expected at least one parameter left to search');
  });

  test('says at the first trial that nothing fits into the memory', async () => {
    expect(await run(...tune('memory', '--trials', '9', '--memory-limit', '0.00001'))).toBe(2);
    expect(err).toMatch(/No configuration of this space can run: .* as memory: needs about /);
    expect(readJournal(join(folder, 'memory', 'journal.log'))[0]!.trials).toHaveLength(1);
  });

  test('a report of infinite values agrees with its JSON', async () => {
    const storage = join(folder, 'infinite', 'journal.log');
    const study = createStudy({ storage, space: { x: float(0, 1) }, sampler: randomSampler() });
    for (const value of [1, Infinity, -Infinity, 0]) study.tell(study.ask(), value);
    expect(await run('report', storage, '--json')).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ best_trial: 2, best_value: -Infinity, complete: 4 });
    expect(await run('report', storage)).toBe(0);
    expect(out).toContain('4 trials: 4 complete');
    expect(out).toContain('best value: -Infinity in trial 2');
  });

  test('--contest compares samplers and reruns their winners', async () => {
    const contest = [
      '--contest',
      'random,tpe',
      '--seeds',
      '2',
      '--trials',
      '2',
      '--repeats',
      '2',
      '--reference',
      '9',
    ];
    expect(await run(...tune('contest', ...contest))).toBe(0);
    const table = JSON.parse(readFileSync(join(folder, 'contest', 'contest.json'), 'utf8'));
    expect(table.standings).toHaveLength(2);
    for (const row of table.standings) {
      expect(row.best).toHaveLength(2);
      expect(row.winner.again).toHaveLength(2);
      expect(row.betterThanReference).toBe(4);
    }
    expect(table.defaults.values).toHaveLength(2);
    expect(out).toMatch(/winners on fresh seeds/);
    expect(table.standings[0].top[0].values).toEqual(table.standings[0].winner.again);
    expect(table.tests).toHaveLength(1);
    expect(out).toContain('2 seeds cannot give a p below 0.5: no difference is established.');
  });

  test("report makes a contest's table and plots again from its journals, byte for byte", async () => {
    const at = join(folder, 'contest');
    const files = ['contest.txt', 'contest.json', 'contest.svg', 'contest-hours.svg'];
    const read = () => files.map((name) => readFileSync(join(at, name), 'utf8'));
    const before = read();
    for (const name of files) rmSync(join(at, name));
    expect(await run('report', at, '--reference', '9')).toBe(0);
    expect(read()).toEqual(before);
  });

  test('a contest that goes on keeps what it has run again', async () => {
    const more = ['--contest', 'random,tpe', '--seeds', '2', '--trials', '3', '--repeats', '2'];
    expect(await run(...tune('contest', ...more))).toBe(0);
    const { standings } = JSON.parse(readFileSync(join(folder, 'contest', 'contest.json'), 'utf8'));
    for (const { sampler, top } of standings) {
      const runs = readJournal(join(folder, 'contest', 'again', sampler, 'journal.log'))[0]!.trials;
      for (const { searched, values } of top) {
        expect(values).toHaveLength(2);
        // Each run had the configuration of the trial that it is said to repeat.
        const own = runs
          .filter(({ value }) => values.includes(value))
          .map(({ params }) => params.trial as number);
        const [seed, number] = [Math.floor(own[0]! / 1e5), own[0]! % 1e5];
        const race = readJournal(join(folder, 'contest', `${sampler}-${seed}`, 'journal.log'))[0]!;
        expect(race.trials[number]!.value).toBe(searched);
      }
    }
  });

  test('a contest that goes on starts no trial in races whose time is over', async () => {
    const args = tune(
      'timed',
      '--contest',
      'random',
      '--seeds',
      '1',
      '--minutes',
      '0.0001',
      '--confirm',
      '0',
    );
    const trials = () => readJournal(join(folder, 'timed', 'random-1', 'journal.log'))[0]!.trials.length;
    expect(await run(...args)).toBe(0);
    expect(trials()).toBe(1);
    expect(await run(...args)).toBe(0);
    expect(trials()).toBe(1);
  });

  test('an imported run stands beside the samplers of a contest, with its cost', async () => {
    const at = join(folder, 'contest');
    const log = join(folder, 'results.tsv');
    writeFileSync(
      log,
      'commit\tval_bpb\tstatus\tdescription\nbaseline\t9\tkeep\tbaseline\nabcd123\t2\tkeep\tlr\n',
    );
    expect(await run('import', log, '--contest', at, '--hours', '2', '--cost', '27')).toBe(0);
    expect(await run('report', at, '--references', 'tinystories')).toBe(0);
    expect(out).toMatch(/^agent +2\.0000 +2\.0000 /m);
    expect(out).toMatch(/^agent +2\.0 h +- +0\.0%.* \$27\.00$/m);
    expect(out).toMatch(/coding agent \(\$27\) +0\.4667/);
    expect(await run('report', at, '--references', 'mine')).toBe(2);
  });

  test.each([
    [['--fix', 'dept=3'], /dept/],
    [['--fix', 'constructor=3'], /Unknown parameter constructor/],
    [['--only', 'nothing'], /nothing/],
    [['--sampler', 'grid'], /--sampler to be one of gp, .*, got grid/],
    [['--pruner', 'shears'], /--pruner to be one of .* got shears/],
    [['--minutes', '1', '--hours', '1'], /one of --hours and --minutes/],
    [
      ['--minutes', '0.1', '--trial-seconds', '60'],
      /Expected one of|fit into the budget, got 60 s per trial and 6 s/,
    ],
    [['--trials', '0'], /--trials to be an integer >= 1, got 0/],
    [['--workers', '0'], /--workers to be an integer >= 1, got 0/],
    [['--enqueue', '/nowhere.json'], /Cannot read --enqueue/],
    [['--space', './nowhere.json'], /nowhere\.json/],
    [['--contest', 'gp,grid'], /got grid/],
    [['--contest', 'gp', '--references', 'x'], /--references to be one of tinystories, .* got x/],
    [['--contest', 'gp', '--workers', '2'], /no --workers with --contest/],
    [['--contest', 'gp', '--enqueue', '/nowhere.json'], /no --enqueue with --contest/],
  ])('refuses %j in one line', async (more, message) => {
    const steps = more.includes('--trial-seconds')
      ? tune('bad').filter((word) => !/^(--trial-steps|3)$/.test(word))
      : tune('bad');
    expect(await run(...steps, ...(more as string[]))).toBe(2);
    expect(err).toMatch(message as RegExp);
    expect(err).not.toMatch(/^ +at /m);
  });

  test.each([
    ['--constraint', 'loss<3'],
    ['--objectives', 'val_bpb,val_bpb'],
    ['--warm-start', '/nowhere'],
    ['--warm-start', '/nowhere', '--contest', 'random'],
  ])('refuses %s %s before the speed is measured', async (...more) => {
    const untimed = join(folder, 'untimed.json');
    const { evalTokens: _, ...config } = JSON.parse(readFileSync(join(folder, 'tiny.json'), 'utf8'));
    writeFileSync(untimed, JSON.stringify(config));
    const args = tune('bad', ...more).map((word) => (word.endsWith('tiny.json') ? untimed : word));
    args.splice(args.indexOf('--trial-steps'), 2, '--trial-seconds', '1', '--minutes', '1');
    expect(await run(...args)).toBe(2);
    expect(out + err).not.toContain('Measuring');
  });

  test('refuses a study of another base configuration, naming the difference', async () => {
    const other = join(folder, 'other.json');
    writeFileSync(
      other,
      JSON.stringify({ ...JSON.parse(readFileSync(join(folder, 'tiny.json'), 'utf8')), ropeBase: 500 }),
    );
    const args = tune('study', '--trials', '6').map((word) => (word.endsWith('tiny.json') ? other : word));
    expect(await run(...args)).toBe(2);
    expect(err).toMatch(/ropeBase|base/);
  });

  test('refuses a file that is not a journal, naming the line', async () => {
    const at = join(folder, 'foreign');
    expect(await run(...tune('foreign', '--trials', '1'))).toBe(0);
    writeFileSync(join(at, 'journal.log'), 'hello\nworld\n');
    expect(await run(...tune('foreign', '--trials', '2'))).toBe(1);
    expect(err).toMatch(/journal\.log/);
  });
});

describe('unexpected errors of trials', () => {
  const screen = (lines: string[]) => ({
    progress: openProgress(),
    signal: new AbortController().signal,
    say: (line: string) => lines.push(line),
  });
  const study = () =>
    createStudy({ space: { x: float(0, 1) }, sampler: randomSampler() }) as unknown as Study;

  test('end a study after three in a row', async () => {
    const lines: string[] = [];
    const fails = () => {
      throw new RangeError('boom');
    };
    const always = study();
    await expect(runTrials(always, fails, screen(lines), { trials: 9, defaults: {} })).rejects.toThrow(
      'The last 3 trials ended with an error: boom',
    );
    expect(always.trials.map((trial) => trial.userAttrs.fail_reason)).toEqual(Array(3).fill('exception'));
    expect(lines).toHaveLength(3);
    const sometimes = study();
    const objective = ({ number }: { number: number }) => (number % 3 === 0 ? 1 : fails());
    expect(await runTrials(sometimes, objective, screen([]), { trials: 9, defaults: {} })).toMatchObject({
      trials: 9,
    });
  });
});

describe('the name and folder of a study', () => {
  const place = (args: Partial<TuneArguments>, usual?: string) =>
    studyPlace({ sampler: 'gp', ...args } as TuneArguments, usual);

  test('come from --name, --out, or space and sampler', () => {
    const at = (name: string, folder: string) => ({ name, folder, storage: join(folder, 'journal.log') });
    expect(place({})).toEqual(at('gp', join('studies', 'gp')));
    expect(place({ space: './my/small.json' })).toMatchObject({ name: 'small-gp' });
    expect(place({ name: 'night' })).toEqual(at('night', join('studies', 'night')));
    expect(place({ out: 'a/b/' })).toEqual(at('b', 'a/b/'));
    expect(place({ out: '.' }).name).toBe(basename(process.cwd()));
    expect(place({ name: '../up', out: 'a' })).toEqual(at('../up', 'a'));
    expect(place({}, 'contest')).toMatchObject({ name: 'contest' });
  });

  test.each(['../up', '..', '.', '', 'a/b', '/tmp/x', 'a\\b', 'a\0b'])('--name %j is refused', (name) => {
    expect(() => place({ name })).toThrow(/^Expected --name to be a name without slashes, got "/);
    expect(() => place({ name }, 'contest')).toThrow('--out');
  });
});

describe('output and defaults of tune', () => {
  test('a trial is printed on one line', () => {
    const trial = makeTrial(3, 'complete', 1.25);
    expect(changes(trial.params, { ...trial.params, lr: 9 })).toBe('lr=0.04');
    expect(trialLine(trial, [trial], trial.params)).toBe(
      '   3   1.2500  best 1.2500     10s  best           defaults',
    );
    expect(trialLine(makeTrial(4, 'fail', null), [trial], {})).toContain('diverged');
    const pruned = trialLine(makeTrial(5, 'pruned', 1.5), [trial], {});
    expect(pruned).toMatch(/^ +5 +- +best 1\.2500 .*pruned/); // 1.5 is of a slice, not of the whole
  });

  test('without limits a study is a short demo', () => {
    const args = {} as TuneArguments;
    expect(limitsFromArguments(args, false)).toMatchObject({
      isDemo: true,
      seconds: 90,
      trial: { seconds: 6 },
    });
    expect(limitsFromArguments({ ...args, hours: 8 }, true)).toMatchObject({
      seconds: 28_800,
      trial: { seconds: 300 },
    });
    expect(limitsFromArguments({ ...args, minutes: 2 }, false)).toMatchObject({ trial: { seconds: 6 } });
  });
});
