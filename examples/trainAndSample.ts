// Trains a small GPT on generated stories, saves it, loads it again and prints what it writes.
// node build/examples/trainAndSample.js [SECONDS] [FOLDER]

import {
  generateText,
  loadGpt,
  prepareDataset,
  presetConfig,
  saveCheckpoint,
  train,
  useBackend,
} from 'tinygpt';

const [seconds = '30', folder = 'runs/example'] = process.argv.slice(2);

const backend = await useBackend('auto');
console.log(`Training for ${seconds} s with ${backend.name} on ${backend.device}`);

const config = presetConfig('cpu');
const data = await prepareDataset({ bundled: 4, vocabSize: config.vocabSize });
const { valBpb, numSteps, checkpoint } = await train(config, {
  data,
  budget: { seconds: Number(seconds) },
  seed: 1,
  checkpoint: true,
  onStep: ({ step, loss }) => {
    if (step % 50 === 0) console.log(`step ${step}: loss ${loss.toFixed(3)}`);
  },
});
console.log(`val_bpb ${valBpb.toFixed(4)} after ${numSteps} steps`);
await saveCheckpoint(folder, checkpoint, data.tokenizer);

const { gpt, tokenizer, dispose } = await loadGpt(folder);
process.stdout.write('\nOnce upon a time');
for await (const piece of generateText(gpt, tokenizer, 'Once upon a time', {
  maxTokens: 150,
  temperature: 0.8,
}))
  process.stdout.write(piece);
process.stdout.write('\n');
dispose();
