// Temporary files of killed processes.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { afterAll, expect, test } from '@jest/globals';
import { isAlive, removeLeftovers, temporaryName } from '../../src/base/files.js';

const folder = mkdtempSync(join(tmpdir(), 'tinygpt-leftovers-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('leftovers of dead processes are removed, other files are not', () => {
  const gone = spawnSync(process.execPath, ['-e', '']).pid;
  const own = temporaryName(join(folder, 'own'));
  const dead = temporaryName(join(folder, 'dead')).replace(`.${process.pid}.`, `.${gone}.`);
  const elsewhere = (name: string) => join(folder, `${name}.${gone}.00000123456789.tmp`);
  for (const path of [own, dead, elsewhere('recent'), elsewhere('old'), join(folder, 'a.tmp')])
    writeFileSync(path, '');
  mkdirSync(`${dead.replace('dead', 'folder')}`);
  utimesSync(elsewhere('old'), 0, 0);
  removeLeftovers(folder);
  expect(readdirSync(folder).sort()).toEqual(['a.tmp', basename(own), basename(elsewhere('recent'))].sort());
  removeLeftovers(join(folder, 'absent'));
});

const linux = process.platform === 'linux' ? test : test.skip;
linux('a process that has ended but was not waited for is not alive', async () => {
  // The shell's child lives until its pipe is closed; by then the shell has become a program that never waits for it.
  const command = 'cat <&3 >/dev/null & echo $!; exec 3<&-; exec sleep 60';
  const parent = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'ignore', 'pipe'] });
  try {
    const [line] = (await once(parent.stdout!, 'data')) as [Buffer];
    const pid = Number(line.toString());
    const until = async (file: string, pattern: RegExp) => {
      while (!pattern.test(readFileSync(`/proc/${file}`, 'utf8'))) await setImmediate();
    };
    await until(`${parent.pid}/cmdline`, /^sleep/);
    expect(isAlive(pid)).toBe(true);
    (parent.stdio[3] as Writable).end();
    await until(`${pid}/stat`, /\) Z /);
    expect(isAlive(pid)).toBe(false);
  } finally {
    parent.kill();
  }
});
