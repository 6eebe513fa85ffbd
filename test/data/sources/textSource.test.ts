// Documents of .txt files: marks, paragraphs, UTF-8 across chunk boundaries.

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { UsageError } from '../../../src/base/errors.js';
import { randomStream } from '../../../src/base/random.js';
import type { DocumentFile } from '../../../src/data/sources/documentFile.js';
import { PARAGRAPH_CHARACTERS, textFile } from '../../../src/data/sources/textSource.js';
import { scratchFolder } from '../../net/unreliableServer.js';

let scratch: ReturnType<typeof scratchFolder>;
beforeEach(() => {
  scratch = scratchFolder();
});
afterEach(() => scratch.remove());

function write(contents: string | Uint8Array): string {
  const path = scratch.path('a.txt');
  writeFileSync(path, contents);
  return path;
}

async function all(file: DocumentFile, start = 0, end = Infinity): Promise<string[]> {
  const documents: string[] = [];
  for await (const group of file.groups(start, end)) documents.push(...group);
  return documents;
}

const documentsOf = (contents: string | Uint8Array, chunkBytes?: number) =>
  all(textFile(write(contents), { chunkBytes }));

describe('a file with <|endoftext|>', () => {
  test('has a document between any two marks, trimmed', async () => {
    const text = 'One.\nStill one.\n\nAnd here.\n<|endoftext|>\n\n\nTwo.\n<|endoftext|>Three<|endoftext|>\n';
    expect(await documentsOf(text)).toEqual(['One.\nStill one.\n\nAnd here.', 'Two.', 'Three']);
  });

  test('has no document where there is only whitespace between two marks', async () => {
    expect(await documentsOf('<|endoftext|><|endoftext|> \n<|endoftext|>a<|endoftext|>')).toEqual(['a']);
  });

  test('keeps text that only resembles a mark', async () => {
    expect(await documentsOf('a <|endoftex|> b<|endoftext|>c <|endof')).toEqual([
      'a <|endoftex|> b',
      'c <|endof',
    ]);
  });
});

describe('a file without marks', () => {
  test('has a document for every paragraph, with any line ends', async () => {
    expect(await documentsOf('a\nb\n\n\nc\n \t\nd')).toEqual(['a\nb', 'c', 'd']);
    expect(await documentsOf('a\r\nb\r\n\r\nc')).toEqual(['a\r\nb', 'c']);
  });

  test('is cut at line ends where a paragraph is long', async () => {
    const line = `${'x'.repeat(399)}\n`;
    const documents = await documentsOf(line.repeat(5));
    expect(documents.map((text) => text.length)).toEqual([799, 799, 399]);
  });

  test('is cut at spaces where a line is long, and anywhere in a long word', async () => {
    const words = await documentsOf('word '.repeat(1000));
    expect(words.join(' ')).toBe('word '.repeat(1000).trim());
    for (const text of words) expect(text.length).toBeLessThanOrEqual(PARAGRAPH_CHARACTERS);
    const fox = await documentsOf('🦊'.repeat(1500));
    expect(fox.join('')).toBe('🦊'.repeat(1500));
    for (const text of fox) expect(text).toMatch(/^(🦊)+$/u);
  });
});

test('documents do not depend on chunk borders', async () => {
  const random = randomStream(1, 'textSource.test');
  const alphabet = [
    'a',
    'b',
    ' ',
    ' ',
    '\n',
    '\n\n',
    'é',
    '漢',
    '🦊',
    '\r\n',
    '<|endoftext',
    '|>',
    'x'.repeat(90),
  ];
  for (let round = 0; round < 12; round++) {
    let text = '';
    for (let i = 0; i < 200; i++) text += alphabet[random.int(alphabet.length - (round % 2))]!;
    if (round % 4 > 1) text = text.replaceAll('<|endoftext|>', '.');
    const whole = await documentsOf(text);
    for (const chunkBytes of [1 + random.int(3), 64, 1000 + random.int(1000)])
      expect(await documentsOf(text, chunkBytes)).toEqual(whole);
    const letters = (texts: string[]) => texts.join('').replaceAll(/\s/g, '');
    expect(letters(whole)).toBe(letters(text.split('<|endoftext|>')));
  }
});

test('a byte order mark at the beginning is dropped', async () => {
  expect(await documentsOf('\uFEFFa\n\nb')).toEqual(['a', 'b']);
});

