import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import { temporaryName } from '../../src/base/files.js';
import { makeRunFolder } from '../../src/cli/run.js';
import { err, out, run } from './capture.js';
import { tinyStudyFolder } from './tinyStudy.js';

const folder = tinyStudyFolder();
const text = join(folder, 'stories.txt');

/** Does `work` with `path` as the working folder. */
async function inFolder(path: string, work: () => Promise<void>): Promise<void> {
  const before = process.cwd();
  process.chdir(path);
  try {
    await work();
  } finally {
    process.chdir(before);
  }
}

/** A run of a few steps of a tiny model on a tiny text. */
const tiny = (...more: string[]) => [
  'train',
  ...['--backend', 'wasm', '--text', text, '--cache-folder', join(folder, 'cache')],
  ...['--config', join(folder, 'tiny.json'), '--sample-tokens', '8'],
  ...more,
];

describe('train and sample', () => {
  test('a run writes its record, metrics, checkpoint, summary and sample', async () => {
    const at = join(folder, 'whole');
    expect(await run(...tiny('--steps', '4', '--out', at))).toBe(0);
    expect(out).toMatch(/---\nval_bpb: +\d/);
    expect(out).toContain('Once upon a time');
    expect(readdirSync(at).sort()).toEqual([
      'checkpoint',
      'metrics.jsonl',
      'run.json',
      'sample.txt',
      'summary.json',
    ]);
    const records = readFileSync(join(at, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records.map((record) => record.kind)).toEqual(['step', 'step', 'step', 'step', 'final']);
  });

  test('--json prints one object with the keys of the block and nothing else', async () => {
    expect(await run(...tiny('--steps', '2', '--json', '--out', join(folder, 'json')))).toBe(0);
    const summary = JSON.parse(out);
    expect(Object.keys(summary)).toEqual([
      'val_bpb',
      'training_seconds',
      'total_seconds',
      'peak_memory_mb',
      'mfu_percent',
      'total_tokens_M',
      'num_steps',
      'num_params_M',
      'depth',
      'tokens_per_second',
      'backend',
      'precision',
      'seed',
      'folder',
      'checkpoint',
      'sample',
    ]);
    expect(existsSync(join(summary.checkpoint, 'model.safetensors')) && existsSync(summary.sample)).toBe(
      true,
    );
    expect(summary).toMatchObject({ num_steps: 2, depth: 1, backend: 'wasm', precision: 'fp32', seed: 1 });
  });

  test('a run that was stopped and resumed gives the same bits', async () => {
    const [whole, parts] = [join(folder, 'a'), join(folder, 'b')];
    expect(await run(...tiny('--tokens', '160', '--json', '--out', whole))).toBe(0);
    const expected = JSON.parse(out).val_bpb;
    // Killed after the checkpoint of step 3: run.json and the checkpoint are what is left.
    const stop = ['--tokens', '160', '--out', parts, '--checkpoint-every', '3'];
    const interrupt = jest.spyOn(process, 'on');
    const stopping = run(...tiny(...stop));
    const metrics = join(parts, 'metrics.jsonl');
    const steps = () => (existsSync(metrics) ? readFileSync(metrics, 'utf8').split('\n').length - 1 : 0);
    while (steps() < 2) await new Promise((resolve) => setImmediate(resolve));
    const handler = interrupt.mock.calls.find(([event]) => event === 'SIGINT')![1] as () => void;
    handler();
    interrupt.mockRestore();
    expect(await stopping).toBe(130);
    expect(out).toContain(`npx tinygpt train --resume ${parts}`);
    expect(await run('train', '--resume', parts, '--cache-folder', join(folder, 'cache'), '--json')).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ val_bpb: expected, num_steps: 5 });
  });

  test('resuming a finished run changes nothing; a larger budget continues it', async () => {
    const at = join(folder, 'finished');
    const files = () =>
      ['run.json', 'metrics.jsonl', 'summary.json'].map((name) => readFileSync(join(at, name), 'utf8'));
    const resume = (...more: string[]) =>
      run('train', '--resume', at, '--cache-folder', join(folder, 'cache'), '--json', ...more);
    expect(await run(...tiny('--steps', '3', '--json', '--out', at))).toBe(0);
    const before = files();
    const { total_seconds: _, ...first } = JSON.parse(out);
    expect(await resume()).toBe(0);
    expect(JSON.parse(out)).toMatchObject(first);
    expect(err).toMatch(/this run has used its budget of 3 steps; set a larger one/);
    expect(files()).toEqual(before);
    expect(await resume('--steps', '5')).toBe(0);
    expect(JSON.parse(out).num_steps).toBe(5);
    const records = readFileSync(join(at, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records.map(({ kind, step }) => step ?? kind)).toEqual([0, 1, 2, 3, 4, 'final']);
    // What a killed process left under construction goes; the larger budget is the run's from now on.
    const { pid } = spawnSync('true');
    const left = temporaryName(join(at, 'checkpoint')).replace(`.${process.pid}.`, `.${pid}.`);
    mkdirSync(left);
    // A process killed between its last checkpoint and its summary leaves the summary of the smaller budget.
    writeFileSync(join(at, 'summary.json'), before[2]!);
    expect(await resume()).toBe(0);
    expect(JSON.parse(out).num_steps).toBe(5);
    expect(existsSync(left)).toBe(false);
  });

  test('runs that start in the same second get folders of their own, and one that fails leaves none', async () => {
    await inFolder(mkdtempSync(join(folder, 'elsewhere-')), async () => {
      const now = new Date('2026-11-23T15:21:01Z');
      const [first, second] = [makeRunFolder(now), makeRunFolder(now)];
      expect([first, second].map((path) => basename(path))).toEqual(['20261123-152101', '20261123-152101-2']);
      expect(await run(...tiny('--steps', '1', '--tokens', '1'))).toBe(2);
      expect(readdirSync('runs').sort()).toEqual([basename(first), basename(second)]);
    });
  });

  test('a run of a text named relatively is resumed from another folder', async () => {
    const at = join(folder, 'moved');
    writeFileSync(join(folder, 'val.txt'), 'Two little ducks swam home.\n'.repeat(20));
    const argv = tiny('--val-text', 'val.txt', '--steps', '2', '--out', at);
    await inFolder(folder, async () => {
      expect(await run(...argv.map((word) => (word === text ? 'stories.txt' : word)))).toBe(0);
    });
    const cache = join(folder, 'cache');
    expect(await run('train', '--resume', at, '--steps', '3', '--cache-folder', cache)).toBe(0);
  });

  test('a damaged run.json is a one-line error that names what is wrong', async () => {
    const at = join(folder, 'damaged');
    expect(await run(...tiny('--steps', '1', '--out', at))).toBe(0);
    const record = JSON.parse(readFileSync(join(at, 'run.json'), 'utf8'));
    for (const [change, message] of [
      [{ budget: null }, /valid budget, got null/],
      [{ budget: { steps: -1 } }, /steps to be > 0, got -1/],
      [{ config: [] }, /valid config/],
      [{ config: { depth: '1' } }, /depth to be a number/],
      [{ backend: 'gpu' }, /valid backend, got "gpu"/],
      [{ version: 2 }, /valid version, got 2/],
    ] as const) {
      writeFileSync(join(at, 'run.json'), JSON.stringify({ ...record, ...change }));
      expect(await run('train', '--resume', at)).toBe(1);
      expect(err).toMatch(message);
    }
  });

  test('sample writes the same text for the same seed, as many as asked', async () => {
    const at = join(folder, 'whole');
    const args = ['sample', at, '--backend', 'wasm', '--tokens', '12', '--samples', '2', '--prompt', 'The'];
    expect(await run(...args)).toBe(0);
    const first = out;
    expect(first).toMatch(/--- 1 of 2\nThe[\s\S]*--- 2 of 2\nThe/);
    await run(...args);
    expect(out).toBe(first);
    await run(...args, '--seed', '2');
    expect(out).not.toBe(first);
  });
});

