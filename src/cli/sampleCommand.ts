// tinygpt sample: a checkpoint writes, streamed as it comes.

import type { Argv } from 'yargs';
import { useBackend } from '../backend/index.js';
import { expect } from '../base/errors.js';
import { createStreamDecoder, type Tokenizer } from '../data/index.js';
import { type GenerateOptions, generate } from '../model/generate.js';
import type { Gpt } from '../model/gpt.js';
import { gptFromWeights, loadModel } from '../train/checkpoint.js';
import { BACKEND_OPTIONS, backendChoice, precisionChoice } from './backendOptions.js';
import { checkpointFolder } from './run.js';
import { abortOnInterrupt } from './terminal.js';

export const sampleOptions = (yargs: Argv) =>
  yargs
    .positional('checkpoint', {
      type: 'string',
      demandOption: true,
      describe: 'folder of a run or checkpoint',
    })
    .options(BACKEND_OPTIONS)
    .options({
      prompt: { type: 'string', default: 'Once upon a time', describe: 'text to continue' },
      tokens: { type: 'number', default: 256, describe: 'most tokens to write' },
      samples: { type: 'number', default: 1, describe: 'how many texts' },
      temperature: { type: 'number', default: 0.8, describe: '0 always takes the likeliest token' },
      'top-k': { type: 'number', default: 0, describe: 'keep the k likeliest tokens; 0 keeps all' },
      'top-p': { type: 'number', default: 1, describe: 'keep the likeliest tokens up to this probability' },
      seed: { type: 'number', default: 1, describe: 'fixes the texts' },
    });

type Arguments = {
  checkpoint: string;
  backend: string;
  device?: number | undefined;
  precision?: string | undefined;
  prompt: string;
  tokens: number;
  samples: number;
  temperature: number;
  topK: number;
  topP: number;
  seed: number;
};

/** Runs the command; resolves to the exit code. */
export async function sampleCommand(args: Arguments): Promise<number> {
  const { tokens, samples, temperature, topK, topP } = args;
  for (const [name, value] of Object.entries({ tokens, samples }))
    expect(
      Number.isInteger(value) && value >= 1,
      () => `Expected --${name} to be an integer >= 1, got ${value}`,
    );
  const { config, vocabSize, weights, tokenizer } = await loadModel(checkpointFolder(args.checkpoint));
  await useBackend(backendChoice(args.backend, args.device), precisionChoice(args.precision));
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
