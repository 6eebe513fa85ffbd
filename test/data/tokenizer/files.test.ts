import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { EnvironmentError, UsageError } from '../../../src/base/errors.js';
import {
  loadTokenizer,
  readTokenizerFile,
  saveTokenizer,
  writeTokenizerFile,
} from '../../../src/data/tokenizer/files.js';
import { formatHuggingFace, parseHuggingFace } from '../../../src/data/tokenizer/huggingface.js';
import { formatTiktoken, parseTiktoken } from '../../../src/data/tokenizer/tiktoken.js';
import { createTokenizer } from '../../../src/data/tokenizer/tokenizer.js';

const golden = new URL('../../../../test/golden/tokenizer/', import.meta.url);
const ranksText = readFileSync(new URL('ranks.tiktoken', golden), 'utf8');
const { ranks } = parseTiktoken(ranksText, 'ranks.tiktoken');
const tokenizer = createTokenizer(ranks);
const folder = mkdtempSync(join(tmpdir(), 'tinygpt-tokenizer-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** tokenizer.json with one thing changed. */
function changed(change: (file: Record<string, never>) => void): string {
  const file = JSON.parse(formatHuggingFace(ranks));
  change(file);
  return JSON.stringify(file);
}

/** Message of what `read` throws, which must be a one-line UsageError. */
function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    const { message } = error as UsageError;
    expect(message).not.toContain('\n');
    return message;
  }
  throw new Error('was accepted');
}

describe('tokenizer files', () => {
  test('a saved tokenizer loads as the same', () => {
    saveTokenizer(join(folder, 'deep/cache'), tokenizer);
    expect(loadTokenizer(join(folder, 'deep/cache')).hash).toBe(tokenizer.hash);
    expect(readdirSync(join(folder, 'deep/cache'))).toEqual(['tokenizer.json']);
  });

  test.each(['tokenizer.json', 'ranks.tiktoken'])('%s is written and read back', (name) => {
    writeTokenizerFile(join(folder, name), tokenizer);
    expect(readTokenizerFile(join(folder, name)).hash).toBe(tokenizer.hash);
  });

  test('an absent or damaged file is an error, which does not advise to delete the folder: it may be a checkpoint', () => {
    expect(() => readTokenizerFile(join(folder, 'none.tiktoken'))).toThrow(
      /none\.tiktoken: there is no such file; check the path/,
    );
    writeFileSync(join(folder, 'tokenizer.json'), '{"model":');
    expect(() => loadTokenizer(folder)).toThrow(EnvironmentError);
    expect(() => loadTokenizer(folder)).toThrow(`Cannot use the tokenizer in ${folder}: `);
  });

  test('a token that merging cannot reach is encoded when it is a whole chunk', () => {
    const path = join(folder, 'odd.tiktoken');
    writeFileSync(path, `${ranksText}${Buffer.from('qqqzz').toString('base64')} 1020\n`);
    const odd = readTokenizerFile(path);
    expect(odd.encode('qqqzz')).toEqual([1020]);
    expect(odd.encode('qqqzzz')).toEqual(tokenizer.encode('qqqzzz'));
    expect(odd.encode('Once upon a time')).toEqual(tokenizer.encode('Once upon a time'));
    // The same through tokenizer.json, which says that merges are to be ignored for whole chunks.
    writeTokenizerFile(join(folder, 'odd.json'), odd);
    const text = readFileSync(join(folder, 'odd.json'), 'utf8');
    expect(JSON.parse(text).model.ignore_merges).toBe(true);
    expect(readTokenizerFile(join(folder, 'odd.json')).hash).toBe(odd.hash);
    const other = text.replace('"ignore_merges": true', '"ignore_merges": false');
    expect(refusal(() => parseHuggingFace(other, 'x'))).toMatch(/ignore_merges where merging does not reach/);
  });

  test('a duplicate token is reported with both lines', () => {
    const path = join(folder, 'twice.tiktoken');
    writeFileSync(path, `${ranksText}${Buffer.from('he').toString('base64')} 1020\n`);
    expect(refusal(() => readTokenizerFile(path))).toMatch(
      /^Expected each token once, got the bytes of line \d+ of .*twice\.tiktoken again at line 1021 of/,
    );
  });

  test.each([
    ['a byte order mark', (text: string) => Buffer.from(`\uFEFF${text}`)],
    ['UTF-16', (text: string) => Buffer.from(`\uFEFF${text}`, 'utf16le')],
  ])('files with %s are read', (_, encoded) => {
    for (const [name, text] of Object.entries({
      'bom.tiktoken': ranksText,
      'bom.json': formatHuggingFace(ranks),
    })) {
      writeFileSync(join(folder, name), encoded(text));
      expect(readTokenizerFile(join(folder, name)).hash).toBe(tokenizer.hash);
    }
  });
});

