// tinygpt prepare: trains the tokenizer and writes token shards into the cache, once.

import type { Argv } from 'yargs';
import { writeTokenizerFile } from '../data/index.js';
import { PRESET_NAMES, presetConfig } from '../train/presets.js';
import { DATA_OPTIONS, type DataArguments, describeData, openData, sourceSpec } from './dataOptions.js';
import { abortOnInterrupt, openProgress } from './terminal.js';

export const prepareOptions = (yargs: Argv) =>
  yargs.options(DATA_OPTIONS).options({
    preset: { type: 'string', default: 'tinystories', describe: `vocabulary of ${PRESET_NAMES.join(', ')}` },
    'vocab-size': { type: 'number', describe: 'ids in the vocabulary; 256 = plain bytes' },
    export: {
      type: 'string',
      describe: 'also write the tokenizer here: .json for Hugging Face, else tiktoken ranks',
    },
    json: { type: 'boolean', default: false, describe: 'print one JSON object' },
  });

/** Runs the command; resolves to the exit code. */
export async function prepareCommand(
  args: DataArguments & {
    preset: string;
    vocabSize?: number | undefined;
    export?: string | undefined;
    json: boolean;
  },
): Promise<number> {
  const progress = openProgress();
  const { signal, release } = abortOnInterrupt(() => progress.note('Stopping; nothing half-written is kept'));
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
    progress.end();
    release();
  }
}
