// Options that name a language model for a search, what it may cost, and what is made of them: the samplers llm and hybrid,
// and the caller that --advise asks.

import { join } from 'node:path';
import { expect } from '../base/errors.js';
import { parseDecimal, printable } from '../base/format.js';
import { show } from '../base/json.js';
import {
  anthropicProvider,
  CAUTION,
  type Caller,
  callLogOf,
  commandProvider,
  llmSampler,
  openaiProvider,
  openCaller,
  openCallLog,
  openRecording,
  type PromptContext,
  type Provider,
  redactor,
  STAND_IN,
  standInProvider,
} from '../tune/llm/index.js';
import { samplerByName } from '../tune/samplers/index.js';
import type { Study } from '../tune/studyTypes.js';
import type { Sampler } from '../tune/types.js';
import { choice, expectNone, flag, group, integer, number, text, type ValuesOf } from './options.js';
import type { Task } from './task.js';

/** Samplers that need a model. */
export const LLM_SAMPLERS = ['hybrid', 'llm'] as const;

export const LLM_OPTIONS = group('Language model (--sampler llm or hybrid, --advise):', {
  llm: choice(
    ['openai', 'anthropic', 'command', 'stand-in'],
    'provider: openai (any compatible endpoint), anthropic, command, or stand-in (scripted, no model)',
  ),
  llmModel: text('name of the model', { placeholder: 'name' }),
  llmUrl: text("base URL of the endpoint (default: the provider's)", { placeholder: 'url' }),
  llmKeyEnv: {
    ...text('environment variable that holds the key (default: OPENAI_API_KEY, ANTHROPIC_API_KEY)', {
      placeholder: 'name',
    }),
    expected: 'the name of an environment variable',
    read: (given: string) => (/^[A-Za-z_]\w{0,63}$/.test(given) ? given : undefined),
    isSecret: true, // a key given by mistake
  },
  llmCommand: text('command that reads a prompt and prints an answer, e.g. "claude -p"', {
    placeholder: 'command',
  }),
  llmBase: choice(
    ['cmaes', 'gp'],
    'classic sampler beside or behind the model (default: cmaes for hybrid, gp for llm)',
  ),
  llmShare: number('most of the trials that the model proposes in a hybrid', {
    default: 0.3,
    above: 0,
    max: 1,
  }),
  llmTimeout: number('seconds to wait for an answer', { default: 180, above: 0, max: 86_400 }),
  llmMaxTokens: integer('most tokens of an answer, reasoning included', { default: 8192, min: 64 }),
  llmReplay: text("call no model; replay the answers of a study's llm-calls.jsonl", { placeholder: 'file' }),
  advise: flag('ask the model once for space, priors and first configurations; writes a file and ends', {
    default: false,
  }),
  priceIn: number('dollars per million tokens of prompts', { min: 0 }),
  priceOut: number('dollars per million tokens of answers', { min: 0 }),
  callCost: number('most dollars that one call of a command costs', { min: 0 }),
  maxCost: number('dollars that all calls of the study may cost', { min: 0 }),
});

export type LlmArguments = ValuesOf<typeof LLM_OPTIONS>;

/** Calls of a study, in its folder. */
export const callLogIn = (folder: string): string => join(folder, 'llm-calls.jsonl');

/**
 * Opens what the options name.
 * @param onNote told of trouble
 * @throws UsageError for options that are missing or contradict each other
 */
