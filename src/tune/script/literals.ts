// Literal values in scripts, with where they stand: numbers (also `2**19`, `-1e-3`, `524_288`), strings, booleans, null,
// tuples, lists and dictionaries. Anything that has to be run to be known is `other`.

import type { Language, Token } from './lexer.js';

/** A value and its span in the text. */
export type Literal = { start: number; end: number } & (
  | { kind: 'number'; value: number; integer: boolean }
  | { kind: 'string'; value: string }
  | { kind: 'constant'; value: boolean | null }
  | { kind: 'list'; items: Literal[] }
  | { kind: 'dict'; entries: { key: string; value: Literal }[] }
  | { kind: 'other' }
);

const CONSTANTS: Readonly<Record<Language, Readonly<Record<string, boolean | null>>>> = {
  python: { True: true, False: false, None: null },
  javascript: { true: true, false: false, null: null },
  json: { true: true, false: false, null: null },
};

/** Deeper nesting is no constant that anybody tunes, and would overflow the stack. */
const DEEPEST = 200;

/** Binary operators by precedence. */
const LEVELS: readonly (readonly string[])[] = [['<<', '>>'], ['+', '-'], ['*', '/', '//', '%'], ['**']];
const POWER = LEVELS.length - 1;

/** Reads the literal at a token; `next` is the first token after it. */
export function literalAt(
  tokens: readonly Token[],
  at: number,
  language: Language,
): { literal: Literal; next: number } | null {
  let i = at;
  const python = language === 'python';
  const skipLines = () => {
    while (tokens[i]?.kind === 'newline') i++;
  };
  const is = (text: string) => tokens[i]?.kind === 'op' && tokens[i]!.text === text;

  /** What may follow an expression within brackets. */
  const ended = () => i >= tokens.length || is(',') || is(')') || is(']') || is('}');

  /** An item of a bracket, `other` where it is no literal. */
  function item(): Literal {
    const [from, depth] = [i, tokens[i]?.depth ?? 0];
    const literal = expression(0);
    skipLines();
    if (literal && ended()) return literal;
    // Up to a comma or bracket of its own list: a call within it has others.
    for (i = from; i < tokens.length; i++)
      if (tokens[i]!.depth < depth || (tokens[i]!.depth === depth && is(','))) break;
    const last = tokens[Math.max(from, i - 1)]!;
    return { kind: 'other', start: tokens[from]?.start ?? last.start, end: last.end };
  }

  /** Items up to the closing bracket; whether a comma was among them. */
  function list(close: string): { items: Literal[]; commas: number; end: number } | null {
    const items: Literal[] = [];
    let commas = 0;
    i++;
    for (;;) {
      skipLines();
      if (is(close)) return { items, commas, end: tokens[i++]!.end };
      if (i >= tokens.length || /^[)\]}]$/.test(tokens[i]!.text)) return null;
      items.push(item());
      skipLines();
      if (is(',')) {
        commas++;
        i++;
      } else if (!is(close)) return null;
    }
  }

  function dict(): Literal | null {
    const { start } = tokens[i]!;
    const entries: { key: string; value: Literal }[] = [];
    i++;
    for (;;) {
      skipLines();
      if (is('}')) return { kind: 'dict', entries, start, end: tokens[i++]!.end };
      const token = tokens[i];
      if (!token) return null;
      const named = token.kind === 'word' && !python ? token.text : null;
      const key = named ?? (token.kind === 'string' ? stringValue(token.text, python) : null);
      const after = tokens[i + 1];
      if (key !== null && after?.kind === 'op' && after.text === ':') {
        i += 2;
        skipLines();
        entries.push({ key, value: item() });
      } else item(); // a spread, a method, a number as a key
      skipLines();
      if (is(',')) i++;
      else if (!is('}')) return null;
    }
  }

  function primary(): Literal | null {
    if (!python) skipLines();
    const token = tokens[i];
    if (!token || token.depth > DEEPEST) return null;
    const { start, end } = token;
    if (token.kind === 'number') {
      const value = numberValue(token.text);
      if (value === null) return null;
      i++;
      const whole = /^0[xob]/i.test(token.text) || !(python ? /[.eE]/ : /\./).test(token.text);
      const integer = whole && Number.isInteger(value);
      return { kind: 'number', value, integer, start, end };
    }
    if (token.kind === 'string') {
      let value = '';
      let last = end;
      for (; tokens[i]?.kind === 'string'; i++) {
        const part = stringValue(tokens[i]!.text, python);
        if (part === null) return null;
        value += part;
        last = tokens[i]!.end;
        if (!python) {
          i++;
          break;
        }
      }
      return { kind: 'string', value, start, end: last };
    }
    if (token.kind === 'word') {
      if (!Object.hasOwn(CONSTANTS[language], token.text)) return null;
      i++;
      return { kind: 'constant', value: CONSTANTS[language][token.text]!, start, end };
    }
    if (is('-') || is('+')) {
      i++;
      const operand = expression(POWER);
      if (operand?.kind !== 'number') return null;
      return { ...operand, value: token.text === '-' ? -operand.value : operand.value, start };
    }
    if (is('[')) {
      const read = list(']');
      return read && { kind: 'list', items: read.items, start, end: read.end };
    }
    if (is('(')) {
      const read = list(')');
      if (!read) return null;
      const [only] = read.items;
      if (only && read.items.length === 1 && read.commas === 0)
        return only.kind === 'other' ? null : ({ ...only, start, end: read.end } as Literal);
      return python ? { kind: 'list', items: read.items, start, end: read.end } : null;
    }
    return is('{') ? dict() : null;
  }

  function expression(level: number): Literal | null {
    if (level > POWER) return primary();
    let left = level === POWER ? primary() : expression(level + 1);
    while (left?.kind === 'number' && tokens[i]?.kind === 'op' && LEVELS[level]!.includes(tokens[i]!.text)) {
      const operator = tokens[i++]!.text;
      const right = expression(level === POWER ? POWER : level + 1); // ** is right-associative
      left = right?.kind === 'number' ? combine(left, operator, right, python) : null;
    }
    return left;
  }

  const first = expression(0);
  if (!first || first.kind === 'other') return null;
  if (!(python && is(',')) || (tokens[i]?.depth ?? 0) > 0) return { literal: first, next: i };
  // A tuple without parentheses.
  const items: Literal[] = [first];
  while (is(',')) {
    i++;
    const more = tokens[i] && tokens[i]!.kind !== 'newline' ? expression(0) : null;
    if (more) items.push(more);
    else break;
  }
  return { literal: { kind: 'list', items, start: first.start, end: items.at(-1)!.end }, next: i };
}

