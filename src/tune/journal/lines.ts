// Records as lines of JSON, checked by the reader's rules before any storage writes them.

import { messageOf, UsageError } from '../../base/errors.js';
import { formatJson, parseJson } from '../../base/json.js';
import { decodeRecord } from './decode.js';
import type { Entry } from './records.js';

/** Bytes of the longest line that is read or written; a JavaScript string holds twice as much. */
export const longestLine = 2 ** 28;

/** An entry as its line. */
export function formatEntry(entry: Entry, workerId: string): string {
  const { op_code, ...fields } = entry;
  return formatJson({ op_code, worker_id: workerId, ...fields });
}

/**
 * Lines of entries and what they read back as, each checked by the reader's rules.
 * @throws UsageError for an entry that a reader would refuse
 */
export function checkedLines(
  entries: readonly Entry[],
  workerId: string,
): { line: string; record: unknown }[] {
  return entries.map((entry) => {
    try {
      const line = formatEntry(entry, workerId);
      if (line.length > longestLine / 3) throw new Error(`the record is ${line.length} characters long`);
      const record = parseJson(line);
      decodeRecord(record);
      return { line, record };
    } catch (error) {
      throw new UsageError(`Cannot record this in a study: ${messageOf(error)}`, { cause: error });
    }
  });
}
