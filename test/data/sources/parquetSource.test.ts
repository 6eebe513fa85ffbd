// Documents of .parquet files, which test/golden/sources/make_parquet.py wrote with pyarrow.

import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EnvironmentError, UsageError } from '../../../src/base/errors.js';
import type { DocumentFile } from '../../../src/data/sources/documentFile.js';
import { fileSource } from '../../../src/data/sources/fileSource.js';
import { parquetFile } from '../../../src/data/sources/parquetSource.js';
import { scratchFolder } from '../../net/unreliableServer.js';

const golden = (name: string) => `test/golden/sources/${name}`;
const texts = JSON.parse(readFileSync(golden('stories.json'), 'utf8')) as (string | null)[];
let scratch: ReturnType<typeof scratchFolder>;
beforeEach(() => {
  scratch = scratchFolder();
});
afterEach(() => scratch.remove());

async function groupsOf(file: DocumentFile, start = 0, end = Infinity): Promise<string[][]> {
  const groups: string[][] = [];
  for await (const group of file.groups(start, end)) groups.push(group);
  return groups;
}

describe.each(['zstd', 'snappy'])('a file compressed with %s', (codec) => {
  const file = parquetFile(golden(`stories_${codec}.parquet`));

  test('returns its rows unchanged, one group per row group, without nulls', async () => {
    expect(await groupsOf(file)).toEqual([
      texts.slice(0, 3),
      texts.slice(3, 5),
      texts.slice(6, 9),
      texts.slice(9),
    ]);
  });

  test('returns any range of documents, not counting nulls', async () => {
    const documents = texts.filter((text) => text !== null);
    expect(await file.count()).toBe(9);
    for (let start = 0; start <= 9; start++)
      for (let end = start; end <= 9; end++)
        expect((await groupsOf(file, start, end)).flat()).toEqual(documents.slice(start, end));
  });
});

test('nulls are not counted in files without statistics either', async () => {
  const file = parquetFile(golden('trailing_nulls.parquet'));
  expect(await file.count()).toBe(90);
  expect((await groupsOf(file, 85)).flat()).toEqual([
    'story 85',
    'story 86',
    'story 87',
    'story 88',
    'story 89',
  ]);
  const source = fileSource({ text: golden('trailing_nulls.parquet') });
  const val: string[] = [];
  for await (const group of source.groups('val')) val.push(...group);
  expect(val).toEqual(['story 86', 'story 87', 'story 88', 'story 89']);
});

test('row groups that are not asked for are not read', async () => {
  const damaged = readFileSync(golden('tinystories.parquet'));
  damaged.fill(0, 4, 300); // of the first row group
  const path = scratch.path('damaged.parquet');
  writeFileSync(path, damaged);
  const file = parquetFile(path);
  expect((await groupsOf(file, 5000, 5003)).flat()).toEqual(['5000', '5001', '5002']);
  await expect(groupsOf(file, 0, 1)).rejects.toThrow(EnvironmentError);
  await expect(groupsOf(file, 0, 1)).rejects.toThrow(/Cannot read row group 0 of .*download it again/);
});

describe('a column', () => {
  const path = golden('stories_zstd.parquet');

  test('that does not exist is an error that lists the others', async () => {
    const file = parquetFile(path, { column: 'content' });
    await expect(file.count()).rejects.toThrow(UsageError);
    await expect(file.count()).rejects.toThrow(
      `Expected a column "content" in ${path}, found id, text, tags; name one with --column`,
    );
  });

  test('without strings is refused', async () => {
    await expect(parquetFile(path, { column: 'id' }).count()).rejects.toThrow(/got INT64/);
    await expect(parquetFile(path, { column: 'tags' }).count()).rejects.toThrow(/got a nested type/);
  });
});

describe('a damaged file', () => {
  test.each([0, 3, 11, 1000, -1])('cut to %i bytes is an EnvironmentError with a remedy', async (bytes) => {
    const path = scratch.path('cut.parquet');
    writeFileSync(path, readFileSync(golden('stories_zstd.parquet')).subarray(0, bytes));
    const failing = parquetFile(path).count();
    await expect(failing).rejects.toThrow(EnvironmentError);
    await expect(failing).rejects.toThrow(/Cannot read the footer of .*truncated, damaged or not parquet/);
  });

  test.each<[string, number[], number[], RegExp]>([
    // Thrift: field 3 of the file is its number of rows, 10.
    [
      'whose row groups have fewer rows than it says',
      [0x16, 20, 0x19],
      [0x16, 22, 0x19],
      /11 rows in all.*got 10/,
    ],
    [
      'whose row groups have more rows than it says',
      [0x16, 20, 0x19],
      [0x16, 18, 0x19],
      /9 rows in all.*got 10/,
    ],
    ['with a negative number of rows', [0x16, 20, 0x19], [0x16, 21, 0x19], /-11 rows in all.*got 10/],
  ])('%s is an EnvironmentError', async (_, from, to, message) => {
    const bytes = readFileSync(golden('stories_zstd.parquet'));
    const at = bytes.lastIndexOf(Uint8Array.from(from));
    bytes.set(to, at);
    const path = scratch.path('rows.parquet');
    writeFileSync(path, bytes);
    await expect(parquetFile(path).count()).rejects.toThrow(EnvironmentError);
    await expect(parquetFile(path).count()).rejects.toThrow(message);
  });

  test('whose pages have fewer values than its stated rows is an EnvironmentError', async () => {
    let hex = readFileSync(golden('trailing_nulls.parquet')).toString('hex');
    // In the footer: the last row group has 21 rows and values, not 20, and the file 101, not 100.
    const footer = hex.lastIndexOf('1504192c');
    hex = hex.slice(0, footer) + hex.slice(footer).replaceAll('1628', '162a').replaceAll('16c801', '16ca01');
    const path = scratch.path('short.parquet');
    writeFileSync(path, Buffer.from(hex, 'hex'));
    await expect(parquetFile(path).count()).rejects.toThrow(EnvironmentError);
  });

  test('with text that is not UTF-8 is an EnvironmentError', async () => {
    await expect(groupsOf(parquetFile(golden('not_utf8.parquet')))).rejects.toThrow(EnvironmentError);
  });

  test('that is missing is a UsageError', async () => {
    await expect(parquetFile(scratch.path('none.parquet')).count()).rejects.toThrow(UsageError);
  });
});
