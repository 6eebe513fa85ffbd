// Hugging Face's tokenizer.json, for the `tokenizers` library and back: a BPE model over byte-level characters
// with this project's split pattern. Other kinds of tokenizer are refused with the reason.
// Source: the `tokenizers` library's serialization; GPT-2's bytes_to_unicode for byte-level characters.

import { UsageError } from '../../base/errors.js';
import { type Ranks, SPECIAL_TOKENS } from './bpe.js';
import { deriveVocabulary, type Vocabulary } from './encoder.js';
import { SPLIT_PATTERN } from './splitPattern.js';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** [256] printable character of each byte: itself where it is one, else the next from U+0100. */
const BYTE_CHARACTERS: string[] = [];
const CHARACTER_BYTES = new Map<string, number>();
for (let byte = 0, spare = 0x100; byte < 256; byte++) {
  const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  const character = String.fromCodePoint(printable ? byte : spare++);
  BYTE_CHARACTERS.push(character);
  CHARACTER_BYTES.set(character, byte);
}

function toCharacters(token: Uint8Array): string {
  let text = '';
  for (const byte of token) text += BYTE_CHARACTERS[byte]!;
  return text;
}

function toBytes(characters: string): Uint8Array | undefined {
  const bytes = Array.from(characters, (character) => CHARACTER_BYTES.get(character));
  return bytes.includes(undefined) ? undefined : Uint8Array.from(bytes as number[]);
}

const PRE_TOKENIZER = {
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: SPLIT_PATTERN }, behavior: 'Isolated', invert: false },
    { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
  ],
};

/**
 * Ranks as the text of a tokenizer.json. The library returns the same ids as `Tokenizer.encode`, except that it finds
 * specials in a text, and that recently assigned characters depend on its Unicode version.
 * @throws UsageError when the ranks are no byte-level BPE
 */
export function formatHuggingFace(ranks: Ranks): string {
  const { parts, wholeFirst } = deriveVocabulary(ranks);
  const characters = ranks.map(toCharacters);
  // Written by hand: an object would put the keys 0-9 first and lose __proto__.
  const vocab = characters.map((token, rank) => `${JSON.stringify(token)}: ${rank}`);
  const merges = parts.flatMap((pair) =>
    pair ? [JSON.stringify(`${characters[pair[0]]} ${characters[pair[1]]}`)] : [],
  );
  const added = SPECIAL_TOKENS.map((content, i) => ({
    id: ranks.length + i,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const decoder = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true };
  const block = (lines: string[]) => (lines.length === 0 ? '' : `\n      ${lines.join(',\n      ')}\n    `);
  return `{
  "version": "1.0",
  "truncation": null,
  "padding": null,
  "added_tokens": [
    ${added.map((token) => JSON.stringify(token)).join(',\n    ')}
  ],
  "normalizer": null,
  "pre_tokenizer": ${JSON.stringify(PRE_TOKENIZER)},
  "post_processor": null,
  "decoder": ${JSON.stringify(decoder)},
  "model": {
    "type": "BPE",
    "dropout": null,
    "unk_token": null,
    "continuing_subword_prefix": null,
    "end_of_word_suffix": null,
    "fuse_unk": false,
    "byte_fallback": false,
    "ignore_merges": ${wholeFirst},
    "vocab": {${block(vocab)}},
    "merges": [${block(merges)}]
  }
}
`;
}

function field(value: Json | undefined, key: string): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, key)
    ? value[key]
    : undefined;
}

/** Null, absent, false and '' all mean that a feature is off. */
const off = (value: Json | undefined) =>
  value === undefined || value === null || value === false || value === '';

/**
 * Reads a tokenizer.json of byte-level BPE with this project's pattern. Its specials must be this project's
 * four after the vocabulary, or absent, in which case they are added.
 * @param source name of the file for errors
 * @throws UsageError with the reason when the file is damaged or another kind of tokenizer
 */
