// Tokenizer training and encoding compared with rustbpe and tiktoken: same text, same run, alternating, one thread
// each; also checks that the merges and ids are the same. With --huggingface also whether the `tokenizers` library
// gives the same ids from our tokenizer.json. A missing peer is reported and skipped.
//   node build/bench/tokenizer.js [--text FILE] [--vocab-size 8192] [--rounds 7] [--python python3 | --no-peer]
//                                 [--huggingface] [--json]
// Without --text: stories of the bundled corpus, and a vocabulary of 4,096, about as many as their words support.
// A document ends at <|endoftext|>. Each round encodes with a new tokenizer, so its cache starts empty.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/base/errors.js';
import { openSource } from '../src/data/sources/openSource.js';
import { createChunkCounter, learnRanks, type Ranks } from '../src/data/tokenizer/bpe.js';
import { saveTokenizer } from '../src/data/tokenizer/files.js';
import { formatTiktoken } from '../src/data/tokenizer/tiktoken.js';
import { createTokenizer } from '../src/data/tokenizer/tokenizer.js';
import type { Tokenizer } from '../src/data/types.js';

const { values: flags } = parseArgs({
  allowNegative: true,
  options: {
    text: { type: 'string' },
    'vocab-size': { type: 'string' },
    rounds: { type: 'string', default: '7' },
    python: { type: 'string', default: 'python3' },
    peer: { type: 'boolean', default: true },
    huggingface: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

type Run = { wall: number; cpu: number };
type Answer = (Run & { sha256: string }) | { absent: string };

const SCRIPT = fileURLToPath(new URL('../../bench/tokenizer_peer.py', import.meta.url));
const vocabSize = Number(flags['vocab-size'] ?? (flags.text ? 8192 : 4096));
const scratch = mkdtempSync(join(tmpdir(), 'tinygpt-bench-'));

/** Text of the run as a file, so that the peers read the same bytes. */
async function textFile(): Promise<string> {
  if (flags.text) return flags.text;
  const documents: string[] = [];
  for await (const group of (await openSource({ bundled: 8 })).groups('train')) documents.push(...group);
  const path = join(scratch, 'bundled.txt');
  writeFileSync(path, documents.join('<|endoftext|>'));
  return path;
}

function timed(run: () => void): Run {
  const cpuStart = process.cpuUsage();
  const start = performance.now();
  run();
  const wall = (performance.now() - start) / 1e3;
  const { user, system } = process.cpuUsage(cpuStart);
  return { wall, cpu: (user + system) / 1e6 };
}

/** The peers in one Python process; undefined when Python cannot be started. */
function startPeer(path: string): { ask(line: string): Promise<Answer>; close(): void } | undefined {
  if (!flags.peer || spawnSync(flags.python, ['--version']).status !== 0) return undefined;
  const child = spawn(flags.python, [SCRIPT, 'bench', path, String(vocabSize)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(line) {
      child.stdin.write(`${line}\n`);
      const { value, done } = await lines.next();
      return done ? { absent: 'the peer process ended' } : (JSON.parse(value) as Answer);
    },
    close: () => child.stdin.end(),
  };
}

/** Share of texts whose ids and decoded text the `tokenizers` library repeats from our file. */
function compareHuggingFace(tokenizer: Tokenizer, texts: string[]): string {
  saveTokenizer(scratch, tokenizer);
  const ran = spawnSync(flags.python, [SCRIPT, 'huggingface', scratch], {
    input: JSON.stringify({ texts }),
    maxBuffer: 2 ** 30,
    encoding: 'utf8',
  });
  if (ran.status !== 0) return `skipped: ${ran.stderr.trim().split('\n').at(-1)}`;
  const { ids, decoded, bos, size } = JSON.parse(ran.stdout) as {
    ids: number[][];
    decoded: string[];
    bos: number;
    size: number;
  };
  const same = texts.filter((text, i) => {
    const ours = tokenizer.encode(text);
    return (
      decoded[i] === text && ours.length === ids[i]!.length && ours.every((id, at) => id === ids[i]![at])
    );
  });
  const specials = bos === tokenizer.bosId && size === tokenizer.vocabSize;
  return `${same.length} of ${texts.length} texts the same, specials ${specials ? 'the same' : 'different'}`;
}

async function main(): Promise<void> {
  const path = await textFile();
  // As Python's bytes.decode(errors="replace"): an invalid byte becomes U+FFFD.
  const text = readFileSync(path);
  const megabytes = text.length / 1e6;
  const texts = new TextDecoder('utf-8', { ignoreBOM: true }).decode(text).split('<|endoftext|>');
  let ranks: Ranks = [];
  let tokenizer: Tokenizer | undefined;
  let rows: number[][] = [];
  const ours = {
    train: () => {
      const counter = createChunkCounter();
      for (const each of texts) {
        const bytes = Buffer.from(each);
        counter.count(bytes, 0, bytes.length);
      }
      const steps = learnRanks(counter.result(), vocabSize);
      let step = steps.next();
      while (!step.done) step = steps.next();
      ranks = step.value;
    },
    encode: () => {
      rows = texts.map((each) => tokenizer!.encode(each));
    },
  };
  const digest = {
    train: () => createHash('sha256').update(formatTiktoken(ranks)).digest('hex'),
    encode: () => {
      const hash = createHash('sha256');
      for (const row of rows) hash.update(Uint32Array.from(row));
      return hash.digest('hex');
    },
  };

  const peer = startPeer(path);
  const results: Record<string, object> = {};
  for (const [task, name] of [
    ['train', 'rustbpe'],
    ['encode', 'tiktoken'],
  ] as const) {
    const mine: Run[] = [];
    const theirs: (Run & { sha256: string })[] = [];
    let absent = peer ? undefined : `${flags.python} not started`;
    for (let round = 0; round < Number(flags.rounds); round++) {
      if (task === 'encode') tokenizer = createTokenizer(ranks);
      mine.push(timed(ours[task]));
      const answer = absent === undefined ? await peer!.ask(task) : { absent };
      if ('absent' in answer) absent = answer.absent;
      else theirs.push(answer);
    }
    const best = (runs: Run[], key: 'wall' | 'cpu') => Math.min(...runs.map((run) => run[key]));
    results[task] = {
      mb_per_s: megabytes / best(mine, 'wall'),
      mb_per_s_first: megabytes / mine[0]!.wall,
      peer: name,
      ...(absent === undefined
        ? {
            peer_mb_per_s: megabytes / best(theirs, 'wall'),
            ratio: best(theirs, 'wall') / best(mine, 'wall'),
            ratio_cpu_time: best(theirs, 'cpu') / best(mine, 'cpu'),
            same_result: digest[task]() === theirs[0]!.sha256,
          }
        : { skipped: absent }),
    };
  }
  peer?.close();
  const report = {
    text: flags.text ?? 'bundled',
    megabytes,
    documents: texts.length,
    vocab_size: vocabSize,
    cpu: cpus()[0]?.model,
    node: process.version,
    ...results,
    ...(flags.huggingface ? { huggingface: compareHuggingFace(tokenizer!, texts) } : {}),
  };
  if (flags.json) console.log(JSON.stringify(report));
  else console.log(report);
}

try {
  await main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
