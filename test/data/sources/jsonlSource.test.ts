// Documents of .jsonl files.

import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { UsageError } from '../../../src/base/errors.js';
import { jsonlFile } from '../../../src/data/sources/jsonlSource.js';
import { scratchFolder } from '../../net/unreliableServer.js';

let scratch: ReturnType<typeof scratchFolder>;
beforeEach(() => {
  scratch = scratchFolder();
});
afterEach(() => scratch.remove());

function write(contents: string | Uint8Array): string {
  const path = scratch.path('a.jsonl');
  writeFileSync(path, contents);
  return path;
}

async function documentsOf(contents: string | Uint8Array, options?: Parameters<typeof jsonlFile>[1]) {
  const documents: string[] = [];
  for await (const group of jsonlFile(write(contents), options).groups(0, Infinity)) documents.push(...group);
  return documents;
}

test('every line is a document, unchanged', async () => {
  const texts = ['One.\nTwo lines.', '', ' spaces stay ', 'naïve 漢字 🦊', 'tab\t"quoted"'];
  const contents = texts.map((text, id) => JSON.stringify({ id, text })).join('\n');
  expect(await documentsOf(contents)).toEqual(texts);
  expect(await documentsOf(`${contents}\n`)).toEqual(texts);
  expect(await documentsOf(contents.replaceAll('\n', '\r\n'))).toEqual(texts);
  expect(await documentsOf(contents, { chunkBytes: 3 })).toEqual(texts);
});

test('blank lines are skipped', async () => {
  expect(await documentsOf('\n{"text":"a"}\n  \n\n{"text":"b"}\n\n')).toEqual(['a', 'b']);
});

test('NaN and Infinity, as Python writes them, may be in other fields', async () => {
  const lines = [
    '{"text": "a", "score": NaN}',
    '{"score": [-Infinity, {"x": Infinity}], "text": "NaN \\"b\\""}',
  ];
  expect(await documentsOf(lines.join('\n'))).toEqual(['a', 'NaN "b"']);
});

test('lines whose text is null are skipped, and not counted', async () => {
  const file = jsonlFile(
    write('{"text": null}\n{"text": "null"}\n{"text": "b", "x": null}\n{"x": 1, "text":null}\n{"text": "c"}'),
  );
  expect(await file.count()).toBe(3);
  const groups: string[][] = [];
  for await (const group of file.groups(1, 3)) groups.push(group);
  expect(groups).toEqual([['b', 'c']]);
});

test.each(['utf8', 'utf16le'] as const)('a byte order mark is dropped, in %s', async (encoding) => {
  expect(await documentsOf(Buffer.from('\uFEFF{"text":"a"}\r\n{"text":"ü"}', encoding))).toEqual(['a', 'ü']);
});

test('a field may be named like a method', async () => {
  expect(await documentsOf('{"constructor":"a"}', { field: 'constructor' })).toEqual(['a']);
  await expect(documentsOf('{"text":"a"}', { field: 'constructor' })).rejects.toThrow(/got fields text/);
});

test('another field may hold the text', async () => {
  expect(await documentsOf('{"story":"a","text":"b"}', { field: 'story' })).toEqual(['a']);
});

test('documents are counted and read by index without parsing the others', async () => {
  const lines = Array.from({ length: 50 }, (_, i) => (i < 10 ? 'broken' : JSON.stringify({ text: `${i}` })));
  const file = jsonlFile(write(lines.join('\n\n')));
  expect(await file.count()).toBe(50);
  const documents: string[] = [];
  for await (const group of file.groups(20, 23)) documents.push(...group);
  expect(documents).toEqual(['20', '21', '22']);
});

test.each([
  [
    '{"text":"a"}\n\n{"text": nonsense}',
    3,
    /Expected a JSON object on every line, got {"text": nonsense} at/,
  ],
  ['{"text":"a"}\n{"text":"b"', 2, /Expected a JSON object on every line/],
  ['{"text":"a"}\n{"title":"b","id":1}', 2, /field "text".*got fields title, id at .*--column/],
  ['{"text":1}', 1, /got number in it/],
  ['[1]', 1, /got fields 0 at/],
  ['null', 1, /got fields \(none\)/],
])('an error names the line: %p', async (contents, line, message) => {
  const failing = documentsOf(contents);
  await expect(failing).rejects.toThrow(UsageError);
  await expect(failing).rejects.toThrow(message);
  await expect(failing).rejects.toThrow(`${scratch.path('a.jsonl')}:${line}`);
});

test('a long line is not repeated in the error', async () => {
  const message = await documentsOf('x'.repeat(10_000)).catch((error: Error) => error.message);
  expect(message).toHaveLength(
    `Expected a JSON object on every line, got ${'x'.repeat(40)}... at :1; fix the line`.length +
      scratch.path('a.jsonl').length,
  );
});

test('bytes that are not UTF-8 are named with their offset', async () => {
  await expect(documentsOf(Buffer.from('{"text":"caf\xe9"}', 'latin1'))).rejects.toThrow(/0xE9 at offset 12/);
});
