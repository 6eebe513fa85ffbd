// tinygpt sample: text from a checkpoint, streamed as it is generated.

import { useBackend } from '../backend/index.js';
import type { Tokenizer } from '../data/index.js';
import { type GenerateOptions, generateText } from '../model/generate.js';
import type { Gpt } from '../model/gpt.js';
import { loadGpt } from '../train/checkpoint.js';
import { BACKEND_OPTIONS, backendChoice, onNote } from './backendOptions.js';
import { command, integer, number, prompt, required, type ValuesOf } from './options.js';
import { abortOnInterrupt } from './terminal.js';

const CHECKPOINT = { checkpoint: required('folder of a run or checkpoint') };
const OPTIONS = {
  ...BACKEND_OPTIONS,
  prompt: prompt('text to continue'),
  tokens: integer('maximum number of tokens to generate', { default: 256, min: 1 }),
  samples: integer('number of texts', { default: 1, min: 1 }),
  temperature: number('0 always picks the most likely token', { default: 0.8, min: 0 }),
  topK: integer('keep only the k most likely tokens; 0 keeps all', { default: 0, min: 0 }),
  topP: number('keep the most likely tokens up to this total probability', { default: 1, above: 0, max: 1 }),
  seed: integer('random seed of the texts', { default: 1, min: 0 }),
};

export const sampleCommand = command({ options: OPTIONS, positionals: CHECKPOINT, run: runSample });

/** Runs the command; resolves to the exit code. */
async function runSample(args: ValuesOf<typeof OPTIONS & typeof CHECKPOINT>): Promise<number> {
  const { tokens, samples, temperature, topK, topP } = args;
  await useBackend(backendChoice(args.backend, args.device), { precision: args.precision, onNote });
  const model = await loadGpt(args.checkpoint);
  const { signal, release } = abortOnInterrupt(() => undefined, { unread: true });
  try {
    for (let i = 0; i < samples && !signal.aborted; i++) {
      if (samples > 1) process.stdout.write(`${i > 0 ? '\n' : ''}--- ${i + 1} of ${samples}\n`);
      const options = { maxTokens: tokens, temperature, topK, topP, seed: `${args.seed}/${i}`, signal };
      let begun = false;
      for await (const piece of generateText(model.gpt, model.tokenizer, args.prompt, options)) {
        // The prompt comes with the first piece, so that an error does not look like a sample.
        process.stdout.write(begun ? piece : args.prompt + piece);
        begun = true;
      }
      process.stdout.write('\n');
    }
    return signal.aborted ? 130 : 0;
  } finally {
    release();
    model.dispose();
  }
}

/** A prompt and the model's continuation as one text. */
export async function sampleText(
  gpt: Gpt,
  tokenizer: Tokenizer,
  prompt: string,
  options: GenerateOptions,
): Promise<string> {
  let text = prompt;
  for await (const piece of generateText(gpt, tokenizer, prompt, options)) text += piece;
  return text;
}
