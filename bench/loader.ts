// Throughput of the loader: packed tokens per second on the shared thread and inline, compared with a plain
// implementation of the rule (a scan over all waiting documents for each placement, documents in memory), all in one
// run; what `next` costs the training thread when a batch is ready; what opening a loader costs.
//   node build/bench/loader.js [--seconds 2] [--documents 60000] [--json]

import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { randomStream } from '../src/base/random.js';
import type { ShardSet } from '../src/data/batches/batches.js';
import { endLoaderThread, openLoader } from '../src/data/batches/loader.js';
import { createShardWriter } from '../src/data/batches/shardWriter.js';
import { plainBatches } from '../test/data/batches/plainPacking.js';

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '2' },
    documents: { type: 'string', default: '60000' },
    json: { type: 'boolean', default: false },
  },
});
const SECONDS = Number(flags.seconds);
const DOCUMENTS = Number(flags.documents);
/** Ours and the plain rule take turns; ratios are medians over the rounds. */
const ROUNDS = 5;
const VOCAB = 8192;
const SIZES = [
  { batchSize: 128, seqLen: 2048 },
  { batchSize: 32, seqLen: 512 },
  { batchSize: 16, seqLen: 128 },
];

/** Groups of 1,000 documents with lengths like TinyStories' (log-normal, about 200 tokens). */
function makeCorpus(): number[][][] {
  const random = randomStream(1, 'bench.loader');
  const document = () => {
    const length = Math.min(2000, Math.round(180 * Math.exp(0.45 * random.normal())));
    return Array.from({ length }, () => random.int(VOCAB - 1));
  };
  return Array.from({ length: Math.ceil(DOCUMENTS / 1000) }, () => Array.from({ length: 1000 }, document));
}

function write(folder: string, groups: number[][][]): ShardSet {
  const tokenizerHash = '00'.repeat(32);
  const writer = createShardWriter(folder, 'train', { vocabSize: VOCAB, tokenizerHash });
  for (const group of groups) {
    writer.startGroup();
    for (const ids of group) writer.add(ids, 4 * ids.length);
  }
  return { folder, files: writer.close(), vocabSize: VOCAB, tokenizerHash, bosId: VOCAB - 1 };
}

/** Batches a second of `next`. */
async function rate(next: () => unknown): Promise<number> {
  const start = performance.now();
  let batches = 0;
  let seconds = 0;
  for (; seconds < SECONDS / ROUNDS; batches++) {
    await next();
    seconds = (performance.now() - start) / 1000;
  }
  return batches / seconds;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tinygpt-bench-'));
  try {
    const groups = makeCorpus();
    const set = write(folder, groups);
    const open = (size: (typeof SIZES)[0], inline = false) =>
      openLoader(set, { name: 'bench', split: 'train' }, size, { inline });
    const results = [];
    for (const size of SIZES) {
      const tokens = size.batchSize * size.seqLen;
      const threaded = await open(size);
      const direct = await open(size, true);
      const rows = plainBatches(groups, set.bosId, size.batchSize, size.seqLen);
      const contestants = [() => threaded.next(), () => direct.next(), () => rows.next()];
      const rounds: number[][] = [];
      // The first round warms up.
      for (let round = 0; round <= ROUNDS; round++) {
        const rates: number[] = [];
        for (const next of contestants) rates.push(tokens * (await rate(next)));
        if (round > 0) rounds.push(rates);
      }
      // While the training thread works on something else, batches become ready.
      const cost: number[] = [];
      for (let i = 0; i < 20; i++) {
        await sleep(20);
        const start = performance.now();
        await threaded.next();
        cost.push(1000 * (performance.now() - start));
      }
      await threaded.close();
      await direct.close();
      const over = (of: (rates: number[]) => number) => median(rounds.map(of));
      results.push({
        batch_size: size.batchSize,
        seq_len: size.seqLen,
        shared_thread_tokens_per_second: over(([shared]) => shared!),
        inline_tokens_per_second: over(([, inline]) => inline!),
        plain_tokens_per_second: over(([, , plain]) => plain!),
        shared_thread_over_plain: over(([shared, , plain]) => shared! / plain!),
        inline_over_plain: over(([, inline, plain]) => inline! / plain!),
        ready_next_microseconds: median(cost),
      });
    }
    const opened: number[] = [];
    const memory = () => process.memoryUsage().rss / 2 ** 20;
    let before = 0;
    for (let i = 0; i < 1000; i++) {
      if (i === 100) before = memory();
      const start = performance.now();
      const loader = await open({ batchSize: 16, seqLen: 128 });
      opened.push(performance.now() - start);
      await loader.next();
      await loader.close();
    }
    const opening = {
      loaders: opened.length,
      longest_ms: Math.max(...opened),
      median_ms: median(opened),
      rss_growth_mb: memory() - before,
    };
    await endLoaderThread();
    report({
      machine: `${cpus()[0]?.model}, ${cpus().length} cores`,
      documents: DOCUMENTS,
      results,
      opening,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function report(all: {
  machine: string;
  documents: number;
  results: Record<string, number>[];
  opening: Record<string, number>;
}): void {
  if (flags.json) {
    console.log(JSON.stringify(all));
    return;
  }
  const round = (row: Record<string, number>) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Number(value.toPrecision(4))]));
  console.log(`${all.machine}; ${all.documents} documents`);
  for (const row of [...all.results, all.opening]) console.log(round(row));
}

await main();
