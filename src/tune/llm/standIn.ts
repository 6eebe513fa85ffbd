// A scripted stand-in for a model, to try out and test what surrounds one where none can be reached: it moves the best
// configuration of the prompt a little, at random. What it proposes says nothing about models, and everything that shows it
// says so.

import { sha256 } from '../../base/files.js';
import { formatJson } from '../../base/json.js';
import { type Random, randomStream } from '../../base/random.js';
import { isObject } from '../../base/valid.js';
import { checkDistribution, fromUnit, isNumeric, sampleUniform, toUnit } from '../distributions.js';
import type { Attributes, Choice, Distribution, Params, SearchSpace } from '../types.js';
import { asText, type Provider } from './provider.js';

export const STAND_IN = 'stand-in';
/** Shown wherever results are that its answers led to, replayed ones included. */
export const CAUTION = 'answers come from a scripted stand-in, not from a model: no result about models';

/** Standard deviation of a move, as a share of the range, and the chance that a parameter moves. */
const STEP = 0.15;
const CHANCE = 0.4;

/** Answers by script. */
export function standInProvider(): Provider {
  return {
    kind: STAND_IN,
    model: 'scripted stand-in',
    place: 'the stand-in',
    maxTokens: null,
    caution: CAUTION,
    ask: async (messages) => {
      const prompt = asText(messages);
      const text = formatJson(answer(prompt, randomStream(sha256(prompt), 'stand-in')));
      return { text, inputTokens: 0, outputTokens: 0, cost: 0 };
    },
  };
}

function answer(prompt: string, random: Random): Attributes {
  const lines = prompt.split('\n').flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return isObject(value) ? [value] : [];
    } catch {
      return [];
    }
  });
  const described = lines.filter(({ name, kind }) => typeof name === 'string' && typeof kind === 'string');
  const space: SearchSpace = {};
  const defaults: Params = {};
  for (const { name, default: value, meaning, ...distribution } of described) {
    space[name as string] = checkDistribution(name as string, distribution);
    defaults[name as string] = value as Choice;
  }
  if (prompt.includes('Give the space.'))
    return { space: narrowed(space, defaults), defaults, first: [], reasons: {} };
  const best = lines.find(({ trial, params }) => typeof trial === 'number' && isObject(params));
  const from = { ...defaults, ...(best?.params as Params | undefined) };
  const params = Object.entries(space).map(([name, d]) => [name, moved(d, from[name]!, random)]);
  return { params: Object.fromEntries(params), reason: 'scripted: a random move from the best' };
}

function moved(distribution: Distribution, from: Choice, random: Random): Choice {
  if (random.uniform() > CHANCE)
    return isNumeric(distribution) ? fromUnit(distribution, toUnit(distribution, from)) : from;
  if (!isNumeric(distribution)) return sampleUniform(distribution, random);
  return fromUnit(distribution, toUnit(distribution, from) + STEP * random.normal());
}

/** The same space with priors at the defaults. */
function narrowed(space: SearchSpace, defaults: Params): Attributes {
  const withPrior = ([name, distribution]: [string, Distribution]) => [
    name,
    isNumeric(distribution)
      ? { ...distribution, prior: { center: defaults[name], width: 0.25 } }
      : distribution,
  ];
  return Object.fromEntries(Object.entries(space).map(withPrior));
}
