// Corpora of the Hugging Face hub: which files of which data set train and validate.
// Downloading is download.ts, reading parquetSource.ts.
// The list of files (with sizes and hashes, as of one commit) is fetched once and kept beside them, so that a corpus
// does not change under a study and a second run needs no network.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentError, expect } from '../../base/errors.js';
import { defaultCacheFolder, sha256, writeFileAtomic } from '../../base/files.js';
import type { OnProgress } from '../../base/progress.js';
import { downloadAll } from '../../net/download.js';
import { fetchJson, type HttpOptions } from '../../net/http.js';
import type { DocumentSource, Split } from '../types.js';
import { once } from './documentFile.js';
import { parquetFile } from './parquetSource.js';

type HubFile = { path: string; size?: number; sha256?: string };
/** The files of a data set at a commit. */
type Listing = { commit: string; files: HubFile[] };
/** Rows of a file; `end` undefined for all that follow. */
type Rows = { file: string; start: number; end?: number };
type Layout = {
  /** How many training shards there are. */
  shards: number;
  /** How many are used when nothing is asked for. */
  defaultShards: number;
  rows(files: HubFile[], shards: number): Record<Split, Rows[]>;
};

const shardName = (index: number) => `shard_${String(index).padStart(5, '0')}.parquet`;

/** The data sets that are known, by name. */
export const HUB_DATASETS: Record<string, Layout> = {
  // One file; rows 0 to 9,999 are a test split, 10,000 to 19,999 validation, the rest training.
  'karpathy/tinystories-gpt4-clean': {
    shards: 1,
    defaultShards: 1,
    rows(files) {
      const [only, ...others] = files.filter(({ path }) => path.endsWith('.parquet'));
      if (!only || others.length > 0)
        throw new EnvironmentError(
          `Expected one .parquet file in karpathy/tinystories-gpt4-clean, got ${files.length} files; ` +
            'check HF_ENDPOINT',
        );
      return {
        train: [{ file: only.path, start: 20_000 }],
        val: [{ file: only.path, start: 10_000, end: 20_000 }],
      };
    },
  },
  // Shards of which the last is the validation split; the reference trains on the first 10 (prepare.py).
  'karpathy/climbmix-400b-shuffle': {
    shards: 6542,
    defaultShards: 10,
    rows: (_, shards) => ({
      train: Array.from({ length: shards }, (__, index) => ({ file: shardName(index), start: 0 })),
      val: [{ file: shardName(6542), start: 0 }],
    }),
  },
};

/**
 * A data set of the Hugging Face hub. Nothing is fetched before it is needed: the fingerprint needs the list of files,
 * documents need the files, which are then kept in `cacheFolder/hub`.
 * @param options.dataset a name of HUB_DATASETS, with or without the owner
 * @param options.shards training shards to use (climbmix: default 10 of 6,542)
 * @param options.endpoint of the hub or a mirror (default $HF_ENDPOINT, else https://huggingface.co)
 * @param options.token (default $HF_TOKEN) is sent to the endpoint only
 * @throws UsageError for an unknown data set or an impossible number of shards
 */
