// From a model's answer to a configuration: the JSON object in its text, checked against the space. Nothing else of the answer
// has any effect.

import { printable } from '../../base/format.js';
import { show } from '../../base/json.js';
import { suggestion } from '../../base/names.js';
import { isObject } from '../../base/valid.js';
import { activeParams, isActive } from '../conditions.js';
import { contains, describeDistribution } from '../distributions.js';
import { own, setOwn } from '../objects.js';
import type { Choice, Params, SearchSpace } from '../types.js';

/** Why an answer cannot be used, told to the model once. */
export class AnswerError extends Error {
  override readonly name = 'AnswerError';
}

const MOST_REASON = 300;
const MOST_FAULTS = 10;

/** An answer that is longer is no JSON object but a text about one; only its end is read. */
const MOST_READ = 64_000;
/** Opening braces that are tried, from the last one on. */
const MOST_OBJECTS = 500;

/**
 * The last JSON object in a text that has a member of this name: models think aloud, and commands repeat their prompt, which
 * has examples.
 * @throws AnswerError where there is none
 */
export function objectIn(answer: string, member: string): Record<string, unknown> {
  const text = answer.slice(-MOST_READ);
  let start = text.lastIndexOf('{');
  for (let tried = 0; start >= 0 && tried < MOST_OBJECTS; tried++) {
    const from = start;
    start = from > 0 ? text.lastIndexOf('{', from - 1) : -1;
    const end = closing(text, from);
    if (end < 0) continue;
    let found: unknown;
    try {
      found = JSON.parse(text.slice(from, end));
    } catch {
      continue;
    }
    if (isObject(found) && Object.hasOwn(found, member)) return found;
  }
  throw new AnswerError(`Expected one JSON object with "${member}", got ${show(text.trim().slice(0, 200))}`);
}

/** After the brace that closes the one at `start`; -1 where it stays open. */
function closing(text: string, start: number): number {
  let depth = 0;
  let quoted = false;
  for (let i = start; i < text.length; i++) {
    const character = text[i];
    if (quoted) {
      if (character === '\\') i++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '{') depth++;
    else if (character === '}' && --depth === 0) return i + 1;
  }
  return -1;
}

/**
 * A configuration that a model proposes, within the space.
 * @throws AnswerError naming every fault, for the model to correct
 */
export function readAnswer(text: string, space: SearchSpace): { params: Params; reason: string } {
  const { params, reason } = objectIn(text, 'params');
  return { params: readParams(params, space), reason: readReason(reason) };
}

/**
 * A whole configuration of the space; parameters that it does not have under its conditions are dropped.
 * @throws AnswerError naming every fault
 */
export function readParams(given: unknown, space: SearchSpace): Params {
  if (!isObject(given)) throw new AnswerError(`Expected "params" to be an object, got ${show(given)}`);
  const names = Object.keys(space);
  const faults = Object.keys(given)
    .filter((name) => !Object.hasOwn(space, name))
    .slice(0, MOST_FAULTS)
    .map((name) => `Unknown parameter ${show(name)}${suggestion(name.slice(0, 80), names)}`);
  const params: Params = {};
  for (const name of names) if (Object.hasOwn(given, name)) setOwn(params, name, own(given, name) as Choice);
  for (const [name, distribution] of Object.entries(space)) {
    if (!isActive(space, name, params)) continue;
    const value = own(params, name);
    if (value === undefined) faults.push(`Expected a value for ${name}, got none`);
    else if (!contains(distribution, value))
      faults.push(`Expected ${name} within ${describeDistribution(distribution)}, got ${show(value)}`);
  }
  if (faults.length > 0) throw new AnswerError(faults.slice(0, MOST_FAULTS).join('; '));
  return activeParams(space, params);
}

/** One line that says why, as a text to store; empty where there is none. */
export const readReason = (reason: unknown): string =>
  typeof reason === 'string' ? printable(reason).replace(/\s+/g, ' ').trim().slice(0, MOST_REASON) : '';
