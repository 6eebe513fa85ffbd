// Many short real trials in one process: the number of tensors and their buffers must not change, and resident and device
// memory must stay flat. `node build/experiments/manyTrials.js --trials 1000 --out experiments/results` writes
// many-trials.svg and .json.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scriptOptions } from '../bench/scriptOptions.js';
import { BACKEND_NAMES, useBackend } from '../src/backend/index.js';
import { type DeviceMemory, deviceMemory } from '../src/backend/memory.js';
import { choice, integer, text } from '../src/cli/options.js';
import { openSource, prepareDataset } from '../src/data/index.js';
import { renderSvg } from '../src/report/svg.js';
import { presetConfig } from '../src/train/presets.js';
import { float, int } from '../src/tune/distributions.js';
import { randomSampler } from '../src/tune/samplers/random.js';
import { createStudy } from '../src/tune/study.js';
import { trainCheck, trainObjective } from '../src/tune/trainObjective.js';

const args = await scriptOptions({
  trials: integer('trials', { default: 1000, min: 1 }),
  backend: choice(['auto', ...BACKEND_NAMES], 'backend', { default: 'auto' }),
  steps: integer('steps of a trial', { default: 3, min: 1 }),
  out: text('folder of the results', { default: 'experiments/results' }),
});

const backend = await useBackend(args.backend);
const folder = mkdtempSync(join(tmpdir(), 'tinygpt-many-'));
const source = await openSource({ bundled: 1 }, { cacheFolder: folder });
const data = await prepareDataset({ source, vocabSize: 256, cacheFolder: folder });
const base = {
  ...presetConfig('cpu'),
  vocabSize: 256,
  seqLen: 32,
  totalBatchSize: 256,
  evalTokens: 256,
  headDim: 16,
};
// Sizes vary, so that buffers of many lengths come and go; wild rates make some trials diverge.
const space = {
  depth: int(1, 3),
  width: int(32, 64, { step: 16 }),
  matrixLr: float(0.001, 1e38, { log: true }),
  embeddingLr: float(0.01, 1e38, { log: true }),
};
const options = { base, fixed: {}, data, budget: { steps: args.steps }, seed: 1 };
const study = createStudy({
  space,
  defaults: { depth: 2, width: 32, matrixLr: 0.04, embeddingLr: 0.6 },
  sampler: randomSampler(),
  storage: join(folder, 'journal.log'),
  check: trainCheck(options),
});
const before = deviceMemory();
const samples: { trial: number; rssMb: number; heapMb: number; memory: DeviceMemory }[] = [];
const begin = performance.now();
await study.optimize(trainObjective(options), {
  trials: args.trials,
  onTrial: ({ number }) => {
    const { rss, heapUsed } = process.memoryUsage();
    samples.push({
      trial: number,
      rssMb: rss / 2 ** 20,
      heapMb: heapUsed / 2 ** 20,
      memory: deviceMemory(),
    });
    if (number % 100 === 0) process.stderr.write(`trial ${number}: ${(rss / 2 ** 20).toFixed(0)} MB\n`);
  },
});
const states = (state: string) => study.trials.filter((trial) => trial.state === state).length;
type Sample = (typeof samples)[number];
/** The mean over each tenth of the trials. */
const byTenth = (value: (sample: Sample) => number) => {
  const length = Math.ceil(samples.length / 10);
  return Array.from({ length: 10 }, (_, i) => {
    const part = samples.slice(i * length, (i + 1) * length).map(value);
    return Math.round(part.reduce((a, b) => a + b, 0) / part.length);
  });
};
/** The different counts between trials. */
const seen = (key: 'tensors' | 'buffers' | 'bytes') => [...new Set(samples.map(({ memory }) => memory[key]))];
const summary = {
  backend: backend.name,
  trials: samples.length,
  complete: states('complete'),
  failed: states('fail'),
  seconds: Math.round((performance.now() - begin) / 1000),
  tensors_before: before.tensors,
  buffers_before: before.buffers,
  bytes_before: before.bytes,
  tensors_seen: seen('tensors'),
  buffers_seen: seen('buffers'),
  bytes_seen: seen('bytes'),
  rss_mb_by_tenth: byTenth(({ rssMb }) => rssMb),
  reserved_mb_by_tenth: byTenth(({ memory }) => (memory.reservedBytes ?? 0) / 2 ** 20),
};
writeFileSync(join(args.out, 'many-trials.json'), `${JSON.stringify(summary, null, 2)}\n`);
const line = (name: string, key: 'rssMb' | 'heapMb', color: string) => ({
  name,
  type: 'line' as const,
  symbol: 'none',
  lineStyle: { width: 1.2, color },
  itemStyle: { color },
  data: samples.map((sample) => [sample.trial, Number(sample[key].toFixed(1))]),
});
const option = {
  title: {
    text: `${samples.length} trials in one process on ${backend.name}: ${summary.tensors_seen.join(', ')} tensors between trials`,
    left: 'center',
    top: 8,
    textStyle: { fontSize: 15 },
  },
  legend: { top: 36, itemGap: 26 },
  grid: { left: 70, right: 30, top: 70, bottom: 50 },
  xAxis: { type: 'value' as const, name: 'trial', nameLocation: 'middle' as const, nameGap: 28 },
  yAxis: { type: 'value' as const, name: 'MB', min: 0 },
  series: [line('resident memory', 'rssMb', '#4a6fa5'), line('JavaScript heap', 'heapMb', '#d9a441')],
};
writeFileSync(join(args.out, 'many-trials.svg'), renderSvg(option, 1000, 420));
process.stdout.write(`${JSON.stringify(summary)}\n`);
rmSync(folder, { recursive: true, force: true });
process.exit(0);
