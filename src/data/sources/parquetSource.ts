// Documents of a .parquet file: one column of strings, a document a row. A row group is read and decoded at a time, and
// is a group of documents, so the order in which documents are packed is the reference's (prepare.py,
// _document_batches). Decoding is hyparquet's; rows that are null are passed over.

import type { FileHandle } from 'node:fs/promises';
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { EnvironmentError, expect, messageOf, UsageError } from '../../base/errors.js';
import { type DocumentFile, once } from './documentFile.js';
import { describeReadError, openForReading } from './readText.js';

/** A byte order mark is text, and text must be UTF-8: hyparquet's own decoder drops one and replaces the other. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const parsers = { stringFromBytes: (bytes: Uint8Array) => bytes && decoder.decode(bytes) };

/**
 * Opens a .parquet file (zstd, snappy, gzip, brotli, lz4 or plain); memory is bounded by a row group. Row groups outside
 * the documents asked for are not read.
 * @param options.column name of the column that holds the text
 * @throws UsageError (from its methods) for a missing file, or a column that is absent or not of strings
 * @throws EnvironmentError for a file that is truncated or damaged
 */
export function parquetFile(path: string, options: { column?: string | undefined } = {}): DocumentFile {
  const { column = 'text' } = options;
  const metadata = once(() => withFile(path, (file) => readMetadata(file, column, path)));
  return {
    path,
    async count() {
      return Number((await metadata()).num_rows);
    },
    async *groups(start, end) {
      const found = await metadata();
      let first = 0;
      for (const [index, group] of found.row_groups.entries()) {
        const past = first + Number(group.num_rows);
        const rowStart = Math.max(start, first);
        const rowEnd = Math.min(end, past);
        if (rowStart < rowEnd)
          yield await withFile(path, (file) => readRows(file, found, column, rowStart, rowEnd, path, index));
        first = past;
        if (first >= end) return;
      }
    },
  };
}

async function readMetadata(file: AsyncBuffer, column: string, path: string): Promise<FileMetaData> {
  const metadata = await undamaged(path, 'the footer', () => parquetMetadataAsync(file));
  const { children } = parquetSchema(metadata);
  const names = children.map(({ element }) => element.name);
  const found = children.find(({ element }) => element.name === column)?.element;
  expect(
    found !== undefined,
    () => `Expected a column "${column}" in ${path}, found ${names.join(', ')}; name one with --column`,
  );
  const { type, repetition_type: repetition } = found;
  if (type !== 'BYTE_ARRAY' || repetition === 'REPEATED')
    throw new UsageError(
      `Expected strings in column "${column}" of ${path}, got ${type ?? 'a nested type'}; name another with --column`,
    );
  return metadata;
}

async function readRows(
  file: AsyncBuffer,
  metadata: FileMetaData,
  column: string,
  rowStart: number,
  rowEnd: number,
  path: string,
  index: number,
): Promise<string[]> {
  const rows = await undamaged(path, `row group ${index}`, () =>
    parquetReadObjects({ file, metadata, columns: [column], rowStart, rowEnd, compressors, parsers }),
  );
  const documents: string[] = [];
  for (const row of rows) {
    const text: unknown = row[column];
    if (typeof text === 'string') documents.push(text);
    else if (text !== null && text !== undefined)
      throw new UsageError(
        `Expected strings in column "${column}" of ${path}, got ${typeof text}; name another with --column`,
      );
  }
  return documents;
}

/** Runs a step of reading; whatever it stumbles over is damage. */
async function undamaged<T>(path: string, where: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof EnvironmentError) throw error;
    throw new EnvironmentError(
      `Cannot read ${where} of ${path} (${messageOf(error)}): truncated, damaged or not parquet; ` +
        'copy or download it again',
      { cause: error },
    );
  }
}

/** Opens the file for as long as `use` takes. */
async function withFile<T>(path: string, use: (file: AsyncBuffer) => Promise<T>): Promise<T> {
  const handle = await openForReading(path);
  try {
    const { size } = await handle.stat();
    return await use({ byteLength: size, slice: (start, end = size) => readRange(handle, start, end) });
  } catch (error) {
    throw describeReadError(path, error);
  } finally {
    await handle.close();
  }
}

async function readRange(handle: FileHandle, start: number, end: number): Promise<ArrayBuffer> {
  if (start < 0 || end < start) throw new Error(`no bytes ${start} to ${end}`);
  const bytes = new Uint8Array(end - start);
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
  if (bytesRead < bytes.length) throw new Error(`the file ends at byte ${start + bytesRead}`);
  return bytes.buffer;
}
