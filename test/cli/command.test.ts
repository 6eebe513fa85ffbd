import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MAIN } from '../../src/cli/commandLine.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { err, out, run } from './capture.js';

let folder: string;
let script: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-script-'));
  script = join(folder, 'train.mjs');
  writeFileSync(
    script,
    'const LR = 0.1; // rate\nconst DEPTH = 4;\nconst SEED = 1;\nconsole.log("val_bpb:", Math.log10(LR) ** 2 + DEPTH / 10 + SEED / 1e4);\n',
  );
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const tune = (name: string, ...more: string[]) =>
  run('tune', '--command', `"${process.execPath}" train.mjs`, '--out', join(folder, name), ...more);

describe('tinygpt space', () => {
  test('proposes a space as a file that tune reads', async () => {
    const file = join(folder, 'space.json');
    expect(await run('space', script, '--out', file)).toBe(0);
    expect(out).toContain('2 parameters in');
    expect(readFileSync(file, 'utf8')).toContain(
      '"LR": { "kind": "float", "low": 0.01, "high": 1, "log": true }, // rate',
    );
    expect(
      await tune(
        'own',
        '--patch',
        script,
        '--space',
        file,
        '--metric',
        'val_bpb',
        '--trials',
        '2',
        '--only',
        'LR',
      ),
    ).toBe(0);
    expect(out).toMatch(/^ +0 +1\.4001 /m);
  });

  test('prints plain JSON for programs', async () => {
    expect(await run('space', script, '--json')).toBe(0);
    const { space, defaults, left_out: leftOut } = JSON.parse(out);
    expect(space.LR).toMatchObject({ kind: 'float', low: 0.01, high: 1, log: true });
    expect(defaults).toEqual({ LR: 0.1, DEPTH: 4 });
    expect(leftOut).toEqual([{ name: 'SEED', reason: 'a seed is no hyperparameter' }]);
    const plain = out;
    expect(await run('space', script, '--json', '--out', join(folder, 'plain.json'))).toBe(0);
    expect(out).toBe(''); // stdout is for JSON alone
    expect(readFileSync(join(folder, 'plain.json'), 'utf8')).toBe(plain);
  });

  test('says what it left out where nothing remains', async () => {
    const file = join(folder, 'empty.py');
    writeFileSync(file, 'SEED = 1\n');
    expect(await run('space', file)).toBe(2);
    expect(err).toContain('found none (left out: SEED, a seed is no hyperparameter); give their ranges');
  });
});

