// Which GPU or cores each worker gets, on paper and on the emulated device with four cards.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { backendChoice } from '../../src/cli/backendOptions.js';
import { MAIN } from '../../src/cli/commandLine.js';
import { type PlacementOptions, placeWorkers } from '../../src/cli/placement.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { describeEmulated } from '../backend/cuda/present.js';
import { tinyStudyFolder, tinyTune } from './tinyStudy.js';

const base: PlacementOptions = {
  workers: undefined,
  gpus: undefined,
  shareGpu: false,
  backend: 'auto',
  device: undefined,
  threads: undefined,
  command: undefined,
  trialTokens: undefined,
  trialSteps: undefined,
};
const place = (options: Partial<PlacementOptions>, visible: number, env: NodeJS.ProcessEnv = {}) =>
  placeWorkers({ ...base, ...options }, visible, env);
const cards = (...given: Parameters<typeof place>) =>
  place(...given).workers.map(({ env }) => env.CUDA_VISIBLE_DEVICES);

test('--gpus gives each worker one card and names it', () => {
  const { workers, about } = place({ gpus: '0,2,3' }, 4);
  expect(workers.map(({ label }) => label)).toEqual(['GPU 0', 'GPU 2', 'GPU 3']);
  expect(workers[1]!.env).toMatchObject({
    CUDA_VISIBLE_DEVICES: '2',
    TINYGPT_CUDA_DEVICE: '0',
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
  });
  expect(about).toBe('3 workers on GPU 0, 2, 3, one on each');
  expect(cards({ gpus: 'all' }, 4)).toEqual(['0', '1', '2', '3']);
  expect(cards({ gpus: 'all', workers: 2 }, 4)).toEqual(['0', '1']);
  expect(place({ gpus: '1' }, 4).about).toBe('1 worker on GPU 1, one on each');
});

test('--workers on GPUs gives each its own card, within those that the scheduler left visible', () => {
  expect(cards({ workers: 3 }, 4)).toEqual(['0', '1', '2']);
  expect(cards({ gpus: 'all' }, 2, { CUDA_VISIBLE_DEVICES: '5,7' })).toEqual(['5', '7']);
  const uuids = { CUDA_VISIBLE_DEVICES: 'GPU-aa,MIG-bb' };
  expect(cards({ gpus: '1' }, 2, uuids)).toEqual(['MIG-bb']);
  expect(place({ gpus: '1' }, 2, uuids).workers[0]!.env.CUDA_DEVICE_ORDER).toBeUndefined();
});

test('the MIG instances that are listed get a worker each, though a process sees one', () => {
  expect(cards({ gpus: 'all' }, 1, { CUDA_VISIBLE_DEVICES: 'MIG-aa, MIG-bb' })).toEqual(['MIG-aa', 'MIG-bb']);
  expect(() => place({ gpus: 'all' }, 0, { CUDA_VISIBLE_DEVICES: 'MIG-aa' })).toThrow('found none');
});

test('workers on the tensorflow backend get a card each, where it has any', () => {
  expect(cards({ backend: 'tensorflow', workers: 2 }, 2)).toEqual(['0', '1']);
  expect(() => place({ backend: 'tensorflow', workers: 8 }, 2)).toThrow(
    'Expected --workers at most 2, the number of GPUs, got 8',
  );
  expect(place({ backend: 'tensorflow', workers: 2 }, 0).about).toMatch(/cores each/);
});

test('timed trials must not share a card; those of a fixed amount of work may', () => {
  const message =
    'Expected --workers at most 2, the number of GPUs, got 8: trials that share a GPU slow each other down, so that in the same time each learns less than it would alone; ' +
    'for a fixed amount of work, add --share-gpu and --trial-tokens or --trial-steps';
  expect(() => place({ workers: 8 }, 2)).toThrow(message);
  expect(() => place({ workers: 8, trialTokens: 1e6 }, 2)).toThrow('add --share-gpu');
  expect(() => place({ workers: 8, shareGpu: true }, 2)).toThrow('with --trial-tokens or --trial-steps');
  expect(() => place({ workers: 2, backend: 'webgpu' }, 0)).toThrow('at most 1, the number of GPUs, got 2');
  const { workers, about } = place({ workers: 5, shareGpu: true, trialSteps: 100 }, 2);
  expect(workers.map(({ env }) => env.CUDA_VISIBLE_DEVICES)).toEqual(['0', '1', '0', '1', '0']);
  expect(about).toBe('5 workers on GPU 0, 1, up to 3 on each');
  expect(workers[0]!.env.TINYGPT_TUNE_SHARE).toBe('3');
});

