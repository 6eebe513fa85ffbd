// Corpora of the hub, end to end against a local stand-in for the hub and its file store.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EnvironmentError, UsageError } from '../../../src/base/errors.js';
import { hubSource } from '../../../src/data/sources/hubSource.js';
import type { DocumentSource, Split } from '../../../src/data/types.js';
import {
  type Handler,
  scratchFolder,
  serve,
  startServer,
  type TestServer,
} from '../../net/unreliableServer.js';

const TINYSTORIES = 'karpathy/tinystories-gpt4-clean';
const CLIMBMIX = 'karpathy/climbmix-400b-shuffle';
const golden = (name: string) => readFileSync(`test/golden/sources/${name}`);
const FILES: Record<string, Record<string, Buffer>> = {
  [TINYSTORIES]: { 'tinystories_gpt4_clean.parquet': golden('tinystories.parquet') },
  [CLIMBMIX]: Object.fromEntries(
    ['shard_00000', 'shard_00001', 'shard_00002', 'shard_06542'].map((name) => [
      `${name}.parquet`,
      golden(`${name}.parquet`),
    ]),
  ),
};

let scratch: ReturnType<typeof scratchFolder>;
let store: TestServer;
let hub: TestServer;
/** Answers a request to the file store in the test's own way, if it returns true. */
let fault: (request: Parameters<Handler>[0], response: Parameters<Handler>[1], number: number) => boolean;

beforeEach(async () => {
  scratch = scratchFolder();
  fault = () => false;
  store = await startServer((request, response, number) => {
    const [, dataset, file] = /^\/store\/(.+?\/.+?)\/(.+)$/.exec(request.url!)!;
    if (!fault(request, response, number)) serve(request, response, FILES[dataset!]![file!]!);
  });
  hub = await startServer((request, response) => {
    const listing = /^\/api\/datasets\/(.+?\/.+?)\/revision\/main\?blobs=true$/.exec(request.url!);
    const resolve = /^\/datasets\/(.+?\/.+?)\/resolve\/c0ffee\/(.+)$/.exec(request.url!);
    const found = resolve && FILES[resolve[1]!]?.[resolve[2]!];
    if (listing) response.end(JSON.stringify(describeDataset(listing[1]!)));
    else if (found)
      response
        .writeHead(302, {
          location: `${store.url}/store/${resolve[1]}/${resolve[2]}`,
          'x-linked-size': String(found.length),
        })
        .end();
    else response.writeHead(404).end();
  });
});

let mirrors: TestServer[] = [];
async function startMirror(handle: Handler): Promise<TestServer> {
  const mirror = await startServer(handle);
  mirrors.push(mirror);
  return mirror;
}

afterEach(async () => {
  for (const mirror of mirrors) await mirror.close();
  mirrors = [];
  await hub.close();
  await store.close();
  scratch.remove();
});

function describeDataset(dataset: string): object {
  const siblings = Object.entries(FILES[dataset]!).map(([rfilename, bytes]) => ({
    rfilename,
    size: bytes.length,
    lfs: { sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length, pointerSize: 130 },
  }));
  return { id: dataset, sha: 'c0ffee', siblings: [{ rfilename: 'README.md', size: 12 }, ...siblings] };
}

type Options = Partial<Parameters<typeof hubSource>[0]> & { dataset: string };
const open = (options: Options): DocumentSource =>
  hubSource({ cacheFolder: scratch.folder, endpoint: `${hub.url}/`, wait: async () => {}, ...options });

async function groupsOf(source: DocumentSource, split: Split): Promise<string[][]> {
  const groups: string[][] = [];
  for await (const group of source.groups(split)) groups.push(group);
  return groups;
}

describe('tinystories-gpt4-clean', () => {
  test('validates on rows 10,000 to 19,999 and trains on rows from 20,000', async () => {
    const source = open({ dataset: TINYSTORIES });
    const val = await groupsOf(source, 'val');
    expect(val.flat()).toEqual(Array.from({ length: 10_000 }, (_, i) => String(10_000 + i)));
    expect(val.map((group) => group.length)).toEqual([2288, 4096, 3616]); // borders at 12,288 and 16,384
    const train = await groupsOf(source, 'train');
    expect(train.flat()).toEqual(Array.from({ length: 30 }, (_, i) => String(20_000 + i)));
    expect(source.name).toBe(TINYSTORIES);
  });

  test('can be named without its owner', async () => {
    const short = open({ dataset: 'tinystories-gpt4-clean' });
    expect(await short.fingerprint()).toBe(await open({ dataset: TINYSTORIES }).fingerprint());
  });
});

