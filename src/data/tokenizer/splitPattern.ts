// Splits text into the chunks that BPE never merges across: a hand-written scanner over UTF-8, equal to
// SPLIT_PATTERN as the regex engine of rustbpe and tiktoken reads it. JavaScript's RegExp cannot express
// the pattern (possessive quantifiers, inline flags), has another \s and moves with Unicode versions.
// Counting and merging chunks is left to bpe*.ts and tokenizer*.ts.
// Source: SPLIT_PATTERN in the reference's prepare.py (GPT-4's pattern, numbers in runs of two).

import { LETTER_RANGES, NUMBER_RANGES } from './splitPatternUnicode.js';

/** The pattern in the notation of Rust's fancy-regex, Oniguruma and Python's `regex`; written into exports. */
export const SPLIT_PATTERN = String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`;

// Classes of characters. SPACE is Unicode White_Space without CR and LF.
const OTHER = 0;
const LETTER = 1;
const NUMBER = 2;
const SPACE = 3;
const NEWLINE = 4;
/** In place of the class: a byte of a longer character. */
const WIDE = 5;

const SPACES = [
  0x09, 0x0b, 0x0c, 0x20, 0x85, 0xa0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007,
  0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000,
];

/** Letters, numbers and spaces all lie below this code point; what is above is OTHER. */
const CLASS_COUNT = 0x40000;
const CLASS = buildClasses();
/** [256] class of an ASCII byte, WIDE for the others. */
const BYTE_CLASS = Uint8Array.from({ length: 256 }, (_, byte) => (byte < 0x80 ? CLASS[byte]! : WIDE));

function buildClasses(): Uint8Array {
  const classes = new Uint8Array(CLASS_COUNT);
  for (const [ranges, value] of [
    [LETTER_RANGES, LETTER],
    [NUMBER_RANGES, NUMBER],
  ] as const) {
    let at = 0;
    const words = ranges.split(' ');
    for (let i = 0; i < words.length; i += 2) {
      at += parseInt(words[i]!, 36);
      const length = parseInt(words[i + 1]!, 36);
      classes.fill(value, at, at + length);
      at += length;
    }
  }
  for (const space of SPACES) classes[space] = SPACE;
  classes[0x0a] = classes[0x0d] = NEWLINE;
  return classes;
}

/**
 * The character at `i`, whose first byte is not ASCII: class | byte length << 3.
 * A byte that starts no complete character is OTHER of length 1.
 */
function wideCharacter(bytes: Uint8Array, i: number, end: number): number {
  const b = bytes[i]!;
  const available = end - i;
  if (b >= 0xe0) {
    if (b < 0xf0) {
      if (available >= 3) {
        const c = bytes[i + 1]! ^ 0x80;
        const d = bytes[i + 2]! ^ 0x80;
        if ((c | d) < 0x40) return CLASS[((b & 0x0f) << 12) | (c << 6) | d]! | (3 << 3);
      }
    } else if (b < 0xf8 && available >= 4) {
      const c = bytes[i + 1]! ^ 0x80;
      const d = bytes[i + 2]! ^ 0x80;
      const e = bytes[i + 3]! ^ 0x80;
      if ((c | d | e) < 0x40) {
        const code = ((b & 0x07) << 18) | (c << 12) | (d << 6) | e;
        return (code < CLASS_COUNT ? CLASS[code]! : OTHER) | (4 << 3);
      }
    }
  } else if (b >= 0xc0 && available >= 2) {
    const c = bytes[i + 1]! ^ 0x80;
    if (c < 0x40) return CLASS[((b & 0x1f) << 6) | c]! | (2 << 3);
  }
  return OTHER | (1 << 3);
}

/** First position at or after `i` whose character is not of class `wanted` (LETTER or OTHER). */
function skip(wanted: number, bytes: Uint8Array, i: number, end: number): number {
  for (;;) {
    while (i < end && BYTE_CLASS[bytes[i]!] === wanted) i++;
    if (i === end || BYTE_CLASS[bytes[i]!] !== WIDE) return i;
    const wide = wideCharacter(bytes, i, end);
    if ((wide & 7) !== wanted) return i;
    i += wide >> 3;
  }
}

/** `[\r\n]*` */
function skipNewlines(bytes: Uint8Array, i: number, end: number): number {
  while (i < end && (bytes[i] === 0x0a || bytes[i] === 0x0d)) i++;
  return i;
}

/** End of `'(?i:[sdmt]|ll|ve|re)` whose apostrophe is before `i`, or 0. Case folding lets U+017F match s. */
function contractionEnd(bytes: Uint8Array, i: number, end: number): number {
  const b = bytes[i]!;
  const first = b | 0x20;
  if (first === 0x73 || first === 0x64 || first === 0x6d || first === 0x74) return i + 1;
  if (i + 1 < end) {
    const second = bytes[i + 1]! | 0x20;
    if (first === 0x6c && second === 0x6c) return i + 2;
    if ((first === 0x76 || first === 0x72) && second === 0x65) return i + 2;
    if (b === 0xc5 && bytes[i + 1] === 0xbf) return i + 2;
  }
  return 0;
}

/** Ends of the last three alternatives, `\s*[\r\n]|\s+(?!\S)|\s+`, for whitespace from `start`. */
function whitespaceEnd(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  let last = start;
  let newline = 0;
  while (i < end) {
    let kind = BYTE_CLASS[bytes[i]!]!;
    let length = 1;
    if (kind === WIDE) {
      const wide = wideCharacter(bytes, i, end);
      kind = wide & 7;
      length = wide >> 3;
    }
    if (kind !== SPACE && kind !== NEWLINE) break;
    last = i;
    i += length;
    if (kind === NEWLINE) newline = i;
  }
  if (newline > 0) return newline;
  return i === end || last === start ? i : last;
}

/**
 * End of the chunk that starts at `start`; every byte belongs to a chunk. Malformed UTF-8 is taken bytewise
 * as neither letter, number nor space, so any bytes can be split.
 * @param end end of the document, start < end
 */
export function chunkEnd(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start]!;
  let i = start + 1;
  let kind = BYTE_CLASS[first]!;
  if (kind === WIDE) {
    const wide = wideCharacter(bytes, start, end);
    kind = wide & 7;
    i = start + (wide >> 3);
  }
  if (kind === LETTER) return skip(LETTER, bytes, i, end);
  if (kind === NEWLINE) return whitespaceEnd(bytes, start, end);
  if (i === end) return i;

  const next = bytes[i]!;
  let nextKind = BYTE_CLASS[next]!;
  let nextEnd = i + 1;
  if (nextKind === WIDE) {
    const wide = wideCharacter(bytes, i, end);
    nextKind = wide & 7;
    nextEnd = i + (wide >> 3);
  }
  if (kind === NUMBER) return nextKind === NUMBER ? nextEnd : i;
  if (first === 0x27) {
    const contraction = contractionEnd(bytes, i, end);
    if (contraction > 0) return contraction;
  }
  if (nextKind === LETTER) return skip(LETTER, bytes, nextEnd, end);
  if (kind === OTHER || (first === 0x20 && nextKind === OTHER))
    return skipNewlines(bytes, skip(OTHER, bytes, i, end), end);
  return whitespaceEnd(bytes, start, end);
}
