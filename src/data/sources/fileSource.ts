// A corpus from the user's files: which files a path refers to, and whether they have changed. holdOut.ts splits off validation
// documents; textSource.ts, jsonlSource.ts and parquetSource.ts read files.

import type { Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { expect } from '../../base/errors.js';
import { describeReadError, sha256 } from '../../base/files.js';
import { once } from '../../base/once.js';
import type { DocumentSource } from '../types.js';
import type { DocumentFile } from './documentFile.js';
import { documentsOf, holdOut, wholeFiles } from './holdOut.js';
import { jsonlFile } from './jsonlSource.js';
import { parquetFile } from './parquetSource.js';
import { openForReading } from './readText.js';
import { textFile } from './textSource.js';

/** Changes when the rules below, or those by which all files become documents, change. */
const RULES_VERSION = '1';
/** Bytes at both ends of a file that the fingerprint reads. */
const EDGE_BYTES = 1 << 16;

type Open = (path: string, column: string | undefined, signal: AbortSignal | undefined) => DocumentFile;
const KINDS = new Map<string, Open>([
  ['.txt', (path, _, signal) => textFile(path, { signal })],
  ['.jsonl', (path, field, signal) => jsonlFile(path, { field, signal })],
  ['.parquet', (path, column, signal) => parquetFile(path, { column, signal })],
]);
const kindOf = (path: string) => KINDS.get(extname(path).toLowerCase());
const isSupported = (path: string) => kindOf(path) !== undefined;

/**
 * A corpus of text files. Without `valText` the last 5% of the documents validate (at least 1, at most 10,000), and
 * of a single document its last 5%, cut at a paragraph, line or word; no document is in both splits. With `valText`
 * all of `text` trains, except files that `valText` names too.
 * @param options.text a .txt, .jsonl or .parquet file, or a folder of them (see `findFiles`)
 * @param options.column field of .jsonl and column of .parquet files that holds the text
 * @param options.signal stops reading
 * @throws UsageError (from its methods) for paths without supported files, and text without documents
 */
export function fileSource(options: {
  text: string;
  valText?: string | undefined;
  column?: string | undefined;
  signal?: AbortSignal | undefined;
}): DocumentSource {
  const { text, valText, column, signal } = options;
  const openFile = (path: string) => kindOf(path)!(path, column, signal);
  const paths = once(async () => {
    const val = valText === undefined ? [] : await findFiles(valText);
    const held = new Set(await Promise.all(val.map((path) => onDisk(path, realpath))));
    const train: string[] = [];
    for (const path of await findFiles(text)) if (!held.has(await onDisk(path, realpath))) train.push(path);
    expect(
      train.length > 0,
      () => `Expected --text to have files that are not in --val-text, got ${text} and ${valText}`,
    );
    return { train, val };
  });
  const parts = once(async () => {
    const { train, val } = await paths();
    const trainFiles = train.map(openFile);
    if (valText === undefined) return holdOut(text, await wholeFiles(text, trainFiles));
    const valFiles = val.map(openFile);
    return { train: await wholeFiles(text, trainFiles), val: await wholeFiles(valText, valFiles) };
  });
  return {
    name: basename(text),
    async documentRule() {
      const { train } = await paths();
      const rules = new Set(await Promise.all(train.map((path) => openFile(path).rule())));
      const single = 'cut' in (await parts()) ? ', of which the last 5% is validation' : '';
      return [...rules].join(' or ') + single;
    },
    async fingerprint() {
      const { train, val } = await paths();
      const marks = async (files: string[]) => {
        const found: string[] = []; // one after the other: there may be more files than can be open
        for (const file of files) found.push(await fileMark(file));
        return found.join('\n');
      };
      return sha256('files', RULES_VERSION, column ?? '', await marks(train), await marks(val));
    },
    async *groups(split) {
      yield* documentsOf(await parts(), split);
    },
  };
}

/**
 * The supported files that a path names: itself, or in a folder all .txt, .jsonl and .parquet files, in subfolders too,
 * sorted by their path below it (by character code). Names that begin with a dot, other files, pipes and links to folders
 * are skipped.
 * @throws UsageError when there is none
 */
export async function findFiles(path: string): Promise<string[]> {
  if (!(await onDisk<Stats>(path, stat)).isDirectory()) {
    expect(
      isSupported(path),
      () => `Expected a .txt, .jsonl or .parquet file, got ${path}; rename it to what it contains`,
    );
    return [path];
  }
  const found: string[] = [];
  const visit = async (below: string): Promise<void> => {
    for (const entry of await onDisk(join(path, below), (folder) =>
      readdir(folder, { withFileTypes: true }),
    )) {
      if (entry.name.startsWith('.')) continue;
      const name = join(below, entry.name);
      if (entry.isDirectory()) await visit(name);
      else if (isSupported(name) && (await onDisk<Stats>(join(path, name), stat)).isFile()) found.push(name);
    }
  };
  await visit('');
  expect(
    found.length > 0,
    () => `Expected .txt, .jsonl or .parquet files in ${path}, found none; name the folder that has them`,
  );
  return found.sort((a, b) => (a < b ? -1 : 1)).map((name) => join(path, name));
}

/** Asks the system about a path. @throws UsageError, EnvironmentError */
async function onDisk<T>(path: string, ask: (path: string) => Promise<T>): Promise<T> {
  try {
    return await ask(path);
  } catch (error) {
    throw describeReadError(path, error);
  }
}

/**
 * Changes when a file does, without reading all of it: path, size, time of modification, and a hash of both ends (an edit
 * that keeps size and time, as some copying tools do, is mostly a change of header or end).
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
    // Since null rows are no documents, a corpus of parquet files is another.
    const version = extname(path).toLowerCase() === '.parquet' ? '2 ' : '';
    return `${version}${await realpath(path)} ${size} ${mtimeNs} ${sha256(...edges)}`;
  } catch (error) {
    throw describeReadError(path, error);
  } finally {
    await file.close();
  }
}
