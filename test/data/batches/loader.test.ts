import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { EnvironmentError, UsageError } from '../../../src/base/errors.js';
import { randomStream } from '../../../src/base/random.js';
import type { ShardSet } from '../../../src/data/batches/batches.js';
import { endLoaderThread, type LoaderSettings, openLoader } from '../../../src/data/batches/loader.js';
import type { Batch, LoaderState } from '../../../src/data/types.js';
import { randomCorpus, temporaryFolder, writeCorpus } from '../corpus.js';
import { type Corpus, plainBatches } from './plainPacking.js';

let folder: string;
let corpus: Corpus;
let set: ShardSet;
const MODES: (LoaderSettings & { name: string })[] = [
  { name: 'on the shared thread', inline: false },
  { name: 'inline', inline: true },
];

beforeAll(() => {
  folder = temporaryFolder();
  corpus = randomCorpus(randomStream(1, 'loader'), {
    documents: 2500,
    groupSize: 300,
    longest: 90,
    vocabSize: 500,
  });
  set = writeCorpus(folder, corpus, { vocabSize: 500, shardTokens: 15_000 });
});
afterAll(async () => {
  await endLoaderThread();
  rmSync(folder, { recursive: true });
});

function open(
  options: { batchSize: number; seqLen: number; state?: LoaderState; separatePasses?: boolean },
  settings: LoaderSettings = {},
  of = set,
) {
  return openLoader(of, { name: 'a corpus', split: 'train' }, options, settings);
}

/** Where a batch differs from rows of T + 1 tokens; undefined where it does not. */
function difference({ inputs, targets }: Batch, rows: number[][]): string | undefined {
  const seqLen = rows[0]!.length - 1;
  if (inputs.length !== rows.length * seqLen || targets.length !== inputs.length)
    return `${inputs.length} inputs, ${targets.length} targets`;
  for (let b = 0; b < rows.length; b++)
    for (let t = 0; t < seqLen; t++) {
      const at = b * seqLen + t;
      if (inputs[at] !== rows[b]![t] || targets[at] !== rows[b]![t + 1]) return `row ${b}, token ${t}`;
    }
  return undefined;
}

function sameBatch(one: Batch, other: Batch): boolean {
  const same = (a: Int32Array, b: Int32Array) => a.length === b.length && a.every((id, i) => id === b[i]);
  return same(one.inputs, other.inputs) && same(one.targets, other.targets) && one.epoch === other.epoch;
}

function sameState(one: LoaderState, other: LoaderState): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

