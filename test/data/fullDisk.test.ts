import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import type { DocumentSource } from '../../src/data/types.js';

// A disk that takes so many writes to open files, then is full.
let writesLeft = Infinity;
jest.unstable_mockModule('node:fs', () => ({
  ...fs,
  writeSync: (...args: Parameters<typeof fs.writeSync>) => {
    if (writesLeft-- <= 0)
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    return fs.writeSync(...args);
  },
}));
const { prepareDataset } = await import('../../src/data/prepare.js');

const folder = fs.mkdtempSync(join(tmpdir(), 'tinygpt-test-'));
afterEach(() => fs.rmSync(folder, { recursive: true }));

const source: DocumentSource = {
  name: 'fake',
  fingerprint: async () => 'x',
  async *groups() {
    for (let i = 0; i < 5; i++)
      yield Array.from({ length: 100 }, (_, j) => `once ${i} upon ${j} `.repeat(30));
  },
};

describe('a full disk', () => {
  test('at any point of prepare is a one-line error and leaves nothing', async () => {
    const prepare = () => prepareDataset({ source, vocabSize: 256, cacheFolder: folder, threads: 1 });
    let failures = 0;
    for (let writes = 0; ; writes++) {
      writesLeft = writes;
      const outcome = await prepare().then(
        () => 'prepared',
        (error: Error) => `${error.name}: ${error.message}`,
      );
      if (outcome === 'prepared') break;
      expect(outcome).toMatch(
        /^EnvironmentError: No space left to write .*\.tokens; free some space or choose another folder$/,
      );
      expect(fs.readdirSync(join(folder, 'datasets'))).toEqual([]);
      failures++;
    }
    // Per split: the place of the header, some blocks, the index, the header.
    expect(failures).toBeGreaterThan(10);
  });
});
