import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { EnvironmentError, UsageError } from '../../src/base/errors.js';
import { temporaryName } from '../../src/base/files.js';
import type { OnProgress } from '../../src/base/progress.js';
import { randomStream } from '../../src/base/random.js';
import { usableThreads } from '../../src/base/threads.js';
import { endLoaderThread } from '../../src/data/batches/loader.js';
import { readShardHeader } from '../../src/data/batches/shards.js';
import { openDataset } from '../../src/data/dataset.js';
import { type PrepareOptions, prepareDataset } from '../../src/data/prepare.js';
import { saveTokenizer } from '../../src/data/tokenizer/files.js';
import { createTokenizer } from '../../src/data/tokenizer/tokenizer.js';
import { takeTurn } from '../../src/data/turn.js';
import type { Dataset, DocumentSource, Split } from '../../src/data/types.js';
import { plainBatches } from './batches/plainPacking.js';
import { temporaryFolder } from './corpus.js';

const WORDS = 'the a cat dog ran sat on mat under tree and then she he said hello sun moon é 日本 🙂'.split(
  ' ',
);

function randomGroups(name: string, groups: number, documents: number): string[][] {
  const random = randomStream(1, name);
  const document = () =>
    Array.from({ length: random.int(40) }, () => WORDS[random.int(WORDS.length)]).join(' ');
  return Array.from({ length: groups }, () => Array.from({ length: documents }, document));
}

const TRAIN = randomGroups('train', 4, 300);
const VAL = randomGroups('val', 1, 40);

type Fake = DocumentSource & { reads: Split[] };

function source(
  over: Partial<Record<Split, string[][]>> & { fingerprint?: string; name?: string } = {},
): Fake {
  const { train = TRAIN, val = VAL, fingerprint = 'one', name = 'fake stories' } = over;
  const reads: Split[] = [];
  return {
    name,
    reads,
    fingerprint: async () => fingerprint,
    async *groups(split) {
      reads.push(split);
      yield* split === 'train' ? train : val;
    },
  };
}

let cacheFolder: string;
beforeEach(() => {
  cacheFolder = temporaryFolder();
});
afterEach(() => rmSync(cacheFolder, { recursive: true, force: true }));
afterAll(() => endLoaderThread());

function prepare(options: Partial<PrepareOptions> = {}): Promise<Dataset> {
  return prepareDataset({ source: source(), vocabSize: 300, cacheFolder, threads: 1, ...options });
}