type NumberLiteral = Extract<Literal, { kind: 'number' }>;

function combine(
  a: NumberLiteral,
  operator: string,
  b: NumberLiteral,
  python: boolean,
): NumberLiteral | null {
  const value = {
    '+': a.value + b.value,
    '-': a.value - b.value,
    '*': a.value * b.value,
    '/': a.value / b.value,
    '//': Math.floor(a.value / b.value),
    '%': python ? a.value - b.value * Math.floor(a.value / b.value) : a.value % b.value,
    '<<': a.value * 2 ** b.value,
    '>>': Math.floor(a.value / 2 ** b.value),
    '**': a.value ** b.value,
  }[operator]!;
  if (!Number.isFinite(value)) return null;
  const whole = a.integer && b.integer && Number.isInteger(value);
  const integer = whole && !(python && (operator === '/' || (operator === '**' && b.value < 0)));
  return { kind: 'number', value, integer, start: a.start, end: b.end };
}

/** null for complex numbers and big integers. */
function numberValue(text: string): number | null {
  if (/[jJn]$/.test(text)) return null;
  const value = Number(text.replaceAll('_', ''));
  return Number.isFinite(value) ? value : null;
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\x07',
};

/** What a string literal holds; null for bytes, strings with inserted expressions, regular expressions. */
function stringValue(text: string, python: boolean): string | null {
  const [, prefix, quote] = /^([a-zA-Z]*)("""|'''|"|'|`)/.exec(text) ?? [];
  if (quote === undefined || /[bft]/i.test(prefix!) || !text.endsWith(quote)) return null;
  const width = !python && quote.length === 3 ? 1 : quote.length;
  const inner = text.slice(prefix!.length + width, -width);
  if (quote === '`' && /(?<!\\)\$\{/.test(inner)) return null;
  if (/r/i.test(prefix!)) return inner;
  return inner.replace(
    /\\(?:x([\da-fA-F]{2})|u\{([\da-fA-F]+)\}|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(\r\n|[\s\S]))/g,
    (_, x, braced, u, long, char: string) => {
      const code = x ?? braced ?? u ?? long;
      if (code !== undefined) return String.fromCodePoint(Math.min(0x10ffff, Number.parseInt(code, 16)));
      if (/[\r\n]/.test(char)) return '';
      return !python && char === 'a'
        ? 'a'
        : (ESCAPES[char] ?? (/["'`\\/]/.test(char) || !python ? char : `\\${char}`));
    },
  );
}
