// A prepared dataset: a folder with a tokenizer, the token shards of two splits, and dataset.json, which lists them.
// Opening checks every shard's header against it. prepare.ts writes such folders; docs/formats.md describes them.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentError, messageOf, UsageError } from '../base/errors.js';
import { sha256, writeFileAtomic } from '../base/files.js';
import { byteSize, counted } from '../base/format.js';
import { readJsonFile } from '../base/textFile.js';
import { isNatural } from '../base/valid.js';
import type { ShardSet } from './batches/batches.js';
import { type LoaderSettings, openLoader } from './batches/loader.js';
import { encodeHeader, readShardHeader, type ShardFile } from './batches/shards.js';
import { loadTokenizer } from './tokenizer/files.js';
import type { Dataset, Split } from './types.js';

/** Version of the folder's layout and of everything that decides its contents; other versions are rebuilt. */
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
  /** Where the tokenizer is from: `trained:<vocabSize>` or `given:<hash>`. */
  tokenizer: string;
  tokenizerHash: string;
  vocabSize: number;
  bosId: number;
  /** `DocumentSource.documentRule()` */
  documentRule?: string;
  /** Bytes of the longest document. */
  longestDocument?: number;
  splits: Record<Split, { documents: number; tokens: number; bytes: number; files: ShardFile[] }>;
}

/** Sums up the files of a split. */
export function describeSplit(files: ShardFile[]): Manifest['splits'][Split] {
  const sum = (of: 'documents' | 'tokens' | 'bytes') => files.reduce((total, file) => total + file[of], 0);
  return { documents: sum('documents'), tokens: sum('tokens'), bytes: sum('bytes'), files };
}

/** Writes dataset.json, which makes the folder a dataset. */
export function writeManifest(folder: string, manifest: Manifest): void {
  writeFileAtomic(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
}

/**
 * Reads dataset.json.
 * @throws EnvironmentError when it is absent, damaged or of another version
 */
export function readManifest(folder: string): Manifest {
  const path = join(folder, MANIFEST);
  if (!existsSync(path))
    throw new EnvironmentError(`Expected a prepared dataset in ${folder}, got no ${MANIFEST}; prepare again`);
  let manifest: Manifest;
  try {
    manifest = readJsonFile(path, 'manifest') as Manifest;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new EnvironmentError(`${path} is damaged (${messageOf(error)}); prepare again`, { cause: error });
  }
  if (manifest?.version !== DATASET_VERSION)
    throw new EnvironmentError(
      `Expected version ${DATASET_VERSION} of ${path}, got ${manifest?.version}; prepare again`,
    );
  const fault = manifestFault(manifest);
  if (fault) throw new EnvironmentError(`${path} is damaged (${fault}); prepare again`);
  return manifest;
}

/** The first field of dataset.json that is missing or of the wrong kind. */
function manifestFault(manifest: Manifest): string | undefined {
  const text = ['name', 'fingerprint', 'tokenizer', 'tokenizerHash'] as const;
  const counts = ['documents', 'tokens', 'bytes'] as const;
  const isFile = (file: ShardFile) =>
    /^[\w-]+\.tokens$/.test(file?.file) && counts.every((of) => isNatural(file[of]));
  for (const field of text) if (typeof manifest[field] !== 'string') return `no ${field}`;
  for (const field of ['vocabSize', 'bosId'] as const) if (!isNatural(manifest[field])) return `no ${field}`;
  for (const split of ['train', 'val'] as const) {
    const found = manifest.splits?.[split];
    if (!Array.isArray(found?.files) || !found.files.every(isFile)) return `no files of split ${split}`;
    for (const field of counts) if (!isNatural(found[field])) return `no ${field} of split ${split}`;
  }
  return undefined;
}

/** Of all ids, by the shards' headers, which hold checksums of all that follows; the same on every machine. */
function contentHash(folder: string, { splits, tokenizerHash }: Manifest): string {
  const headers = (['train', 'val'] as const).flatMap((split) => [
    split,
    ...splits[split].files.map(({ file }) => encodeHeader(readShardHeader(join(folder, file)))),
  ]);
  return sha256(tokenizerHash, ...headers);
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

/** What looks wrong about how a corpus was split, one line each; empty where nothing does. */
export function splitWarnings({
  splits: { train, val },
  documentRule,
  longestDocument = 0,
}: Manifest): string[] {
  const rule = documentRule ? ` (documents: ${documentRule})` : '';
  const warnings: string[] = [];
  if (val.bytes > train.bytes)
    warnings.push(
      `Warning: the validation split is larger than the training split, ${byteSize(val.bytes)} and ` +
        `${byteSize(train.bytes)}${rule}; check the text, or name a validation text`,
    );
  const count = train.documents + val.documents;
  const bytes = train.bytes + val.bytes;
  const average = bytes / count;
  // Some 5,000 tokens, more than a row holds; less will do where there are hardly any documents.
  const areLong = average > (count < 20 ? 5_000 : 20_000);
  if (areLong || longestDocument > Math.max(100_000, bytes / 4))
    warnings.push(
      `Warning: ${counted(count, 'document')} of ${byteSize(Math.round(average))} on average` +
        `${longestDocument ? `, the longest of ${byteSize(longestDocument)}` : ''}${rule}; of a long document, training ` +
        'sees no more than the first tokens: separate documents by blank lines or <|endoftext|>',
    );
  return warnings;
}

/**
 * Opens a prepared dataset.
 * @param settings how its loaders work, e.g. `{ inline: true }`
 * @throws EnvironmentError when a file is absent, damaged, truncated, of another version or of another dataset
 */
export async function openDataset(folder: string, settings: LoaderSettings = {}): Promise<Dataset> {
  const manifest = readManifest(folder);
  checkShards(folder, manifest);
  const { name, tokenizerHash, vocabSize, bosId, documentRule, splits } = manifest;
  const tokenizer = loadTokenizer(join(folder, TOKENIZER_FOLDER));
  if (tokenizer.hash !== tokenizerHash)
    throw new EnvironmentError(
      `Expected tokenizer ${tokenizerHash.slice(0, 12)} in ${folder}, got ${tokenizer.hash.slice(0, 12)}; prepare again`,
    );
  const both = (of: 'documents' | 'tokens' | 'bytes') => ({ train: splits.train[of], val: splits.val[of] });
  return {
    folder,
    name,
    hash: contentHash(folder, manifest),
    tokenizer,
    tokens: both('tokens'),
    documents: both('documents'),
    bytes: both('bytes'),
    documentRule,
    loader(split, options) {
      const { files } = splits[split];
      const set: ShardSet = { folder, files, vocabSize, tokenizerHash, bosId };
      return openLoader(set, { name, split }, options, settings);
    },
  };
}