/** Contents of all files under a folder, by path. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  return Object.fromEntries(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(folder.length), readFileSync(path, 'base64')];
    }),
  );
}

const datasets = () =>
  existsSync(join(cacheFolder, 'datasets')) ? readdirSync(join(cacheFolder, 'datasets')) : [];

describe('prepareDataset', () => {
  test('keeps every document, in order, and counts documents, tokens and bytes', async () => {
    const data = await prepare();
    const bytes = (groups: string[][]) => Buffer.byteLength(groups.flat().join(''));
    const encoded = TRAIN.map((group) => group.map((text) => data.tokenizer.encode(text)));
    expect(data.name).toBe('fake stories');
    expect(data.tokenizer.vocabSize).toBe(300);
    expect(data.documents).toEqual({ train: 1200, val: 40 });
    expect(data.bytes).toEqual({ train: bytes(TRAIN), val: bytes(VAL) });
    expect(data.tokens.train).toBe(encoded.flat().reduce((sum, ids) => sum + ids.length, 0));
    const header = readShardHeader(join(data.folder, 'train-00000.tokens'));
    expect(header).toMatchObject({ groups: 4, runs: 4 * 3, tokenizerHash: data.tokenizer.hash });

    const loader = await data.loader('train', { batchSize: 4, seqLen: 32 });
    const plain = plainBatches(encoded, data.tokenizer.bosId, 4, 32);
    for (let step = 0; step < 20; step++) {
      const { inputs } = await loader.next();
      const expected = plain.next().value.rows.flatMap((row) => row.slice(0, 32));
      expect(Array.from(inputs).join()).toBe(expected.join());
    }
    await loader.close();
  });

  test('reads a train split that fits in memory once', async () => {
    const once = source();
    await prepare({ source: once });
    expect(once.reads).toEqual(['train', 'val']);
  });

  test('reuses an existing folder without reading documents or writing files', async () => {
    const first = await prepare();
    const before = contents(cacheFolder);
    const again = source({ name: 'moved stories' });
    const notes: string[] = [];
    const second = await prepare({ source: again, onNote: (line) => notes.push(line), threads: 3 });
    expect({ reads: again.reads, notes, name: second.name }).toEqual({
      reads: [],
      notes: [],
      name: 'moved stories',
    });
    expect(contents(cacheFolder)).toEqual(before);
    const { folder, tokens, documents, bytes } = first;
    expect(second).toMatchObject({ folder, tokens, documents, bytes });
    expect(second.tokenizer.hash).toBe(first.tokenizer.hash);
  });

  test('does not depend on the number of threads or the folder', async () => {
    // A group of more than one piece; a given tokenizer, so that threads are used whatever the size.
    const { tokenizer } = await prepare();
    const words = randomStream(2, 'large');
    const text = () => Array.from({ length: 300 }, () => WORDS[words.int(WORDS.length)]).join(' ');
    const large = [1000, 200, 1].map((documents) => Array.from({ length: documents }, text));
    expect(large[0]!.join('').length).toBeGreaterThan(1 << 20);
    const prepared: Record<string, string>[] = [];
    for (const threads of [1, 3]) {
      const folder = join(cacheFolder, `${threads}`);
      const options = {
        source: source({ train: large }),
        tokenizer,
        cacheFolder: folder,
        threads,
        shardTokens: 200_000,
      };
      prepared.push(contents((await prepare(options)).folder));
    }
    expect(Object.keys(prepared[0]!).filter((file) => file.startsWith('/train')).length).toBeGreaterThan(1);
    expect(JSON.stringify(prepared[1]) === JSON.stringify(prepared[0])).toBe(true);
  });

  test('another text, vocabulary or tokenizer gets a folder of its own', async () => {
    const tokenizer = createTokenizer(Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)));
    const all = [
      await prepare(),
      await prepare({ vocabSize: 301 }),
      await prepare({ source: source({ fingerprint: 'two' }) }),
      await prepare({ tokenizer }),
    ];
    expect(new Set(all.map(({ folder }) => folder)).size).toBe(4);
    expect(all.map((data) => data.tokenizer.vocabSize)).toEqual([300, 301, 300, 260]);
    expect(all[3]!.tokenizer.hash).toBe(tokenizer.hash);
    // Plain bytes: a token a byte.
    expect(all[3]!.tokens).toEqual(all[3]!.bytes);
  });

  test('openDataset opens a prepared folder, with its stored name', async () => {
    const { folder, tokens, documents, bytes } = await prepare();
    expect(await openDataset(folder)).toMatchObject({
      folder,
      tokens,
      documents,
      bytes,
      name: 'fake stories',
    });
    await expect(openDataset(join(folder, 'none'))).rejects.toThrow(
      /^Expected a prepared dataset in .*none, got no dataset.json; prepare again$/,
    );
  });

  test('reports progress in bytes up to the total of the train split', async () => {
    const stages = new Map<string, { done: number; total?: number; unit: string }>();
    const data = await prepare({ onProgress: ({ stage, ...progress }) => stages.set(stage, progress) });
    const { train, val } = data.bytes;
    expect(stages.get('encode train')).toEqual({ done: train, total: train, unit: 'bytes' });
    expect(stages.get('encode val')).toEqual({ done: val, unit: 'bytes' });
  });
});

describe('a folder that cannot be used is rebuilt, with the reason', () => {
  const cases: [string, (folder: string) => void, RegExp][] = [
    [
      'truncated shard',
      (at) => truncateSync(join(at, 'train-00000.tokens'), 999),
      /is truncated: .* got 999/,
    ],
    ['missing shard', (at) => rmSync(join(at, 'val-00000.tokens')), /got no such file/],
    [
      'shard of the other split',
      (at) => cpSync(join(at, 'val-00000.tokens'), join(at, 'train-00000.tokens')),
      /Expected documents 1200 in the header of token shard .*, got 40/,
    ],
    ['missing manifest', (at) => rmSync(join(at, 'dataset.json')), /got no dataset.json/],
    ['half a manifest', (at) => truncateSync(join(at, 'dataset.json'), 100), /dataset.json is damaged/],
    [
      'manifest of another version',
      (at) => edit(join(at, 'dataset.json'), (text) => text.replace('"version": 1', '"version": 0')),
      /Expected version 1 of .*dataset.json, got 0/,
    ],
    [
      'manifest of another text',
      (at) => edit(join(at, 'dataset.json'), (text) => text.replace('"one"', '"two"')),
      /was prepared from something else/,
    ],
    ['missing tokenizer', (at) => rmSync(join(at, 'tokenizer'), { recursive: true }), /tokenizer/],
    ['damaged tokenizer', (at) => truncateSync(join(at, 'tokenizer/tokenizer.json'), 50), /tokenizer/],
    [
      'tokenizer of another text',
      (at) =>
        saveTokenizer(
          join(at, 'tokenizer'),
          createTokenizer(Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))),
        ),
      /Expected tokenizer [0-9a-f]{12} in .*, got [0-9a-f]{12}/,
    ],
  ];

  function edit(path: string, change: (text: string) => string): void {
    writeFileSync(path, change(readFileSync(path, 'utf8')));
  }

  test.each(cases)('%s', async (_, damage, reason) => {
    const { folder } = await prepare();
    const before = contents(cacheFolder);
    damage(folder);
    expect(contents(cacheFolder)).not.toEqual(before);
    const notes: string[] = [];
    await prepare({ onNote: (line) => notes.push(line) });
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/^Rebuilding fake stories: [^\n]*$/);
    expect(notes[0]).toMatch(reason);
    expect(contents(cacheFolder)).toEqual(before);
  });
});

describe('nothing half-written is left', () => {
  test('when documents cannot be read', async () => {
    const broken = source();
    broken.groups = async function* () {
      yield TRAIN[0]!;
      throw new EnvironmentError('Parquet file x is truncated');
    };
    await expect(prepare({ source: broken })).rejects.toThrow('Parquet file x is truncated');
    expect(datasets()).toEqual([]);
  });

  test.each(['count chunks', 'encode val', 'encode train'])('when aborted during "%s"', async (at) => {
    const stop = new AbortController();
    const onProgress: OnProgress = ({ stage }) => stage === at && stop.abort(new Error('stopped'));
    await expect(prepare({ onProgress, signal: stop.signal, threads: 2 })).rejects.toThrow('stopped');
    expect(datasets()).toEqual([]);
  });

  test('when aborted before it starts', async () => {
    const fake = source();
    await expect(prepare({ source: fake, signal: AbortSignal.abort() })).rejects.toThrow('aborted');
    expect(fake.reads).toEqual([]);
  });

  test.each([
    ['train', { train: [] }, 'Expected text to train a vocabulary of 300, got none'],
    ['train', { train: [[''], []] }, 'Expected text'],
    [
      'val',
      { val: [] },
      'Expected text in the val split of fake stories, got none; give more text, or a separate valid',
    ],
    ['val', { val: [['', '']] }, 'Expected text in the val split of fake stories, got none'],
  ])('when the %s split has no text (%#)', async (_, splits, message) => {
    await expect(prepare({ source: source(splits) })).rejects.toThrow(message);
    await expect(prepare({ source: source(splits) })).rejects.toBeInstanceOf(UsageError);
    expect(datasets()).toEqual([]);
  });

  test('when there is no text for plain bytes', async () => {
    await expect(prepare({ source: source({ train: [] }), vocabSize: 256 })).rejects.toThrow(
      'Expected text in the train split of fake stories, got none; give more text',
    );
  });

  test('when the text does not support the vocabulary', async () => {
    const small = source({ train: [['abc', 'abd']] });
    await expect(prepare({ source: small, vocabSize: 1000 })).rejects.toThrow(
      /^Expected text that supports a vocabulary of 1000, got/,
    );
    expect(datasets()).toEqual([]);
  });

  test('when the cache is not a folder', async () => {
    writeFileSync(join(cacheFolder, 'file'), '');
    await expect(prepare({ cacheFolder: join(cacheFolder, 'file') })).rejects.toThrow(
      /^Cannot write .*file.datasets.* choose a writable folder$/,
    );
    expect(readFileSync(join(cacheFolder, 'file'), 'utf8')).toBe('');
  });

  test('by killed processes: removed at once for this machine, for others after an hour', async () => {
    const { folder } = await prepare();
    rmSync(folder, { recursive: true });
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    const names = {
      abandoned: `${folder}.${gone}.0123abcd.tmp`,
      recent: `${folder}.${gone}.4567abcd.tmp`,
      alive: `${folder}.${process.pid}.0123abcd.tmp`,
      other: `${join(cacheFolder, 'datasets', 'other')}.${gone}.0123abcd.tmp`,
      ours: temporaryName(folder).replace(`.${process.pid}.`, `.${gone}.`),
    };
    for (const [name, path] of Object.entries(names)) {
      mkdirSync(path);
      const touched = Date.now() / 1000 - (name === 'recent' || name === 'ours' ? 60 : 7200);
      utimesSync(path, touched, touched);
    }
    await prepare();
    const left = Object.entries(names).filter(([, path]) => existsSync(path));
    expect(left.map(([name]) => name)).toEqual(['recent', 'alive']);
  });
});

describe('preparing the same corpus at once', () => {
  test('in one process gives one folder', async () => {
    const all = await Promise.all([prepare(), prepare(), prepare({ threads: 2 })]);
    expect(new Set(all.map(({ folder }) => folder)).size).toBe(1);
    expect(datasets()).toHaveLength(1);
    const alone = await prepare({ cacheFolder: join(cacheFolder, 'alone') });
    expect(contents(all[0]!.folder)).toEqual(contents(alone.folder));
  });

  test('in several processes, over a damaged folder, gives one complete folder', async () => {
    const { folder } = await prepare();
    const before = contents(folder);
    truncateSync(join(folder, 'train-00000.tokens'), 1000);
    const script = join(cacheFolder, 'prepare.mjs');
    const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
    writeFileSync(
      script,
      `import { prepareDataset } from ${url('../../src/data/prepare.js')};
       const corpus = ${JSON.stringify({ train: TRAIN, val: VAL })};
       const source = {
         name: 'fake stories',
         fingerprint: async () => 'one',
         async *groups(split) { yield* corpus[split]; },
       };
       const data = await prepareDataset(
         { source, vocabSize: 300, cacheFolder: process.argv[2], threads: 1 });
       const loader = await data.loader('train', { batchSize: 1, seqLen: 8 });
       console.log((await loader.next()).inputs.join());`,
    );
    const outputs = await Promise.all([1, 2, 3].map(() => output([script, cacheFolder])));
    expect(outputs[0]).toMatch(/^\d+(,\d+){7}\n$/);
    expect(new Set(outputs).size).toBe(1);
    expect(contents(folder)).toEqual(before);
    expect(datasets()).toHaveLength(1);
  });

  /** What a Node process prints, both streams. */
  function output(args: string[]): Promise<string> {
    const child = spawn(process.execPath, args);
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    child.stderr.on('data', (chunk) => (text += chunk));
    return new Promise((resolve) => child.on('close', () => resolve(text)));
  }
});

