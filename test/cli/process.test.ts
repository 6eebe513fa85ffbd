// The command line as a separate process: signals, closed pipes, full disks, uncaught errors.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { MAIN } from '../../src/cli/commandLine.js';
import { openLog } from '../../src/cli/log.js';
import { tinyStudyFolder } from './tinyStudy.js';

const full = existsSync('/dev/full') ? test : test.skip;
const onLinux = process.platform === 'linux' ? test : test.skip;
const folder = tinyStudyFolder();

type Ended = { code: number | null; signal: NodeJS.Signals | null; out: string; err: string };

/** Starts a command; `onOutput` sees all that it has printed so far. */
function start(
  argv: string[],
  onOutput: (printed: string, kill: (name: NodeJS.Signals) => void) => void = () => {},
  nodeOptions: string[] = [],
) {
  const child = spawn(process.execPath, [...nodeOptions, MAIN, ...argv], { cwd: folder });
  return new Promise<Ended>((resolve) => {
    const said = { out: '', err: '' };
    const listen = (part: 'out' | 'err') => (chunk: Buffer) => {
      said[part] += chunk;
      onOutput(said.out + said.err, (name) => child.kill(name));
    };
    child.stdout.on('data', listen('out'));
    child.stderr.on('data', listen('err'));
    child.on('close', (code, signal) => resolve({ code, signal, ...said }));
  });
}

/** A training run that would take hours. */
const train = (out: string, totalBatchSize = 32) => [
  ...['train', '--backend', 'cpu', '--text', 'stories.txt', '--cache-folder', 'cache', '--out', out],
  ...['--config', 'tiny.json', '--total-batch-size', `${totalBatchSize}`, '--sample-tokens', '0'],
  ...['--steps', '1000000'],
];

describe('signals', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s saves a checkpoint and ends with 130',
    async (name) => {
      let sent = false;
      const { code, out } = await start(train(`run-${name}`), (printed, kill) => {
        if (sent || !/ step \d+ /.test(printed)) return;
        sent = true;
        kill(name);
      });
      expect(code).toBe(130);
      expect(out).toContain(`npx tinygpt train --resume run-${name}`);
      expect(existsSync(join(folder, `run-${name}`, 'checkpoint'))).toBe(true);
    },
  );

  test('SIGHUP may come twice, from the shell and from the kernel', async () => {
    let sent = false;
    const { code, out } = await start(train('run-hangups', 4096), (printed, kill) => {
      if (sent || !/ step \d+ /.test(printed)) return;
      sent = true;
      kill('SIGHUP');
      kill('SIGHUP');
    });
    expect(code).toBe(130);
    expect(out).toContain('npx tinygpt train --resume run-hangups');
  });

  test('sample stops between tokens', async () => {
    let sent = false;
    const argv = ['sample', 'run-SIGINT', '--backend', 'cpu', '--tokens', '1000000', '--samples', '1000'];
    const { code } = await start(argv, (printed, kill) => {
      if (sent || !printed.includes('--- 1 of 1000')) return;
      sent = true;
      kill('SIGTERM');
    });
    expect(code).toBe(130);
  });

  test('the second signal ends the process at once', async () => {
    // After the first it computes for a minute, and the second comes in the middle of that.
    const busy = `import { spawn } from 'node:child_process';
      process.once('SIGINT', () => setImmediate(() => {
        spawn('sh', ['-c', 'kill -INT ' + process.pid]);
        for (const end = Date.now() + 60_000; Date.now() < end; );
      }));`;
    let sent = false;
    const { signal, out, err } = await start(
      train('run-twice'),
      (printed, kill) => {
        if (sent || !/ step \d+ /.test(printed)) return;
        sent = true;
        kill('SIGINT');
      },
      ['--import', `data:text/javascript,${encodeURIComponent(busy)}`],
    );
    expect(err).toContain('Stopping');
    expect(signal).toBe('SIGINT');
    expect(out).not.toContain('--resume');
  });
});

