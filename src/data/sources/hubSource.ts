// Corpora from the Hugging Face Hub: which files of which dataset are for training and validation. The list of files
// (with sizes and hashes, as of one commit) is fetched once and kept next to them, so that a corpus does not change
// during a study and a second run needs no network.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentError, expect } from '../../base/errors.js';
import { defaultCacheFolder, discard, removeLeftovers, sha256, writeFileAtomic } from '../../base/files.js';
import { once } from '../../base/once.js';
import type { OnProgress } from '../../base/progress.js';
import { isNatural } from '../../base/valid.js';
import { downloadAll } from '../../net/download.js';
import { fetchJson, type HttpOptions } from '../../net/http.js';
import type { DocumentSource, Split } from '../types.js';
import { parquetFile } from './parquetSource.js';

type HubFile = { path: string; size?: number; sha256?: string };
/** The files of a data set at a commit. */
type Listing = { commit: string; files: HubFile[] };
/** Rows of a file; `end` undefined for all that follow. */
type Rows = { file: string; start: number; end?: number };
type Layout = {
  /** How many training shards there are. */
  shards: number;
  /** How many are used by default. */
  defaultShards: number;
  rows(files: HubFile[], shards: number): Record<Split, Rows[]>;
};

const shardName = (index: number) => `shard_${String(index).padStart(5, '0')}.parquet`;

/** The supported data sets, by name. */
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
      'download the .parquet files of other datasets and pass their folder to --text',
  );
  const layout = HUB_DATASETS[dataset]!;
  const shards = options.shards ?? layout.defaultShards;
  expect(
    Number.isInteger(shards) && shards >= 1 && shards <= layout.shards,
    () => `Expected --shards from 1 to ${layout.shards} for ${dataset}, got ${shards}`,
  );
  const endpoint = hubEndpoint(options.endpoint);
  const http: HttpOptions = {
    ...options,
    token: options.token ?? process.env.HF_TOKEN,
    remedy: hubRemedy,
  };
  const folder = join(options.cacheFolder ?? defaultCacheFolder(), 'hub', dataset.replace('/', '--'));

  /** The rows and files of a listing. @throws EnvironmentError when it is not one of this data set */
  const planOf = (listing: Listing) => {
    const rows = layout.rows(listing.files, shards);
    const files = [...new Set([...rows.train, ...rows.val].map(({ file }) => file))].map((path) => {
      const file = listing.files.find((listed) => listed.path === path);
      if (!file)
        throw new EnvironmentError(
          `Expected ${path} among the files of ${dataset}, found none; check HF_ENDPOINT`,
        );
      return file;
    });
    return { listing, rows, files };
  };
  const plan = once(async () => {
    removeLeftovers(folder);
    const kept = readListing(folder);
    removeOldParts(folder, kept?.files ?? []);
    try {
      if (kept) return planOf(kept);
    } catch {
      // An earlier version kept lists without checking them; this one is fetched again.
    }
    const listing = await fetchListing(endpoint, dataset, {
      ...http,
      onRetry: (reason) =>
        options.onProgress?.({
          stage: `listing ${dataset} (${reason}; retrying)`,
          done: 0,
          unit: 'files',
        }),
    });
    const checked = planOf(listing);
    writeFileAtomic(join(folder, LISTING), JSON.stringify(listing));
    return checked;
  });
  const fetched = once(async () => {
    const { listing, files, rows } = await plan();
    const downloads = files.map(({ path, ...known }) => ({
      url: `${endpoint}/datasets/${dataset}/resolve/${listing.commit}/${path}`,
      path: join(folder, path),
      ...known,
      check: async (part: string) => void (await parquetFile(part).count()),
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
    /^https?:\/\/[^/]/.test(endpoint) && URL.canParse(endpoint),
    () => `Expected HF_ENDPOINT to be a URL such as https://huggingface.co, got ${endpoint}`,
  );
  return endpoint.replace(/\/+$/, '');
}

/** The list of files kept in the cache; null when there is none or it is damaged. */
function readListing(folder: string): Listing | null {
  try {
    const { commit, files } = JSON.parse(readFileSync(join(folder, LISTING), 'utf8')) as Listing;
    const isFile = ({ path, size, sha256: hash }: HubFile) =>
      isSafePath(path) && isSize(size) && (hash === undefined || isHash(hash));
    return isCommit(commit) && files.every(isFile) ? { commit, files } : null;
  } catch {
    return null;
  }
}

/** Removes parts of downloads that no file of the list will resume. */
function removeOldParts(folder: string, files: HubFile[]): void {
  const resumable = new Set(files.map(({ path }) => path));
  for (const name of existsSync(folder) ? readdirSync(folder) : [])
    if (/\.part(\.json)?$/.test(name) && !resumable.has(name.replace(/\.part(\.json)?$/, '')))
      discard(join(folder, name));
}

/** Paths become paths below the cache folder: letters, digits and single dots only. */
const isSafePath = (path: unknown): path is string =>
  typeof path === 'string' && path.length <= 200 && /^\w[\w-]*([./]\w[\w-]*)*\.parquet$/.test(path);
const isCommit = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]+$/.test(value);
const isHash = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const isSize = (value: unknown): boolean => value === undefined || isNatural(value);

/** What the user can do when the hub refuses or does not answer. */
export function hubRemedy(status: number | undefined, hasToken: boolean): string {
  if (status === undefined) return 'check the network, try again later, or set HF_ENDPOINT to a mirror';
  if (status === 401)
    return hasToken
      ? 'check the name of the dataset, and HF_TOKEN, which was refused'
      : 'check the name of the dataset, or set HF_TOKEN to a token that may read it';
  if (status === 403)
    return hasToken
      ? "accept the dataset's terms on its page with the account of HF_TOKEN"
      : 'set HF_TOKEN to a token that may read it';
  return status === 404 || status === 410
    ? 'check the name of the dataset and HF_ENDPOINT'
    : 'check HF_ENDPOINT';
}

/** Asks the hub for the files of a data set, with sizes and, of large files, hashes. */
async function fetchListing(endpoint: string, dataset: string, http: HttpOptions): Promise<Listing> {
  const url = `${endpoint}/api/datasets/${dataset}/revision/main?blobs=true`;
  const answer = (await fetchJson(url, http)) as { sha?: unknown; siblings?: unknown } | null;
  if (!isCommit(answer?.sha) || !Array.isArray(answer.siblings))
    throw new EnvironmentError(`Expected ${url} to list the dataset's files; check HF_ENDPOINT`);
  const files: HubFile[] = [];
  for (const sibling of answer.siblings as ({
    rfilename?: unknown;
    size?: unknown;
    lfs?: unknown;
  } | null)[]) {
    const { rfilename: path, size, lfs } = sibling ?? {};
    if (!isSafePath(path)) continue;
    const { sha256: hash, size: lfsSize } = (lfs ?? {}) as { sha256?: unknown; size?: unknown };
    const bytes = lfsSize ?? size;
    files.push({
      path,
      ...(typeof bytes === 'number' && isSize(bytes) && { size: bytes }),
      ...(isHash(hash) && { sha256: hash }),
    });
  }
  return { commit: answer.sha, files };
}
