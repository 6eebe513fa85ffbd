// Files that another user could have written are recognized by owner and mode, including those of the folders above.

import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { whyUntrusted } from '../../src/base/trust.js';

const scratch = mkdtempSync(join(tmpdir(), 'tinygpt-trust-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const root = process.getuid?.() === 0;
const asRoot = root ? test : test.skip;
const onPosix = process.getuid ? describe : describe.skip;

let [top, folder, file] = ['', '', ''];
let count = 0;
beforeEach(() => {
  top = join(scratch, `${count++}`);
  folder = join(top, 'cache', 'native');
  file = join(folder, 'library.so');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(file, '', { mode: 0o600 });
});

onPosix('trust', () => {
  test('a file in folders that all belong to the user is trusted, under /tmp too', () => {
    expect(whyUntrusted(file)).toBeUndefined();
    expect(whyUntrusted(folder)).toBeUndefined();
  });

  test('a file, or its folder, that others can write is not', () => {
    chmodSync(file, 0o606);
    expect(whyUntrusted(file)).toBe(`${file} can be written by others (mode 606)`);
    chmodSync(file, 0o600);
    chmodSync(folder, 0o1777);
    expect(whyUntrusted(file)).toBe(`${folder} can be written by others (mode 1777)`);
  });

  test('nor is one below a folder in which others can replace files that they do not own', () => {
    chmodSync(join(top, 'cache'), 0o777);
    expect(whyUntrusted(file)).toBe(`${join(top, 'cache')} can be written by others (mode 777)`);
    expect(whyUntrusted(folder)).toBe(`${join(top, 'cache')} can be written by others (mode 777)`);
    chmodSync(join(top, 'cache'), 0o1777);
    expect(whyUntrusted(file)).toBeUndefined();
  });

  test('a link is checked at its own location and at its target', () => {
    const elsewhere = join(top, 'elsewhere');
    mkdirSync(elsewhere);
    symlinkSync(folder, join(elsewhere, 'link'));
    const through = join(elsewhere, 'link', 'library.so');
    expect(whyUntrusted(through)).toBeUndefined();
    chmodSync(elsewhere, 0o777);
    expect(whyUntrusted(through)).toMatch(/elsewhere can be written by others/);
    chmodSync(elsewhere, 0o700);
    chmodSync(folder, 0o777);
    expect(whyUntrusted(through)).toMatch(/can be written by others/);
  });

  asRoot('what belongs to another user is not trusted, be it the file or a folder above it', () => {
    chownSync(file, 12_345, 12_345);
    expect(whyUntrusted(file)).toBe(`${file} belongs to user 12345, expected 0 or root`);
    chownSync(file, 0, 0);
    chownSync(join(top, 'cache'), 12_345, 12_345);
    expect(whyUntrusted(file)).toMatch(/cache belongs to user 12345/);
  });
});
