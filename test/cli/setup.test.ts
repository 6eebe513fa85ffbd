// The command line of `tinygpt setup`: what it refuses, and what it prints when there is nothing to do.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { hasCompiler } from '../setup/tensorflow/fixture.js';
import { err, out, run } from './capture.js';

const { TINYGPT_CACHE } = process.env;
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-setup-cli-'));
  process.env.TINYGPT_CACHE = folder;
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  if (TINYGPT_CACHE === undefined) delete process.env.TINYGPT_CACHE;
  else process.env.TINYGPT_CACHE = TINYGPT_CACHE;
});

test('only what is known can be set up', async () => {
  expect(await run('setup', 'pytorch')).toBe(2);
  expect(err).toMatch(/tensorflow/);
});

test('--undo is refused with other options', async () => {
  expect(await run('setup', 'tensorflow', '--undo', '--release', '2.20.0')).toBe(2);
  expect(err).toMatch(/--undo alone/);
});

test('--undo says so where nothing was set up', async () => {
  expect(await run('setup', 'tensorflow', '--undo')).toBe(0);
  expect(out).toBe('Nothing was set up\n');
});

test('a source that does not exist, or two sources, are refused before anything is done', async () => {
  const linux = process.platform === 'linux' && hasCompiler;
  expect(await run('setup', 'tensorflow', '--from', join(folder, 'no.whl'))).toBe(linux ? 2 : 1);
  if (linux)
    expect(err).toMatch(/Expected --from to name a wheel or a folder, got .*no\.whl, which does not exist/);
  expect(await run('setup', 'tensorflow', '--from', folder, '--release', '2.20.0')).not.toBe(0);
});
