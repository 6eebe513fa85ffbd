// Stops a training run in the middle, saves it, and continues; the result is bitwise identical to an uninterrupted run.
// node build/examples/resume.js [STEPS] [FOLDER]

import { loadCheckpoint, prepareDataset, presetConfig, saveCheckpoint, train, useBackend } from 'tinygpt';

const [steps = '40', folder = 'runs/resume'] = process.argv.slice(2);
const budget = { steps: Number(steps) };

await useBackend('auto');
const config = presetConfig('cpu');
const data = await prepareDataset({ bundled: 1, vocabSize: config.vocabSize });

const whole = await train(config, { data, budget, seed: 7 });

const controller = new AbortController(); // Ctrl-C would do the same: process.on('SIGINT', () => controller.abort())
const stopped = await train(config, {
  data,
  budget,
  seed: 7,
  checkpoint: true,
  signal: controller.signal,
  onStep: ({ step }) => {
    if (step + 1 >= budget.steps / 2) controller.abort();
  },
});
await saveCheckpoint(folder, stopped.checkpoint, data.tokenizer);
console.log(`Stopped after ${stopped.numSteps} steps (${stopped.status})`);

const resumed = await train(config, { data, budget, seed: 7, resume: await loadCheckpoint(folder) });
console.log(
  `Without a stop ${whole.valBpb}, with one ${resumed.valBpb}: equal ${whole.valBpb === resumed.valBpb}`,
);
