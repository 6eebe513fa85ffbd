// What a study of the trainer needs that is done in seconds: a text, a tiny model and a space of one parameter.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';

/** Writes stories.txt. */
export function writeStories(folder: string, who = 'ducks'): void {
  const story = (n: number) => `The ${n} little ${who} swam over the hill and far away.`;
  writeFileSync(join(folder, 'stories.txt'), Array.from({ length: 60 }, (_, n) => story(n)).join('\n\n'));
}

/**
 * A folder with stories.txt, tiny.json (for --config) and space.json for one test file, removed when its tests are done.
 * @param more parameters of the space
 */
export function tinyStudyFolder(more: object = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'tinygpt-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  writeStories(folder);
  const sizes = { vocabSize: 256, depth: 1, width: 32, headDim: 16, seqLen: 16 };
  const tiny = { ...sizes, deviceBatchSize: 2, totalBatchSize: 32, evalTokens: 32 };
  writeFileSync(join(folder, 'tiny.json'), JSON.stringify(tiny));
  const space = { matrixLr: { kind: 'float', low: 0.001, high: 0.2, log: true }, ...more };
  writeFileSync(join(folder, 'space.json'), JSON.stringify({ space }));
  return folder;
}

/** A command line that searches there; the study is in the folder `name` of it. */
export const tinyTune = (
  folder: string,
  backend: string,
  steps: number,
  name: string,
  ...more: string[]
): string[] => [
  ...['tune', '--backend', backend, '--text', join(folder, 'stories.txt')],
  ...['--cache-folder', join(folder, 'cache'), '--config', join(folder, 'tiny.json')],
  ...['--space', join(folder, 'space.json'), '--trial-steps', `${steps}`],
  ...['--out', join(folder, name), ...more],
];