describe('climbmix-400b-shuffle', () => {
  test('trains on the first shards and validates on the last', async () => {
    const source = open({ dataset: CLIMBMIX, shards: 2 });
    expect(await groupsOf(source, 'train')).toEqual([
      ['0/0', '0/1'],
      ['0/2', '0/3'],
      ['0/4'],
      ['1/0', '1/1'],
      ['1/2', '1/3'],
      ['1/4'],
    ]);
    expect((await groupsOf(source, 'val')).flat()).toEqual([
      '6542/0',
      '6542/1',
      '6542/2',
      '6542/3',
      '6542/4',
    ]);
    const stored = readdirSync(scratch.path('hub/karpathy--climbmix-400b-shuffle')).sort();
    expect(stored).toEqual([
      'files.json',
      'shard_00000.parquet',
      'shard_00001.parquet',
      'shard_06542.parquet',
    ]);
  });

  test('with more shards downloads only the new ones', async () => {
    await groupsOf(open({ dataset: CLIMBMIX, shards: 1 }), 'val');
    const before = store.requests.length;
    const source = open({ dataset: CLIMBMIX, shards: 3 });
    expect((await groupsOf(source, 'train')).flat()).toHaveLength(15);
    expect(
      store.requests
        .slice(before)
        .map(({ url }) => url!.slice(-19))
        .sort(),
    ).toEqual(['shard_00001.parquet', 'shard_00002.parquet']);
  });

  test('has a fingerprint per number of shards, before anything is downloaded', async () => {
    const one = await open({ dataset: CLIMBMIX, shards: 1 }).fingerprint();
    const two = await open({ dataset: CLIMBMIX, shards: 2 }).fingerprint();
    expect(one).not.toBe(two);
    expect(store.requests).toHaveLength(0);
  });

  test('names a shard that the hub does not have', async () => {
    await expect(open({ dataset: CLIMBMIX, shards: 4 }).fingerprint()).rejects.toThrow(
      /Expected shard_00003.parquet among the files/,
    );
  });

  test.each([0, 1.5, 6543])('refuses --shards %p', (shards) => {
    expect(() => open({ dataset: CLIMBMIX, shards })).toThrow(UsageError);
    expect(() => open({ dataset: CLIMBMIX, shards })).toThrow(`Expected --shards from 1 to 6542`);
  });
});

test('a second run needs no network', async () => {
  const source = open({ dataset: TINYSTORIES });
  const fingerprint = await source.fingerprint();
  await groupsOf(source, 'val');
  await hub.close();
  await store.close();
  const again = open({ dataset: TINYSTORIES });
  expect(await again.fingerprint()).toBe(fingerprint);
  expect((await groupsOf(again, 'train')).flat()).toHaveLength(30);
});