describe('tiktoken ranks', () => {
  test('are written as tiktoken writes them', () => {
    expect(formatTiktoken(ranks)).toBe(ranksText);
  });

  test('are read in any order and with Windows line ends', () => {
    const shuffled = ranksText.trimEnd().split('\n').reverse().join('\r\n');
    expect(formatTiktoken(parseTiktoken(shuffled, 'x').ranks)).toBe(ranksText);
  });

  test.each<[string, string, RegExp]>([
    ['empty', '', /^Expected lines of `base64 rank` in x, got an empty file/],
    ['no rank', 'AA== 0\nAQ==\n', /at x line 2, got "AQ=="/],
    ['bad base64', 'AA== 0\nA 1\n', /at x line 2, got "A 1"/],
    ['JSON', '{"a": 1}', /at x line 1, got .*is it a tiktoken ranks file\?/],
    ['twice', 'AA== 0\nAQ== 0\n', /got rank 0 on lines 1 and 2 of x/],
    ['missing', 'AA== 0\nAQ== 2\n', /ranks 0 to 2 in x, rank 1 is missing/],
  ])('are refused when %s', (_, text, message) => {
    expect(refusal(() => parseTiktoken(text, 'x'))).toMatch(message);
  });
});

describe('Hugging Face tokenizer.json', () => {
  test('round-trips the ranks', () => {
    expect(formatTiktoken(parseHuggingFace(formatHuggingFace(ranks), 'x').ranks)).toBe(ranksText);
  });

  test('names bytes with the characters of GPT-2', () => {
    const { model, added_tokens } = JSON.parse(formatHuggingFace(ranks));
    expect(model.vocab.Ġ).toBe(32);
    expect(model.vocab.Ċ).toBe(10);
    expect(model.vocab.Ń).toBe(173);
    expect(model.merges).toHaveLength(ranks.length - 256);
    expect(added_tokens[0]).toMatchObject({ id: 1020, content: '<|reserved_0|>', special: true });
  });

  test('keeps tokens that are awkward as keys of an object', () => {
    const tokens = ['__', 'pr', 'oto', 'proto', '__proto', '__proto__', '12'];
    const odd = ranks.slice(0, 256);
    for (const token of ['ot', ...tokens]) odd.push(new Uint8Array(Buffer.from(token)));
    expect(formatTiktoken(parseHuggingFace(formatHuggingFace(odd), 'x').ranks)).toBe(formatTiktoken(odd));
  });

  test('is read with merges as pairs, and without specials', () => {
    const text = changed((file: Record<string, never>) => {
      const { model } = file as unknown as { model: { merges: unknown[] } };
      model.merges = model.merges.map((merge) => (merge as string).split(' '));
      delete file.added_tokens;
    });
    expect(formatTiktoken(parseHuggingFace(text, 'x').ranks)).toBe(ranksText);
  });

  type File = {
    model: { type: string; vocab: Record<string, number>; merges: string[]; byte_fallback: boolean };
    normalizer: unknown;
    pre_tokenizer: { type: string; pretokenizers: { pattern: { Regex: string }; use_regex: boolean }[] };
    added_tokens: { content: string; id: number }[];
  };
  test.each<[string, (file: File) => void, RegExp]>([
    ['another model', (f) => (f.model.type = 'WordPiece'), /a model of type "BPE" in x, got "WordPiece"/],
    ['byte fallback', (f) => (f.model.byte_fallback = true), /without byte_fallback/],
    ['a normalizer', (f) => (f.normalizer = { type: 'NFC' }), /no normalizer in x, got {"type":"NFC"}/],
    [
      'GPT-2 splitting',
      (f) => (f.pre_tokenizer = { type: 'ByteLevel', pretokenizers: [] }),
      /an isolating Split/,
    ],
    [
      'another pattern',
      (f) => (f.pre_tokenizer.pretokenizers[0]!.pattern.Regex = '\\w+'),
      /split pattern .*got "\\\\w\+"/,
    ],
    ['other specials', (f) => (f.added_tokens[0]!.content = '<s>'), /the specials <\|reserved_0\|>/],
    ['moved specials', (f) => (f.added_tokens[0]!.id = 5), /after the vocabulary in x/],
    ['a hole in the ids', (f) => delete f.model.vocab.a, /id 97 among them/],
    ['an id twice', (f) => (f.model.vocab.a = 98), /an id of its own for token "b"/],
    ['other characters', (f) => (f.model.vocab.漢 = 1020), /byte-level tokens in x, got "漢"/],
    ['merges in another order', (f) => f.model.merges.reverse(), /merge 1 to be .* in the order of the ids/],
    ['a merge missing', (f) => f.model.merges.pop(), /764 merges in x, got 763/],
  ])('is refused with %s', (_, change, message) => {
    const text = changed(change as never);
    const got = refusal(() => parseHuggingFace(text, 'x'));
    expect(got).toMatch(message);
    expect(got).toMatch(/only byte-level BPE with the split pattern of tinygpt can be read$/);
  });

  test('is refused with the line when it is cut', () => {
    const text = formatHuggingFace(ranks);
    const cut = text.slice(0, text.length / 2);
    expect(refusal(() => parseHuggingFace(cut, 'x'))).toBe(
      `Expected JSON in x, line ${cut.split('\n').length} is not; is the file truncated or damaged?`,
    );
    expect(refusal(() => parseHuggingFace('{\n"a": ?}', 'x'))).toContain('line 2 is not');
  });
});
