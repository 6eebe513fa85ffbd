// Hashed n-gram embeddings: each token also adds the row of a table that its hash together with the tokens before it chooses
// (Weinberger et al. 2009, "Feature Hashing"). Ids are hashed on the host, exactly, so that every backend takes the same rows.

import type { ModelConfig } from './config.js';

/** A table of hashed n-grams: parameter, tokens of an n-gram, rows (a power of two). */
type NgramTable = { name: string; order: number; rows: number };

/** The tables of a model, none by default. */
export const ngramTables = ({
  bigramRows,
  trigramRows,
}: Pick<ModelConfig, 'bigramRows' | 'trigramRows'>): NgramTable[] =>
  [
    { name: 'bigram_embed.weight', order: 2, rows: bigramRows },
    { name: 'trigram_embed.weight', order: 3, rows: trigramRows },
  ].filter(({ rows }) => rows > 0);

/**
 * What the model reads of its tokens: the ids, then the rows of each n-gram table.
 * @param ids rows of `seq` tokens; before a row there is nothing
 */
export function modelInputs(config: ModelConfig, ids: Int32Array, seq: number): Int32Array[] {
  return [ids, ...ngramTables(config).map((table) => ngramRows(ids, seq, table))];
}

function ngramRows(ids: Int32Array, seq: number, { order, rows }: NgramTable): Int32Array {
  const bits = Math.log2(rows);
  return ids.map((_, i) => {
    let hash = 0;
    for (let back = order - 1; back >= 0; back--) {
      const id = i % seq >= back ? ids[i - back]! + 1 : 0;
      hash = Math.imul(hash ^ id, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    // The upper bits of a product depend on all bits of its factors.
    return bits === 0 ? 0 : Math.imul(hash, 0x85ebca6b) >>> (32 - bits);
  });
}
