// Command lines without a shell: split into words by a shell's quoting rules, with placeholders for a trial's values that
// are filled in after splitting, so that no value can become more than the text of its word.

import { expect, UsageError } from '../../base/errors.js';
import { suggestion } from '../../base/names.js';
import { own } from '../objects.js';
import type { Choice } from '../types.js';

/**
 * Words of a command line: blanks separate, '...', "..." and \ quote as in a POSIX shell. Nothing is expanded.
 * @throws UsageError for an open quote, and for what only a shell can do (pipes, variables, several commands)
 */
export function splitCommand(command: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  for (let i = 0; i < command.length; i++) {
    const char = command[i]!;
    if (/\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (char === "'" || char === '"') {
      word ??= '';
      for (i++; command[i] !== char; i++) {
        expect(i < command.length, () => `Expected the quote ${char} to be closed in the command ${command}`);
        if (char === '"' && command[i] === '\\' && /["\\$`]/.test(command[i + 1] ?? '')) i++;
        word += command[i];
      }
    } else if (char === '\\' && i + 1 < command.length) word = (word ?? '') + command[++i];
    else {
      expect(
        !/[|&;<>`$()]/.test(char) && !(char === '~' && word === null),
        () =>
          `Expected a command without ${char}: it runs without a shell; quote it, or write sh -c '...' and pass parameters as its arguments ("$1")`,
      );
      word = (word ?? '') + char;
    }
  }
  if (word !== null) words.push(word);
  expect(words.length > 0, () => 'Expected a command to run, got an empty one');
  expect(
    !/^\w+=/.test(words[0]!),
    () => `Expected a program first, got ${words[0]}; set environment variables with --env ${words[0]}`,
  );
  return words;
}

/** `{lr}`, `{ADAM_BETAS[0]}`; `{{lr}}` stands for the text {lr}, and `${lr}` is left to other languages. */
const PLACEHOLDER = /(?<!\$)\{(\{?)([\p{L}_$][\p{L}\p{N}_$.[\]-]*)\}(\}?)/gu;

/** Names of the placeholders in some texts. */
export function placeholdersIn(texts: readonly string[]): Set<string> {
  const found = texts.flatMap((text) => [...text.matchAll(PLACEHOLDER)]);
  return new Set(found.filter(([, open, , close]) => !(open && close)).map(([, , name]) => name!));
}

/** Fills in placeholders; null and what has no value become an empty text. */
export function fillIn(text: string, values: Readonly<Record<string, Choice>>): string {
  return text.replace(PLACEHOLDER, (_, open: string, name: string, close: string) =>
    open && close ? `{${name}}` : `${open}${own(values, name) ?? ''}${close}`,
  );
}

/** @throws UsageError for a placeholder that is none of `known` */
export function checkPlaceholders(texts: readonly string[], known: readonly string[]): void {
  for (const name of placeholdersIn(texts))
    if (!known.includes(name))
      throw new UsageError(
        `Unknown placeholder {${name}}${suggestion(name, known, `; known are ${known.join(', ')}`)}; {{${name}}} stands for the text itself`,
      );
}
