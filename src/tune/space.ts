// Search spaces: checking them, reading them from a file, narrowing them (--fix, --only), and the convention for
// sizes that must be powers of two. A parameter named log2_X is the exponent of X, an integer, so that what a
// sampler proposes is exactly what runs; `expandExponents` gives the objective X itself.

import { existsSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { messageOf, UsageError } from '../base/errors.js';
import { parseDecimal } from '../base/format.js';
import { show } from '../base/json.js';
import { suggestion } from '../base/names.js';
import { readJsonFile } from '../base/textFile.js';
import { isObject } from '../base/valid.js';
import { canApply, checkConditions, withFixed } from './conditions.js';
import {
  checkDistribution,
  choiceIndex,
  contains,
  describeDistribution,
  fromUnit,
  nearest,
} from './distributions.js';
import { own, setOwn } from './objects.js';
import type { Attributes, Choice, Distribution, Params, SearchSpace } from './types.js';

/** What is searched, where it starts, and which parameters are fixed. */
export type TunableSpace = {
  space: SearchSpace;
  /** A value for every parameter of the space: trial 0. */
  defaults: Params;
  /** Parameters taken out of the space by `fixParams` or `onlyParams`, for the objective to apply. */
  fixed: Params;
  /** Values from elsewhere (a preset, a script) that the range lacks; absent without any. `onlyParams` holds these. */
  outside?: Params;
};

/**
 * Checks a space and its defaults, and fills in defaults that are missing with the middle of the range (the
 * first choice of a categorical parameter), the center of its prior, or the value in the range nearest to `wanted`.
 * @param wanted values from elsewhere for missing defaults, such as a preset's
 * @throws UsageError naming the parameter: a bad distribution, a default of an unknown parameter or outside the
 *   range, an empty space
 */
export function checkSpace(space: unknown, defaults: unknown = {}, wanted: Attributes = {}): TunableSpace {
  if (!isObject(space))
    throw new UsageError(`Expected space to be an object of parameters, got ${show(space)}`);
  if (!isObject(defaults)) throw new UsageError(`Expected defaults to be an object, got ${show(defaults)}`);
  const entries = Object.entries(space).map(
    ([name, value]) => [name, checkDistribution(name, value)] as const,
  );
  if (entries.length === 0) throw new UsageError('Expected a space of at least one parameter, got none');
  const checked: SearchSpace = Object.fromEntries(entries);
  checkConditions(checked);
  for (const name of Object.keys(defaults))
    if (!Object.hasOwn(checked, name)) throw unknownParameter(name, Object.keys(checked), 'in defaults');
  const outside: Params = {};
  const complete = entries.map(([name, distribution]) => {
    const value = own(defaults, name);
    if (value === undefined) {
      const other = own(wanted, name);
      if (!contains(distribution, other) && isOfKind(distribution, other)) setOwn(outside, name, other);
      return [name, nearestDefault(distribution, other)];
    }
    if (!contains(distribution, value))
      throw new UsageError(
        `Parameter ${name}: expected a default within ${describeDistribution(distribution)}, got ${show(value)}`,
      );
    return [name, value];
  });
  const setup = { space: checked, defaults: Object.fromEntries(complete) as Params, fixed: {} };
  return Object.keys(outside).length > 0 ? { ...setup, outside } : setup;
}

const isOfKind = ({ kind }: Distribution, value: unknown): value is Choice =>
  kind === 'categorical'
    ? ['string', 'number', 'boolean'].includes(typeof value)
    : kind === 'int'
      ? Number.isInteger(value)
      : Number.isFinite(value);

function nearestDefault(distribution: Distribution, wanted: unknown): Choice {
  if (distribution.prior) return distribution.prior.center;
  if (contains(distribution, wanted)) return wanted as Choice;
  if (distribution.kind === 'categorical') return distribution.choices[0]!;
  return Number.isFinite(wanted) ? nearest(distribution, wanted as number) : fromUnit(distribution, 0.5);
}

/**
 * Reads `{ space, defaults }` from a JSON file, or from a JavaScript or TypeScript module that exports `space` and
 * `defaults` or an object of both as its default. In JSON a parameter is `{"kind": "float", "low": 1e-4, "high": 1,
 * "log": true}`; a module may call `float`, `int` and `categorical`.
 * @param wanted gives values for defaults that the file leaves out, see `checkSpace`
 * @throws UsageError naming the file for anything `checkSpace` refuses, an unreadable or unsuitable file, and
 *   TypeScript on a Node that cannot import it
 */
export async function loadSpaceFile(
  path: string,
  wanted: (names: string[]) => Attributes = () => ({}),
): Promise<TunableSpace> {
  if (!existsSync(path)) throw new UsageError(`No space file at ${path}; check the path`);
  const content = /^\.json[5c]?$/.test(extname(path))
    ? readJsonFile(path, 'space file')
    : await importModule(path);
  if (!isObject(content) || !('space' in content))
    throw new UsageError(`Expected ${path} to give an object with space and defaults, got ${show(content)}`);
  try {
    const names = isObject(content.space) ? Object.keys(content.space) : [];
    return checkSpace(content.space, content.defaults, wanted(names));
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`In ${path}: ${error.message}`) : error;
  }
}

