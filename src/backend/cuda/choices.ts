// Which of cuBLASLt's algorithms computes which product, and what cuDNN computes instead of our kernels: chosen by time once
// per shape, GPU and version of the library, and kept in the cache folder, so that runs repeat to the bit. One file per choice.
// Of processes that choose at the same time the first one's choice is everybody's.

import { linkSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../../base/errors.js';
import {
  defaultCacheFolder,
  discard,
  makeFolder,
  removeLeftovers,
  sha256,
  temporaryName,
} from '../../base/files.js';

/** Of the files' contents. */
const VERSION = 1;

/** A choice among the algorithms that are offered. */
export interface Choice {
  /** The algorithm: of cuBLASLt's, hex. */
  algorithm: string;
  /** Milliseconds of each algorithm that was offered, in their order; null where it failed. */
  milliseconds: (number | null)[];
}

/** Stored choices. */
export interface Choices {
  /** The choice for a product; undefined where there is none, a damaged one, or one that is not among those `offered`. */
  find(product: string, offered: readonly string[]): Choice | undefined;
  /** Keeps a choice; returns what is kept from now on: another process's where that came first. */
  keep(product: string, offered: readonly string[], choice: Choice): Choice;
}

/** Choices for one GPU and library. */
export function createChoices(
  subject: { device: string; library: string },
  folder = join(defaultCacheFolder(), 'cuda-matmuls'),
): Choices {
  removeLeftovers(folder);
  const keyOf = (product: string) => ({ version: VERSION, ...subject, product });
  const fileOf = (product: string) =>
    join(folder, `${sha256(JSON.stringify(keyOf(product))).slice(0, 32)}.json`);
  const find = (product: string, offered: readonly string[]): Choice | undefined => {
    try {
      const { check, choice, ...key } = JSON.parse(readFileSync(fileOf(product), 'utf8'));
      const isOurs = JSON.stringify(key) === JSON.stringify(keyOf(product)) && check === checkOf(key, choice);
      return isOurs && offered.includes(choice.algorithm) ? choice : undefined;
    } catch {
      return undefined;
    }
  };
  return {
    find,
    keep(product, offered, choice) {
      const file = fileOf(product);
      const key = keyOf(product);
      const temporary = temporaryName(file);
      try {
        makeFolder(folder);
        writeFileSync(
          temporary,
          `${JSON.stringify({ ...key, choice, check: checkOf(key, choice) }, null, 1)}\n`,
        );
        try {
          linkSync(temporary, file);
        } catch (error) {
          if (!hasCode(error, 'EEXIST')) throw error;
          const kept = find(product, offered);
          if (kept) return kept;
          renameSync(temporary, file); // what is there is of no use
        }
      } catch {
        // Without a writable cache each process chooses anew.
      } finally {
        discard(temporary);
      }
      return choice;
    },
  };
}

/** Start of a hash of choices in use, on which the bits of results depend; undefined where there are none. */
export function fingerprint(
  used: readonly (readonly [product: string, algorithm: string])[],
): string | undefined {
  if (used.length === 0) return undefined;
  const sorted = [...used].sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256(JSON.stringify(sorted)).slice(0, 8);
}

const checkOf = (key: object, choice: Choice): string => sha256(JSON.stringify({ ...key, choice }));
