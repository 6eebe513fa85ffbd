// Documents of a .parquet file: one column of strings, one document per row. A row group is read and decoded at a time, and
// is a group of documents, so the order in which documents are packed is the reference's (prepare.py,
// _document_batches). hyparquet decodes. Null rows are skipped and not counted.

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
import { describeReadError } from '../../base/files.js';
import { counted } from '../../base/format.js';
import { once } from '../../base/once.js';
import type { DocumentFile } from './documentFile.js';
import { openForReading } from './readText.js';

/** hyparquet's own decoder would drop a byte order mark and replace what is not UTF-8. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const parsers = { stringFromBytes: (bytes: Uint8Array) => bytes && decoder.decode(bytes) };

/**
 * Opens a .parquet file (zstd, snappy, gzip, brotli, lz4 or plain); memory is bounded by a row group. Row groups outside
 * the documents asked for are not read.
 * @param options.column name of the column that holds the text
 * @throws UsageError (from its methods) for a missing file, or a column that is absent or not of strings
 * @throws EnvironmentError for a file that is truncated or damaged
 */
export function parquetFile(
  path: string,
  options: { column?: string | undefined; signal?: AbortSignal | undefined } = {},
): DocumentFile {
  const { column = 'text', signal } = options;
  const open = once(() => withFile(path, (file) => readLayout(file, column, path)));
  const read = (group: RowGroup, start = 0, end = group.rows) =>
    withFile(path, async (file) => {
      signal?.throwIfAborted();
      return readRows(file, (await open()).metadata, column, group, start, end, path);
    });
  const documentsOf = async (group: RowGroup) => (group.documents ??= (await read(group)).length);
  return {
    path,
    rule: async () => 'one a row',
    count: once(async () => {
      let count = 0;
      for (const group of (await open()).groups) count += await documentsOf(group);
      return count;
    }),
    async *groups(start, end) {
      let first = 0;
      for (const group of (await open()).groups) {
        const documents = await documentsOf(group);
        const from = Math.max(start - first, 0);
        const to = Math.min(end - first, documents);
        first += documents;
        // Where some rows are null, which ones is known when all are read.
        if (from < to)
          yield documents === group.rows ? await read(group, from, to) : (await read(group)).slice(from, to);
        if (first >= end) return;
      }
    },
  };
}

/** A row group: its place in the file, its rows, and how many of them are not null where that is known. */
type RowGroup = { index: number; firstRow: number; rows: number; documents?: number };

async function readLayout(
  file: AsyncBuffer,
  column: string,
  path: string,
): Promise<{ metadata: FileMetaData; groups: RowGroup[] }> {
  const metadata = await undamaged(path, 'the footer', () => parquetMetadataAsync(file));
  const { children } = await undamaged(path, 'the footer', async () => parquetSchema(metadata));
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
  let firstRow = 0;
  const groups = await undamaged(path, 'the footer', async () =>
    metadata.row_groups.map((group, index): RowGroup => {
      const chunk = group.columns.find(
        ({ meta_data }) => meta_data?.path_in_schema.join('.') === column,
      )?.meta_data;
      const rows = Number(group.num_rows);
      const nulls = repetition === 'REQUIRED' ? 0 : chunk?.statistics?.null_count;
      if (!chunk || !Number.isSafeInteger(rows) || rows < 0 || chunk.num_values !== group.num_rows)
        throw new Error(`row group ${index} has ${chunk?.num_values ?? 'no'} values for ${rows} rows`);
      if (nulls !== undefined && !(nulls >= 0 && nulls <= rows))
        throw new Error(`row group ${index} has ${nulls} null rows of ${rows}`);
      firstRow += rows;
      return {
        index,
        firstRow: firstRow - rows,
        rows,
        ...(nulls !== undefined && { documents: rows - Number(nulls) }),
      };
    }),
  );
  if (firstRow !== Number(metadata.num_rows))
    throw new EnvironmentError(
      `Expected row groups of ${metadata.num_rows} rows in all in ${path}, got ${firstRow}: ` +
        'truncated or damaged; copy or download it again',
    );
  return { metadata, groups };
}

/** The texts of rows `start` to `end` (exclusive) of a row group, without null ones. */
async function readRows(
  file: AsyncBuffer,
  metadata: FileMetaData,
  column: string,
  group: RowGroup,
  start: number,
  end: number,
  path: string,
): Promise<string[]> {
  const where = `row group ${group.index}`;
  return undamaged(path, where, async () => {
    const rows = await parquetReadObjects({
      file,
      metadata,
      columns: [column],
      rowStart: group.firstRow + start,
      rowEnd: group.firstRow + end,
      compressors,
      parsers,
    });
    const texts: unknown[] = rows.map((row) => row[column]).filter((text) => text !== null);
    if (texts.includes(undefined)) throw new Error('a row without a value');
    const other = texts.find((text) => typeof text !== 'string');
    if (other !== undefined)
      throw new UsageError(
        `Expected strings in column "${column}" of ${path}, got ${typeof other}; name another with --column`,
      );
    const { documents } = group;
    const expected = documents === undefined ? undefined : documents === group.rows ? end - start : documents;
    if (rows.length !== end - start || (expected !== undefined && texts.length !== expected))
      throw new Error(
        `${counted(texts.length, 'text')} in ${counted(rows.length, 'row')}, expected ${expected} in ${end - start}`,
      );
    return texts as string[];
  });
}

/** Runs a step of reading; any failure of it is damage. */
async function undamaged<T>(path: string, where: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof EnvironmentError || error instanceof UsageError) throw error;
    throw new EnvironmentError(
      `Cannot read ${where} of ${path} (${messageOf(error).split('\n')[0]}): truncated, damaged or not parquet; ` +
        'copy or download it again',
      { cause: error },
    );
  }
}

/** Opens the file, calls `use`, and closes it. */
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
