// tinygpt sample: a checkpoint writes, streamed as it comes.

import { useBackend } from '../backend/index.js';
import { createStreamDecoder, type Tokenizer } from '../data/index.js';
import { type GenerateOptions, generate } from '../model/generate.js';
import type { Gpt } from '../model/gpt.js';
import { gptFromWeights, loadModel } from '../train/checkpoint.js';
import { BACKEND_OPTIONS, backendChoice } from './backendOptions.js';
import { command, integer, number, prompt, required, type ValuesOf } from './options.js';
import { checkpointFolder } from './run.js';
import { abortOnInterrupt } from './terminal.js';

const CHECKPOINT = { checkpoint: required('folder of a run or checkpoint') };
const OPTIONS = {
  ...BACKEND_OPTIONS,
  prompt: prompt('text to continue'),
  tokens: integer('most tokens to write', { default: 256, min: 1 }),
  samples: integer('how many texts', { default: 1, min: 1 }),
  temperature: number('0 always takes the likeliest token', { default: 0.8, min: 0 }),
  topK: integer('keep the k likeliest tokens; 0 keeps all', { default: 0, min: 0 }),
  topP: number('keep the likeliest tokens up to this probability', { default: 1, above: 0, max: 1 }),
  seed: integer('fixes the texts', { default: 1, min: 0 }),
};

export const sampleCommand = command({ options: OPTIONS, positionals: CHECKPOINT, run: runSample });

/** Runs the command; resolves to the exit code. */
async function runSample(args: ValuesOf<typeof OPTIONS & typeof CHECKPOINT>): Promise<number> {
  const { tokens, samples, temperature, topK, topP } = args;
  const { config, vocabSize, weights, tokenizer } = await loadModel(checkpointFolder(args.checkpoint));
  await useBackend(backendChoice(args.backend, args.device), { precision: args.precision });
  const gpt = gptFromWeights(config, vocabSize, weights);
  const { signal, release } = abortOnInterrupt(() => undefined);
  try {
    for (let i = 0; i < samples && !signal.aborted; i++) {
      if (samples > 1) process.stdout.write(`${i > 0 ? '\n' : ''}--- ${i + 1} of ${samples}\n`);
      const options = { maxTokens: tokens, temperature, topK, topP, seed: `${args.seed}/${i}`, signal };
      for await (const piece of streamText(gpt, tokenizer, args.prompt, options)) process.stdout.write(piece);
      process.stdout.write('\n');
    }
    return signal.aborted ? 130 : 0;
  } finally {
    release();
    gpt.dispose();
  }
}

/** The prompt, then the model's continuation in pieces of whole characters. */
export async function* streamText(
  gpt: Gpt,
  tokenizer: Tokenizer,
  prompt: string,
  options: GenerateOptions,
): AsyncGenerator<string, void> {
  const { bosId, vocabSize } = tokenizer;
  const specials = Array.from({ length: vocabSize - bosId - 1 }, (_, i) => bosId + 1 + i);
  const decoder = createStreamDecoder(tokenizer);
  yield prompt;
  const ids = generate(gpt, [bosId, ...tokenizer.encode(prompt)], {
    stopId: bosId,
    banned: specials,
    ...options,
  });
  for await (const id of ids) yield decoder.push(id);
  yield decoder.end();
}

/** A whole text. */
export async function tellStory(
  gpt: Gpt,
  tokenizer: Tokenizer,
  options: GenerateOptions & { prompt: string },
): Promise<string> {
  let story = '';
  for await (const piece of streamText(gpt, tokenizer, options.prompt, options)) story += piece;
  return story;
}
