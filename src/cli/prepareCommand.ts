// tinygpt prepare: trains the tokenizer and writes token shards to the cache.

import { writeTokenizerFile } from '../data/index.js';
import { PRESET_NAMES, presetConfig } from '../train/presets.js';
import { DATA_OPTIONS, describeData, openData, sourceSpec } from './dataOptions.js';
import { choice, command, flag, integer, text, type ValuesOf } from './options.js';
import { openScreen } from './terminal.js';

const OPTIONS = {
  ...DATA_OPTIONS,
  preset: choice(PRESET_NAMES, `vocabulary of ${PRESET_NAMES.join(', ')}`, { default: 'tinystories' }),
  vocabSize: integer('ids in the vocabulary; 256 = plain bytes', { min: 1 }),
  export: text('also write the tokenizer here: .json for Hugging Face, else tiktoken ranks', {
    placeholder: 'file',
  }),
  json: flag('print one JSON object', { default: false }),
};

export const prepareCommand = command({ options: OPTIONS, run: runPrepare });

/** Runs the command; resolves to the exit code. */
async function runPrepare(args: ValuesOf<typeof OPTIONS>): Promise<number> {
  const { progress, signal, close } = openScreen('Stopping; nothing half-written is kept');
  try {
    const vocabSize = args.vocabSize ?? presetConfig(args.preset).vocabSize;
    const data = await openData(sourceSpec(args), vocabSize, args, progress, signal);
    if (args.export !== undefined) writeTokenizerFile(args.export, data.tokenizer);
    const { name, folder, tokens, documents, bytes, tokenizer } = data;
    const report = { name, folder, vocab_size: tokenizer.vocabSize, tokens, documents, bytes };
    process.stdout.write(
      args.json ? `${JSON.stringify(report)}\n` : `${describeData(data)}\nPrepared in ${folder}\n`,
    );
    return 0;
  } finally {
    close();
  }
}