test('a range of documents equals that slice of all documents', async () => {
  const file = textFile(write(Array.from({ length: 2500 }, (_, i) => `story ${i}`).join('<|endoftext|>')), {
    chunkBytes: 1000,
  });
  const documents = await all(file);
  expect(await file.count()).toBe(2500);
  expect(documents).toHaveLength(2500);
  expect(await all(file, 1234, 1999)).toEqual(documents.slice(1234, 1999));
  expect(await all(file, 2499)).toEqual(['story 2499']);
});

test('groups have at most 1,000 documents', async () => {
  const file = textFile(write('a\n\n'.repeat(2100)));
  const sizes: number[] = [];
  for await (const group of file.groups(0, Infinity)) sizes.push(group.length);
  expect(sizes).toEqual([1000, 1000, 100]);
});

test('a text without line breaks takes time in proportion to its length', async () => {
  // 20 million characters in one chunk: a search back to its beginning at every cut took minutes.
  const words = await documentsOf('word '.repeat(4_000_000), 1 << 26);
  expect(words).toHaveLength(20_000);
  const letters = await documentsOf('x'.repeat(20_000_000), 1 << 26);
  expect(letters).toHaveLength(20_000);
});

describe('UTF-16', () => {
  const text = 'Привет, Zoë!\n\nΔεύτερο 🦊 κείμενο\n\n漢字 and more';
  const little = (content: string) => Buffer.from(content, 'utf16le');
  const big = (content: string) => little(content).swap16();

  test.each<[string, Buffer]>([
    ['little-endian with a mark', little(`\uFEFF${text}`)],
    ['big-endian with a mark', big(`\uFEFF${text}`)],
    ['little-endian without a mark', little(text)],
    ['big-endian without a mark', big(text)],
  ])('%s is decoded', async (_, bytes) => {
    for (const chunkBytes of [1 << 20, 5, 1])
      expect(await documentsOf(bytes, chunkBytes)).toEqual(text.split('\n\n'));
  });

  test('marks between documents are found', async () => {
    expect(await documentsOf(little('\uFEFFone\n\nstill one<|endoftext|>two'), 7)).toEqual([
      'one\n\nstill one',
      'two',
    ]);
  });

  test('cut in the middle of a character is refused', async () => {
    await expect(documentsOf(little('\uFEFFab 🦊').subarray(0, -2))).rejects.toThrow(
      /UTF-16 text in .*is the file truncated/,
    );
    await expect(documentsOf(little('\uFEFFab').subarray(0, -1))).rejects.toThrow(UsageError);
  });
});

test('UTF-32 and binary files are refused', async () => {
  await expect(documentsOf(Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]))).rejects.toThrow(
    /UTF-32 or a binary/,
  );
  await expect(documentsOf(Buffer.alloc(5000))).rejects.toThrow(/binary file/);
});

test('a named pipe is refused, since opening it would block', async () => {
  execFileSync('mkfifo', [scratch.path('pipe.txt')]);
  await expect(textFile(scratch.path('pipe.txt')).count()).rejects.toThrow(UsageError);
  await expect(textFile(scratch.path('pipe.txt')).count()).rejects.toThrow(
    /got a named pipe; write its contents/,
  );
});

describe('bytes that are not UTF-8', () => {
  test.each([
    ['a byte of another encoding', [0x61, 0xe9, 0x62], 1, 'E9'],
    ['a character cut at the end', [0x61, 0x62, 0xf0, 0x9f, 0xa6], 2, 'F0'],
    ['a lone continuation', [0x61, 0x80], 1, '80'],
    ['an overlong form', [0xc0, 0xaf], 0, 'C0'],
    ['a surrogate', [0x61, 0xed, 0xa0, 0x80], 1, 'ED'],
    ['UTF-16', [0xff, 0xfe, 0x61, 0x00], 0, 'FF'],
  ])('are named with their offset: %s', async (_, bytes, offset, byte) => {
    const padding = 'é'.repeat(2000);
    const contents = Buffer.concat([Buffer.from(padding), Uint8Array.from(bytes)]);
    for (const chunkBytes of [1 << 20, 4001, 3]) {
      const failing = documentsOf(contents, chunkBytes);
      await expect(failing).rejects.toThrow(UsageError);
      await expect(failing).rejects.toThrow(
        `Expected UTF-8 text, got byte 0x${byte} at offset ${4000 + offset} of ${scratch.path('a.txt')}; convert it`,
      );
    }
  });
});

test('a missing file is a UsageError, and so is a folder', async () => {
  const missing = textFile(scratch.path('none.txt'));
  await expect(missing.count()).rejects.toThrow(UsageError);
  await expect(missing.count()).rejects.toThrow(/found none; check the path/);
  mkdirSync(scratch.path('folder.txt'));
  await expect(textFile(scratch.path('folder.txt')).count()).rejects.toThrow(/got a folder/);
});
