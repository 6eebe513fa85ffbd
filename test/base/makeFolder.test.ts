import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { EnvironmentError } from '../../src/base/errors.js';
import { makeFolder } from '../../src/base/files.js';

const root = mkdtempSync(join(tmpdir(), 'tinygpt-folder-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('a folder is created with its parents, also when it exists', () => {
  const path = join(root, 'a', 'b', 'c');
  makeFolder(path, 0o700);
  makeFolder(path);
  expect(statSync(path).isDirectory()).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o700);
});

test('a link to a folder works; a dangling link and a file in the way are errors with a fix', () => {
  makeFolder(join(root, 'real'));
  symlinkSync(join(root, 'real'), join(root, 'link'));
  makeFolder(join(root, 'link', 'inner'));
  expect(existsSync(join(root, 'real', 'inner'))).toBe(true);
  symlinkSync(join(root, 'nowhere'), join(root, 'dangling'));
  writeFileSync(join(root, 'file'), '');
  for (const path of ['dangling', 'dangling/inner', 'file', 'file/inner'])
    expect(() => makeFolder(join(root, path))).toThrow(/^Cannot write .*; choose a writable folder$/);
});

(process.platform === 'linux' ? test : test.skip)(
  'a folder that takes no entries is an error at once',
  () => {
    expect(() => makeFolder('/proc/tinygpt/x')).toThrow(EnvironmentError);
  },
);