test('the token is sent to the hub and not to its file store', async () => {
  await groupsOf(open({ dataset: TINYSTORIES, token: 'secret' }), 'val');
  expect(hub.requests.map(({ headers }) => headers.authorization)).toEqual([
    'Bearer secret',
    'Bearer secret',
  ]);
  expect(store.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
});

test('HF_ENDPOINT and HF_TOKEN are the defaults', async () => {
  const { HF_ENDPOINT, HF_TOKEN } = process.env;
  try {
    process.env.HF_ENDPOINT = hub.url;
    process.env.HF_TOKEN = 'from the environment';
    const source = hubSource({ dataset: TINYSTORIES, cacheFolder: scratch.folder });
    expect((await groupsOf(source, 'train')).flat()).toHaveLength(30);
    expect(hub.requests[0]!.headers.authorization).toBe('Bearer from the environment');
    process.env.HF_ENDPOINT = 'huggingface.co';
    expect(() => hubSource({ dataset: TINYSTORIES })).toThrow(/Expected HF_ENDPOINT to be a URL/);
  } finally {
    restore('HF_ENDPOINT', HF_ENDPOINT);
    restore('HF_TOKEN', HF_TOKEN);
  }
});

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

test('errors of the file store are retried', async () => {
  fault = (_, response, number) => {
    if (number === 0) response.writeHead(429, { 'retry-after': '1' }).end();
    else if (number === 1) response.writeHead(500).end();
    else if (number === 2) response.destroy();
    else return false;
    return true;
  };
  const source = open({ dataset: CLIMBMIX, shards: 1 });
  expect((await groupsOf(source, 'train')).flat()).toEqual(['0/0', '0/1', '0/2', '0/3', '0/4']);
});

test('other content from the file store is refused', async () => {
  fault = (request, response) => {
    const file = golden('shard_00002.parquet');
    if (!request.url!.endsWith('shard_00000.parquet')) return false;
    serve(request, response, file);
    return true;
  };
  await expect(groupsOf(open({ dataset: CLIMBMIX, shards: 1, attempts: 2 }), 'train')).rejects.toThrow(
    /Cannot download .*shard_00000.parquet.*SHA-256/,
  );
});

test('progress counts the bytes of all files', async () => {
  const seen: { done: number; total?: number; unit: string }[] = [];
  await groupsOf(
    open({ dataset: CLIMBMIX, shards: 2, onProgress: (progress) => seen.push(progress) }),
    'val',
  );
  const total = ['00000', '00001', '06542'].reduce(
    (sum, id) => sum + golden(`shard_${id}.parquet`).length,
    0,
  );
  expect(seen.at(-1)).toMatchObject({ done: total, total, unit: 'bytes' });
});

test('an unknown dataset is refused, and the error lists the known ones', () => {
  expect(() => open({ dataset: 'karpathy/nothing' })).toThrow(UsageError);
  expect(() => open({ dataset: 'karpathy/nothing' })).toThrow(/tinystories-gpt4-clean or .*--text/);
});

test('a server that is not a hub is an EnvironmentError', async () => {
  const other = await startServer((_, response) => response.end('{"hello": "world"}'));
  const source = open({ dataset: TINYSTORIES, endpoint: other.url });
  await expect(source.fingerprint()).rejects.toThrow(EnvironmentError);
  await expect(source.fingerprint()).rejects.toThrow(/to list the dataset's files; check HF_ENDPOINT/);
  await other.close();
});

test.each<[string, unknown]>([
  [
    'of another dataset',
    { sha: 'c0ffee', siblings: [{ rfilename: 'a.parquet' }, { rfilename: 'b.parquet' }] },
  ],
  ['of no files', { sha: 'c0ffee', siblings: [] }],
  [
    'of entries that are no files',
    { sha: 'c0ffee', siblings: [null, 5, { rfilename: 7 }, { rfilename: '../a.parquet' }] },
  ],
  ['without a commit', { sha: '../../x', siblings: [] }],
  ['that is a sign-in page', '<html>'],
])('a wrong answer %s is not kept: the next run asks again', async (_, answer) => {
  const wrong = await startMirror((__, response) => response.end(JSON.stringify(answer)));
  await expect(
    open({ dataset: TINYSTORIES, endpoint: wrong.url, attempts: 1 }).fingerprint(),
  ).rejects.toThrow(EnvironmentError);
  expect(await open({ dataset: TINYSTORIES }).fingerprint()).toMatch(/^[0-9a-f]{64}$/);
});

test.each([
  'null',
  '{"commit":"c0ffee","files":[]}',
  '{"commit":"c0ffee","files":[{"path":"../x.parquet"}]}',
  '5',
])('a kept list %p, of an earlier version or damaged, is fetched again', async (kept) => {
  const source = () => open({ dataset: TINYSTORIES });
  const right = await source().fingerprint();
  writeFileSync(scratch.path('hub/karpathy--tinystories-gpt4-clean/files.json'), kept);
  expect(await source().fingerprint()).toBe(right);
});

test('a file without size and hash that is not parquet is not kept', async () => {
  const page = Buffer.from('<html>Sign in</html>'.repeat(100));
  let wrong = true;
  const mirror = await startMirror((request, response) => {
    if (request.url!.startsWith('/api/'))
      response.end(JSON.stringify({ sha: 'c0ffee', siblings: [{ rfilename: 'a.parquet' }] }));
    else serve(request, response, wrong ? page : golden('tinystories.parquet'));
  });
  const source = () => open({ dataset: TINYSTORIES, endpoint: mirror.url, attempts: 1 });
  await expect(groupsOf(source(), 'val')).rejects.toThrow(/sent something else: .*not parquet/);
  wrong = false;
  expect((await groupsOf(source(), 'val')).length).toBeGreaterThan(0);
});

test('partial downloads that will not be resumed are removed', async () => {
  const source = open({ dataset: TINYSTORIES });
  await source.fingerprint();
  const kept = scratch.path('hub/karpathy--tinystories-gpt4-clean');
  const names = [
    'tinystories_gpt4_clean.parquet.part',
    'old.parquet.part',
    'old.parquet.part.json',
    'mine.txt',
  ];
  for (const name of names) writeFileSync(`${kept}/${name}`, '');
  await open({ dataset: TINYSTORIES }).fingerprint();
  expect(readdirSync(kept).sort()).toEqual(['files.json', 'mine.txt', 'tinystories_gpt4_clean.parquet.part']);
});

test('a list of files that cannot be read is fetched again', async () => {
  const fingerprint = await open({ dataset: TINYSTORIES }).fingerprint();
  const list = scratch.path('hub/karpathy--tinystories-gpt4-clean/files.json');
  writeFileSync(list, '{"commit": "c0f');
  expect(await open({ dataset: TINYSTORIES }).fingerprint()).toBe(fingerprint);
  rmSync(list);
  expect(await open({ dataset: TINYSTORIES }).fingerprint()).toBe(fingerprint);
  expect(hub.requests).toHaveLength(3);
});