onLinux('a run is not trained by two processes at once; one that was killed frees it', async () => {
  const cache = ['--cache-folder', 'cache'];
  const resume = (...more: string[]) =>
    spawnSync(process.execPath, [MAIN, 'train', '--resume', 'run-owned', ...cache, ...more], {
      ...{ cwd: folder, encoding: 'utf8' },
    });
  const again: ReturnType<typeof resume>[] = [];
  const { signal } = await start([...train('run-owned'), '--checkpoint-every', '1'], (printed, kill) => {
    if (again.length > 0 || !existsSync(join(folder, 'run-owned', 'checkpoint'))) return;
    if (!/ step [1-9]\d* /.test(printed)) return;
    again.push(resume());
    kill('SIGKILL');
  });
  expect(signal).toBe('SIGKILL');
  expect(again[0]).toMatchObject({ status: 2 });
  expect(again[0]!.stderr).toMatch(/got run-owned, which process \d+ trains now; stop it first/);
  expect(existsSync(join(folder, 'run-owned', 'owner.json'))).toBe(true);
  expect(resume('--steps', '1')).toMatchObject({ status: 0 });
  expect(existsSync(join(folder, 'run-owned', 'owner.json'))).toBe(false);
});

describe('errors at the border', () => {
  full('a full disk behind stdout is one line and exit code 1', async () => {
    const command = `"${process.execPath}" "${MAIN}" --version > /dev/full`;
    const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([1, 'error: Cannot write: no space left on device (ENOSPC)\n']);
  });

  test('training continues when nobody reads its output', () => {
    const words = train('run-pipe').map((word) => (word === '1000000' ? '3' : word));
    const command = `"${process.execPath}" "${MAIN}" ${words.join(' ')} | head -n 1`;
    const { stdout, stderr } = spawnSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' });
    expect(stdout).toMatch(/^Backend cpu .*\n$/);
    expect(stderr).not.toContain('error');
    expect(existsSync(join(folder, 'run-pipe', 'summary.json'))).toBe(true);
  });

  test.each([
    ['sample run-pipe --backend cpu --tokens 1000000 --samples 1000'],
    ['verify --backend wasm --reference cpu --size small --random 100000'],
  ])('a command that makes nothing but output ends when nobody reads it: %s', (words) => {
    const command = `"${process.execPath}" "${MAIN}" ${words} | head -n 1`;
    const { stdout, stderr } = spawnSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' });
    expect(stdout).toMatch(/^.+\n$/);
    expect(stderr).not.toContain('error');
  });

  test('an uncaught error is one line and exit code 1', () => {
    const late =
      'process.on("newListener", (name) => {' +
      ' if (name === "uncaughtException") setTimeout(() => { throw new TypeError("late\\nerror"); });' +
      '})';
    const args = ['--import', `data:text/javascript,${encodeURIComponent(late)}`, MAIN, 'doctor'];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect([status, stderr]).toEqual([1, 'error: late error\n(TINYGPT_DEBUG=1 shows the stack trace)\n']);
  });

  test.each([
    ['train', '--out', 'x'.repeat(5000), '--backend', 'cpu', '--text', 'stories.txt', '--steps', '1'],
    ['train', '--config', 'x'.repeat(5000)],
    ['train', '--text', 'x'.repeat(5000), '--backend', 'cpu'],
    ['train', '--resume', 'x'.repeat(5000)],
    ['tune', '--out', 'x'.repeat(5000), '--backend', 'cpu', '--text', 'stories.txt', '--trials', '1'],
    ['report', 'x'.repeat(5000)],
    ['sample', 'x'.repeat(5000)],
    ['prepare', '--cache-folder', 'x'.repeat(5000), '--text', 'stories.txt'],
    ['prepare', '--export', 'x'.repeat(5000), '--text', 'stories.txt', '--vocab-size', '256'],
    ['verify', 'x'.repeat(5000), '--backend', 'cpu'],
    ['setup', 'tensorflow', '--from', 'x'.repeat(5000)],
  ])('a name that is too long for a file is one line: %s', async (...argv) => {
    const { code, err } = await start(argv as string[]);
    expect([1, 2]).toContain(code);
    const lines = err.split('\n').filter((line) => line.startsWith('error:'));
    expect(lines).toHaveLength(1);
    expect(lines[0]!.length).toBeLessThan(400);
    expect(err).not.toMatch(/TINYGPT_DEBUG|^ +at /m);
  });

  full('a log that cannot be written is noted once and stops nothing', async () => {
    const notes: string[] = [];
    const log = openLog('/dev/full', (line) => notes.push(line));
    for (let n = 0; n < 3; n++) log.info({ n }, 'trial');
    expect(notes).toEqual([expect.stringMatching(/^\/dev\/full cannot be written \(ENOSPC/)]);
  });
});
