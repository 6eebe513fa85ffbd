// The interface of all file readers: the documents of one file, by index, in groups of bounded size.

import { once } from '../../base/once.js';

/** Documents of one file, in order. */
export interface DocumentFile {
  readonly path: string;
  /** How documents are told apart, e.g. `split at blank lines`; may read the file once. */
  rule(): Promise<string>;
  /** How many documents there are; may read the file once. */
  count(): Promise<number>;
  /** Documents `start` (inclusive) to `end` (exclusive), in groups. */
  groups(start: number, end: number): AsyncIterable<string[]>;
}

const GROUP_DOCUMENTS = 1000;
const GROUP_CHARACTERS = 1 << 22;

/**
 * A file that can only be read from its start. Documents before `start` are read but not decoded.
 * @param rule `DocumentFile.rule`
 * @param read yields undecoded documents, in batches of any size
 * @param make decodes a document; may throw
 */
export function sequentialFile<T>(
  path: string,
  rule: () => Promise<string>,
  read: () => AsyncIterable<T[]>,
  make: (item: T) => string,
): DocumentFile {
  async function* documents(start: number, end: number): AsyncGenerator<string[]> {
    let before = 0;
    for await (const batch of read()) {
      const from = Math.max(0, start - before);
      const to = Math.min(batch.length, end - before);
      if (from < to) yield batch.slice(from, to).map(make);
      before += batch.length;
      if (before >= end) return;
    }
  }
  return {
    path,
    rule,
    count: once(async () => {
      let count = 0;
      for await (const batch of read()) count += batch.length;
      return count;
    }),
    groups: (start, end) => inGroups(documents(start, end)),
  };
}

/** Groups of at most 1,000 documents or about 4 million characters. */
async function* inGroups(batches: AsyncIterable<string[]>): AsyncGenerator<string[]> {
  let group: string[] = [];
  let characters = 0;
  for await (const batch of batches)
    for (const document of batch) {
      group.push(document);
      characters += document.length;
      if (group.length === GROUP_DOCUMENTS || characters >= GROUP_CHARACTERS) {
        yield group;
        group = [];
        characters = 0;
      }
    }
  if (group.length > 0) yield group;
}
