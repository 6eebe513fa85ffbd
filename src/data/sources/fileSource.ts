// A corpus made of the user's files: which files a path names, which documents validate, when a corpus has changed.
// How a file becomes documents is textSource.ts, jsonlSource.ts and parquetSource.ts.

import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { expect, UsageError } from '../../base/errors.js';
import { sha256 } from '../../base/files.js';
import type { DocumentSource } from '../types.js';
import { type DocumentFile, once } from './documentFile.js';
import { jsonlFile } from './jsonlSource.js';
import { parquetFile } from './parquetSource.js';
import { describeReadError, openForReading } from './readText.js';
import { textFile } from './textSource.js';

/** A run of documents of a file. */
export type Part = { file: DocumentFile; start: number; end: number };

/** Changes when the rules below, or those by which a file becomes documents, change. */
const RULES_VERSION = '1';
const VAL_FRACTION = 0.05;
const MOST_VAL_DOCUMENTS = 10_000;
/** Bytes at both ends of a file that the fingerprint reads. */
const EDGE_BYTES = 1 << 16;

const KINDS: Record<string, (path: string, options: { column?: string | undefined }) => DocumentFile> = {
  '.txt': (path) => textFile(path),
  '.jsonl': (path, { column }) => jsonlFile(path, { field: column }),
  '.parquet': (path, options) => parquetFile(path, options),
};

/**
 * A corpus of text files. Without `valText` the last 5% of the documents validate (at least 1, at most 10,000), and
 * of a single document its last 5%, cut at a paragraph, line or word; no document is in both splits. With `valText`
 * all of `text` trains, except files that `valText` names too.
 * @param options.text a .txt, .jsonl or .parquet file, or a folder of them (see `findFiles`)
 * @param options.column field of .jsonl and column of .parquet files that holds the text
 * @throws UsageError (from its methods) for paths without supported files, and text without documents
 */
export function fileSource(options: {
  text: string;
  valText?: string | undefined;
  column?: string | undefined;
}): DocumentSource {
  const { text, valText, column } = options;
  const paths = once(async () => {
    const val = valText === undefined ? [] : await findFiles(valText);
    const held = new Set(await Promise.all(val.map((path) => realpath(path))));
    const train: string[] = [];
    for (const path of await findFiles(text)) if (!held.has(await realpath(path))) train.push(path);
    expect(
      train.length > 0,
      () => `Expected --text to have files that --val-text has not, got ${text} and ${valText}`,
    );
    return { train, val };
  });
  const parts = once(async () => {
    const { train, val } = await paths();
    const trainFiles = train.map((path) => openFile(path, column));
    if (valText === undefined) return holdOut(text, await wholeFiles(text, trainFiles));
    const valFiles = val.map((path) => openFile(path, column));
    return { train: await wholeFiles(text, trainFiles), val: await wholeFiles(valText, valFiles) };
  });
  return {
    name: basename(text),
    async fingerprint() {
      const { train, val } = await paths();
      const marks = async (files: string[]) => (await Promise.all(files.map(fileMark))).join('\n');
      return sha256('files', RULES_VERSION, column ?? '', await marks(train), await marks(val));
    },
    async *groups(split) {
      const found = await parts();
      if ('cut' in found) yield [found.cut[split]];
      else for (const { file, start, end } of found[split]) yield* file.groups(start, end);
    },
  };
}

/**
 * The supported files that a path names: itself, or in a folder all .txt, .jsonl and .parquet files, in subfolders too,
 * sorted by their path below it (by character code). Names that begin with a dot, other files and links to folders are
 * passed over.
 * @throws UsageError when there is none
 */
export async function findFiles(path: string): Promise<string[]> {
  const { isFolder } = await describe(path);
  if (!isFolder) {
    expect(
      extname(path).toLowerCase() in KINDS,
      () => `Expected a .txt, .jsonl or .parquet file, got ${path}; rename it to what it holds`,
    );
    return [path];
  }
  const found: string[] = [];
  const visit = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(path, below), { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const name = join(below, entry.name);
      if (entry.isDirectory()) await visit(name);
      else if (extname(name).toLowerCase() in KINDS && !(await describe(join(path, name))).isFolder)
        found.push(name);
    }
  };
  await visit('');
  expect(
    found.length > 0,
    () => `Expected .txt, .jsonl or .parquet files in ${path}, found none; name the folder that has them`,
  );
  return found.sort((a, b) => (a < b ? -1 : 1)).map((name) => join(path, name));
}

async function describe(path: string): Promise<{ isFolder: boolean }> {
  try {
    return { isFolder: (await stat(path)).isDirectory() };
  } catch (error) {
    throw describeReadError(path, error);
  }
}

function openFile(path: string, column: string | undefined): DocumentFile {
  return KINDS[extname(path).toLowerCase()]!(path, { column });
}

async function wholeFiles(name: string, files: DocumentFile[]): Promise<Part[]> {
  const parts: Part[] = [];
  for (const file of files) parts.push({ file, start: 0, end: await file.count() });
  if (parts.every(({ end }) => end === 0))
    throw new UsageError(`Expected text in ${name}, found no document; name a file that is not empty`);
  return parts;
}

type HeldOut = { train: Part[]; val: Part[] } | { cut: { train: string; val: string } };

/** Takes the last documents for validation. */
async function holdOut(name: string, parts: Part[]): Promise<HeldOut> {
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

/**
 * What tells a file from itself after a change, without reading all of it: path, size, time of modification, and a
 * hash of both ends (an edit that keeps size and time, as some copying tools do, is mostly a change of header or end).
 */
async function fileMark(path: string): Promise<string> {
  const file = await openForReading(path);
  try {
    const { size, mtimeNs } = await file.stat({ bigint: true });
    const bytes = Number(size);
    const edges: Buffer[] = [];
    for (const start of [0, Math.max(0, bytes - EDGE_BYTES)]) {
      const { buffer, bytesRead } = await file.read(
        Buffer.alloc(Math.min(EDGE_BYTES, bytes)),
        0,
        undefined,
        start,
      );
      edges.push(buffer.subarray(0, bytesRead));
    }
    return `${await realpath(path)} ${size} ${mtimeNs} ${sha256(...edges)}`;
  } catch (error) {
    throw describeReadError(path, error);
  } finally {
    await file.close();
  }
}
