import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { extract, isInside, readZip } from '../../../src/setup/wheels/zip.js';
import { writeZip } from './zipFile.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-zip-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('members are extracted unchanged: deflated, stored, empty, large', async () => {
  const path = join(folder, 'a.zip');
  const large = Buffer.alloc(300_000, 'abcdefg');
  const members = {
    'a/deflated.txt': 'hello '.repeat(100),
    stored: 'plain',
    'empty.txt': '',
    'b/large': large,
  };
  writeZip(path, members, ['stored']);
  const entries = await readZip(path);
  expect(entries.map(({ name }) => name)).toEqual(Object.keys(members));
  for (const entry of entries) {
    const target = join(folder, 'out', entry.name);
    let bytes = 0;
    await extract(path, entry, target, { onBytes: (n) => (bytes += n) });
    const expected = Buffer.from(members[entry.name as keyof typeof members] as string);
    expect(readFileSync(target).equals(expected)).toBe(true);
    expect(bytes).toBe(expected.length);
  }
});

test('files that are not archives or are truncated are refused', async () => {
  const path = join(folder, 'x.whl');
  writeFileSync(path, 'not a zip');
  await expect(readZip(path)).rejects.toThrow(/x\.whl is not a wheel/);
  writeZip(path, { a: 'x'.repeat(1000) }, ['a']);
  writeFileSync(path, readFileSync(path).subarray(0, 500));
  await expect(readZip(path)).rejects.toThrow(/truncated/);
});

test('a damaged member is detected by its checksum', async () => {
  const path = join(folder, 'd.zip');
  writeZip(path, { a: 'contents' }, ['a']);
  const bytes = readFileSync(path);
  bytes[31 + 2]! ^= 1;
  writeFileSync(path, bytes);
  const [entry] = await readZip(path);
  await expect(extract(path, entry!, join(folder, 'out'))).rejects.toThrow(/damaged \(a\)/);
});

test('names that lead out of the folder are detected', () => {
  expect(['a/b', 'a..b/c'].map(isInside)).toEqual([true, true]);
  expect(['../a', 'a/../../b', '/etc/x', 'a\\..\\b'].map(isInside)).toEqual([false, false, false, false]);
});