describe('suspicious splits are noted on every call', () => {
  const notesOf = async (documents: string, vocabSize = 256) => {
    const path = join(cacheFolder, 'a.txt');
    writeFileSync(path, documents);
    const notes: string[] = [];
    const onNote = (line: string) => notes.push(line);
    const data = await prepareDataset({ text: path, vocabSize, cacheFolder, onNote });
    return { notes, data };
  };
  const paragraphs = (count: number) =>
    Array.from({ length: count }, (_, i) => `Paragraph ${i} of a book about tokens.`).join('\n\n');

  test('a single <|endoftext|> in a text that is separated by blank lines', async () => {
    const text = `${paragraphs(20)} The mark <|endoftext|> divides documents. ${paragraphs(10_000)}`;
    for (let run = 0; run < 2; run++) {
      const { notes, data } = await notesOf(text);
      expect(data.documents).toEqual({ train: 1, val: 1 });
      expect(data.documentRule).toBe('split at <|endoftext|>');
      expect(notes).toEqual([
        expect.stringMatching(
          /^Warning: the validation split is larger than the training split, [34]\d\d kB and 7\d\d B \(documents: split at <\|endoftext\|>\)/,
        ),
        expect.stringMatching(
          /^Warning: 2 documents of [12]\d\d kB on average, the longest of [34]\d\d kB \(/,
        ),
      ]);
    }
  });

  test('one document that is most of the text, among many', async () => {
    const marked = Array.from({ length: 500 }, (_, i) => `Story ${i}.`);
    marked.splice(100, 0, paragraphs(5000));
    const { notes } = await notesOf(marked.join('<|endoftext|>'));
    expect(notes).toEqual([
      expect.stringMatching(/^Warning: 501 documents of \d+ B on average, the longest of [12]\d\d kB/),
    ]);
  });

  test('no note for a usual text', async () => {
    const { notes, data } = await notesOf(paragraphs(1000));
    expect(notes).toEqual([]);
    expect(data.documentRule).toBe('split at blank lines');
  });
});

describe('prepareDataset opens the corpus itself', () => {
  test('documents in memory, the last 5% for validation', async () => {
    const documents = Array.from({ length: 40 }, (_, i) => `Document number ${i}.`);
    const data = await prepareDataset({ documents, vocabSize: 256, cacheFolder });
    expect(data.documents).toEqual({ train: 38, val: 2 });
    expect(await prepareDataset({ documents, vocabSize: 256, cacheFolder })).toMatchObject({
      folder: data.folder,
    });
    const other = await prepareDataset({
      documents: [...documents, 'One more.'],
      vocabSize: 256,
      cacheFolder,
    });
    expect(other.folder).not.toBe(data.folder);
    const own = { documents, valDocuments: ['For validation.'], vocabSize: 256, cacheFolder };
    expect((await prepareDataset(own)).documents).toEqual({ train: 40, val: 1 });
  });

  test('generated stories, and files, in the default cache folder', async () => {
    const before = process.env.TINYGPT_CACHE;
    process.env.TINYGPT_CACHE = cacheFolder;
    try {
      const data = await prepareDataset({ bundled: 0.01, vocabSize: 256 });
      expect(data.name).toBe('bundled:0.01MB');
      expect(data.folder.startsWith(join(cacheFolder, 'datasets'))).toBe(true);
      const path = join(cacheFolder, 'poems.txt');
      writeFileSync(path, 'One.\n\nTwo.\n\nThree.');
      expect((await prepareDataset({ text: path, vocabSize: 256 })).documents).toEqual({ train: 2, val: 1 });
    } finally {
      if (before === undefined) delete process.env.TINYGPT_CACHE;
      else process.env.TINYGPT_CACHE = before;
    }
  });

  test('options that contradict each other or are no texts are refused', async () => {
    const failing = (options: PrepareOptions) =>
      expect(prepareDataset({ cacheFolder, ...options })).rejects.toThrow(UsageError);
    await failing({ documents: ['a'], bundled: 1 });
    await failing({ documents: [5 as unknown as string] });
    await failing({ documents: 'text' as unknown as string[] });
    await failing({ documents: [] });
    await failing({ valDocuments: ['a'] });
  });
});

test('more threads than cores are not started', async () => {
  const data = await prepare({ threads: 100_000 });
  expect(data.tokens.train).toBeGreaterThan(0);
  expect(usableThreads(100_000)).toBe(availableParallelism());
});

describe('processes that prepare the same corpus on a shared folder', () => {
  test('wait for the one that is at it, and build nothing', async () => {
    let reads = 0;
    let go = () => {};
    const began = new Promise<void>((resolve) => (go = resolve));
    let resume = () => {};
    const held = new Promise<void>((resolve) => (resume = resolve));
    const source = {
      name: 'slow stories',
      fingerprint: async () => 'slow',
      async *groups(split: 'train' | 'val') {
        if (split === 'train') {
          reads++;
          go();
          await held;
        }
        yield* split === 'train' ? TRAIN : VAL;
      },
    };
    const notes: string[] = [];
    const options = { source, vocabSize: 300, cacheFolder, threads: 1 };
    const first = prepareDataset(options);
    await began;
    const rest = [1, 2, 3].map(() => prepareDataset({ ...options, onNote: (line) => notes.push(line) }));
    while (notes.length < 3) await new Promise((resolve) => setImmediate(resolve));
    resume();
    const hashes = (await Promise.all([first, ...rest])).map(({ hash }) => hash);
    expect(new Set(hashes).size).toBe(1);
    expect(reads).toBe(1);
    expect(notes).toEqual(Array(3).fill('Another process prepares slow stories; waiting for it'));
    expect(readdirSync(join(cacheFolder, 'datasets')).filter((name) => name.endsWith('.lock'))).toEqual([]);
  });

  test('take over from one that was killed', async () => {
    const { folder } = await prepare();
    rmSync(folder, { recursive: true });
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    const own = temporaryName('');
    symlinkSync(own.replace(`.${process.pid}.`, `.${gone}.`), `${folder}.lock`);
    expect((await prepare()).folder).toBe(folder);
  });

  test('do not wait for a lock that is stale and cannot be removed', async () => {
    const folder = join(cacheFolder, 'locked');
    mkdirSync(`${folder}.lock`, { recursive: true }); // as little to be removed as another user's link
    let calls = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => {
      if (++calls > 100) throw new Error('tried without end');
      return 61_000 * calls;
    });
    try {
      expect(await takeTurn(folder, () => false, {})).toBeInstanceOf(Function);
    } finally {
      clock.mockRestore();
    }
  });
});
