// Random corpora on disk, for the tests of shards, packing and loader.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Random } from '../../src/base/random.js';
import type { ShardSet } from '../../src/data/batches/batches.js';
import { createShardWriter } from '../../src/data/batches/shardWriter.js';
import type { Corpus } from './batches/plainPacking.js';

export const HASH = 'ab'.repeat(32);

/** A fresh folder; the caller removes it. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'tinygpt-test-'));
}

/** Groups of up to `groupSize` documents, each of up to `longest` ids below `vocabSize`; some are empty. */
export function randomCorpus(
  random: Random,
  sizes: { documents: number; groupSize: number; longest: number; vocabSize: number },
): Corpus {
  const groups: Corpus = [];
  for (let left = sizes.documents; left > 0; ) {
    const count = Math.min(left, 1 + random.int(sizes.groupSize));
    const group = Array.from({ length: count }, () => {
      // Squared, so that short documents and ties are frequent.
      const length = Math.floor(random.uniform() ** 2 * (sizes.longest + 1));
      return Array.from({ length }, () => random.int(sizes.vocabSize));
    });
    groups.push(group);
    left -= count;
  }
  return groups;
}

/** Writes a corpus as the split `train` of `folder`. */
export function writeCorpus(
  folder: string,
  corpus: Corpus,
  options: { vocabSize: number; shardTokens?: number; shardDocuments?: number },
): ShardSet {
  const { vocabSize } = options;
  const writer = createShardWriter(folder, 'train', { tokenizerHash: HASH, ...options });
  for (const group of corpus) {
    writer.startGroup();
    for (const ids of group) writer.add(ids, 2 * ids.length);
  }
  return { folder, files: writer.close(), vocabSize, tokenizerHash: HASH, bosId: vocabSize - 1 };
}
