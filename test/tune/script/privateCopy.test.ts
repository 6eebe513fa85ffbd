import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { readProject } from '../../../src/tune/script/privateCopy.js';
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