describe('bad input is one line and an exit code', () => {
  let before: string[];
  beforeEach(() => {
    before = readdirSync(folder);
  });

  test.each([
    [['trian'], 2, /Unknown command trian; did you mean train\?/],
    [['--json', 'train'], 2, /Expected a command before --json/],
    [['train', '--seconds', '-5'], 2, /Expected --seconds to be a number > 0, got -5/],
    [['train', '--steps', '1', '--tokens', '5'], 2, /one budget, got --tokens and --steps/],
    [['train', '--backend', 'gpu'], 2, /--backend to be one of auto, .*, got gpu/],
    [['train', '--backend', 'wasm', '--precision', 'bf16'], 2, /bf16/],
    [
      ['train', '--backend', 'wasm', '--device', '1'],
      2,
      /--device 1 with the cuda or webgpu backend, got the backend wasm/,
    ],
    [['bench', '--backend', 'cpu', '--device', '0'], 2, /leave --device out or set --backend cuda/],
    [
      ['tune', '--backend', 'native', '--device', '0'],
      2,
      /with the cuda or webgpu backend, got the backend native/,
    ],
    [['train', '--device', '-1'], 2, /--device to be an integer >= 0 on cuda, got -1/],
    [['train', '--backend', 'wasm', '--preset', 'big'], 2, /preset among .*; got big/],
    [['train', '--backend', 'wasm', '--width', '100', '--head-dim', '32'], 2, /100 and 32; set --head-dim/],
    [['train', '--backend', 'wasm', '--head-dim', '1', '--width', '33'], 2, /even head size .* got 1/],
    [['train', '--backend', 'wasm', '--total-batch-size', '100'], 2, /got 100; set --device-batch-size/],
    [['train', '--backend', 'wasm', '--text', '/nowhere/x.txt'], 2, /\/nowhere\/x\.txt/],
    [['train', '--text', 'a', '--hub', 'b'], 2, /one of --bundled, --text and --hub/],
    [['train', '--resume', '/nowhere'], 2, /No run in \/nowhere/],
    [
      ['train', '--backend', 'cpu', '--depth', '200', '--width', '8192'],
      2,
      /fits into memory, .* or --force/,
    ],
    [['bench', '--backend', 'cpu', '--depth', '200000000'], 2, /fits into memory, .* or --force/],
    [
      ['train', '--backend', 'cpu', '--width', '64', '--aspect-ratio', '64'],
      2,
      /--width and --aspect-ratio to agree, got 64 and 64, which gives 256; set one of them/,
    ],
    [['bench', '--backend', 'cpu', '--heads', '2', '--head-dim', '32'], 2, /--heads and --head-dim to agree/],
    [['train', '--config', '/nowhere.json'], 2, /Cannot read --config/],
    [['sample', '/nowhere'], 2, /No checkpoint in \/nowhere/],
    [
      ['verify', '/nowhere.safetensors', '--backend', 'cpu'],
      2,
      /file or folder at .nowhere.safetensors, found none/,
    ],
    [['verify', 'package.json', '--backend', 'cpu'], 1, /not a complete safetensors file/],
    [['verify'], 2, /golden files or --random N, got neither/],
    [
      ['verify', '--random', '1', '--backend', 'cpu', '--reference', 'cpu'],
      2,
      /other than cpu .*set --reference/,
    ],
    [['report', '/nowhere'], 2, /No study at \/nowhere/],
    [['report', 'redis://127.0.0.1:1'], 2, /Expected --out with the URL of a storage, got none/],
  ])('%j', async (argv, code, message) => {
    expect(await run(...(argv as string[]))).toBe(code);
    expect(err).toMatch(message as RegExp);
    expect(
      err
        .trim()
        .split('\n')
        .filter((line) => line.startsWith('error:')),
    ).toHaveLength(1);
    expect(err).not.toMatch(/^ +at /m);
    expect(readdirSync(folder)).toEqual(before);
  });

  test('a text that is too short, empty or too uniform for its vocabulary', async () => {
    const short = join(folder, 'short.txt');
    const args = (path: string, ...more: string[]) =>
      tiny(...more, '--steps', '2', '--out', join(folder, 'bad')).map((word) =>
        word === text ? path : word,
      );
    writeFileSync(short, 'Hi.\n\nYou.');
    expect(await run(...args(short))).not.toBe(0);
    expect(err).toMatch(/error: .*(17|row|sequence)/);
    writeFileSync(short, '');
    expect(await run(...args(short))).not.toBe(0);
    expect(err).toMatch(/error: .*short\.txt/);
    // Noticed before the training, not by the evaluation after it.
    writeFileSync(short, 'Hi.');
    expect(await run(...tiny('--val-text', short, '--steps', '2', '--out', join(folder, 'bad')))).toBe(2);
    expect(err).toMatch(/error: Expected at least 17 tokens .* in the val split/);
    expect(existsSync(join(folder, 'bad'))).toBe(false);
    rmSync(short);
    expect(await run(...tiny('--steps', '2', '--out', join(folder, 'bad'), '--vocab-size', '60000'))).toBe(2);
    expect(err).toMatch(
      /^error: Expected text that supports a vocabulary of 60000, got text for \d+ tokens/m,
    );
    expect(existsSync(join(folder, 'bad', 'checkpoint'))).toBe(false);
  });

  test('a misspelled setting in a --config file is named with the nearest known one', async () => {
    const config = join(folder, 'config.json');
    writeFileSync(config, '{ // of last night\n  "dpeth": 3, }');
    const words = tiny('--steps', '2').map((word) => (word.endsWith('tiny.json') ? config : word));
    expect(await run(...words)).toBe(2);
    expect(err).toBe('error: Unknown setting "dpeth"; did you mean depth?\n');
    rmSync(config);
  });

  test('a run folder is never overwritten', async () => {
    expect(await run(...tiny('--steps', '2', '--out', join(folder, 'whole')))).toBe(2);
    expect(err).toMatch(/use --resume .*whole or another folder/);
  });

  test('a resumed run refuses new settings', async () => {
    expect(await run('train', '--resume', join(folder, 'whole'), '--depth', '3')).toBe(2);
    expect(err).toMatch(/no new settings with --resume, got --depth/);
    expect(await run('train', '--resume', join(folder, 'whole'), '--val-text', 'other.txt')).toBe(2);
    expect(err).toMatch(/no new settings with --resume, got --val-text/);
    expect(await run('train', '--resume', join(folder, 'whole'), '--seed', '77')).toBe(2);
    expect(err).toMatch(/^error: Expected the seed of the run, \d+, with --resume, got 77; leave --seed out/);
    expect(await run('train', '--resume', join(folder, 'whole'), '--backend', 'webgpu')).toBe(2);
    expect(err).toMatch(/^error: Expected the backend of the run, \w+, with --resume, got webgpu/);
  });
});