describe.each(MODES)('a loader $name', (mode) => {
  test('equals the plain rule over several epochs and files', async () => {
    expect(set.files.length).toBeGreaterThan(3);
    for (const [batchSize, seqLen] of [
      [3, 31],
      [8, 64],
      [1, 200],
      [5, 1],
    ] as const) {
      const plain = plainBatches(corpus, set.bosId, batchSize, seqLen);
      const loader = await open({ batchSize, seqLen }, mode);
      let epoch = 0;
      for (let step = 0; step < 400 && epoch < 4; step++) {
        const batch = await loader.next();
        const expected = plain.next().value;
        expect(difference(batch, expected.rows)).toBeUndefined();
        expect(batch.epoch).toBe(expected.epoch);
        epoch = batch.epoch;
      }
      await loader.close();
    }
  });

  test('loops a corpus of fewer documents than the buffer holds', async () => {
    const small: Corpus = [
      [[1, 2, 3], [4]],
      [
        [5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
        [15, 16],
      ],
    ];
    const own = temporaryFolder();
    const smallSet = writeCorpus(own, small, { vocabSize: 20 });
    const plain = plainBatches(small, 19, 2, 7);
    const loader = await open({ batchSize: 2, seqLen: 7 }, mode, smallSet);
    for (let step = 0; step < 50; step++) {
      const batch = await loader.next();
      const expected = plain.next().value;
      expect(difference(batch, expected.rows)).toBeUndefined();
      expect(batch.epoch).toBe(expected.epoch);
    }
    await loader.close();
    rmSync(own, { recursive: true });
  });

  test('with separate passes packs every document once before one comes again', async () => {
    const own = temporaryFolder();
    let id = 0;
    // Of ids that no other document has.
    const few: Corpus = [Array.from({ length: 30 }, (_, i) => Array.from({ length: 1 + i }, () => id++))];
    const fewSet = writeCorpus(own, few, { vocabSize: 500 });
    const loader = await open({ batchSize: 1, seqLen: 20, separatePasses: true }, mode, fewSet);
    const passes: number[][][] = [[], [], []];
    for (;;) {
      const { inputs, targets, epoch } = await loader.next();
      if (epoch > 3) break;
      passes[epoch - 1]!.push([...inputs, targets.at(-1)!]);
    }
    await loader.close();
    const ids = passes[0]!.flat().filter((token) => token !== fewSet.bosId);
    expect(new Set(ids).size).toBe(ids.length);
    // Ten documents are cropped to whole rows; of the others' 230 tokens with BOS, crops and the last row take some.
    expect(passes[0]!.length).toBeGreaterThanOrEqual(18);
    expect(passes[1]).toEqual(passes[0]);
    expect(passes[2]).toEqual(passes[0]);
    rmSync(own, { recursive: true });
  });

  test('with separate passes gives the same rows until the last document has been read', async () => {
    const options = { batchSize: 1, seqLen: 64 };
    const [one, other] = [await open(options, mode), await open({ ...options, separatePasses: true }, mode)];
    let rows = 0;
    for (;;) {
      const batch = await one.next();
      if (batch.epoch > 1) break;
      expect(sameBatch(await other.next(), batch)).toBe(true);
      rows++;
    }
    expect(rows).toBeGreaterThan(200);
    await one.close();
    await other.close();
  });

  test('resumes from its state after any batch, bit for bit', async () => {
    const options = { batchSize: 24, seqLen: 90 };
    const loader = await open(options, mode);
    const batches: Batch[] = [];
    const states: LoaderState[] = [loader.state()];
    for (let step = 0; step < 40; step++) {
      batches.push(await loader.next());
      states.push(JSON.parse(JSON.stringify(loader.state())));
    }
    await loader.close();
    expect(states[0]).toEqual({ epoch: 1, nextDocument: 0, buffer: [] });
    expect(new Set(states.map(({ epoch }) => epoch)).size).toBeGreaterThan(1);
    for (let from = 0; from < 40; from++) {
      const resumed = await open({ ...options, state: states[from]! }, mode);
      expect(sameState(resumed.state(), states[from]!)).toBe(true);
      for (let step = from; step < Math.min(from + 2, 40); step++) {
        expect(sameBatch(await resumed.next(), batches[step]!)).toBe(true);
        expect(sameState(resumed.state(), states[step + 1]!)).toBe(true);
      }
      await resumed.close();
    }
  });

  test('resumes at the end of an epoch', async () => {
    const own = temporaryFolder();
    const tiny: Corpus = [Array.from({ length: 1000 }, (_, i) => [i % 9, i % 7])];
    const tinySet = writeCorpus(own, tiny, { vocabSize: 10 });
    const options = { batchSize: 1, seqLen: 2 };
    // The buffer is full when it holds the whole corpus; the first batch takes one document out.
    const loader = await open(options, mode, tinySet);
    let state = loader.state();
    const seen: LoaderState[] = [];
    for (let step = 0; step < 60; step++) {
      const resumed = await open({ ...options, state }, { inline: true }, tinySet);
      expect(sameBatch(await resumed.next(), await loader.next())).toBe(true);
      expect(sameState(resumed.state(), (state = loader.state()))).toBe(true);
      seen.push(state);
      await resumed.close();
    }
    expect(seen.some(({ nextDocument }) => nextDocument === 1000)).toBe(true);
    await loader.close();
    rmSync(own, { recursive: true });
  });

  test('refuses a split shorter than one row', async () => {
    const own = temporaryFolder();
    const short = writeCorpus(own, [[[1, 2, 3]]], { vocabSize: 20 });
    await expect(open({ batchSize: 1, seqLen: 4 }, mode, short)).rejects.toThrow(
      new UsageError(
        'Expected at least 5 tokens (one sequence of 4, and a target) in the train split of a corpus, got 4; give more text or a shorter sequence',
      ),
    );
    await (await open({ batchSize: 1, seqLen: 3 }, mode, short)).close();
    rmSync(own, { recursive: true });
  });

  test.each([
    { batchSize: 0, seqLen: 4 },
    { batchSize: 1.5, seqLen: 4 },
    { batchSize: 1, seqLen: -2 },
    { batchSize: 1, seqLen: Number.NaN },
  ])('refuses impossible sizes %p', async (sizes) => {
    await expect(open(sizes, mode)).rejects.toThrow(
      /^Expected (batchSize|seqLen) to be an integer >= 1, got/,
    );
  });

  test.each([
    [{ epoch: 1, nextDocument: 2501, buffer: [] }, 'next document 2501 of 2500'],
    [{ epoch: 1, nextDocument: 1, buffer: [] }, 'next document 1, inside a run'],
    [{ epoch: 0, nextDocument: 0, buffer: [] }, 'epoch 0'],
    [{ epoch: 1, nextDocument: 0, buffer: [2500] }, 'document 2500 of 2500'],
    [{ epoch: 1, nextDocument: 0, buffer: new Array(1128).fill(0) }, 'a buffer of 1128 documents'],
  ])('refuses a foreign state %#', async (state, what) => {
    await expect(open({ batchSize: 1, seqLen: 4, state }, mode)).rejects.toThrow(UsageError);
    await expect(open({ batchSize: 1, seqLen: 4, state }, mode)).rejects.toThrow(
      `Expected a loader state of this dataset, got ${what}`,
    );
  });

  test('rejects next() from a truncated shard on, and delivers earlier batches', async () => {
    const own = temporaryFolder();
    const broken = writeCorpus(own, corpus, { vocabSize: 500, shardTokens: 15_000 });
    truncateSync(join(own, broken.files[3]!.file), 5000);
    const loader = await open({ batchSize: 8, seqLen: 64 }, mode, broken);
    const plain = plainBatches(corpus, set.bosId, 8, 64);
    const state = { before: loader.state() };
    let failure: unknown;
    let batches = 0;
    while (!failure) {
      try {
        const batch = await loader.next();
        expect(difference(batch, plain.next().value.rows)).toBeUndefined();
        state.before = loader.state();
        batches++;
      } catch (error) {
        failure = error;
      }
    }
    expect(batches).toBeGreaterThan(10);
    expect(failure).toBeInstanceOf(EnvironmentError);
    expect((failure as Error).message).toMatch(/train-00003.tokens is truncated: .* prepare again/);
    await expect(loader.next()).rejects.toThrow('is truncated');
    expect(loader.state()).toEqual(state.before);
    await loader.close();
    rmSync(own, { recursive: true });
  });

  test('refuses a shard that belongs to another dataset', async () => {
    const other = { ...set, tokenizerHash: 'cd'.repeat(32) };
    await expect(open({ batchSize: 1, seqLen: 4 }, mode, other)).rejects.toThrow(
      /belongs to another dataset; prepare again/,
    );
  });

  test('refuses next() after close; closing twice is fine', async () => {
    const loader = await open({ batchSize: 1, seqLen: 4 }, mode);
    await loader.close();
    await loader.close();
    await expect(loader.next()).rejects.toThrow('Expected an open loader, got one that was closed');
  });
});

describe('the shared thread', () => {
  test('gives the same batches at any prefetch, also to concurrent callers', async () => {
    const options = { batchSize: 2, seqLen: 40 };
    const one = await open(options, { prefetch: 1 });
    const many = await open(options, { prefetch: 9 });
    const inline = await open(options, { inline: true });
    const asked = Array.from({ length: 20 }, () => one.next());
    for (const batch of asked) {
      const expected = await inline.next();
      expect(sameBatch(await batch, expected)).toBe(true);
      expect(sameBatch(await many.next(), expected)).toBe(true);
    }
    expect(one.state()).toEqual(inline.state());
    expect(many.state()).toEqual(inline.state());
    await Promise.all([one.close(), many.close(), inline.close()]);
  });

  test('serves many loaders side by side', async () => {
    const sizes = Array.from({ length: 20 }, (_, i) => ({ batchSize: 1 + (i % 4), seqLen: 10 + i }));
    const loaders = await Promise.all(sizes.map((size) => open(size)));
    await Promise.all(
      loaders.map(async (loader, i) => {
        const { batchSize, seqLen } = sizes[i]!;
        const plain = plainBatches(corpus, set.bosId, batchSize, seqLen);
        for (let step = 0; step < 15; step++)
          expect(difference(await loader.next(), plain.next().value.rows)).toBeUndefined();
        await loader.close();
      }),
    );
  });

  test('close() rejects pending next() calls', async () => {
    const loader = await open({ batchSize: 64, seqLen: 512 }, { prefetch: 1 });
    const asked = Array.from({ length: 8 }, () => loader.next().then(() => 'batch', String));
    await loader.close();
    const outcomes = await Promise.all(asked);
    expect(outcomes.at(-1)).toBe('UsageError: Expected an open loader, got one that was closed');
  });

  test('ending it rejects open loaders; a loader opened later works', async () => {
    const loader = await open({ batchSize: 64, seqLen: 512 }, { prefetch: 1 });
    const asked = Array.from({ length: 8 }, () => loader.next().then(() => 'batch', String));
    await endLoaderThread();
    expect((await Promise.all(asked)).at(-1)).toMatch(
      /EnvironmentError: The loader thread ended unexpectedly/,
    );
    await loader.close();
    const later = await open({ batchSize: 1, seqLen: 4 });
    expect((await later.next()).inputs).toHaveLength(4);
    await later.close();
  });

  const hasProc = existsSync('/proc/self/fd');
  (hasProc ? test : test.skip)('closed and refused loaders leave no open file (needs /proc)', async () => {
    const descriptors = () => readdirSync('/proc/self/fd').length;
    await (await open({ batchSize: 1, seqLen: 16 })).close();
    const before = descriptors();
    const foreign = { epoch: 1, nextDocument: set.files[0]!.documents + 1, buffer: [] };
    for (let i = 0; i < 50; i++) {
      const loader = await open({ batchSize: 1, seqLen: 16 });
      await loader.next();
      await loader.close();
      await expect(open({ batchSize: 1, seqLen: 16, state: foreign })).rejects.toThrow('inside a run');
    }
    expect(descriptors()).toBe(before);
  });

  test('does not keep a process alive when a loader is not closed', () => {
    const script = join(folder, 'forgets.mjs');
    const loaderUrl = new URL('../../../src/data/batches/loader.js', import.meta.url).href;
    writeFileSync(
      script,
      `import { openLoader } from ${JSON.stringify(loaderUrl)};
       const set = ${JSON.stringify(set)};
       const loader = await openLoader(set, { name: 'x', split: 'train' }, { batchSize: 2, seqLen: 20 });
       for (let i = 0; i < 10; i++) await loader.next();
       console.log('read ten');`,
    );
    const { stdout, status, signal } = spawnSync(process.execPath, [script], {
      timeout: 30_000,
      encoding: 'utf8',
    });
    expect({ stdout, status, signal }).toEqual({ stdout: 'read ten\n', status: 0, signal: null });
  });
});
