// Documents of a .jsonl file: a JSON object on every line, whose field `text` (or another) is a document. Blank lines
// are passed over; an empty string is a document.

import { UsageError } from '../../base/errors.js';
import { type DocumentFile, sequentialFile } from './documentFile.js';
import { CHUNK_BYTES, readLines } from './readText.js';

/**
 * Opens a .jsonl file; memory is bounded by its longest line.
 * @param options.field name of the field that holds the text
 * @throws UsageError (from its methods) for a missing file, text that is not UTF-8, a line that is not a JSON object, or
 * one without the field; the line is named
 */
export function jsonlFile(
  path: string,
  options: { field?: string | undefined; chunkBytes?: number } = {},
): DocumentFile {
  const { field = 'text', chunkBytes = CHUNK_BYTES } = options;
  async function* read(): AsyncGenerator<{ line: string; number: number }[]> {
    let before = 0;
    for await (const lines of readLines(path, chunkBytes)) {
      const numbered = lines.map((line, i) => ({ line, number: before + i + 1 }));
      before += lines.length;
      yield numbered.filter(({ line }) => line.trim() !== '');
    }
  }
  return sequentialFile(path, read, ({ line, number }) => textOf(line, field, `${path}:${number}`));
}

function textOf(line: string, field: string, where: string): string {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    throw new UsageError(
      `Expected a JSON object on every line, got ${excerpt(line)} at ${where}; mend the line`,
    );
  }
  const fields = typeof record === 'object' && record !== null ? (record as Record<string, unknown>) : {};
  const text = fields[field];
  if (typeof text === 'string') return text;
  const found =
    field in fields ? `${typeof text} in it` : `fields ${Object.keys(fields).join(', ') || '(none)'}`;
  throw new UsageError(
    `Expected a string in field "${field}" of every line, got ${found} at ${where}; name the field with --column`,
  );
}

function excerpt(line: string): string {
  return line.length > 40 ? `${line.slice(0, 40)}...` : line;
}