test('workers of a command get a GPU each where there are any, as those of the trainer', () => {
  const command = 'python train.py --lr {lr}';
  const { workers, about } = place({ command, workers: 2 }, 2);
  expect(workers.map(({ label }) => label)).toEqual(['GPU 0', 'GPU 1']);
  expect(workers[1]!.env).toMatchObject({ CUDA_VISIBLE_DEVICES: '1', CUDA_DEVICE_ORDER: 'PCI_BUS_ID' });
  expect(about).toBe('2 workers on GPU 0, 1, one on each');
  expect(cards({ command, workers: 2, backend: 'cpu' }, 2)).toEqual(['0', '1']);
  expect(cards({ command, gpus: 'all', backend: 'webgpu' }, 2)).toEqual(['0', '1']);
  expect(cards({ command, workers: 2 }, 2, { CUDA_VISIBLE_DEVICES: '5,7' })).toEqual(['5', '7']);
  expect(() => place({ command, workers: 8 }, 2)).toThrow(
    'Expected --workers at most 2, the number of GPUs, got 8: trials that share a GPU slow each other down, so that in the same time each learns less than it would alone; ' +
      'add --share-gpu if trials of the command may share one, or set CUDA_VISIBLE_DEVICES to nothing if it uses none',
  );
  expect(cards({ command, workers: 3, shareGpu: true }, 2)).toEqual(['0', '1', '0']);
});

test('workers of a command split the cores where no GPU is visible', () => {
  const command = 'python train.py --lr {lr}';
  const { workers, about } = place({ command, workers: 2 }, 0, { CUDA_VISIBLE_DEVICES: '' });
  expect(about).toMatch(/^2 workers with \d+ of \d+ cores each/);
  expect(workers.map(({ label, env }) => [label, env.CUDA_VISIBLE_DEVICES])).toEqual([
    ['', undefined],
    ['', undefined],
  ]);
});

test.each([
  [{ gpus: '0,4' }, 4, 'Expected --gpus below 4, the number of visible GPUs, got 0,4'],
  [{ gpus: '0,0' }, 4, 'Expected --gpus all or different indices such as 0,2,3, got 0,0'],
  [{ gpus: 'two' }, 4, 'Expected --gpus all or different indices such as 0,2,3, got two'],
  [
    { gpus: 'all' },
    0,
    'Expected a visible GPU for --gpus all, found none; see nvidia-smi and npx tinygpt doctor, or leave --gpus all out to use the CPU',
  ],
  [{ gpus: '0' }, 0, 'Expected a visible GPU for --gpus 0, found none'],
  [{ workers: 2, backend: 'cuda' as const }, 0, 'Expected a visible GPU for --backend cuda, found none'],
  [{ gpus: 'all', device: '1' }, 4, 'Expected one of --gpus and --device, got both'],
  [
    { workers: 2, device: '1' },
    4,
    'Expected --gpus instead of --device with several workers, got --device 1',
  ],
  [{ gpus: 'all', backend: 'webgpu' as const }, 1, 'got webgpu, which chooses a GPU with --device'],
  [{ gpus: 'all', backend: 'native' as const }, 1, 'got native, which uses none; leave out --gpus'],
])('%j with %d GPUs is refused: %s', (options, visible, message) => {
  expect(() => place(options, visible)).toThrow(message);
});

test('--device is as nvidia-smi numbers the GPUs, unless these are numbered already', () => {
  const names = ['TINYGPT_CUDA_DEVICE', 'CUDA_DEVICE_ORDER', 'CUDA_VISIBLE_DEVICES'] as const;
  const before = names.map((name) => process.env[name]);
  const orderWith = (env: NodeJS.ProcessEnv) => {
    for (const name of names) delete process.env[name];
    Object.assign(process.env, env);
    expect(backendChoice('auto', '1')).toBe('cuda');
    expect(process.env.TINYGPT_CUDA_DEVICE).toBe('1');
    return process.env.CUDA_DEVICE_ORDER;
  };
  try {
    expect(orderWith({})).toBe('PCI_BUS_ID');
    expect(orderWith({ CUDA_DEVICE_ORDER: 'FASTEST_FIRST' })).toBe('FASTEST_FIRST');
    expect(orderWith({ CUDA_VISIBLE_DEVICES: '3,2' })).toBeUndefined();
  } finally {
    names.forEach((name, i) => {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    });
  }
});

test('where CUDA_VISIBLE_DEVICES hides every GPU, the message says so', () => {
  expect(() => place({ gpus: '0' }, 0, { CUDA_VISIBLE_DEVICES: '' })).toThrow(
    'found none (CUDA_VISIBLE_DEVICES is ""); see nvidia-smi and npx tinygpt doctor',
  );
});

