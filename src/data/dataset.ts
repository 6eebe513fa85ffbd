// A prepared dataset: a folder with a tokenizer, the token shards of two splits, and dataset.json, which says
// what belongs together. Opening checks every shard's header against it. prepare.ts makes such folders;
// docs/formats.md describes them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentError, hasCode, messageOf } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import type { ShardSet } from './batches/batches.js';
import { type LoaderSettings, openLoader } from './batches/loader.js';
import { readShardHeader, type ShardFile } from './batches/shards.js';
import { loadTokenizer } from './tokenizer/files.js';
import type { Dataset, Split } from './types.js';

/** Version of the folder's layout and of everything that decides its contents; others are built anew. */
export const DATASET_VERSION = 1;
/** Subfolder of the tokenizer's files. */
export const TOKENIZER_FOLDER = 'tokenizer';
const MANIFEST = 'dataset.json';

/** dataset.json */
export interface Manifest {
  version: number;
  /** The source's name when it was prepared. */
  name: string;
  /** `DocumentSource.fingerprint()` */
  fingerprint: string;
  /** How the tokenizer came about: `trained:<vocabSize>` or `given:<hash>`. */
  tokenizer: string;
  tokenizerHash: string;
  vocabSize: number;
  bosId: number;
  splits: Record<Split, { documents: number; tokens: number; bytes: number; files: ShardFile[] }>;
}

/** Sums up the files of a split. */
export function describeSplit(files: ShardFile[]): Manifest['splits'][Split] {
  const sum = (of: 'documents' | 'tokens' | 'bytes') => files.reduce((total, file) => total + file[of], 0);
  return { documents: sum('documents'), tokens: sum('tokens'), bytes: sum('bytes'), files };
}

/** Writes dataset.json; a folder without it is no dataset. */
export function writeManifest(folder: string, manifest: Manifest): void {
  writeFileAtomic(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
}

/**
 * Reads dataset.json.
 * @throws EnvironmentError when it is absent, damaged or of another version
 */
export function readManifest(folder: string): Manifest {
  const path = join(folder, MANIFEST);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR'))
      throw new EnvironmentError(
        `Expected a prepared dataset in ${folder}, got no ${MANIFEST}; prepare again`,
      );
    throw new EnvironmentError(`Cannot read ${path} (${messageOf(error)})`, { cause: error });
  }
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch (error) {
    throw new EnvironmentError(`${path} is damaged (${messageOf(error)}); prepare again`, { cause: error });
  }
  if (manifest?.version !== DATASET_VERSION)
    throw new EnvironmentError(
      `Expected version ${DATASET_VERSION} of ${path}, got ${manifest?.version}; prepare again`,
    );
  if (!manifest.splits?.train?.files || !manifest.splits.val?.files)
    throw new EnvironmentError(`${path} is damaged (no splits); prepare again`);
  return manifest;
}

/** Compares every shard's header with the manifest. */
function checkShards(folder: string, manifest: Manifest): void {
  for (const { files } of Object.values(manifest.splits))
    for (const expected of files) {
      const path = join(folder, expected.file);
      const header = readShardHeader(path);
      const pairs = {
        documents: [expected.documents, header.documents],
        tokens: [expected.tokens, header.tokens],
        bytes: [expected.bytes, header.bytes],
        'vocabulary size': [manifest.vocabSize, header.vocabSize],
        'tokenizer hash': [manifest.tokenizerHash, header.tokenizerHash],
      };
      for (const [what, [said, found]] of Object.entries(pairs))
        if (said !== found)
          throw new EnvironmentError(
            `Expected ${what} ${said} in the header of token shard ${path}, got ${found}; prepare again`,
          );
    }
}

/**
 * Opens a prepared dataset.
 * @param settings how its loaders work, e.g. `{ inline: true }`
 * @throws EnvironmentError when a file is absent, damaged, truncated, of another version or of another dataset
 */
export async function openDataset(folder: string, settings: LoaderSettings = {}): Promise<Dataset> {
  const manifest = readManifest(folder);
  checkShards(folder, manifest);
  const { name, tokenizerHash, vocabSize, bosId, splits } = manifest;
  const tokenizer = loadTokenizer(join(folder, TOKENIZER_FOLDER));
  if (tokenizer.hash !== tokenizerHash)
    throw new EnvironmentError(
      `Expected tokenizer ${tokenizerHash.slice(0, 12)} in ${folder}, got ${tokenizer.hash.slice(0, 12)}; prepare again`,
    );
  const both = (of: 'documents' | 'tokens' | 'bytes') => ({ train: splits.train[of], val: splits.val[of] });
  return {
    folder,
    name,
    tokenizer,
    tokens: both('tokens'),
    documents: both('documents'),
    bytes: both('bytes'),
    loader(split, options) {
      const { files } = splits[split];
      const set: ShardSet = { folder, files, vocabSize, tokenizerHash, bosId };
      return openLoader(set, { name, split }, options, settings);
    },
  };
}
