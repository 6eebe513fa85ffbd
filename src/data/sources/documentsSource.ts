// A corpus of documents in memory.

import { expect } from '../../base/errors.js';
import { sha256 } from '../../base/files.js';
import { once } from '../../base/once.js';
import type { DocumentSource } from '../types.js';
import { sequentialFile } from './documentFile.js';
import { documentsOf, holdOut, wholeFiles } from './holdOut.js';

/**
 * A corpus of texts. Without `valDocuments` the last 5% of `documents` validate, as with files.
 * @param options.name what the corpus is called (default `documents`)
 * @throws UsageError when a document is no string; from its methods when there is none
 */
export function documentsSource(options: {
  documents: readonly string[];
  valDocuments?: readonly string[] | undefined;
  name?: string;
}): DocumentSource {
  const { documents, valDocuments, name = 'documents' } = options;
  for (const [list, texts] of Object.entries({ documents, valDocuments: valDocuments ?? [] })) {
    expect(Array.isArray(texts), () => `Expected ${list} to be an array of texts, got ${typeof texts}`);
    const wrong = texts.findIndex((text) => typeof text !== 'string');
    expect(wrong < 0, () => `Expected texts in ${list}, got ${typeof texts[wrong]} at index ${wrong}`);
  }
  const whole = (texts: readonly string[]) => {
    async function* read() {
      yield [...texts];
    }
    return wholeFiles(name, [
      sequentialFile(
        name,
        async () => 'as given',
        read,
        (text) => text,
      ),
    ]);
  };
  const parts = once(async () =>
    valDocuments
      ? { train: await whole(documents), val: await whole(valDocuments) }
      : holdOut(name, await whole(documents)),
  );
  return {
    name,
    fingerprint: async () =>
      sha256('documents', sha256(...documents), valDocuments ? sha256(...valDocuments) : ''),
    async *groups(split) {
      yield* documentsOf(await parts(), split);
    },
  };
}