describe('tune --command', () => {
  test('searches the constants of a script, and resumes', async () => {
    const args = ['--patch', script, '--metric', 'val_bpb', '--sampler', 'random'];
    expect(await tune('study', ...args, '--trials', '2')).toBe(0);
    expect(await tune('study', ...args, '--trials', '4')).toBe(0);
    const [study] = readJournal(join(folder, 'study', 'journal.log'));
    expect(study!.trials.map(({ state }) => state)).toEqual(Array(4).fill('complete'));
    for (const { params, value } of study!.trials)
      expect(value).toBeCloseTo(
        Math.log10(params.LR as number) ** 2 + (params.DEPTH as number) / 10 + 1e-4,
        12,
      );
  });

  test('says why no trial has finished', async () => {
    expect(await tune('misnamed', '--patch', script, '--metric', 'val_bbp', '--trials', '1')).toBe(0);
    expect(out).toMatch(
      /No trial has finished \(1 trial in all\); the last failure: No line has the metric val_bbp \(.*\); it last printed: val_bpb: .*; see .*0\.log/,
    );
  });

  test('a command that always fails ends the search after ten trials, and can be corrected', async () => {
    const file = join(folder, 'broken.mjs');
    writeFileSync(file, 'throw new Error("no data");\n');
    const command = `"${process.execPath}" "${file}" {x}`;
    const space = join(folder, 'broken.json');
    writeFileSync(space, '{ "space": { "x": { "kind": "float", "low": 0, "high": 1 } } }');
    const args = ['--metric', 'v', '--sampler', 'random', '--trials', '12', '--json', '--space', space];
    const search = () => run('tune', '--command', command, ...args, '--out', join(folder, 'broken'));
    expect(await search()).toBe(1);
    expect(err).toMatch(/The first 10 trials failed, the last with: Exit code 1; .*correct the command/);
    writeFileSync(file, 'console.log("v", 1);\n');
    expect(await search()).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ complete: 2, failed: 10 });
  });

  test('a placeholder of a parameter that --fix takes out of the space by its condition becomes empty', async () => {
    const file = join(folder, 'words.mjs');
    writeFileSync(file, 'console.log("v:", process.argv[3] === "" ? 7 : 8);\n');
    const space = join(folder, 'conditional.json');
    writeFileSync(
      space,
      '{ "space": { "x": { "kind": "float", "low": 0, "high": 1 }, "kind": { "kind": "categorical", "choices": ["a", "b"] }, ' +
        '"m": { "kind": "float", "low": 0, "high": 1, "when": { "kind": "a" } } } }',
    );
    const args = ['--metric', 'v', '--space', space, '--trials', '1', '--fix', 'kind=b', '--json'];
    const command = `"${process.execPath}" "${file}" {x} {m} {kind}`;
    expect(await run('tune', '--command', command, '--out', join(folder, 'conditional'), ...args)).toBe(0);
    expect(JSON.parse(out).best_value).toBe(7);
  });

  test('a signal during the confirmation ends with 130, and the same command continues it', () => {
    const file = join(folder, 'interrupted.mjs');
    writeFileSync(
      file,
      'if (process.argv[3] === "1001" && process.env.ONCE) process.kill(process.ppid, "SIGINT");\nconsole.log("v:", process.argv[2]);\n',
    );
    const space = join(folder, 'interrupted.json');
    writeFileSync(space, '{ "space": { "x": { "kind": "float", "low": 0, "high": 1 } } }');
    const command = `"${process.execPath}" "${file}" {x} {seed}`;
    const where = ['--out', join(folder, 'interrupted')];
    const what = ['--command', command, '--metric', 'v', '--space', space, '--trials', '2', '--confirm', '1'];
    const start = (env: NodeJS.ProcessEnv) =>
      spawnSync(process.execPath, [MAIN, 'tune', ...what, ...where], {
        env: { ...process.env, ...env },
        encoding: 'utf8',
      });
    const first = start({ ONCE: '1' });
    expect([first.status, first.signal]).toEqual([130, null]);
    expect(first.stdout).toContain('(not finished; the same command continues)');
    const second = start({});
    expect(second.status).toBe(0);
    expect(second.stdout).toContain('confirmation on 3 fresh seeds:');
  });

  test('confirms its best trials on fresh seeds, and best.json says which won', async () => {
    const args = ['--patch', script, '--metric', 'val_bpb', '--sampler', 'random', '--trials', '4'];
    expect(await tune('confirmed', ...args, '--confirm', '1', '--repeats', '2', '--json')).toBe(0);
    const outcome = JSON.parse(out);
    const best = JSON.parse(readFileSync(join(folder, 'confirmed', 'best.json'), 'utf8'));
    expect(best._study).toMatchObject({ trial: outcome.confirmed_trial, confirmed: { seeds: [1000, 1001] } });
    // The script adds its seed times 1e-4: 1 in the search, 1000 and 1001 now.
    expect(outcome.confirmed_mean - best._study.value).toBeCloseTo(0.09995, 8);
    expect(await run('report', join(folder, 'confirmed'))).toBe(0);
    expect(out).toContain('confirmation on 2 fresh seeds:');
    expect(readFileSync(join(folder, 'confirmed', 'best.json'), 'utf8')).toBe(
      `${JSON.stringify(best, null, 2)}\n`,
    );
  });

  test('starts from the results of another study, and only of another', async () => {
    const args = ['--patch', script, '--metric', 'val_bpb', '--sampler', 'random'];
    expect(await tune('short', ...args, '--trials', '3')).toBe(0);
    const from = join(folder, 'short');
    const warm = ['--only', 'LR', '--warm-start', from, '--trials', '1'];
    expect(await tune('long', ...args, ...warm)).toBe(0);
    expect(out).toContain('Starting from 3 results of another study');
    const [study] = readJournal(join(folder, 'long', 'journal.log'));
    const { trials } = readJournal(join(from, 'journal.log'))[0]!;
    expect(study!.systemAttrs['tinygpt:warm_start']).toEqual([
      { study: 'short', trials: trials.map(({ params, value }) => ({ params: { LR: params.LR }, value })) },
    ]);
    expect(
      await tune('long', ...args, '--only', 'LR', '--warm-start', join(folder, 'long'), '--trials', '1'),
    ).toBe(2);
    expect(err).toContain('Expected --warm-start to name another study');
    const later = join(folder, 'races', 'random-2');
    mkdirSync(later, { recursive: true });
    copyFileSync(join(from, 'journal.log'), join(later, 'journal.log'));
    const contest = ['--patch', script, '--metric', 'val_bpb', '--contest', 'random', '--trials', '1'];
    expect(await tune('races', ...contest, '--seeds', '2', '--warm-start', later)).toBe(2);
    expect(err).toContain('Expected --warm-start to name another study');
    expect(existsSync(join(folder, 'races', 'random-1'))).toBe(false); // before any race
    expect(await tune('none', ...args, '--warm-start', join(folder, 'nothing'), '--trials', '1')).toBe(2);
    expect(err).toContain('No study at');
  });

  test("tells a model what the script's comments say of its constants", async () => {
    const sized = join(folder, 'sized.mjs');
    writeFileSync(
      sized,
      'const LR = 0.1; // rate, per step\nconst BATCH_SIZE = 2 ** 6; // tokens of a step\nconst DEPTH = 4;\nconsole.log("loss:", LR + BATCH_SIZE + DEPTH);\n',
    );
    const model = join(folder, 'model.mjs');
    const seen = join(folder, 'prompt.txt');
    const code = `import { readFileSync, writeFileSync } from 'node:fs';\nwriteFileSync(${JSON.stringify(seen)}, readFileSync(0));\nconsole.log('{}');\n`;
    writeFileSync(model, code);
    const args = ['--patch', sized, '--metric', 'loss', '--trials', '2', '--sampler', 'llm'];
    expect(await tune('meanings', ...args, '--llm-command', `${process.execPath} ${model}`)).toBe(0);
    const prompt = readFileSync(seen, 'utf8');
    expect(prompt).toMatch(/"name":"LR".*"meaning":"rate, per step"/);
    expect(prompt).toMatch(
      /"name":"log2_BATCH_SIZE".*"meaning":"exponent of two: tokens of a step is 2 to this power"/,
    );
    expect(prompt).toMatch(/"name":"DEPTH".*"default":4}/);
  });

  test('does not search the seed of the script', async () => {
    const space = join(folder, 'seeds.json');
    const int = { kind: 'int', low: 1, high: 100 };
    writeFileSync(space, JSON.stringify({ space: { SEED: int, DEPTH: int } }));
    const args = ['--patch', script, '--space', space, '--metric', 'val_bpb', '--trials', '4'];
    for (const narrowed of [[], ['--only', 'DEPTH']]) {
      expect(await tune('seeds', ...args, ...narrowed)).toBe(2);
      expect(err).toContain('got SEED, which is a seed: a better value on another seed is luck');
    }
    expect(existsSync(join(folder, 'seeds', 'journal.log'))).toBe(false);
    expect(await run('tune', '--space', space, '--out', join(folder, 'seeds'))).toBe(2);
    expect(err).toContain('Parameter SEED is not a setting of the trainer');
  });

  test('refuses to continue a study after the script has changed', async () => {
    const args = ['--patch', script, '--metric', 'val_bpb', '--trials', '1'];
    expect(await tune('changed', ...args)).toBe(0);
    writeFileSync(script, `${readFileSync(script, 'utf8')}// changed\n`);
    expect(await tune('changed', ...args)).toBe(2);
    expect(err).toMatch(/is a different one: its objective patch_hash is/);
  });

  (spawnSync('mkfifo', ['--version']).status === 0 ? test : test.skip)(
    'a trial ends with tinygpt, however that dies',
    async () => {
      const fifo = join(folder, 'fifo');
      spawnSync('mkfifo', [fifo]);
      const endless = join(folder, 'endless.mjs');
      // Held open as long as the trial runs.
      const code = `import { openSync, writeSync } from 'node:fs';\nconst LR = 0.1;\nwriteSync(openSync(${JSON.stringify(fifo)}, 'w'), 'x');\nsetInterval(() => LR, 1e6);\n`;
      writeFileSync(endless, code);
      const words = [
        '--command',
        `"${process.execPath}" endless.mjs`,
        '--patch',
        endless,
        '--metric',
        'loss',
      ];
      const child = spawn(
        process.execPath,
        [MAIN, 'tune', ...words, '--trials', '1', '--out', join(folder, 'killed')],
        {
          stdio: 'ignore',
        },
      );
      const held = createReadStream(fifo);
      await once(held, 'data');
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await once(held.resume(), 'end');
      expect((await exit)[1]).toBe('SIGKILL');
    },
  );

  test.each([
    [['--metric', 'loss'], 'Expected --space FILE with --command'],
    [['--patch', 'train.mjs'], 'Expected --metric with --command'],
    [['--metric', 'loss', '--patch', 'nowhere.py'], 'there is no such file'],
    [
      ['--metric', 'loss', '--patch', '$', '--trial-seconds', '3'],
      'Expected no --trial-seconds with --command',
    ],
    [['--metric', 'loss', '--patch', '$', '--text', 'a.txt'], 'Expected no --text with --command'],
    [
      ['--metric', 'loss', '--patch', '$', '--trials', '1', '--intermediate', '('],
      'Expected --intermediate to be a name or a regular expression, got (',
    ],
    [['--metric', 'loss', '--patch', '$'], 'Expected --trials, --minutes or --hours'],
    [['--metric', 'loss', '--patch', '$', '--trials', '1', '--pruner', 'median'], 'Expected --intermediate'],
  ])('refuses %j', async (options, message) => {
    const words = options.map((word) => (word === '$' ? script : word));
    expect(await tune('refused', ...words)).toBe(2);
    expect(err).toContain(message);
  });

  test('--metric without a command is refused', async () => {
    expect(await run('tune', '--metric', 'loss')).toBe(2);
    expect(err).toContain('Expected --command with');
  });
});
