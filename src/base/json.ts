// JSON as Python's json module reads and writes it: NaN, Infinity and -Infinity are bare tokens. Optuna's journal holds
// them for diverged trials and pandas writes them to .jsonl, where JSON.parse fails and JSON.stringify writes null.

import { messageOf } from './errors.js';

const NON_FINITE = /-?Infinity|NaN/g;
/** Deeper nesting is refused, as by Python's reader: it overflows the stack of whatever walks over the value. */
const DEEPEST = 900;

/**
 * Parses JSON with or without a byte order mark, and with the bare tokens NaN, Infinity and -Infinity.
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  if (text.startsWith('\uFEFF')) text = text.slice(1);
  if (text.length > DEEPEST) checkDepth(text);
  try {
    return JSON.parse(text);
  } catch (error) {
    if (text.search(NON_FINITE) < 0) throw error;
    // The tokens become strings that no text can hold by chance, and numbers again while these are parsed.
    const mark = crypto.randomUUID();
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

function checkDepth(text: string): void {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 34) quoted = !quoted;
    else if (quoted) i += code === 92 ? 1 : 0;
    else if (code === 91 || code === 123) {
      if (++depth > DEEPEST) throw new SyntaxError(`JSON nested deeper than ${DEEPEST} levels`);
    } else if (code === 93 || code === 125) depth--;
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
 * Writes JSON on one line with bare tokens for numbers that are not finite; undefined members are dropped and typed
 * arrays written as arrays.
 * @throws TypeError for what JSON cannot hold (bigint, functions, cycles, maps, sets, errors)
 */
export function formatJson(value: unknown): string {
  return format(value, String, 0);
}

/**
 * Writes standard JSON on one line for other programs: infinities as 1e999 and -1e999, which parsers read as infinite,
 * NaN as null.
 * @throws TypeError as `formatJson`
 */
export function formatStandardJson(value: unknown): string {
  return format(value, (number) => (Number.isNaN(number) ? 'null' : number > 0 ? '1e999' : '-1e999'), 0);
}

function format(value: unknown, formatNonFinite: (value: number) => string, depth: number): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return formatNonFinite(value);
  if (typeof value !== 'object' || value === null) {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`JSON cannot hold a ${typeof value}`);
    return text;
  }
  if (depth >= DEEPEST) throw new TypeError('JSON cannot hold a cycle');
  const inner = (item: unknown) => format(item, formatNonFinite, depth + 1);
  const plain = 'toJSON' in value && typeof value.toJSON === 'function' ? value.toJSON() : value;
  if (typeof plain !== 'object' || plain === null) return inner(plain);
  if (plain instanceof Number || plain instanceof String || plain instanceof Boolean)
    return inner(plain.valueOf());
  // Their contents are no members: they would be written as {}.
  if (plain instanceof Map || plain instanceof Set || plain instanceof Error)
    throw new TypeError(`JSON cannot hold a ${plain.constructor.name}`);
  const list =
    ArrayBuffer.isView(plain) && !(plain instanceof DataView) ? [...(plain as Float32Array)] : plain;
  if (Array.isArray(list)) return `[${Array.from(list, (item) => inner(item ?? null)).join(',')}]`;
  const members = Object.entries(list).filter(([, member]) => member !== undefined);
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${inner(member)}`).join(',')}}`;
}

/** A value for a message, in at most 80 characters; never throws for any value. */
export function show(value: unknown): string {
  let text: string;
  try {
    text = formatJson(value);
  } catch {
    text = messageOf(value).replace(/\s+/g, ' '); // a function's source
  }
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