test('workers on a CPU split the cores', () => {
  const { workers, about } = place({ workers: 2, backend: 'native' }, 0);
  expect(about).toMatch(/^2 workers with \d+ of \d+ cores each/);
  const pinned = workers.map(({ prefix }) => prefix[2]?.split(','));
  if (pinned[0] && !about.includes('more workers than cores'))
    expect(pinned[0].filter((core) => pinned[1]!.includes(core))).toEqual([]);
  expect(workers[0]!.env.TINYGPT_THREADS).toMatch(/^\d+$/);
  expect(workers[0]!.env.CUDA_VISIBLE_DEVICES).toBeUndefined();
  const many = place({ workers: 300, backend: 'cpu' }, 0);
  expect(many.about).toContain('more workers than cores: timed trials slow each other down');
  expect(
    place({ workers: 2, backend: 'native', threads: 3 }, 0).workers[0]!.env.TINYGPT_THREADS,
  ).toBeUndefined();
});

const folder = tinyStudyFolder();

describeEmulated('four emulated cards', (device) => {
  test('each worker trains on the card that it was given', async () => {
    const options = ['--sampler', 'random', '--trials', '500', '--gpus', '1,3'];
    const words = tinyTune(folder, 'cuda', 2, 'study', ...options);
    const env = { ...process.env, TINYGPT_CUDA_LIBRARIES: device().folder, FAKE_GPUS: '4' };
    const child = spawn(process.execPath, ['--no-warnings', MAIN, ...words], { env });
    let [out, stopped] = ['', false];
    const cards = () => new Set(out.match(/^GPU \d(?= +\d+ .* (best|complete) )/gm));
    child.stderr.resume();
    child.stdout.on('data', (chunk) => {
      out += chunk;
      if (stopped || cards().size < 2) return;
      stopped = child.kill('SIGINT');
    });
    expect(await once(child, 'close')).toEqual([130, null]);
    expect(out).toContain('2 workers on GPU 1, 3, one on each');
    expect(out).toMatch(/on Emulated device 1/);
    expect(cards()).toEqual(new Set(['GPU 1', 'GPU 3']));
    const reasons = readJournal(join(folder, 'study', 'journal.log'))[0]!.trials.flatMap(
      ({ state, userAttrs }) => (state === 'fail' ? [userAttrs.fail_reason] : []),
    );
    expect(reasons.filter((reason) => reason !== 'interrupted')).toEqual([]);
    expect(existsSync(join(folder, 'study', 'report.html'))).toBe(true);
    expect(readFileSync(join(folder, 'study', 'journal.log'), 'utf8')).toContain('tinygpt:concluded');
  });

  test('a worker that has a card and cannot use it ends, and says what to do', async () => {
    const driver = join(folder, 'driver');
    mkdirSync(driver);
    symlinkSync(join(device().folder, 'libcuda.so.1'), join(driver, 'libcuda.so.1'));
    const env = { ...process.env, TINYGPT_CUDA_LIBRARIES: driver, FAKE_GPUS: '4' };
    const words = tinyTune(folder, 'auto', 1, 'unusable', '--trials', '2', '--gpus', '1');
    const child = spawn(process.execPath, ['--no-warnings', MAIN, ...words], { env });
    let err = '';
    child.stdout.resume();
    child.stderr.on('data', (chunk) => (err += chunk));
    expect((await once(child, 'close'))[0]).toBe(1);
    expect(err).toMatch(
      /Expected the cuda or tensorflow backend to compute on GPU 1, got \w+, since neither/,
    );
  });

  test('each worker of a command runs it on the card that it was given', async () => {
    const code =
      'const { env } = process; console.log("card:", env.CUDA_DEVICE_ORDER === "PCI_BUS_ID" && env.CUDA_VISIBLE_DEVICES)';
    const tune = async (name: string, ...more: string[]) => {
      const env = { ...process.env, TINYGPT_CUDA_LIBRARIES: device().folder, FAKE_GPUS: '2' };
      const words = ['--command', `"${process.execPath}" -e '${code}' {matrixLr}`, '--metric', 'card'];
      const place = ['--space', join(folder, 'space.json'), '--out', join(folder, name)];
      const all = ['tune', ...words, ...place, '--sampler', 'random', '--trials', '12', ...more];
      const child = spawn(process.execPath, ['--no-warnings', MAIN, ...all], { env });
      let [out, err] = ['', ''];
      child.stdout.on('data', (chunk) => void (out += chunk));
      child.stderr.on('data', (chunk) => void (err += chunk));
      const [exit] = await once(child, 'close');
      return { exit, out, err };
    };
    const { exit, out } = await tune('command', '--workers', '2');
    expect(exit).toBe(0);
    expect(out).toContain('2 workers on GPU 0, 1, one on each');
    const lines = [...out.matchAll(/^GPU (\d) +\d+ .*? (\d\.\d+)/gm)];
    expect(lines).toHaveLength(12);
    for (const [, gpu, value] of lines) expect(Number(value)).toBe(Number(gpu));

    const refused = await tune('refused', '--workers', '8');
    expect(refused.exit).toBe(2);
    expect(refused.err).toContain('Expected --workers at most 2, the number of GPUs, got 8');
    expect(existsSync(join(folder, 'refused'))).toBe(false);
  });
});
