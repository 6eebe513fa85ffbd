// What the model's switches do to val_bpb: the cpu preset with each of them, the same seeds and number of tokens. Runs are
// appended to switches.jsonl and not repeated; switches.md is the table.
// `node build/experiments/switches.js --seeds 3 --tokens 524288 [--text FILE] --out experiments/results`

import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scriptOptions } from '../bench/scriptOptions.js';
import { useBackend } from '../src/backend/index.js';
import { integer, text } from '../src/cli/options.js';
import { openSource, prepareDataset } from '../src/data/index.js';
import { modelConfig } from '../src/model/config.js';
import { countParameters } from '../src/model/flops.js';
import { resolveConfig, type TrainConfig } from '../src/train/config.js';
import { presetConfig } from '../src/train/presets.js';
import { train } from '../src/train/trainer.js';

const VARIANTS: Record<string, Partial<TrainConfig>> = {
  'as in the reference': {},
  'GELU (`activation gelu`)': { activation: 'gelu' },
  'SwiGLU (`activation swiglu`)': { activation: 'swiglu' },
  'no QK norm (`qkNorm false`)': { qkNorm: false },
  'tied head (`tiedHead true`)': { tiedHead: true },
  'no value embeddings (`valueEmbeds false`)': { valueEmbeds: false },
  'value embeddings on all layers (`valueEmbedStride 1`)': { valueEmbedStride: 1 },
  'bigrams (`bigramRows 16384`)': { bigramRows: 2 ** 14 },
  'bigrams and trigrams (16384 rows each)': { bigramRows: 2 ** 14, trigramRows: 2 ** 14 },
  '3 Polar Express iterations (`nsSteps 3`)': { nsSteps: 3 },
};

type Run = {
  variant: string;
  seed: number;
  tokens: number;
  data: string;
  valBpb: number;
  cpuSeconds: number;
};

const args = await scriptOptions({
  seeds: integer('seeds of each variant', { default: 3, min: 1 }),
  tokens: integer('tokens of a run', { default: 2 ** 19, min: 1 }),
  text: text('.txt, .jsonl or .parquet file (default: the bundled stories)'),
  out: text('folder of the results', { default: 'experiments/results' }),
});

const preset = presetConfig('cpu');
const source = await openSource(args.text === undefined ? {} : { text: args.text });
const data = await prepareDataset({ source, vocabSize: preset.vocabSize });
const { device } = await useBackend('native', { precision: 'fp32' });
mkdirSync(args.out, { recursive: true });
const log = join(args.out, 'switches.jsonl');
const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean) : [];
const runs = lines.map((line) => JSON.parse(line) as Run);
const find = (variant: string, seed: number) =>
  runs.find(
    (run) =>
      run.variant === variant && run.seed === seed && run.tokens === args.tokens && run.data === data.name,
  );

for (let seed = 1; seed <= args.seeds; seed++)
  for (const [variant, settings] of Object.entries(VARIANTS)) {
    if (find(variant, seed)) continue;
    const before = process.cpuUsage();
    const { valBpb } = await train(
      { ...preset, ...settings },
      { data, budget: { tokens: args.tokens }, seed },
    );
    const { user, system } = process.cpuUsage(before);
    const cpuSeconds = Number(((user + system) / 1e6).toFixed(1));
    const run = { variant, seed, tokens: args.tokens, data: data.name, valBpb, cpuSeconds };
    runs.push(run);
    appendFileSync(log, `${JSON.stringify(run)}\n`);
    process.stderr.write(`${variant}, seed ${seed}: ${valBpb.toFixed(4)} bpb, ${cpuSeconds} s of CPU\n`);
  }

const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
const of = (variant: string) => Array.from({ length: args.seeds }, (_, i) => find(variant, i + 1)!);
const base = of('as in the reference');
const rows = Object.entries(VARIANTS).map(([variant, settings]) => {
  const own = of(variant);
  const changes = own.map((run, i) => run.valBpb - base[i]!.valBpb);
  const { model } = resolveConfig({ ...preset, ...settings }, data.tokenizer.vocabSize);
  const { total } = countParameters(modelConfig(model));
  return `| ${variant} | ${(total / 1e6).toFixed(2)} M | ${own.map(({ valBpb }) => valBpb.toFixed(4)).join(', ')} | ${mean(own.map(({ valBpb }) => valBpb)).toFixed(4)} | ${changes.map((x) => (x > 0 ? '+' : '') + x.toFixed(4)).join(', ')} | ${(mean(own.map((r) => r.cpuSeconds)) / mean(base.map((r) => r.cpuSeconds))).toFixed(2)}x |`;
});
const table = `# The model's switches

The \`cpu\` preset with one change each: ${args.tokens.toLocaleString('en-US')} tokens of ${data.name}, seeds 1 to ${args.seeds}, fp32 on native (${device}). The
change is that of val_bpb from the run of the same seed without it; CPU time is relative to those runs.

    node build/experiments/switches.js --seeds ${args.seeds} --tokens ${args.tokens}${args.text === undefined ? '' : ' --text FILE'}

| model | parameters | val_bpb by seed | mean | change by seed | CPU time |
|---|---|---|---|---|---|
${rows.join('\n')}
`;
writeFileSync(join(args.out, 'switches.md'), table);
process.stdout.write(table);
