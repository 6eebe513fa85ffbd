import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { CACHE_KINDS } from '../../src/base/cache.js';
import { err, out, run } from './capture.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-cache-'));
  add('datasets/abc/train-00000.tokens', 3000);
  add('native/kernels-1.so', 500);
  add('self-test/cpu-1.json', 20);
  add('notes.txt', 7);
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function add(name: string, bytes: number): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, Buffer.alloc(bytes));
  return path;
}
const cache = (...more: string[]) => run('cache', ...more, '--cache-folder', folder);

test('cache lists what the folder holds, with sizes', async () => {
  expect(await cache()).toBe(0);
  expect(out).toMatch(/^datasets: .*\n +3\.00 kB {2}used \d{4}-\d\d-\d\d {2}abc$/m);
  expect(out).toMatch(/^native: .*\n +500 B .*kernels-1\.so$/m);
  expect(out).toContain(`3 entries, 3.52 kB in ${folder}`);
  expect(await cache('--json', '--kind', 'native')).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ bytes: 500, entries: [{ kind: 'native', name: 'kernels-1.so' }] });
});

test('cache clean removes only what it lists', async () => {
  expect(await cache('clean', '--dry-run')).toBe(0);
  expect(out).toContain('Would remove 3 entries');
  expect(existsSync(join(folder, 'native/kernels-1.so'))).toBe(true);
  expect(await cache('clean', '--kind', 'native')).toBe(0);
  expect(out).toContain('Removed 1 entry, 500 B');
  expect(existsSync(join(folder, 'native/kernels-1.so'))).toBe(false);
  expect(existsSync(join(folder, 'datasets/abc'))).toBe(true);
  expect(await cache('clean')).toBe(0);
  expect(existsSync(join(folder, 'datasets/abc'))).toBe(false);
  expect(existsSync(join(folder, 'notes.txt'))).toBe(true);
});

test('cache clean --unused-days keeps recently used entries', async () => {
  const old = new Date(Date.now() - 40 * 86_400_000);
  const path = add('hub/old/part.parquet', 10);
  utimesSync(path, old, old);
  utimesSync(dirname(path), old, old);
  expect(await cache('clean', '--unused-days', '30')).toBe(0);
  expect(out).toContain('Removed 1 entry, 10 B');
  expect(existsSync(join(folder, 'datasets/abc'))).toBe(true);
});

test('cache clean does not follow links out of the folder', async () => {
  const outside = mkdtempSync(join(tmpdir(), 'tinygpt-outside-'));
  writeFileSync(join(outside, 'kept.txt'), 'kept');
  symlinkSync(outside, join(folder, 'datasets', 'link'));
  symlinkSync(outside, join(folder, 'hub'));
  expect(await cache('clean')).toBe(0);
  expect(existsSync(join(outside, 'kept.txt'))).toBe(true);
  rmSync(outside, { recursive: true });
});

test('records that a server has not got yet are listed, and removed only by their kind', async () => {
  add('spool/abc-1.jsonl', 10);
  await cache();
  expect(out).toContain('spool: records of studies');
  await cache('clean');
  expect(existsSync(join(folder, 'spool/abc-1.jsonl'))).toBe(true);
  await cache('clean', '--kind', 'spool');
  expect(existsSync(join(folder, 'spool/abc-1.jsonl'))).toBe(false);
});

test('every cache folder that the sources create is listed', () => {
  const source = fileURLToPath(new URL('../../../src/', import.meta.url));
  const names = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => [
      ...readFileSync(join(source, name), 'utf8').matchAll(
        /join\((?:defaultCacheFolder\(\)|cacheFolder), '([^']+)'/g,
      ),
    ])
    .map(([, folder]) => folder!);
  expect(names.length).toBeGreaterThan(4);
  expect([...new Set(names)].filter((name) => !(name in CACHE_KINDS))).toEqual([]);
});

test('an empty or absent cache is an empty list; a mistake is one line', async () => {
  rmSync(folder, { recursive: true });
  expect(await cache()).toBe(0);
  expect(out).toBe(`0 entries, 0 B in ${folder}\n`);
  expect(await cache('purge')).toBe(2);
  expect(err).toContain('Expected <action> to be one of list, clean, got purge');
  expect(await cache('--dry-run')).toBe(2);
});
