// Every program in examples/ runs to completion at a tiny size, in a separate process that exits by itself.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const COMPILED = fileURLToPath(new URL('../examples/', import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-examples-'));
  writeFileSync(join(folder, 'notes.md'), 'The little ducks swam over the hill and far away.\n\n'.repeat(60));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function start(name: string, args: readonly string[], onOutput: (out: string) => void = () => {}) {
  const child = spawn(process.execPath, [join(COMPILED, `${name}.js`), ...args], { cwd: folder });
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => onOutput((out += chunk)));
    child.stderr.on('data', (chunk) => (err += chunk));
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

const RUNS: Record<string, { args: string[]; prints: RegExp }> = {
  trainAndSample: { args: ['0.1', 'run'], prints: /val_bpb \d\.\d{4} after \d+ steps?\n\nOnce upon a time/ },
  ownText: { args: ['2', '.'], prints: /documents for training, \d+ for validation\n[\s\S]*val_bpb \d/ },
  resume: { args: ['4', 'resumed'], prints: /Stopped after 2 steps \(stopped\)\n.*equal true/ },
  tuneFunction: { args: ['6'], prints: /best of 6: [\d.]+ \{/ },
  tuneOwnTraining: { args: ['12'], prints: /12 trials, [1-9]\d* pruned; best loss 0\.\d+/ },
  ownSpace: { args: ['2', '2048', 'study'], prints: /2 trials: 2 complete[\s\S]*report\.html/ },
  ownSampler: { args: ['10'], prints: /best of 10: [\d.]+ \{/ },
  hybrid: { args: ['8'], prints: /best of 8: [\d.e-]+ \{.*\nscripted stand-in: [1-9]\d* calls/ },
  continueOptuna: { args: ['new.log', '3'], prints: /^3 trials now; best [\d.]+ \{/m },
  compareOptimizers: { args: ['4', '2', 'contest'], prints: /^gp .*\n[\s\S]*winners on fresh seeds/m },
};

test.each(Object.entries(RUNS))('%s', async (name, { args, prints }) => {
  const { code, out, err } = await start(name, args);
  expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(prints);
});

// Needs the model that trainAndSample left in `run`.
test('serveFromWorker answers requests one after another and exits on request', async () => {
  let asked: Promise<string[]> | undefined;
  const ask = async (url: string) => {
    const get = async (path: string) => (await fetch(url + path)).text();
    const texts = await Promise.all([get('/?prompt=One+day'), get('/?prompt=The+cat')]);
    await get('/stop');
    return texts;
  };
  const { code, out, err } = await start('serveFromWorker', ['run', '0'], (printed) => {
    const url = /Listening on (\S+)/.exec(printed)?.[1];
    if (url) asked ??= ask(url);
  });
  expect({ code, out, err: code === 0 ? '' : err }).toMatchObject({ code: 0, err: '' });
  expect(await asked).toEqual([
    expect.stringMatching(/^One day.+\n$/s),
    expect.stringMatching(/^The cat.+\n$/s),
  ]);
});

const python = process.env.PYTHON ?? 'python3';
const hasOptuna = spawnSync(python, ['-c', 'import optuna']).status === 0;
(hasOptuna ? test : test.skip)(
  'continueOptuna continues a study that Optuna wrote, and Optuna reads it again',
  async () => {
    const storage = [
      'import optuna, sys',
      'from optuna.storages import JournalStorage',
      'from optuna.storages.journal import JournalFileBackend',
      'optuna.logging.disable_default_handler()',
      'storage = JournalStorage(JournalFileBackend("optuna.log"))',
    ];
    const run = (...lines: string[]) =>
      spawnSync(python, ['-c', [...storage, ...lines].join('\n')], { cwd: folder, encoding: 'utf8' });
    const objective = 'lambda t: t.suggest_float("x", -5, 5) ** 2 + t.suggest_int("n", 1, 9)';
    const created = run(
      'study = optuna.create_study(study_name="bowl", storage=storage)',
      `study.optimize(${objective}, n_trials=4)`,
    );
    expect(created.status).toBe(0);
    const { code, out } = await start('continueOptuna', ['optuna.log', '3']);
    expect(code).toBe(0);
    expect(out).toMatch(/^bowl: minimize, 4 trials\n[\s\S]*^7 trials now/m);
    const read = run('print(len(optuna.load_study(study_name="bowl", storage=storage).trials))');
    expect(read.stdout).toBe('7\n');
  },
);

test('every example is run here', () => {
  const names = readdirSync(COMPILED)
    .filter((name) => name.endsWith('.js'))
    .map((name) => basename(name, '.js'));
  expect(names.sort()).toEqual([...Object.keys(RUNS), 'serveFromWorker'].sort());
});
