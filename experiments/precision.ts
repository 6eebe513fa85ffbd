// bf16 against fp32 on the native backend: the cpu preset trained by each with the same seeds on the same number of
// tokens, about two minutes' worth on two cores; the final bits per byte should agree within noise.
// `node build/experiments/precision.js --seeds 3 --tokens 2097152 [--text FILE] --out experiments/results`

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scriptOptions } from '../bench/scriptOptions.js';
import { useBackend } from '../src/backend/index.js';
import { integer, text } from '../src/cli/options.js';
import { openSource, prepareDataset } from '../src/data/index.js';
import { presetConfig } from '../src/train/presets.js';
import { train } from '../src/train/trainer.js';

const args = await scriptOptions({
  seeds: integer('seeds of each precision', { default: 3, min: 1 }),
  tokens: integer('tokens of a run', { default: 2 ** 21, min: 1 }),
  text: text('.txt, .jsonl or .parquet file (default: the bundled stories)'),
  column: text('parquet column or jsonl field of the text'),
  out: text('folder of the results', { default: 'experiments/results' }),
});

const config = presetConfig('cpu');
const source = await openSource({
  ...(args.text !== undefined && { text: args.text }),
  ...(args.column !== undefined && { column: args.column }),
});
const data = await prepareDataset({ source, vocabSize: config.vocabSize });
const runs = { fp32: [] as number[], bf16: [] as number[] };
let device = '';
for (let seed = 1; seed <= args.seeds; seed++)
  for (const precision of ['fp32', 'bf16'] as const) {
    ({ device } = await useBackend('native', { precision }));
    const { valBpb, tokensPerSecond } = await train(config, { data, budget: { tokens: args.tokens }, seed });
    runs[precision].push(valBpb);
    const rate = Math.round(tokensPerSecond).toLocaleString('en-US');
    process.stderr.write(`seed ${seed} ${precision}: ${valBpb.toFixed(4)} bpb, ${rate} tokens/s\n`);
  }
const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
const deviation = (values: number[]) =>
  Math.sqrt(values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / (values.length - 1));
const differences = runs.bf16.map((value, i) => value - runs.fp32[i]!);
const summary = {
  data: data.name,
  tokens: args.tokens,
  device,
  valBpb: runs,
  mean: { fp32: mean(runs.fp32), bf16: mean(runs.bf16) },
  deviationOverSeeds: { fp32: deviation(runs.fp32), bf16: deviation(runs.bf16) },
  differenceOfPairs: { mean: mean(differences), deviation: deviation(differences) },
};
mkdirSync(args.out, { recursive: true });
writeFileSync(join(args.out, 'precision.json'), `${JSON.stringify(summary, null, 2)}\n`);
process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
