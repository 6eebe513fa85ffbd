// A text split by src/data/tokenizer/splitPattern.ts, in a form that the tests can compare.

import { chunkEnd } from '../../../src/data/tokenizer/splitPattern.js';

/** The chunks of a text, in order. */
export function splitText(text: string): string[] {
  const bytes = Buffer.from(text);
  const chunks: string[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = chunkEnd(bytes, start, bytes.length);
    chunks.push(bytes.toString('utf8', start, end));
    start = end;
  }
  return chunks;
}
