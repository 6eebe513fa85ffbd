// Damaged files of every kind that the data layer reads: whatever is wrong, the outcome is a result or a one-line
// error of ours. Seeded, so that failures are reproducible. TINYGPT_FUZZ multiplies the number of mutations.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { type Random, randomStream } from '../../src/base/random.js';
import { readJsonFile } from '../../src/base/textFile.js';
import { createBatchMaker } from '../../src/data/batches/batches.js';
import { openShard } from '../../src/data/batches/shards.js';
import { openDataset, readManifest } from '../../src/data/dataset.js';
import { prepareDataset } from '../../src/data/prepare.js';
import { fileSource } from '../../src/data/sources/fileSource.js';
import { hubSource } from '../../src/data/sources/hubSource.js';
import { readTokenizerFile } from '../../src/data/tokenizer/files.js';
import { formatHuggingFace } from '../../src/data/tokenizer/huggingface.js';
import { parseTiktoken } from '../../src/data/tokenizer/tiktoken.js';
import { findWheel } from '../../src/setup/wheels/pypi.js';
import { extract, readZip } from '../../src/setup/wheels/zip.js';
import { type Handler, startServer, type TestServer } from '../net/unreliableServer.js';
import { writeZip } from '../setup/wheels/zipFile.js';
import { temporaryFolder } from './corpus.js';
import { damaged, foreignError, oddJson } from './mutations.js';

const TIMES = Number(process.env.TINYGPT_FUZZ ?? 1);
const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs `attempt` with streams of their own; reports the first answer that is not ours, with its number. */
async function fuzz(
  name: string,
  count: number,
  attempt: (random: Random) => Promise<string | undefined>,
): Promise<void> {
  for (let i = 0; i < count * TIMES; i++) {
    const found = await attempt(randomStream(name, `${i}`));
    if (found !== undefined) throw new Error(`${name} ${i}: ${found}`);
  }
}

async function readAll(path: string): Promise<void> {
  const source = fileSource({ text: path });
  await source.fingerprint();
  for (const split of ['train', 'val'] as const) for await (const _ of source.groups(split));
  await source.documentRule!();
}

const golden = (name: string) => readFileSync(`test/golden/${name}`);
const stories = Array.from({ length: 12 }, (_, i) => `Story ${i}: naïve café, 漢字 and 🦊.\nA second line.`);
const jsonl = stories.map((text, id) => JSON.stringify({ id, text, score: id / 3 })).join('\n');

describe('texts', () => {
  test.each<[string, Uint8Array, number]>([
    ['a.txt', Buffer.from(stories.join('\n\n')), 800],
    ['marks.txt', Buffer.from(stories.join('<|endoftext|>')), 500],
    ['wide.txt', Buffer.from(`\uFEFF${stories.join('\n\n')}`, 'utf16le'), 400],
    ['a.jsonl', Buffer.from(jsonl), 800],
    ['zstd.parquet', golden('sources/stories_zstd.parquet'), 800],
    ['snappy.parquet', golden('sources/stories_snappy.parquet'), 500],
    ['nulls.parquet', golden('sources/trailing_nulls.parquet'), 400],
  ])('%s', async (name, bytes, count) => {
    const path = join(folder, name);
    await fuzz(name, count, async (random) => {
      writeFileSync(path, damaged(random, bytes));
      return foreignError(() => readAll(path));
    });
  });

  test('objects of other shapes on the lines of a .jsonl file', async () => {
    const path = join(folder, 'shapes.jsonl');
    const records = jsonl.split('\n').map((line) => JSON.parse(line) as unknown);
    await fuzz('shapes', 600, async (random) => {
      writeFileSync(
        path,
        (oddJson(random, records) as unknown[] | null)?.[0] === undefined
          ? 'null'
          : records.map((r) => JSON.stringify(oddJson(random, r))).join('\n'),
      );
      return foreignError(() => readAll(path));
    });
  });
});

test('JSON files', async () => {
  const path = join(folder, 'a.json');
  const bytes = Buffer.from(JSON.stringify({ lr: 0.1, list: [1, 'é'], score: null }, null, 2));
  await fuzz('json', 500, async (random) => {
    writeFileSync(path, damaged(random, bytes));
    return foreignError(() => readJsonFile(path));
  });
});

describe('tokenizers', () => {
  const text = golden('tokenizer/ranks.tiktoken').toString();
  const few = text.split('\n').slice(0, 300).join('\n');
  const { ranks } = parseTiktoken(few, 'few');

  test('tiktoken ranks', async () => {
    const path = join(folder, 'a.tiktoken');
    await fuzz('tiktoken', 500, async (random) => {
      writeFileSync(path, damaged(random, Buffer.from(few)));
      return foreignError(() => readTokenizerFile(path).encode('Once upon a time'));
    });
  });

  test('tokenizer.json', async () => {
    const path = join(folder, 'tokenizer.json');
    const json = formatHuggingFace(ranks);
    await fuzz('tokenizer.json', 600, async (random) => {
      const contents =
        random.int(2) === 0
          ? damaged(random, Buffer.from(json))
          : JSON.stringify(oddJson(random, JSON.parse(json)));
      writeFileSync(path, contents ?? '');
      return foreignError(() => readTokenizerFile(path).encode('Once upon a time'));
    });
  });
});

