// Tunes tinygpt's trainer over your own space, keeps the study in a journal, and writes its report.
// Run it again to continue. node build/examples/ownSpace.js [TRIALS] [TOKENS] [FOLDER]

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { prepareDataset, presetConfig, useBackend } from 'tinygpt';
import { createStudy, float, gpSampler, int, trainCheck, trainObjective, writeReport } from 'tinygpt/tune';

const [trials = '10', tokens = '100000', folder = 'studies/example'] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });

await useBackend('auto');
const base = presetConfig('cpu');
const data = await prepareDataset({ bundled: 4, vocabSize: base.vocabSize });
const training = { base, data, budget: { tokens: Number(tokens) }, seed: 1 };

const study = createStudy({
  space: {
    matrixLr: float(0.005, 0.2, { log: true }),
    weightDecay: float(0, 0.4),
    depth: int(2, 5),
    log2_totalBatchSize: int(9, 12), // sizes that must be powers of two are searched as exponents
  },
  defaults: {
    matrixLr: base.matrixLr,
    weightDecay: base.weightDecay,
    depth: base.depth,
    log2_totalBatchSize: 11,
  },
  sampler: gpSampler(),
  storage: join(folder, 'journal.log'),
  metricName: 'val_bpb',
  seed: 1,
  check: trainCheck(training), // sizes that do not fit together are refused before they cost time
});

await study.optimize(trainObjective(training), {
  trials: Number(trials),
  onTrial: ({ number, state, value }) => console.log(`trial ${number}: ${state} ${value?.toFixed(4) ?? ''}`),
});

const { text, html } = await writeReport(folder, study);
console.log(`${text}\n${html}`);
