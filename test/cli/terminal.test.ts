import { spawnSync } from 'node:child_process';
import { expect, test } from '@jest/globals';
import { shellQuoted } from '../../src/base/format.js';
import {
  byteSize,
  counted,
  duration,
  fitted,
  openProgress,
  shellOption,
  shellPath,
} from '../../src/cli/terminal.js';
import { stepLine } from '../../src/cli/trainCommand.js';

const stream = (isTTY: boolean, columns: number) => ({ isTTY, columns }) as NodeJS.WriteStream;

test('a line is truncated to the width of a terminal but not in a file', () => {
  const line = 'depth=4 width=128 matrixLr=0.04';
  expect(fitted(line, stream(true, 20))).toBe('depth=4 width=128 …');
  expect(fitted(line, stream(true, 80))).toBe(line);
  expect(fitted(line, stream(false, 20))).toBe(line);
});

test('names from a study cannot steer the terminal', () => {
  expect(fitted('\u001b[31mred\u0007\u009b2J\tok', stream(true, 80))).toBe('?[31mred??2J\tok');
  const reordered = ['\u061c', '\u200e', '\u200f', '\u202a', '\u202e', '\u2066', '\u2069'].join('a');
  expect(fitted(`${reordered} \u05d0b`, stream(true, 80))).toBe('?a?a?a?a?a?a? \u05d0b');
});

test('a progress line stays one, whatever a program prints', () => {
  const term = process.env.TERM;
  process.env.TERM = 'xterm';
  let written = '';
  const write = (text: string) => (written += text);
  openProgress({ ...stream(true, 20), write } as never).update(() => 'step\t1\tloss\x0e\t0.5 and more');
  process.env.TERM = term ?? '';
  expect(written).toBe('\r\x1b[2Kstep 1 loss? 0.5 a…');
});

test('the time left is within a terminal of 80 columns', () => {
  const report = { progress: 0.4, trainingSeconds: 200, step: 123_456, smoothLoss: 10.1234, lrMultiplier: 1 };
  const speed = { tokensPerSecond: 1_234_567, mfuPercent: 41.2, peakMemoryBytes: 1e9 };
  const line = `trial 123 ${stepLine({ ...report, ...speed } as never)}`;
  expect(fitted(line, stream(true, 80))).toContain('| 5m00s left | step 123456 | loss 10.1234 |');
});

test('sizes and times read as people write them', () => {
  expect([950, 12_345_678, 4.5e9].map(byteSize)).toEqual(['950 B', '12.3 MB', '4.50 GB']);
  expect([45, 125, 12_000].map(duration)).toEqual(['45s', '2m05s', '3h20m']);
});

test('counts agree with their nouns', () => {
  expect([0, 1, 2, 12_345].map((n) => counted(n, 'document'))).toEqual([
    '0 documents',
    '1 document',
    '2 documents',
    '12,345 documents',
  ]);
});

test('paths in printed commands are read back whole by a shell', () => {
  const paths = [
    'runs/a-1',
    'my runs/a',
    "it's",
    '$(touch x)',
    '`x`',
    'a;b',
    'a\nb',
    '-x',
    '~',
    '*',
    'ü',
    '',
  ];
  for (const path of paths) {
    const { stdout } = spawnSync('sh', ['-c', `printf %s ${shellPath(path)}`], { encoding: 'utf8' });
    expect(stdout).toBe(path.startsWith('-') ? `./${path}` : path);
  }
  for (const text of ['-x', 'one day', "it's"]) {
    const { stdout } = spawnSync('sh', ['-c', `printf %s ${shellOption('prompt', text)}`], {
      encoding: 'utf8',
    });
    expect(stdout).toBe(`--prompt${text.startsWith('-') ? `=${text}` : text}`);
  }
  expect(shellQuoted('Once upon a time')).toBe('"Once upon a time"');
  expect(shellQuoted('runs/20261123-152101')).toBe('runs/20261123-152101');
});