describe('prepared data', () => {
  let data: Awaited<ReturnType<typeof prepareDataset>>;
  beforeAll(async () => {
    data = await prepareDataset({ documents: stories, vocabSize: 280, cacheFolder: folder, threads: 1 });
  });

  test('shards', async () => {
    const path = join(folder, 'shard.tokens');
    const bytes = readFileSync(join(data.folder, 'train-00000.tokens'));
    await fuzz('shard', 600, async (random) => {
      writeFileSync(path, damaged(random, bytes));
      return foreignError(() => {
        const reader = openShard(path);
        const out = new Uint16Array(1000);
        for (const [document, length] of reader.lengths.entries()) reader.read(document, length, out, 0);
        reader.close();
      });
    });
  });

  test('dataset.json', async () => {
    const path = join(data.folder, 'dataset.json');
    const json = readFileSync(path, 'utf8');
    try {
      await fuzz('dataset.json', 600, async (random) => {
        const contents =
          random.int(2) === 0
            ? damaged(random, Buffer.from(json))
            : JSON.stringify(oddJson(random, JSON.parse(json)));
        writeFileSync(path, contents ?? '');
        return foreignError(async () => {
          const opened = await openDataset(data.folder, { inline: true });
          const loader = await opened.loader('train', { batchSize: 2, seqLen: 8 });
          await loader.next();
          await loader.close();
        });
      });
    } finally {
      writeFileSync(path, json);
    }
  });

  test('saved positions of a loader', async () => {
    const { splits, vocabSize, tokenizerHash, bosId } = readManifest(data.folder);
    const set = { folder: data.folder, files: splits.train.files, vocabSize, tokenizerHash, bosId };
    const state = { epoch: 2, nextDocument: 3, buffer: [0, 1, 2] };
    await fuzz('state', 500, async (random) =>
      foreignError(() => {
        const odd = oddJson(random, state) as typeof state;
        const maker = createBatchMaker(set, { batchSize: 2, seqLen: 8, state: odd });
        maker.make();
        maker.close();
      }),
    );
  });
});

describe('answers of servers', () => {
  let server: TestServer;
  let answer: (...args: Parameters<Handler>) => void = () => {};
  beforeAll(async () => {
    server = await startServer((...args) => answer(...args));
  });
  afterAll(() => server.close());
  const once = { attempts: 1, wait: async () => {} };

  test('lists of the hub, asked for and kept', async () => {
    const listing = {
      sha: 'c0ffee',
      siblings: [
        { rfilename: 'a.parquet', size: 5, lfs: { sha256: '0'.repeat(64), size: 5, pointerSize: 1 } },
      ],
    };
    const kept = { commit: 'c0ffee', files: [{ path: 'a.parquet', size: 5, sha256: '0'.repeat(64) }] };
    const cacheFolder = join(folder, 'hub-cache');
    const keptPath = join(cacheFolder, 'hub', 'karpathy--tinystories-gpt4-clean', 'files.json');
    mkdirSync(join(keptPath, '..'), { recursive: true });
    await fuzz('hub', 300, async (random) => {
      const body = (value: unknown) =>
        random.int(3) === 0
          ? damaged(random, Buffer.from(JSON.stringify(value)))
          : `${JSON.stringify(oddJson(random, value))}`;
      const sent = body(listing);
      answer = (_, response) => response.end(sent);
      writeFileSync(keptPath, body(kept));
      const dataset = 'karpathy/tinystories-gpt4-clean';
      return foreignError(() =>
        hubSource({ ...once, dataset, cacheFolder, endpoint: server.url }).fingerprint(),
      );
    });
  });

  test('lists of a package index', async () => {
    const file = 'tensorflow_cpu-2.21.0-cp312-cp312-manylinux_2_17_x86_64.whl';
    const files = [
      { filename: file, url: `/files/${file}`, size: 5, hashes: { sha256: '0'.repeat(64) }, yanked: false },
    ];
    const html = `<a href="/files/${file}#sha256=${'0'.repeat(64)}">${file}</a>`;
    await fuzz('index', 300, async (random) => {
      const isHtml = random.int(4) === 0;
      const sent = isHtml
        ? damaged(random, Buffer.from(html))
        : random.int(3) === 0
          ? damaged(random, Buffer.from(JSON.stringify({ files })))
          : `${JSON.stringify(oddJson(random, { files }))}`;
      const type = isHtml ? 'text/html' : 'application/vnd.pypi.simple.v1+json';
      answer = (_, response) => response.writeHead(200, { 'content-type': type }).end(sent);
      const platform = { os: 'linux', machine: 'x86_64', glibc: '2.36' } as const;
      return foreignError(() =>
        findWheel({ project: 'tensorflow-cpu', specifier: '' }, platform, { ...once, index: server.url }),
      );
    });
  });
});

test('wheels', async () => {
  const path = join(folder, 'a.whl');
  writeZip(path, {
    'a/METADATA': 'Name: a\n'.repeat(50),
    'a/b.txt': 'text',
    'c.so': gzipSync('x'.repeat(999)),
  });
  const bytes = readFileSync(path);
  await fuzz('wheel', 500, async (random) => {
    writeFileSync(path, damaged(random, bytes));
    return foreignError(async () => {
      for (const entry of await readZip(path)) await extract(path, entry, join(folder, 'extracted'));
    });
  });
});
