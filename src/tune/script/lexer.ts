// Tokens of Python, JavaScript, TypeScript and JSON, as far as finding constants needs them: what is code, what a string
// or comment, how deep in brackets, and where a logical line ends. Never throws: a script that its own language refuses
// gives some tokens.

import { extname } from 'node:path';
import { expect } from '../../base/errors.js';

export type Language = 'python' | 'javascript' | 'json';

/** `depth`: brackets around it, for a bracket those outside it. Python's newlines end logical lines. */
export type Token = {
  kind: 'word' | 'number' | 'string' | 'op' | 'newline';
  text: string;
  start: number;
  end: number;
  depth: number;
};

export type Tokens = { tokens: Token[]; comments: { start: number; end: number }[] };

const LANGUAGES: Readonly<Record<string, Language>> = {
  ...Object.fromEntries(['.py', '.pyw'].map((name) => [name, 'python'])),
  ...Object.fromEntries(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'].map((name) => [name, 'javascript'])),
  ...Object.fromEntries(['.json', '.jsonc', '.json5'].map((name) => [name, 'json'])),
};

/** The language of a script, by its name. @throws UsageError for another */
export function languageOf(path: string): Language {
  const language = LANGUAGES[extname(path).toLowerCase()];
  expect(language !== undefined, () => `Expected a Python, TypeScript, JavaScript or JSON file, got ${path}`);
  return language;
}

const NUMBER =
  /(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?)[jJn]?/y;
const WORD = /[\p{L}_$][\p{L}\p{N}_$]*/uy;
const OPERATORS = [
  '>>>=',
  '**=',
  '//=',
  '>>=',
  '<<=',
  '===',
  '!==',
  '>>>',
  '...',
  '&&=',
  '||=',
  '??=',
  '**',
  '//',
];
const SHORT = '<< >> == != <= >= := += -= *= /= %= &= |= ^= @= => -> && || ?? ?. ++ --'.split(' ');
/** After these a slash begins a regular expression. */
const BEFORE_REGEX = /^(?:return|typeof|case|in|of|do|else|void|delete|throw|new|instanceof|yield|await)$/;

const match = (pattern: RegExp, text: string, at: number): string | null => {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
};

/** Splits a script; offsets count UTF-16 units of `text`. */
export function tokenize(text: string, language: Language): Tokens {
  const python = language === 'python';
  const tokens: Token[] = [];
  const comments: Tokens['comments'] = [];
  let depth = 0;
  let i = text.startsWith('\uFEFF') ? 1 : 0;
  const push = (kind: Token['kind'], end: number, at = depth) => {
    tokens.push({ kind, text: text.slice(i, end), start: i, end, depth: at });
    i = end;
  };
  while (i < text.length) {
    const char = text[i]!;
    const two = text.slice(i, i + 2);
    if (char === '\n' || char === '\r') {
      const end = i + (two === '\r\n' ? 2 : 1);
      if (python && depth > 0) i = end;
      else push('newline', end);
    } else if (python && char === '\\') i += text.startsWith('\\\r\n', i) ? 3 : 2;
    else if (/\s/.test(char)) i++;
    else if (python ? char === '#' : two === '//' || (two === '#!' && i === 0)) {
      const end = match(/[^\r\n]*/y, text, i)!.length + i;
      comments.push({ start: i, end });
      i = end;
    } else if (!python && two === '/*') {
      const close = text.indexOf('*/', i + 2);
      const end = close < 0 ? text.length : close + 2;
      comments.push({ start: i, end });
      i = end;
    } else {
      const string = stringEnd(text, i, python);
      if (string !== null) push('string', string);
      else if (!python && char === '/' && regexMayFollow(tokens)) push('string', regexEnd(text, i));
      else {
        const number = /[\d.]/.test(char) ? match(NUMBER, text, i) : null;
        const word = number ? null : match(WORD, text, i);
        if (number) push('number', i + number.length);
        else if (word) push('word', i + word.length);
        else if ('([{'.includes(char)) {
          push('op', i + 1);
          depth++;
        } else if (')]}'.includes(char)) {
          depth = Math.max(0, depth - 1);
          push('op', i + 1);
        } else {
          const operator = [...OPERATORS, ...SHORT].find((op) => text.startsWith(op, i));
          push('op', i + (operator ?? String.fromCodePoint(text.codePointAt(i)!)).length);
        }
      }
    }
  }
  return { tokens, comments };
}

/** Where the string literal that begins at `at` ends; null where none begins. */
function stringEnd(text: string, at: number, python: boolean): number | null {
  const prefix = python ? match(/(?:[rR]?[bBfFtT]|[bBfFtT]?[rR]|[uU])?(?=['"])/y, text, at) : '';
  if (prefix === null) return null;
  const begin = at + prefix.length;
  const quote = text[begin]!;
  if (quote !== '"' && quote !== "'" && !(quote === '`' && !python)) return null;
  const triple = python && text.startsWith(quote.repeat(3), begin) ? quote.repeat(3) : quote;
  const inserts = quote === '`' ? '${' : /[ft]/i.test(prefix) ? '{' : null;
  let i = begin + triple.length;
  while (i < text.length) {
    if (text.startsWith(triple, i)) return i + triple.length;
    if (text[i] === '\\') i += text.startsWith('\\\r\n', i) ? 3 : 2;
    else if (inserts === '{' && text.startsWith('{{', i)) i += 2;
    else if (inserts && text.startsWith(inserts, i)) i = insertEnd(text, i + inserts.length, python);
    else if (triple.length === 1 && quote !== '`' && /[\r\n]/.test(text[i]!))
      return i; // never closed
    else i++;
  }
  return text.length;
}

/** Where the braces of an inserted expression close. */
function insertEnd(text: string, at: number, python: boolean): number {
  let depth = 1;
  for (let i = at; i < text.length; ) {
    const string = stringEnd(text, i, python);
    if (string !== null && string > i) i = string;
    else if (text[i] === '{') {
      depth++;
      i++;
    } else if (text[i++] === '}' && --depth === 0) return i;
  }
  return text.length;
}

function regexMayFollow(tokens: readonly Token[]): boolean {
  const last = tokens.findLast(({ kind }) => kind !== 'newline');
  if (!last) return true;
  if (last.kind === 'op') return !/^(?:[)\]}]|\+\+|--)$/.test(last.text);
  return last.kind === 'word' && BEFORE_REGEX.test(last.text);
}

function regexEnd(text: string, at: number): number {
  let inClass = false;
  for (let i = at + 1; i < text.length && !/[\r\n]/.test(text[i]!); i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '[') inClass = true;
    else if (text[i] === ']') inClass = false;
    else if (text[i] === '/' && !inClass) return match(/\w*/y, text, i + 1)!.length + i + 1;
  }
  return at + 1; // a division after all
}