export function hubSource(
  options: HttpOptions & {
    dataset: string;
    shards?: number | undefined;
    cacheFolder?: string;
    endpoint?: string;
    onProgress?: OnProgress | undefined;
  },
): DocumentSource {
  const names = Object.keys(HUB_DATASETS);
  const dataset = names.find((name) => name === options.dataset || name.split('/')[1] === options.dataset);
  expect(
    dataset !== undefined,
    () =>
      `Expected --hub ${names.join(' or ')}, got ${options.dataset}; ` +
      'download the .parquet files of other data sets and give their folder to --text',
  );
  const layout = HUB_DATASETS[dataset]!;
  const shards = options.shards ?? layout.defaultShards;
  expect(
    Number.isInteger(shards) && shards >= 1 && shards <= layout.shards,
    () => `Expected --shards from 1 to ${layout.shards} for ${dataset}, got ${shards}`,
  );
  const endpoint = hubEndpoint(options.endpoint);
  const http: HttpOptions = { ...options, token: options.token ?? process.env.HF_TOKEN };
  const folder = join(options.cacheFolder ?? defaultCacheFolder(), 'hub', dataset.replace('/', '--'));

  const plan = once(async () => {
    let listing = readListing(folder);
    if (!listing) {
      listing = await fetchListing(endpoint, dataset, {
        ...http,
        onRetry: (reason) =>
          options.onProgress?.({
            stage: `listing ${dataset} (${reason}; trying again)`,
            done: 0,
            unit: 'files',
          }),
      });
      writeFileAtomic(join(folder, LISTING), JSON.stringify(listing));
    }
    const rows = layout.rows(listing.files, shards);
    const files = [...new Set([...rows.train, ...rows.val].map(({ file }) => file))].map((path) => {
      const file = listing.files.find((listed) => listed.path === path);
      if (!file)
        throw new EnvironmentError(
          `Expected ${path} among the files of ${dataset}, found none; ` +
            `check HF_ENDPOINT, or delete ${folder} to list them again`,
        );
      return file;
    });
    return { listing, rows, files };
  });
  const fetched = once(async () => {
    const { listing, files, rows } = await plan();
    const downloads = files.map(({ path, ...known }) => ({
      url: `${endpoint}/datasets/${dataset}/resolve/${listing.commit}/${path}`,
      path: join(folder, path),
      ...known,
    }));
    await downloadAll(downloads, { ...http, onProgress: options.onProgress });
    return rows;
  });
  return {
    name: shards === layout.defaultShards ? dataset : `${dataset}:${shards}`,
    async fingerprint() {
      const { listing, rows, files } = await plan();
      const known = files.map(({ path, size, sha256: hash }) => `${path} ${size} ${hash ?? listing.commit}`);
      return sha256('hub', dataset, JSON.stringify(rows), known.join('\n'));
    },
    async *groups(split) {
      const rows = (await fetched())[split];
      for (const { file, start, end } of rows) {
        const parquet = parquetFile(join(folder, file));
        yield* parquet.groups(start, end ?? (await parquet.count()));
      }
    },
  };
}

const LISTING = 'files.json';

function hubEndpoint(given: string | undefined): string {
  const endpoint = given ?? (process.env.HF_ENDPOINT || 'https://huggingface.co');
  expect(
    /^https?:\/\/[^/]/.test(endpoint),
    () => `Expected HF_ENDPOINT to be a URL such as https://huggingface.co, got ${endpoint}`,
  );
  return endpoint.replace(/\/+$/, '');
}

function readListing(folder: string): Listing | null {
  try {
    return JSON.parse(readFileSync(join(folder, LISTING), 'utf8')) as Listing;
  } catch {
    return null;
  }
}

/** Asks the hub for the files of a data set, with sizes and, of large files, hashes. */
async function fetchListing(endpoint: string, dataset: string, http: HttpOptions): Promise<Listing> {
  const url = `${endpoint}/api/datasets/${dataset}/revision/main?blobs=true`;
  const answer = (await fetchJson(url, http)) as {
    sha?: unknown;
    siblings?: { rfilename?: unknown; size?: unknown; lfs?: { sha256?: unknown; size?: unknown } | null }[];
  } | null;
  if (typeof answer?.sha !== 'string' || !Array.isArray(answer.siblings))
    throw new EnvironmentError(`Expected ${url} to list the data set's files; check HF_ENDPOINT`);
  const files: HubFile[] = [];
  for (const { rfilename, size, lfs } of answer.siblings) {
    // Paths become paths below the cache folder: letters, digits and single dots only.
    if (typeof rfilename !== 'string' || !/^\w[\w-]*([./]\w[\w-]*)*\.parquet$/.test(rfilename)) continue;
    const bytes = lfs?.size ?? size;
    files.push({
      path: rfilename,
      ...(typeof bytes === 'number' && { size: bytes }),
      ...(typeof lfs?.sha256 === 'string' && { sha256: lfs.sha256 }),
    });
  }
  return { commit: answer.sha, files };
}