export function parseHuggingFace(text: string, source: string): Vocabulary {
  const refuse = (expected: string, got: Json | undefined): UsageError =>
    new UsageError(
      `Expected ${expected} in ${source}, got ${(JSON.stringify(got) ?? 'nothing').slice(0, 120)}; ` +
        'only byte-level BPE with the split pattern of tinygpt can be read',
    );
  const file = parseJson(text, source);
  const model = field(file, 'model');
  if (field(model, 'type') !== 'BPE') throw refuse('a model of type "BPE"', field(model, 'type'));
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix', 'dropout', 'byte_fallback'])
    if (!off(field(model, key))) throw refuse(`a model without ${key}`, field(model, key));
  if (!off(field(file, 'normalizer'))) throw refuse('no normalizer', field(file, 'normalizer'));
  checkPreTokenizer(field(file, 'pre_tokenizer'), refuse);

  const vocab = field(model, 'vocab');
  if (typeof vocab !== 'object' || vocab === null || Array.isArray(vocab))
    throw refuse('a vocabulary', vocab);
  const ranks: (Uint8Array | undefined)[] = [];
  const specials = new Map<string, Json>();
  for (const [token, id] of Object.entries(vocab)) {
    if (SPECIAL_TOKENS.includes(token)) {
      specials.set(token, id);
      continue;
    }
    const bytes = toBytes(token);
    if (!bytes) throw refuse('byte-level tokens', token);
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > 0xfffff || ranks[id] !== undefined)
      throw refuse(`an id of its own for token ${JSON.stringify(token)}`, id);
    ranks[id] = bytes;
  }
  for (let id = 0; id < ranks.length; id++)
    if (ranks[id] === undefined)
      throw refuse(`ids 0 to ${ranks.length - 1} for the tokens, id ${id} among them`, null);

  const added = field(file, 'added_tokens');
  if (!off(added) && !Array.isArray(added)) throw refuse('a list of added tokens', added);
  for (const token of Array.isArray(added) ? added : [])
    specials.set(String(field(token, 'content')), field(token, 'id') ?? null);
  const expected = SPECIAL_TOKENS.map((content, i): [string, Json] => [content, ranks.length + i]);
  if (specials.size > 0 && JSON.stringify([...specials].sort()) !== JSON.stringify(expected))
    throw refuse(
      `the specials ${SPECIAL_TOKENS.join(' ')} after the vocabulary`,
      Object.fromEntries(specials),
    );

  const vocabulary = deriveVocabulary(ranks as Ranks, source, (rank) => `token ${rank} of ${source}`);
  if (vocabulary.wholeFirst && field(model, 'ignore_merges') !== true)
    throw refuse('ignore_merges where merging does not reach every token', field(model, 'ignore_merges'));
  checkMerges(field(model, 'merges'), vocabulary, refuse);
  return vocabulary;
}

function parseJson(text: string, source: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    const position = /position (\d+)/.exec(String(error));
    const line = (position ? text.slice(0, Number(position[1])) : text).split('\n').length;
    throw new UsageError(
      `Expected JSON in ${source}, line ${line} is not; is the file truncated or damaged?`,
      {
        cause: error,
      },
    );
  }
}

type Refuse = (expected: string, got: Json | undefined) => UsageError;

function checkPreTokenizer(found: Json | undefined, refuse: Refuse): void {
  const steps = field(found, 'pretokenizers');
  const [split, byteLevel] = Array.isArray(steps) ? steps : [];
  const matches =
    Array.isArray(steps) &&
    steps.length === 2 &&
    field(split, 'type') === 'Split' &&
    field(split, 'behavior') === 'Isolated' &&
    off(field(split, 'invert')) &&
    field(byteLevel, 'type') === 'ByteLevel' &&
    off(field(byteLevel, 'add_prefix_space')) &&
    field(byteLevel, 'use_regex') === false;
  if (!matches) throw refuse('a pre-tokenizer of an isolating Split and ByteLevel without regex', found);
  const pattern = field(field(split, 'pattern'), 'Regex');
  if (pattern !== SPLIT_PATTERN) throw refuse(`the split pattern ${SPLIT_PATTERN}`, pattern);
}

/** The merges must be those that the ranks imply, in the same order: then merging by rank is the same. */
function checkMerges(merges: Json | undefined, { ranks, parts }: Vocabulary, refuse: Refuse): void {
  const pairs = parts.flatMap((pair) => (pair ? [pair.map((id) => toCharacters(ranks[id]!))] : []));
  if (!Array.isArray(merges) || merges.length !== pairs.length)
    throw refuse(`${pairs.length} merges`, Array.isArray(merges) ? merges.length : (merges ?? null));
  merges.forEach((merge, i) => {
    const pair = typeof merge === 'string' ? merge.split(' ') : merge;
    if (!Array.isArray(pair) || pair.length !== 2 || pair[0] !== pairs[i]![0] || pair[1] !== pairs[i]![1])
      throw refuse(
        `merge ${i + 1} to be ${JSON.stringify(pairs[i]!.join(' '))}, in the order of the ids`,
        merge,
      );
  });
}
