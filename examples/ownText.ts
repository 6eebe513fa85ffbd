// Trains on your own documents: strings from anywhere, here the Markdown files of this project.
// node build/examples/ownText.js [STEPS] [FOLDER_OF_TEXTS]

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateText, prepareDataset, presetConfig, train, useBackend } from 'tinygpt';

const [steps = '200', folder = 'docs'] = process.argv.slice(2);

const documents = readdirSync(folder)
  .filter((name) => name.endsWith('.md'))
  .map((name) => readFileSync(join(folder, name), 'utf8'))
  // Paragraphs make more documents than files do; the last ones are kept for validation.
  .flatMap((text) => text.split('\n\n'))
  .filter((paragraph) => paragraph.length > 40);

await useBackend('auto');
// 256 means plain bytes: a small text does not support a larger vocabulary.
const config = { ...presetConfig('cpu'), vocabSize: 256 };
const data = await prepareDataset({ documents, vocabSize: config.vocabSize });
console.log(`${data.documents.train} documents for training, ${data.documents.val} for validation`);

const { valBpb } = await train(config, {
  data,
  budget: { steps: Number(steps) },
  useModel: async (gpt) => {
    let text = '';
    for await (const piece of generateText(gpt, data.tokenizer, 'The ', { maxTokens: 200 })) text += piece;
    console.log(text);
  },
});
console.log(`val_bpb ${valBpb.toFixed(4)}`);
