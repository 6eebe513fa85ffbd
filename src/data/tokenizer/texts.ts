// Many texts as one buffer of UTF-8, which is moved to a worker thread rather than copied, and their ids.

import type { Encoder } from './encoder.js';

/** Texts as UTF-8; text i is bytes[ends[i - 1]..ends[i]). Lone surrogates have become U+FFFD. */
export interface PackedTexts {
  bytes: Uint8Array<ArrayBuffer>;
  ends: Uint32Array<ArrayBuffer>;
}

/** Token ids, 16 bits wide where every id of the vocabulary fits. */
export type Ids = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Ids of texts; text i is ids[ends[i - 1]..ends[i]). */
export interface PackedIds {
  ids: Ids;
  ends: Uint32Array<ArrayBuffer>;
}

/** Packs texts[from..to). */
export function packTexts(texts: string[], from = 0, to = texts.length): PackedTexts {
  const ends = new Uint32Array(to - from);
  let length = 0;
  for (let i = from; i < to; i++) ends[i - from] = length += Buffer.byteLength(texts[i]!);
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let i = from; i < to; i++) bytes.write(texts[i]!, i === from ? 0 : ends[i - from - 1]!);
  return { bytes, ends };
}

/** Cuts texts into runs [from, to) of about `units` UTF-16 units; a text is never divided. */
export function* runsOf(texts: string[], units: number): Generator<[number, number]> {
  let from = 0;
  let length = 0;
  for (let i = 0; i < texts.length; i++) {
    length += texts[i]!.length;
    if (length < units) continue;
    yield [from, i + 1];
    from = i + 1;
    length = 0;
  }
  if (from < texts.length) yield [from, texts.length];
}

/** Calls `visit(start, end)` for each text. */
export function eachText({ ends }: PackedTexts, visit: (start: number, end: number) => void): void {
  let start = 0;
  for (const end of ends) {
    visit(start, end);
    start = end;
  }
}

/** Encodes packed texts on this thread. */
export function encodePacked(encoder: Encoder, vocabSize: number, texts: PackedTexts): PackedIds {
  const wide = new Uint32Array(texts.bytes.length);
  const ends = new Uint32Array(texts.ends.length);
  let text = 0;
  let at = 0;
  eachText(texts, (start, end) => {
    ends[text++] = at = encoder.encode(texts.bytes, start, end, wide, at);
  });
  const ids = wide.subarray(0, at);
  return { ids: vocabSize <= 1 << 16 ? Uint16Array.from(ids) : ids.slice(), ends };
}
