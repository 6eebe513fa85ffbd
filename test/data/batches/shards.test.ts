import { copyFileSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { EnvironmentError } from '../../../src/base/errors.js';
import { randomStream } from '../../../src/base/random.js';
import { openShard, readShardHeader, tokenArray } from '../../../src/data/batches/shards.js';
import { createShardWriter } from '../../../src/data/batches/shardWriter.js';
import { HASH, randomCorpus, temporaryFolder, writeCorpus } from '../corpus.js';
import type { Corpus } from './plainPacking.js';

let folder: string;
beforeAll(() => {
  folder = temporaryFolder();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** All documents of a split, and where its runs end, counted over all files. */
function readAll(from: string, files: { file: string }[]): { documents: number[][]; runEnds: number[] } {
  const documents: number[][] = [];
  const runEnds: number[] = [];
  for (const { file } of files) {
    const reader = openShard(join(from, file));
    const before = documents.length;
    reader.lengths.forEach((length, document) => {
      const ids = tokenArray(reader.header.tokenBytes, length + 2);
      reader.read(document, length, ids, 1);
      documents.push(Array.from(ids.subarray(1, length + 1)));
    });
    runEnds.push(...Array.from(reader.runEnds, (end) => before + end));
    reader.close();
  }
  return { documents, runEnds };
}

/** The first document that differs, -1 when none does (toEqual is slow on large arrays). */
function difference(got: number[][], expected: number[][]): number {
  if (got.length !== expected.length) return Math.min(got.length, expected.length);
  return got.findIndex((ids, i) => ids.join() !== expected[i]!.join());
}

/** Where the reference's batches of 128 end when it walks the groups. */
function expectedRunEnds(corpus: Corpus): number[] {
  const ends: number[] = [];
  let before = 0;
  for (const group of corpus) {
    for (let i = 0; i < group.length; i += 128) ends.push(before + Math.min(i + 128, group.length));
    before += group.length;
  }
  return ends;
}

describe('round trip', () => {
  const cases = [
    { name: 'two-byte ids', vocabSize: 65_536, shardTokens: undefined, tokenBytes: 2 },
    { name: 'four-byte ids', vocabSize: 65_537, shardTokens: undefined, tokenBytes: 4 },
    { name: 'several files', vocabSize: 300, shardTokens: 20_000, tokenBytes: 2 },
  ];
  test.each(cases)(
    '$name: documents, runs, counts and order',
    ({ name, vocabSize, shardTokens, tokenBytes }) => {
      const random = randomStream(1, name);
      const corpus = randomCorpus(random, { documents: 900, groupSize: 400, longest: 800, vocabSize });
      corpus[0]![0] = [vocabSize - 1, 0, vocabSize - 1];
      const set = writeCorpus(folder, corpus, { vocabSize, ...(shardTokens && { shardTokens }) });
      const { documents, runEnds } = readAll(folder, set.files);
      expect(difference(documents, corpus.flat())).toBe(-1);
      expect(runEnds).toEqual(expectedRunEnds(corpus));
      expect(set.files.length > 1).toBe(shardTokens !== undefined);

      const headers = set.files.map(({ file }) => readShardHeader(join(folder, file)));
      const sum = (of: (header: (typeof headers)[0]) => number) => headers.reduce((all, h) => all + of(h), 0);
      const tokens = corpus.flat().reduce((all, ids) => all + ids.length, 0);
      expect(sum((h) => h.documents)).toBe(900);
      expect(sum((h) => h.groups)).toBe(corpus.length);
      expect(sum((h) => h.tokens)).toBe(tokens);
      expect(sum((h) => h.bytes)).toBe(2 * tokens);
      for (const header of headers)
        expect(header).toMatchObject({ tokenBytes, vocabSize, tokenizerHash: HASH });
    },
  );

  test('a document longer than a block reads from any block', () => {
    const long = Array.from({ length: 200_000 }, (_, i) => i % 60_000);
    const set = writeCorpus(folder, [[[1, 2], long, [3]]], { vocabSize: 60_000 });
    expect(difference(readAll(folder, set.files).documents, [[1, 2], long, [3]])).toBe(-1);
  });

  test('a document limit starts a new file at a run boundary', () => {
    const corpus = [Array.from({ length: 300 }, (_, i) => [i]), [[7]], [[8]]];
    const set = writeCorpus(folder, corpus, { vocabSize: 400, shardDocuments: 100 });
    expect(set.files.map(({ documents }) => documents)).toEqual([128, 128, 46]);
    expect(difference(readAll(folder, set.files).documents, corpus.flat())).toBe(-1);
  });
});

describe('a damaged shard is refused with one line', () => {
  let whole: string;
  const damaged = () => join(folder, 'damaged.tokens');
  beforeAll(() => {
    const corpus = randomCorpus(randomStream(3, 'damage'), {
      documents: 500,
      groupSize: 100,
      longest: 600,
      vocabSize: 5000,
    });
    whole = join(folder, writeCorpus(folder, corpus, { vocabSize: 5000 }).files[0]!.file);
  });

  function edit(change: (bytes: Buffer) => void): void {
    const bytes = readFileSync(whole);
    change(bytes);
    writeFileSync(damaged(), bytes);
  }
  function withHeaderChecksum(bytes: Buffer): void {
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 124)), 124);
  }
  function problem(action: () => void): string {
    try {
      action();
    } catch (error) {
      expect(error).toBeInstanceOf(EnvironmentError);
      expect((error as Error).message).not.toContain('\n');
      return (error as Error).message;
    }
    throw new Error('expected an error');
  }

  test.each([0, 64, 128, 1000, 100_000])('truncated to %i bytes', (size) => {
    copyFileSync(whole, damaged());
    truncateSync(damaged(), size);
    expect(problem(() => openShard(damaged()))).toMatch(
      new RegExp(`damaged.tokens is truncated: expected \\d+ bytes, got ${size}; prepare again`),
    );
  });

  test('longer than its header says', () => {
    writeFileSync(damaged(), Buffer.concat([readFileSync(whole), Buffer.alloc(1)]));
    expect(problem(() => readShardHeader(damaged()))).toMatch(/is too long/);
  });

  test('of another version', () => {
    edit((bytes) => {
      bytes.writeUInt32LE(2, 8);
      withHeaderChecksum(bytes);
    });
    expect(problem(() => readShardHeader(damaged()))).toMatch(/^Expected version 1 of token shard .*, got 2/);
  });

  test('not a shard at all, or absent', () => {
    writeFileSync(damaged(), 'Once upon a time '.repeat(100));
    expect(problem(() => readShardHeader(damaged()))).toMatch(
      /^Expected a token shard, got .*, which does not begin like one/,
    );
    expect(problem(() => openShard(join(folder, 'none')))).toMatch(/got no such file/);
  });

  test.each([12, 20, 33, 60, 100, 126])('a changed header byte %i', (at) => {
    edit((bytes) => {
      bytes[at]! ^= 4;
    });
    expect(problem(() => openShard(damaged()))).toMatch(/damaged header/);
  });

  test('a changed index', () => {
    edit((bytes) => {
      bytes[bytes.length - 500]! ^= 1;
    });
    expect(problem(() => openShard(damaged()))).toMatch(/checksum of the index differs/);
  });

  test('changed ids, found when their block is read', () => {
    edit((bytes) => {
      bytes[140_000]! ^= 1;
    });
    const reader = openShard(damaged());
    const ids = tokenArray(2, 600);
    reader.read(0, reader.lengths[0]!, ids, 0);
    const last = reader.lengths.length - 1;
    expect(
      problem(() => {
        for (let i = 0; i <= last; i++) reader.read(i, reader.lengths[i]!, ids, 0);
      }),
    ).toMatch(/checksum of block 1 differs/);
    reader.close();
  });
});

describe('createShardWriter', () => {
  test('refuses ids outside the vocabulary and leaves nothing behind', () => {
    const own = temporaryFolder();
    const writer = createShardWriter(own, 'val', { vocabSize: 10, tokenizerHash: HASH });
    writer.add([1, 9], 3);
    expect(() => writer.add([10], 1)).toThrow('Expected token ids below 10, got 10');
    writer.abort();
    expect(readdirSync(own)).toEqual([]);
    rmSync(own, { recursive: true });
  });

  test('writes no file for an empty split', () => {
    const writer = createShardWriter(folder, 'empty', { vocabSize: 10, tokenizerHash: HASH });
    expect(writer.close()).toEqual([]);
  });

  test('names a folder that cannot be written', () => {
    const writer = createShardWriter(join(folder, 'file.txt'), 'val', { vocabSize: 10, tokenizerHash: HASH });
    writeFileSync(join(folder, 'file.txt'), '');
    expect(() => writer.add([1], 1)).toThrow(/^Cannot write .*file.txt.* choose a writable folder/);
  });
});
