// From options to corpora.

import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { UsageError } from '../../../src/base/errors.js';
import { openSource, type SourceSpec } from '../../../src/data/sources/openSource.js';
import { scratchFolder } from '../../net/unreliableServer.js';

let scratch: ReturnType<typeof scratchFolder>;
beforeEach(() => {
  scratch = scratchFolder();
});
afterEach(() => scratch.remove());

test('no option is 16 MB of bundled stories', async () => {
  expect((await openSource()).name).toBe('bundled:16MB');
  expect((await openSource({ bundled: 2.5 })).name).toBe('bundled:2.5MB');
});

test('options choose the corpus', async () => {
  const text = scratch.path('a.txt');
  writeFileSync(text, 'one\n\ntwo');
  expect((await openSource({ text })).name).toBe('a.txt');
  const context = { cacheFolder: scratch.folder };
  expect((await openSource({ hub: 'climbmix-400b-shuffle' }, context)).name).toBe(
    'karpathy/climbmix-400b-shuffle',
  );
  expect((await openSource({ hub: 'karpathy/climbmix-400b-shuffle', shards: 3 }, context)).name).toBe(
    'karpathy/climbmix-400b-shuffle:3',
  );
});

test.each<[SourceSpec, RegExp]>([
  [{ bundled: 1, text: 'a.txt' }, /Expected one of --bundled, --text and --hub, got --bundled and --text/],
  [{ text: 'a.txt', hub: 'x' }, /got --text and --hub/],
  [{ valText: 'b.txt' }, /Expected --val-text together with --text, got --val-text b.txt without it/],
  [{ bundled: 1, column: 'story' }, /Expected --column together with --text/],
  [{ shards: 2 }, /Expected --shards together with --hub/],
  [{ bundled: 0 }, /Expected a number of megabytes above 0, got 0/],
  [{ bundled: -1 }, /got -1/],
  [{ bundled: Number.NaN }, /got NaN/],
  [{ bundled: Infinity }, /got Infinity/],
  [{ hub: 'nothing' }, /Expected --hub .*, got nothing/],
])('options that contradict each other are refused: %p', async (spec, message) => {
  await expect(openSource(spec)).rejects.toThrow(UsageError);
  await expect(openSource(spec)).rejects.toThrow(message);
});
