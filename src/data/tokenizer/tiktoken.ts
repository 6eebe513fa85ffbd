// tiktoken's file of mergeable ranks: one line per token, `base64 rank`. The format has neither pattern nor
// specials; this project's are used.
// Source: dump_tiktoken_bpe and load_tiktoken_bpe in tiktoken's load.py.

import { UsageError } from '../../base/errors.js';
import type { Ranks } from './bpe.js';

/** Ranks as the text of a tiktoken file, loadable with tiktoken.load.load_tiktoken_bpe. */
export function formatTiktoken(ranks: Ranks): string {
  let text = '';
  ranks.forEach((token, rank) => {
    text += `${Buffer.from(token.buffer, token.byteOffset, token.length).toString('base64')} ${rank}\n`;
  });
  return text;
}

/**
 * Reads a tiktoken file. Lines may come in any order; ranks must be 0 to n - 1, each once.
 * @param source name of the file for errors
 * @returns the ranks, and the line (from 1) that gave each
 * @throws UsageError naming the line
 */
export function parseTiktoken(text: string, source: string): { ranks: Ranks; lines: number[] } {
  const ranks: (Uint8Array | undefined)[] = [];
  const lines: number[] = [];
  const rows = text.split('\n');
  let count = 0;
  rows.forEach((row, index) => {
    const line = index + 1;
    const content = row.trimEnd();
    if (content === '') return;
    const match = /^([A-Za-z0-9+/]+={0,2}) (\d{1,7})$/.exec(content);
    const token = match ? Buffer.from(match[1]!, 'base64') : undefined;
    if (!match || !token || token.toString('base64') !== match[1])
      throw new UsageError(
        `Expected \`base64 rank\` at ${source} line ${line}, got ${JSON.stringify(content.slice(0, 40))}; ` +
          'is it a tiktoken ranks file?',
      );
    const rank = Number(match[2]);
    if (ranks[rank] !== undefined)
      throw new UsageError(
        `Expected each rank once, got rank ${rank} on lines ${lines[rank]} and ${line} of ${source}`,
      );
    ranks[rank] = new Uint8Array(token);
    lines[rank] = line;
    count++;
  });
  if (count === 0) throw new UsageError(`Expected lines of \`base64 rank\` in ${source}, got an empty file`);
  for (let rank = 0; rank < ranks.length; rank++)
    if (ranks[rank] === undefined)
      throw new UsageError(
        `Expected ranks 0 to ${ranks.length - 1} in ${source}, rank ${rank} is missing; is the file truncated?`,
      );
  return { ranks: ranks as Ranks, lines };
}
