// How commands open a corpus, and what they print about it.

import { readdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { afterAll, expect, test } from '@jest/globals';
import { reportError } from '../../src/cli/cli.js';
import { describeData, openData } from '../../src/cli/dataOptions.js';
import { temporaryFolder } from '../data/corpus.js';

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('--threads is capped at the number of cores, with a message', async () => {
  const notes: string[] = [];
  const progress = { note: (line: string) => notes.push(line), update: () => {}, end: () => {} };
  const options = { cacheFolder: folder, threads: 100_000, tokenizer: undefined };
  const data = await openData({ documents: ['Another one.', 'One story.'] }, 256, options, progress);
  const cores = availableParallelism();
  expect(notes).toEqual([
    `Using ${cores === 1 ? '1 thread' : `${cores} threads`} (one per core) instead of 100000`,
  ]);
  expect(describeData(data)).toBe(
    'Data documents: 1 document, 12 tokens (1.00 bytes each, 260 ids), validation 10 tokens',
  );
});

test('an interrupted preparation ends with 130 and leaves nothing', async () => {
  const progress = { note: () => {}, update: () => {}, end: () => {} };
  const controller = new AbortController();
  const documents = Array.from({ length: 1000 }, (_, i) => `Story ${i}.`);
  const options = { cacheFolder: `${folder}/stopped`, threads: 1, tokenizer: undefined };
  const update = () => controller.abort();
  const failing = openData({ documents }, 300, options, { ...progress, update }, controller.signal);
  const error: unknown = await failing.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(reportError(error)).toBe(130);
  expect(readdirSync(`${folder}/stopped/datasets`)).toEqual([]);
});
