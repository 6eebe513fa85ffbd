// Which documents are for validation when the user names none: the last 5%, at least 1 and at most 10,000; of a
// single document the last 5%, split at a paragraph, line or word. No document is in both splits.

import { UsageError } from '../../base/errors.js';
import type { Split } from '../types.js';
import type { DocumentFile } from './documentFile.js';

const VAL_FRACTION = 0.05;
const MOST_VAL_DOCUMENTS = 10_000;

/** A run of documents of a file. */
export type Part = { file: DocumentFile; start: number; end: number };

/** All documents of all files. @throws UsageError when there is none */
export async function wholeFiles(name: string, files: DocumentFile[]): Promise<Part[]> {
  const parts: Part[] = [];
  for (const file of files) parts.push({ file, start: 0, end: await file.count() });
  if (parts.every(({ end }) => end === 0))
    throw new UsageError(`Expected text in ${name}, found no document; name a file that is not empty`);
  return parts;
}

/** A corpus divided in two: by documents, or a single document by its text. */
export type HeldOut = { train: Part[]; val: Part[] } | { cut: { train: string; val: string } };

/** Takes the last documents for validation. @throws UsageError for a single document that is too short to divide */
export async function holdOut(name: string, parts: Part[]): Promise<HeldOut> {
  const count = parts.reduce((sum, { end }) => sum + end, 0);
  if (count === 1) return { cut: await cutSingle(name, parts) };
  const held = Math.min(MOST_VAL_DOCUMENTS, Math.max(1, Math.floor(count * VAL_FRACTION)));
  const train: Part[] = [];
  const val: Part[] = [];
  let before = 0;
  for (const { file, end } of parts) {
    const border = Math.min(end, Math.max(0, count - held - before));
    if (border > 0) train.push({ file, start: 0, end: border });
    if (border < end) val.push({ file, start: border, end });
    before += end;
  }
  return { train, val };
}

async function cutSingle(name: string, parts: Part[]): Promise<{ train: string; val: string }> {
  for (const { file, end } of parts)
    for await (const group of file.groups(0, end))
      for (const document of group) {
        const at = borderBefore(document, Math.floor(document.length * (1 - VAL_FRACTION)));
        const train = document.slice(0, at).trimEnd();
        const val = document.slice(at).trimStart();
        if (train && val) return { train, val };
      }
  throw new UsageError(
    `Expected text long enough to hold out 5% for validation, got a single short document in ${name}; ` +
      'add text or name another file with --val-text',
  );
}

/** The last paragraph, line or word border at or a little before `at`. */
function borderBefore(text: string, at: number): number {
  for (const border of ['\n\n', '\n', ' ']) {
    const found = text.lastIndexOf(border, at);
    if (found >= at * 0.9 && found > 0) return found;
  }
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code < 0xe000 ? at - 1 : at; // not inside a surrogate pair
}

/** The documents of one split, in groups. */
export async function* documentsOf(divided: HeldOut, split: Split): AsyncGenerator<string[]> {
  if ('cut' in divided) yield [divided.cut[split]];
  else for (const { file, start, end } of divided[split]) yield* file.groups(start, end);
}