test('doctor names every backend, with a remedy for those that are missing', async () => {
  expect(await run('doctor', '--json')).toBe(0);
  const { backends, chosen } = JSON.parse(out);
  expect(backends.map((probe: { name: string }) => probe.name)).toEqual([
    'cuda',
    'tensorflow',
    'webgpu',
    'native',
    'wasm',
    'cpu',
  ]);
  for (const { available, reason, remedy } of backends)
    if (!available) expect([reason, remedy].every(Boolean)).toBe(true);
  expect(backends.find((probe: { name: string }) => probe.name === chosen).available).toBe(true);
});

test('prepare reports what it prepared', async () => {
  const args = [
    'prepare',
    '--text',
    text,
    '--vocab-size',
    '256',
    '--cache-folder',
    join(folder, 'cache'),
    '--json',
  ];
  expect(await run(...args)).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ vocab_size: 260, documents: { train: expect.any(Number) } });
});

test('a tokenizer that prepare exported trains a model, and a run with it resumes', async () => {
  const data = ['--text', text, '--cache-folder', join(folder, 'cache')];
  for (const file of ['tokenizer.json', 'ranks.tiktoken']) {
    const exported = join(folder, file);
    expect(await run('prepare', ...data, '--vocab-size', '300', '--export', exported, '--json')).toBe(0);
    const at = join(folder, `with-${file}`);
    expect(await run(...tiny('--steps', '1', '--tokenizer', exported, '--out', at))).toBe(0);
    expect(out).toContain('300 ids');
    expect(
      await run('train', '--resume', at, '--steps', '2', '--json', '--cache-folder', join(folder, 'cache')),
    ).toBe(0);
    expect(JSON.parse(out).num_steps).toBe(2);
  }
  expect(await run(...tiny('--tokenizer', text, '--out', join(folder, 'none')))).not.toBe(0);
  expect(err).toMatch(/error: .*stories\.txt/);
});

