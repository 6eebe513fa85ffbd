// Text and JSON files of any usual encoding are read; what cannot be read is a one-line typed error.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { EnvironmentError, UsageError } from '../../src/base/errors.js';
import { describeReadError, describeWriteError, writeFileAtomic } from '../../src/base/files.js';
import { formatJson, parseJson } from '../../src/base/json.js';
import { readJsonFile, readTextFile } from '../../src/base/textFile.js';

const folder = mkdtempSync(join(tmpdir(), 'tinygpt-text-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, contents: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, contents);
  return path;
}

const TEXT = '{"name": "Zoë 😀", "rate": 0.03}';
const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16();

describe('JSON and text files in any usual encoding', () => {
  test.each<[string, Uint8Array]>([
    ['UTF-8', Buffer.from(TEXT)],
    ['UTF-8 with a byte order mark', Buffer.from(`\uFEFF${TEXT}`)],
    ['UTF-16 LE with a byte order mark', Buffer.from(`\uFEFF${TEXT}`, 'utf16le')],
    ['UTF-16 BE with a byte order mark', utf16be(`\uFEFF${TEXT}`)],
    ['UTF-16 LE without a byte order mark', Buffer.from(TEXT, 'utf16le')],
    ['UTF-16 BE without a byte order mark', utf16be(TEXT)],
  ])('%s', (_, bytes) => {
    expect(readTextFile(file('any.json', bytes))).toBe(TEXT);
    expect(readJsonFile(file('any.json', bytes))).toEqual({ name: 'Zoë 😀', rate: 0.03 });
  });
});

test('Japanese in UTF-16 without a byte order mark is told by its line ends', () => {
  const text = '吾輩は猫である。　名前はまだ無い。\n'.repeat(30);
  expect(readTextFile(file('cat.txt', Buffer.from(text, 'utf16le')))).toBe(text);
  expect(readTextFile(file('cat.txt', utf16be(text)))).toBe(text);
  const withZero = `${text}\0`;
  expect(readTextFile(file('cat.txt', withZero))).toBe(withZero);
  expect(() => readTextFile(file('cat.txt', Buffer.from([0x82, 0xa0, 0x0a].concat(0x82, 0xa0))))).toThrow(
    UsageError,
  );
});

test('JSON files may hold comments, commas after the last member, and numbers that are not finite', () => {
  const text = `{
    // the best of last night
    "depth": 6, /* layers */
    "matrixLr": 0.03, 'softcap': Infinity, bias: NaN,
  }`;
  expect(readJsonFile(file('config.json', text))).toEqual({
    depth: 6,
    matrixLr: 0.03,
    softcap: Infinity,
    bias: NaN,
  });
});

describe('is refused with a one-line error that names the file', () => {
  const utf32 = Buffer.concat(
    [...`\uFEFF${TEXT}`].map((c) => Buffer.from([c.codePointAt(0)! & 255, c.codePointAt(0)! >> 8, 0, 0])),
  );
  test.each<[string, Uint8Array, RegExp]>([
    ['UTF-32', utf32, /UTF-32 or a binary file/],
    ['zeros', Buffer.alloc(100), /binary file/],
    ['Latin-1', Buffer.from('{"name": "Zo\xeb"}', 'latin1'), /Expected UTF-8 text in --config/],
    ['half a JSON document', Buffer.from('{\n"a": 1,\n'), /Expected JSON in --config .*bad\.json/],
    ['a wrong token', Buffer.from('{\n"a": 1,\n,}'), /Expected JSON in --config/],
    ['a key that is no name', Buffer.from('{1-: 1}'), /Expected JSON in --config/],
    ['nothing', Buffer.from(''), /Expected JSON in --config/],
  ])('%s', (_, bytes, message) => {
    const read = () => readJsonFile(file('bad.json', bytes), '--config');
    expect(read).toThrow(UsageError);
    expect(read).toThrow(message);
    expect(read).not.toThrow(/\n/);
  });

  test('a missing file, a folder, a name that is too long, a named pipe', () => {
    expect(() => readJsonFile(join(folder, 'absent.json'), '--space')).toThrow(
      /Cannot read --space .*absent\.json: there is no such file/,
    );
    expect(() => readTextFile(folder)).toThrow(/regular file at .*, got a folder/);
    const long = join(folder, 'x'.repeat(5000));
    for (const action of [() => readTextFile(long), () => writeFileAtomic(long, '')]) {
      expect(action).toThrow(/x\.\.\./);
      expect(action).not.toThrow(/x{200}/);
    }
    expect(() => readTextFile(long)).toThrow(UsageError);
    expect(() => writeFileAtomic(long, '')).toThrow(EnvironmentError);
    const pipe = join(folder, 'pipe.json');
    execFileSync('mkfifo', [pipe]);
    expect(() => readTextFile(pipe)).toThrow(/got a named pipe; write its contents to a file first/);
  });
});

test('system errors of any kind become typed errors; others pass', () => {
  for (const code of ['ENOSPC', 'EMFILE', 'EIO', 'ENXIO', 'EFBIG', 'ETXTBSY']) {
    const error = Object.assign(new Error(`${code}: reason`), { code, syscall: 'write' });
    expect(describeWriteError('f', error)).toBeInstanceOf(EnvironmentError);
    expect(describeReadError('f', error)).toBeInstanceOf(EnvironmentError);
  }
  const fault = new TypeError('a fault of ours');
  expect(describeWriteError('f', fault)).toBe(fault);
  expect(describeReadError('f', fault)).toBe(fault);
});

describe('JSON as Python writes it', () => {
  test('NaN and Infinity are numbers outside strings, and text inside them', () => {
    expect(parseJson('{"a": NaN, "b": [-Infinity, Infinity], "c": "NaN \\"Infinity\\\\"}')).toEqual({
      a: Number.NaN,
      b: [-Infinity, Infinity],
      c: 'NaN "Infinity\\',
    });
    expect(parseJson('\uFEFF[NaN]')).toEqual([Number.NaN]);
    expect(parseJson(formatJson([Number.NaN, '#NaN']))).toEqual([Number.NaN, '#NaN']);
    expect(parseJson('["\\u0023NaN", "#", NaN]')).toEqual(['#NaN', '#', Number.NaN]);
  });

  test('strings of megabytes beside a NaN', () => {
    const text = 'a "quoted" line\n'.repeat(300_000);
    expect(parseJson(`{"text": ${JSON.stringify(text)}, "score": NaN}`)).toEqual({ text, score: Number.NaN });
  });

  test.each(['[1NaN]', '[-NaN]', '{NaN: 1}', '[NaN', '["NaN]'])('%p is refused', (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });
});
