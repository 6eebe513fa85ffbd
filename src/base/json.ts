// JSON as Python's json module reads and writes it: NaN, Infinity and -Infinity are bare tokens. Optuna's journal holds
// them for diverged trials and pandas writes them to .jsonl, where JSON.parse fails and JSON.stringify writes null.

import { randomUUID } from 'node:crypto';

const NON_FINITE = /-?Infinity|NaN/g;

/**
 * Parses JSON with or without a byte order mark, and with the bare tokens NaN, Infinity and -Infinity.
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  if (text.startsWith('\uFEFF')) text = text.slice(1);
  try {
    return JSON.parse(text);
  } catch (error) {
    if (text.search(NON_FINITE) < 0) throw error;
    // The tokens become strings that no text can hold by chance, and numbers again while these are parsed.
    const mark = randomUUID();
    const quoted = outsideStrings(text, (part) => part.replace(NON_FINITE, (token) => `"${mark}${token}"`));
    try {
      return JSON.parse(quoted, (key, value: unknown) => {
        if (key.startsWith(mark)) throw error;
        return typeof value === 'string' && value.startsWith(mark) ? Number(value.slice(mark.length)) : value;
      });
    } catch {
      throw error;
    }
  }
}

/** Applies `replace` to what lies between the string literals of a JSON text; linear also in literals of megabytes. */
function outsideStrings(text: string, replace: (part: string) => string): string {
  const parts: string[] = [];
  for (let at = 0; at < text.length; ) {
    const open = text.indexOf('"', at);
    if (open < 0) return parts.join('') + replace(text.slice(at));
    parts.push(replace(text.slice(at, open)));
    let close = open;
    do {
      close = text.indexOf('"', close + 1);
    } while (close >= 0 && backslashesBefore(text, close) % 2 === 1);
    at = close < 0 ? text.length : close + 1;
    parts.push(text.slice(open, at));
  }
  return parts.join('');
}

function backslashesBefore(text: string, at: number): number {
  let count = 0;
  while (text.charCodeAt(at - 1 - count) === 92) count++;
  return count;
}

/**
 * Writes JSON on one line with bare tokens for numbers that are not finite; undefined members are dropped.
 * @throws TypeError for what JSON cannot hold (bigint, functions, cycles)
 */
export function formatJson(value: unknown): string {
  return format(value, 0);
}

function format(value: unknown, depth: number): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (typeof value !== 'object' || value === null) {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`JSON cannot hold a ${typeof value}`);
    return text;
  }
  if (depth > 200) throw new TypeError('JSON cannot hold a cycle');
  const plain = 'toJSON' in value && typeof value.toJSON === 'function' ? value.toJSON() : value;
  if (typeof plain !== 'object' || plain === null) return format(plain, depth + 1);
  if (Array.isArray(plain)) return `[${plain.map((item) => format(item ?? null, depth + 1)).join(',')}]`;
  const members = Object.entries(plain).filter(([, member]) => member !== undefined);
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${format(member, depth + 1)}`).join(',')}}`;
}
