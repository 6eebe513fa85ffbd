// Documents of a .jsonl file: a JSON object on every line, whose field `text` (or another) is a document. Blank lines and
// lines whose text is null are skipped; an empty string is a document. NaN and Infinity, which Python writes for numbers,
// are accepted.

import { UsageError } from '../../base/errors.js';
import { parseJson } from '../../base/json.js';
import { type DocumentFile, sequentialFile } from './documentFile.js';
import { type ReadOptions, readLines } from './readText.js';

/**
 * Opens a .jsonl file; memory is bounded by its longest line.
 * @param options.field name of the field that holds the text
 * @throws UsageError (from its methods) for a missing file, text that is neither UTF-8 nor UTF-16, a line that is not a
 * JSON object, or one without the field; the line is named
 */
export function jsonlFile(
  path: string,
  options: ReadOptions & { field?: string | undefined } = {},
): DocumentFile {
  const { field = 'text' } = options;
  const where = (number: number) => `${path}:${number}`;
  async function* read(): AsyncGenerator<{ line: string; number: number }[]> {
    let before = 0;
    for await (const lines of readLines(path, options)) {
      const numbered = lines.map((line, i) => ({ line, number: before + i + 1 }));
      before += lines.length;
      yield numbered.filter(
        ({ line, number }) =>
          line.trim() !== '' && !(line.includes('null') && textOf(line, field, where(number)) === null),
      );
    }
  }
  const rule = async () => 'one a line';
  return sequentialFile(path, rule, read, ({ line, number }) => textOf(line, field, where(number))!);
}

/** The text in a line; null where the field is null. */
function textOf(line: string, field: string, where: string): string | null {
  let record: unknown;
  try {
    record = parseJson(line);
  } catch {
    throw new UsageError(
      `Expected a JSON object on every line, got ${excerpt(line)} at ${where}; fix the line`,
    );
  }
  const fields = typeof record === 'object' && record !== null ? (record as Record<string, unknown>) : {};
  const found = Object.hasOwn(fields, field) ? fields[field] : undefined;
  if (typeof found === 'string' || found === null) return found;
  const got =
    found === undefined
      ? `fields ${excerpt(Object.keys(fields).join(', ')) || '(none)'}`
      : `${typeof found} in it`;
  throw new UsageError(
    `Expected a string in field "${field}" of every line, got ${got} at ${where}; name the field with --column`,
  );
}

const excerpt = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}...` : text);
