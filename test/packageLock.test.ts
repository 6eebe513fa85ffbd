// What npm installs is pinned by hash, independent of the download location.

import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

type Entry = { version?: string; integrity?: string; resolved?: string; link?: boolean };

test('every package of package-lock.json has a SHA-512, those of other platforms too, and no address', () => {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, Entry>;
  };
  const entries = Object.entries(packages).filter(([path, { link }]) => path !== '' && !link);
  expect(entries.length).toBeGreaterThan(100);
  expect(
    entries.filter(([, { integrity }]) => !integrity?.startsWith('sha512-')).map(([path]) => path),
  ).toEqual([]);
  expect(entries.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
});