test('verify --random prints each model, its errors and the command that reproduces it', async () => {
  const args = [
    'verify',
    '--random',
    '2',
    '--seed',
    '2',
    '--size',
    'small',
    '--backend',
    'wasm',
    '--reference',
    'cpu',
  ];
  expect(await run(...args)).toBe(0);
  expect(out).toMatch(
    /^seed 2 small: .*\n {2}wasm fp32 against cpu fp32: passed[\s\S]*^seed 3 small: [\s\S]*all 2 passed\n$/m,
  );
  expect(await run(...args, '--json')).toBe(0);
  const [first, second] = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(first).toMatchObject({ seed: 2, backend: 'wasm', reference: 'cpu', passed: true, failed: [] });
  expect(second.again).toBe(
    'npx tinygpt verify --random 1 --seed 3 --size small --backend wasm --precision fp32 --reference cpu',
  );
});

test('bench reports one line per backend', async () => {
  const sizes = [
    '--depth',
    '1',
    '--width',
    '32',
    '--head-dim',
    '16',
    '--seq-len',
    '16',
    '--total-batch-size',
    '64',
  ];
  expect(await run('bench', '--backend', 'wasm', '--seconds', '0.01', '--json', ...sizes)).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    preset: 'cpu',
    backend: 'wasm',
    tokens_per_second: expect.any(Number),
  });
});
