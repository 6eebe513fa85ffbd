// Corpora from files: which files are read, which documents are for validation, when the fingerprint changes.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { UsageError } from '../../../src/base/errors.js';
import { fileSource, findFiles } from '../../../src/data/sources/fileSource.js';
import type { DocumentSource, Split } from '../../../src/data/types.js';
import { scratchFolder } from '../../net/unreliableServer.js';

let scratch: ReturnType<typeof scratchFolder>;
beforeEach(() => {
  scratch = scratchFolder();
});
afterEach(() => scratch.remove());

function write(name: string, contents: string): string {
  const path = scratch.path(name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, contents);
  return path;
}

const stories = (count: number, first = 0) =>
  Array.from({ length: count }, (_, i) => `story ${first + i}`).join('\n<|endoftext|>\n');

async function split(source: DocumentSource, name: Split): Promise<string[]> {
  const documents: string[] = [];
  for await (const group of source.groups(name)) documents.push(...group);
  return documents;
}

describe('the rule that separates documents', () => {
  const ruleOf = (text: string) => fileSource({ text }).documentRule!();

  test('is reported: marks, blank lines, lines or rows', async () => {
    expect(await ruleOf(write('a.txt', 'a\n\nb'))).toBe('split at blank lines');
    expect(await ruleOf(write('b.txt', stories(3)))).toBe('split at <|endoftext|>');
    expect(await ruleOf(write('c.jsonl', '{"text":"a"}\n{"text":"b"}'))).toBe('one a line');
    expect(await ruleOf(scratch.folder)).toBe('split at blank lines or split at <|endoftext|> or one a line');
    expect(await ruleOf(write('d.txt', 'a single document'))).toBe(
      'split at blank lines, of which the last 5% is validation',
    );
  });
});

test.each(['a.txt', 'a.jsonl', 'stories.parquet'])(
  'an abort stops reading %s, also before its first document',
  async (name) => {
    write('a.txt', stories(3));
    write('a.jsonl', '{"text":"a"}\n{"text":"b"}');
    copyFileSync('test/golden/sources/trailing_nulls.parquet', scratch.path('stories.parquet'));
    const controller = new AbortController();
    const source = fileSource({ text: scratch.path(name), signal: controller.signal });
    await source.fingerprint();
    controller.abort(new Error('stopped by the user'));
    await expect(split(source, 'val')).rejects.toThrow('stopped by the user');
  },
);

test('named pipes in a folder are skipped', async () => {
  write('a.txt', stories(3));
  execFileSync('mkfifo', [scratch.path('pipe.txt')]);
  expect(await findFiles(scratch.folder)).toEqual([scratch.path('a.txt')]);
});

test('a path that is too long is a UsageError on one short line', async () => {
  const failing = fileSource({ text: `${scratch.path('x'.repeat(5000))}.txt` }).fingerprint();
  await expect(failing).rejects.toThrow(UsageError);
  await expect(failing).rejects.not.toThrow(/x{200}/);
});

describe('validation', () => {
  test.each([
    [2, 1],
    [19, 1],
    [20, 1],
    [40, 2],
    [1000, 50],
    [300_000, 10_000],
  ])('of %i documents is the last %i, training the rest', async (count, held) => {
    const source = fileSource({ text: write('a.txt', stories(count)) });
    const [train, val] = [await split(source, 'train'), await split(source, 'val')];
    expect(train.length).toBe(count - held);
    expect(val.length).toBe(held);
    expect(train[0]).toBe('story 0');
    expect(train.at(-1)).toBe(`story ${count - held - 1}`);
    expect(val[0]).toBe(`story ${count - held}`);
    expect(val.at(-1)).toBe(`story ${count - 1}`);
  });

  test('may begin in the middle of a folder', async () => {
    for (const [i, name] of ['a', 'b', 'c'].entries())
      write(`${name}.txt`, stories(i === 2 ? 1 : 50, i * 50));
    const source = fileSource({ text: scratch.folder });
    expect(await split(source, 'train')).toHaveLength(96);
    expect(await split(source, 'val')).toEqual(['story 96', 'story 97', 'story 98', 'story 99', 'story 100']);
  });

  test('of a single document is its last part, cut at a border', async () => {
    const cut = async (text: string) => {
      const source = fileSource({ text: write('a.txt', `${text}<|endoftext|>`) });
      return [(await split(source, 'train')).join('|'), (await split(source, 'val')).join('|')] as const;
    };
    const [words, lastWords] = await cut('one two three four '.repeat(50));
    expect(`${words} ${lastWords}`).toBe('one two three four '.repeat(50).trim());
    expect(lastWords.length / words.length).toBeGreaterThan(0.045);
    expect(lastWords.length / words.length).toBeLessThan(0.07);
    const [lines, lastLine] = await cut(`${'many words here '.repeat(30)}\nthe last line has a few words`);
    expect(lastLine).toBe('the last line has a few words');
    expect(lines).toBe('many words here '.repeat(30).trim());
    const [paragraphs, lastParagraph] = await cut(`${'a line\n'.repeat(40)}\nlast\nparagraph`);
    expect(lastParagraph).toBe('last\nparagraph');
    expect(paragraphs).toBe('a line\n'.repeat(40).trim());
    const [foxes, lastFoxes] = await cut('🦊'.repeat(101));
    expect(foxes + lastFoxes).toBe('🦊'.repeat(101));
    expect(lastFoxes).toMatch(/^(🦊)+$/u);
  });

  test('needs more than one word', async () => {
    const source = fileSource({ text: write('a.txt', 'x') });
    await expect(split(source, 'train')).rejects.toThrow(UsageError);
    await expect(split(source, 'val')).rejects.toThrow(/single short document.*--val-text/);
  });

  test('may be another file; then all of the text is for training', async () => {
    const text = write('a.txt', stories(30));
    const source = fileSource({ text, valText: write('b.jsonl', '{"text":"held"}') });
    expect(await split(source, 'train')).toHaveLength(30);
    expect(await split(source, 'val')).toEqual(['held']);
  });

  test('may be a file in the training folder, which is then not trained on', async () => {
    write('data/a.txt', stories(3));
    const valText = write('data/b.txt', stories(2, 100));
    const source = fileSource({ text: scratch.path('data'), valText });
    expect(await split(source, 'train')).toEqual(['story 0', 'story 1', 'story 2']);
    expect(await split(source, 'val')).toEqual(['story 100', 'story 101']);
  });

  test('may not be all files', async () => {
    const text = write('a.txt', stories(3));
    await expect(split(fileSource({ text, valText: text }), 'train')).rejects.toThrow(UsageError);
    await expect(fileSource({ text, valText: scratch.folder }).fingerprint()).rejects.toThrow(
      /Expected --text to have files that are not in --val-text/,
    );
  });
});