export function openLlm(
  args: LlmArguments,
  folder: string,
  onNote: (line: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Caller {
  const provider = args.llmReplay === undefined ? providerOf(args, env) : null;
  const { callCost, maxCost, llmReplay } = args;
  const priceIn = args.priceIn ?? priceFrom(env, 'TINYGPT_PRICE_IN');
  const priceOut = args.priceOut ?? priceFrom(env, 'TINYGPT_PRICE_OUT');
  expect(
    (priceIn === undefined) === (priceOut === undefined),
    () => 'Expected --price-in and --price-out together, got one of them',
  );
  const prices =
    priceIn !== undefined && priceOut !== undefined ? { input: priceIn, output: priceOut } : undefined;
  if (maxCost !== undefined && provider !== null && provider.kind !== STAND_IN)
    expect(provider.kind === 'command' ? callCost !== undefined : prices !== undefined, () =>
      provider.kind === 'command'
        ? 'Expected --call-cost with --max-cost, the most that one call of the command costs; got none'
        : 'Expected --price-in and --price-out with --max-cost, dollars per million tokens; got none',
    );
  return openCaller({
    provider,
    log: openCallLog(callLogIn(folder)),
    prices,
    maxCost,
    callCost: provider?.kind === 'command' ? callCost : undefined,
    replay: llmReplay === undefined ? undefined : openRecording(llmReplay),
    redact: redactor(env, keyOf(args, env)),
    onNote,
  });
}

function priceFrom(env: NodeJS.ProcessEnv, name: string): number | undefined {
  const given = env[name];
  if (!given) return undefined;
  const price = parseDecimal(given);
  expect(price >= 0 && price < Infinity, () => `Expected ${name} to be a number >= 0, got ${show(given)}`);
  return price;
}

/** The variable that holds the key. OpenAI's own key is for OpenAI's own endpoint only. */
function keyVariable({ llm, llmKeyEnv, llmUrl }: LlmArguments): string | undefined {
  if (llmKeyEnv !== undefined) return llmKeyEnv;
  if (llm === 'anthropic') return llmUrl === undefined ? 'ANTHROPIC_API_KEY' : undefined;
  return llmUrl === undefined ? 'OPENAI_API_KEY' : undefined;
}

function keyOf(args: LlmArguments, env: NodeJS.ProcessEnv): string | undefined {
  const name = keyVariable(args);
  return (name !== undefined && env[name]?.trim()) || undefined;
}

function providerOf(args: LlmArguments, env: NodeJS.ProcessEnv): Provider {
  const { llmCommand, llmUrl, llmKeyEnv, llmTimeout: timeout, llmMaxTokens: maxTokens } = args;
  const kind =
    args.llm ?? (llmCommand !== undefined ? 'command' : llmUrl !== undefined ? 'openai' : undefined);
  expect(
    kind !== undefined,
    () =>
      'Expected a model: --llm-command "COMMAND", --llm-url URL --llm-model NAME, or --llm openai or anthropic with --llm-model; got none',
  );
  const isEndpoint = kind === 'openai' || kind === 'anthropic';
  const unfit = isEndpoint ? [] : (['llmUrl', 'llmModel'] as const);
  expectNone(args, kind === 'command' ? unfit : [...unfit, 'llmCommand'], `with --llm ${kind}`);
  if (kind === STAND_IN) return standInProvider();
  if (kind === 'command') {
    expect(llmCommand !== undefined, () => 'Expected --llm-command with --llm command, got none');
    return commandProvider(llmCommand!, timeout);
  }
  // The names that the providers' own libraries read.
  const prefix = kind === 'openai' ? 'OPENAI' : 'ANTHROPIC';
  const llmModel = args.llmModel ?? (env[`${prefix}_MODEL`] || undefined);
  const url = llmUrl ?? (env[`${prefix}_BASE_URL`] || undefined);
  expect(llmModel !== undefined, () => `Expected --llm-model with --llm ${kind}, got none`);
  const key = keyOf(args, env);
  expect(key !== undefined || (url !== undefined && llmKeyEnv === undefined), () =>
    llmKeyEnv === undefined
      ? `Expected a key in the environment variable ${keyVariable(args)}, which is not set`
      : 'Expected a key in the environment variable of --llm-key-env, which is not set',
  );
  const open = kind === 'openai' ? openaiProvider : anthropicProvider;
  return open({ url, model: llmModel!, key, maxTokens, timeout });
}

/** What a prompt says beyond the study. @param secondsLeft until no more trial is started */
export function promptContext(task: Task, secondsLeft?: () => number | undefined): PromptContext {
  const { about, metricName, perTrial, limits, meanings = {} } = task;
  return { task: about, metricName, perTrial, meanings, trials: limits.trials, secondsLeft };
}

/** Ends the name of a contestant whose answers no model gave. */
const SCRIPTED = new RegExp(`-${STAND_IN}$`);

/** What a contest calls a sampler: one on the scripted stand-in is named so in every table and plot. */
export function contestantName(name: string, { llm, llmReplay }: LlmArguments): string {
  if (modelKind(name) === null) return name;
  const isScripted =
    llmReplay === undefined ? llm === STAND_IN : openRecording(llmReplay).providers.includes(STAND_IN);
  return isScripted ? `${name}-${STAND_IN}` : name;
}

type ModelKind = (typeof LLM_SAMPLERS)[number];

/** The sampler of this name that needs a model; null for a classic one. */
const modelKind = (name: string): ModelKind | null =>
  LLM_SAMPLERS.find((known) => known === name.replace(SCRIPTED, '')) ?? null;

/** @throws UsageError for an unknown sampler, or one that needs a model which the options do not name well */
export function checkSampler(name: string, args: LlmArguments, folder: string): void {
  const kind = modelKind(name);
  if (kind === null) samplerByName(name);
  else {
    shareOf(kind, args);
    openLlm(args, folder, () => undefined);
  }
}

/** Part of the trials that the model may propose. */
function shareOf(kind: ModelKind, { llmShare }: LlmArguments): number {
  if (kind === 'llm') return 1;
  expect(llmShare < 1, () => 'Expected --llm-share below 1 with --sampler hybrid, got 1; use llm');
  return llmShare;
}

/** The sampler of a study; a caller where a model takes part. */
export type OpenSampler = { sampler: Sampler; caller?: Caller };

/**
 * The sampler of this name: a classic one, or with the model that the options name.
 * @param folder of the study, where calls are recorded
 * @param secondsLeft until no more trial is started, where that is limited
 */
export function openSampler(
  name: string,
  args: LlmArguments,
  task: Task,
  folder: string,
  onNote: (line: string) => void,
  secondsLeft?: () => number | undefined,
): OpenSampler {
  const kind = modelKind(name);
  if (kind === null) return { sampler: samplerByName(name) };
  const share = shareOf(kind, args);
  const base = samplerByName(args.llmBase ?? (kind === 'llm' ? 'gp' : 'cmaes'));
  const caller = openLlm(args, folder, onNote);
  const context = promptContext(task, secondsLeft);
  return { sampler: llmSampler({ caller, context, base, share }), caller };
}

/**
 * Stores with a study what answers, and what all calls so far have used, those for advice included.
 * @param folder of the study
 */
export function recordCalls(
  study: Pick<Study, 'setUserAttr' | 'userAttrs'>,
  folder: string,
  caller: Caller | undefined,
): void {
  const log = caller?.log ?? callLogOf(callLogIn(folder));
  if (log === null) return;
  const store = (key: string, value: unknown) => {
    if (JSON.stringify(study.userAttrs[key]) !== JSON.stringify(value)) study.setUserAttr(key, value);
  };
  // Once answers of no model have led to a trial or to the space, the study stays marked.
  const before = Object(study.userAttrs.llm) as { caution?: string };
  const caution = log.providers().includes(STAND_IN) ? CAUTION : before.caution;
  const about = caller?.about ?? { provider: log.providers().join(', ') };
  store('llm', { ...about, ...(caution && { caution }) });
  store('llm_usage', log.usage());
}

/** What answers, in a line. */
export function describeModel(args: LlmArguments, { about }: Caller): string {
  const { provider, model, caution } = about as Record<string, string | undefined>;
  const cap = args.maxCost === undefined ? '' : `, at most $${args.maxCost}`;
  return printable(
    caution
      ? `Caution: ${caution}`
      : `Model: ${args.llmReplay !== undefined ? `${provider}, ${args.llmReplay}` : `${provider} ${model}`}${cap}`,
  );
}
