import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { copyProject, readProject } from '../../../src/tune/script/privateCopy.js';
import { scratchFolder } from '../scratch.js';

const scratch = scratchFolder();

test('studies below a project are not part of its copies: their trials write while others start', () => {
  const root = scratch('project');
  const write = (path: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), 'x = 1\n');
  };
  for (const path of [
    'train.py',
    'lib/model.py',
    'out/journal.log',
    'out/trials/3/steps.jsonl',
    'contest/gp-1/journal.log',
  ])
    write(path);
  const { files, folders } = readProject(root, join(root, 'out', 'confirmation'), 'train.py');
  expect(files.sort()).toEqual(['lib/model.py', 'train.py']);
  expect(folders.filter((folder) => /out|gp-1/.test(folder))).toEqual([]);
});

test('a file that is gone by the time of a copy is no reason to fail', () => {
  const root = scratch('changing');
  mkdirSync(root, { recursive: true });
  for (const name of ['train.py', 'model.py', 'train.py~']) writeFileSync(join(root, name), 'x = 1\n');
  const project = readProject(root, join(root, 'out'), 'train.py');
  rmSync(join(root, 'train.py~'));
  const copy = join(root, 'out', '0');
  const tidy = copyProject(project, copy, { path: 'train.py', text: 'x = 2\n' });
  expect(existsSync(join(copy, 'model.py'))).toBe(true);
  tidy();
});
