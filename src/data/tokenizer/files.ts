// Tokenizers on disk: a prepared folder keeps tokenizer.json (Hugging Face's format, so that other tools can
// read it); files in that format or tiktoken's can be read and written.

import { join } from 'node:path';
import { EnvironmentError, messageOf, UsageError } from '../../base/errors.js';
import { writeFileAtomic } from '../../base/files.js';
import { readTextFile } from '../../base/textFile.js';
import type { Tokenizer } from '../types.js';
import { formatHuggingFace, parseHuggingFace } from './huggingface.js';
import { formatTiktoken, parseTiktoken } from './tiktoken.js';
import { createTokenizer, tokenizerOf, tokenizerRanks } from './tokenizer.js';

const FILE = 'tokenizer.json';

/**
 * Writes folder/tokenizer.json.
 * @throws EnvironmentError when the disk is full or the folder not writable
 */
export function saveTokenizer(folder: string, tokenizer: Tokenizer): void {
  writeTokenizerFile(join(folder, FILE), tokenizer);
}

/**
 * Reads folder/tokenizer.json.
 * @throws EnvironmentError when it is absent or damaged
 */
export function loadTokenizer(folder: string): Tokenizer {
  try {
    return readTokenizerFile(join(folder, FILE));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new EnvironmentError(`Cannot use the tokenizer in ${folder}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/**
 * Reads a tokenizer.json (byte-level BPE with our pattern) or, by any other content, a tiktoken ranks file.
 * @throws EnvironmentError when it cannot be read, UsageError when it is absent, damaged or of another kind
 */
export function readTokenizerFile(path: string): Tokenizer {
  const text = readTextFile(path, 'tokenizer');
  if (/^\s*\{/.test(text) || path.endsWith('.json')) return tokenizerOf(parseHuggingFace(text, path));
  const { ranks, lines } = parseTiktoken(text, path);
  return createTokenizer(ranks, path, (rank) => `line ${lines[rank]} of ${path}`);
}

/**
 * Writes a tokenizer: a name in .json gives Hugging Face's format, any other tiktoken ranks.
 * @throws EnvironmentError when the disk is full or the folder not writable
 */
export function writeTokenizerFile(path: string, tokenizer: Tokenizer): void {
  const ranks = tokenizerRanks(tokenizer);
  writeFileAtomic(path, path.endsWith('.json') ? formatHuggingFace(ranks) : formatTiktoken(ranks));
}