async function importModule(path: string): Promise<unknown> {
  try {
    const module: Record<string, unknown> = await import(pathToFileURL(resolve(path)).href);
    return 'space' in module ? module : module.default;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException)?.code;
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?ts$/.test(path))
      throw new UsageError(
        `Node ${process.versions.node} cannot import ${path}; use Node 22.18 or newer, or compile it to JavaScript, ` +
          'or write the space as JSON',
      );
    const message = messageOf(error).split('\n')[0]!;
    // A .ts or .js file with import and export, in a project whose package.json does not say "type": "module".
    const isCommonJs = /outside a module|Unexpected token 'export'/.test(message);
    const fix = isCommonJs ? `; rename it to ${path.replace(/\.([jt]s)$/, '.m$1')}` : '';
    throw new UsageError(`Cannot import ${path}: ${message}${fix}`);
  }
}

/**
 * Takes parameters out of the space and holds them at a value, which may lie outside the searched range.
 * A power-of-two parameter log2_X may be fixed as X.
 * @param values by name; strings are read as the parameter's kind (`{ depth: '8' }`)
 * @throws UsageError for an unknown parameter (with the nearest name) or a value of the wrong kind
 * @example fixParams(setup, { depth: 8 })
 */
export function fixParams(setup: TunableSpace, values: Params): TunableSpace {
  const fixed: Params = {};
  for (const [given, value] of Object.entries(values)) {
    const name = resolveName(setup.space, given);
    const exponent = name !== given;
    setOwn(fixed, name, readValue(given, setup.space[name]!, exponent ? log2(given, value) : value));
  }
  return split(setup, (name) => Object.hasOwn(fixed, name), fixed);
}

/**
 * Searches only the named parameters; the others are held at their defaults, or at what the defaults replaced because it
 * lies outside the range. Names of parameters that are fixed already are left out.
 * @throws UsageError for an unknown parameter (with the nearest name) or no name
 */
export function onlyParams(setup: TunableSpace, names: readonly string[]): TunableSpace {
  if (names.length === 0) throw new UsageError('Expected at least one parameter to search, got none');
  const known = { ...setup.space, ...setup.fixed };
  const kept = new Set(names.map((name) => resolveName(known, name)));
  return split(setup, (name) => !kept.has(name), { ...setup.defaults, ...setup.outside });
}

function split(setup: TunableSpace, out: (name: string) => boolean, values: Params): TunableSpace {
  const names = Object.keys(setup.space);
  const kept = names.filter((name) => !out(name));
  if (kept.length === 0) throw new UsageError('Expected at least one parameter left to search; fix fewer');
  const pick = <T>(from: Record<string, T>, which: string[]) =>
    Object.fromEntries(which.map((name) => [name, from[name]!]));
  const held = pick(values, names.filter(out));
  const used = Object.keys(held).filter((name) => canApply(setup.space, name, held));
  const fixed = { ...setup.fixed, ...pick(held, used) };
  const space = withFixed(pick(setup.space, kept), fixed);
  if (Object.keys(space).length === 0)
    throw new UsageError('Expected at least one parameter left to search; fix fewer');
  return { ...setup, space, defaults: pick(setup.defaults, Object.keys(space)), fixed };
}

/** Splits `name=value` arguments; values stay strings. @throws UsageError for another shape or a repeated name */
export function parseAssignments(texts: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1) throw new UsageError(`Expected name=value, got ${show(text)}`);
    const name = text.slice(0, at).trim();
    if (Object.hasOwn(values, name)) throw new UsageError(`Expected ${name} once, got it twice`);
    setOwn(values, name, text.slice(at + 1).trim());
  }
  return values;
}

/** The objective's view of a configuration: log2_X becomes X = 2^value, all else stays. */
export function expandExponents(params: Params): Params {
  const entries = Object.entries(params).map(([name, value]) =>
    name.startsWith('log2_') ? [name.slice(5), 2 ** (value as number)] : [name, value],
  );
  return Object.fromEntries(entries) as Params;
}

function resolveName(known: object, name: string): string {
  if (Object.hasOwn(known, name)) return name;
  if (Object.hasOwn(known, `log2_${name}`)) return `log2_${name}`;
  throw unknownParameter(name, Object.keys(known));
}

function log2(name: string, value: Choice): number {
  const exponent = Math.log2(typeof value === 'string' ? parseDecimal(value) : Number(value));
  if (!Number.isInteger(exponent))
    throw new UsageError(`Expected ${name} to be a power of two, got ${show(value)}`);
  return exponent;
}

function readValue(name: string, distribution: Distribution, value: Choice): Choice {
  if (distribution.kind === 'categorical') {
    if (choiceIndex(distribution, value) >= 0) return value;
    const found = distribution.choices.find((choice) => String(choice) === value);
    if (found === undefined)
      throw new UsageError(
        `Expected ${name} to be ${describeDistribution(distribution)}, got ${show(value)}`,
      );
    return found;
  }
  const number = typeof value === 'string' ? parseDecimal(value) : value;
  const fits = distribution.kind === 'int' ? Number.isInteger(number) : Number.isFinite(number);
  if (!fits)
    throw new UsageError(
      `Expected ${name} to be ${distribution.kind === 'int' ? 'an integer' : 'a number'}, got ${show(value)}`,
    );
  return number;
}

/** The error for a name that is not in `known`, suggesting the nearest. */
export function unknownParameter(
  name: string,
  known: readonly string[],
  where = '',
  prefix = '',
): UsageError {
  const hint = suggestion(name, known, `; known are ${known.join(', ')}`);
  return new UsageError(`${prefix}Unknown parameter ${name}${where === '' ? '' : ` ${where}`}${hint}`);
}