describe('a folder', () => {
  test('contributes its supported files and those of subfolders, sorted by path', async () => {
    for (const name of [
      'b.txt',
      'a/z.jsonl',
      'a/b/c.parquet',
      'B.TXT',
      'notes.md',
      '.hidden.txt',
      '.git/x.txt',
    ])
      write(name, '');
    write('elsewhere/linked.txt', '');
    symlinkSync(scratch.path('elsewhere/linked.txt'), scratch.path('a/link.txt'));
    symlinkSync(scratch.path('elsewhere'), scratch.path('a/folder.txt'));
    expect((await findFiles(scratch.folder)).map((path) => path.slice(scratch.folder.length + 1))).toEqual([
      'B.TXT',
      'a/b/c.parquet',
      'a/link.txt',
      'a/z.jsonl',
      'b.txt',
      'elsewhere/linked.txt',
    ]);
  });

  test('may mix formats', async () => {
    write('1.txt', stories(2));
    write('2.jsonl', '{"text":"from jsonl"}');
    const source = fileSource({ text: scratch.folder, valText: 'test/golden/sources/shard_00000.parquet' });
    expect(await split(source, 'train')).toEqual(['story 0', 'story 1', 'from jsonl']);
    expect(await split(source, 'val')).toEqual(['0/0', '0/1', '0/2', '0/3', '0/4']);
  });

  test('without supported files is a UsageError', async () => {
    write('notes.md', 'x');
    await expect(findFiles(scratch.folder)).rejects.toThrow(UsageError);
    await expect(findFiles(scratch.folder)).rejects.toThrow(/found none; name the folder that has them/);
  });
});

test.each([
  ['an empty file', ''],
  ['a file of white space', ' \n\n\t\n'],
  ['a file of nothing but marks', '<|endoftext|>\n<|endoftext|>'],
])('%s has no document, which is a UsageError', async (_, contents) => {
  const text = write('a.txt', contents);
  const source = fileSource({ text });
  for (const name of ['train', 'val'] as const) {
    await expect(split(source, name)).rejects.toThrow(UsageError);
    await expect(split(source, name)).rejects.toThrow(/found no document; name a file that is not empty/);
  }
  const other = fileSource({ text: write('b.txt', stories(3)), valText: text });
  await expect(split(other, 'train')).rejects.toThrow(/found no document/);
});

test('a missing path or another file type is a UsageError', async () => {
  await expect(findFiles(scratch.path('none'))).rejects.toThrow(UsageError);
  await expect(findFiles(scratch.path('none'))).rejects.toThrow(/found none; check the path/);
  await expect(findFiles(write('a.pdf', 'x'))).rejects.toThrow(
    /Expected a .txt, .jsonl or .parquet file, got/,
  );
});

describe('the fingerprint', () => {
  test('stays while nothing changes, and changes with content, time, path and options', async () => {
    const path = write('a.txt', stories(30));
    const of = (options: Partial<Parameters<typeof fileSource>[0]> = {}) =>
      fileSource({ text: path, ...options }).fingerprint();
    const first = await of();
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await of()).toBe(first);
    const seen = new Set([first]);
    const changed = async (fingerprint: Promise<string>) => {
      const found = await fingerprint;
      expect(seen).not.toContain(found);
      seen.add(found);
    };
    await changed(of({ column: 'story' }));
    await changed(of({ text: write('b.txt', stories(30)) }));
    await changed(of({ valText: scratch.path('b.txt') }));
    utimesSync(path, 1e9, 1e9);
    await changed(of());
    writeFileSync(path, stories(30).replace('story 9', 'glory 9'));
    utimesSync(path, 1e9, 1e9);
    await changed(of());
  });
});

test('the corpus is named by the file or folder', () => {
  expect(fileSource({ text: '/data/books/stories.txt' }).name).toBe('stories.txt');
});
