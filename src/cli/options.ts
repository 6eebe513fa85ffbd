// The options of every command, declared once with their types. yargs writes the help. Values are read from the
// tokens of Node's parseArgs, since yargs adds up repeated numbers and does not distinguish an empty value from a
// missing one: each option takes exactly one value, and anything undeclared, repeated, empty or of the wrong type is
// an error that shows it.

import { parseArgs } from 'node:util';
import yargs from 'yargs';
import { expect, UsageError } from '../base/errors.js';
import { parseDecimal } from '../base/format.js';
import { flagOf, kebab, suggestion } from '../base/names.js';

/** A declared option or argument; T is what the command receives, undefined included where there is no default. */
export interface Option<T> {
  readonly describe: string;
  /** Stands for the value in help; empty for a flag, which takes none. */
  readonly placeholder: string;
  /** What a value must be, as an error says it. */
  readonly expected: string;
  /** The value, or undefined when the text is none. */
  readonly read: (text: string) => unknown;
  readonly default?: T;
  /** May be given more than once; the command receives an array. */
  readonly many?: boolean;
  /** What was given may be a secret, which errors do not repeat. */
  readonly isSecret?: boolean;
  /** Heading in help. */
  readonly group?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: options of any type
export type Options = Readonly<Record<string, Option<any>>>;

/** What a command receives. */
export type ValuesOf<O extends Options> = {
  -readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never;
};

type Default<T> = { default: T };
type Range = { min?: number; above?: number; max?: number };

/** A path, a name: any text but the empty one. */
export function text(describe: string, more: Default<string> & { placeholder?: string }): Option<string>;
export function text(describe: string, more?: { placeholder?: string }): Option<string | undefined>;
export function text(describe: string, more = {}): Option<string | undefined> {
  return {
    describe,
    placeholder: 'text',
    expected: 'a text that is not empty',
    read: (given) => (given === '' ? undefined : given),
    ...more,
  };
}

/** What a model continues; may be empty. */
export const prompt = (describe: string): Option<string> => ({
  ...text(describe, { default: 'Once upon a time' }),
  read: (given) => given,
});

/** An argument that must be given, one of `names` where there are any. */
export const required = (describe: string, names?: readonly string[]): Option<string> => {
  const { default: _, ...option } = names
    ? choice(names, describe, { default: '' })
    : text(describe, { default: '' });
  return option;
};

/** One of some names. */
export function choice<N extends string>(
  names: readonly N[],
  describe: string,
  more: Default<NoInfer<N>>,
): Option<N>;
export function choice<N extends string>(names: readonly N[], describe: string): Option<N | undefined>;
export function choice<N extends string>(
  names: readonly N[],
  describe: string,
  more = {},
): Option<N | undefined> {
  return {
    describe,
    placeholder: 'name',
    expected: `one of ${names.join(', ')}`,
    read: (given) => names.find((name) => name === given),
    ...more,
  };
}

/** A finite decimal number. */
export function number(describe: string, more: Range & Default<number>): Option<number>;
export function number(describe: string, more?: Range): Option<number | undefined>;
export function number(
  describe: string,
  more: Range & { default?: number } = {},
): Option<number | undefined> {
  return numeric('number', describe, more);
}

/** A whole number that a double holds exactly; 1e6 is one. */
export function integer(describe: string, more: Range & Default<number>): Option<number>;
export function integer(describe: string, more?: Range): Option<number | undefined>;
export function integer(
  describe: string,
  more: Range & { default?: number } = {},
): Option<number | undefined> {
  return numeric('integer', describe, more);
}

function numeric(
  kind: 'number' | 'integer',
  describe: string,
  { min, above, max, ...more }: Range & { default?: number },
): Option<number | undefined> {
  const bounds = [
    ...(min === undefined ? [] : [`>= ${min}`]),
    ...(above === undefined ? [] : [`> ${above}`]),
    ...(max === undefined ? [] : [`<= ${max}`]),
  ].join(' and ');
  return {
    describe,
    placeholder: kind,
    expected: `${kind === 'integer' ? 'an integer' : 'a number'}${bounds && ` ${bounds}`}`,
    read: (given) => {
      const value = parseDecimal(given);
      const ok = kind === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value);
      return ok && value >= (min ?? value) && value > (above ?? -Infinity) && value <= (max ?? value)
        ? value
        : undefined;
    },
    ...more,
  };
}

/** Yes or no: `--json`, `--no-json`; `true` and `false` may follow. */
export function flag(describe: string, more: Default<boolean>): Option<boolean>;
export function flag(describe: string): Option<boolean | undefined>;
export function flag(describe: string, more = {}): Option<boolean | undefined> {
  return {
    describe,
    placeholder: '',
    expected: 'true or false',
    read: (given) => ({ true: true, false: false })[given],
    ...more,
  };
}

/**
 * A flag that may take a value: `--dashboard`, `--dashboard 8080`, `--no-dashboard`.
 * @param usual its value where none is given
 */
export const optional = <T>(
  describe: string,
  more: { usual: T; expected: string; read: (text: string) => T | undefined },
): Option<T | null | undefined> => ({
  describe,
  placeholder: '',
  expected: more.expected,
  read: (given) => (given === 'true' ? more.usual : given === 'false' ? null : more.read(given)),
});

/** An option that may be given several times. */
export const many = (describe: string, placeholder = 'text'): Option<string[]> => ({
  ...text(describe, { default: '', placeholder }),
  default: [],
  many: true,
});

/** The same options under a heading in help. */
export function group<O extends Options>(heading: string, options: O): O {
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => [name, { ...option, group: heading }]),
  ) as unknown as O;
}

/** @throws UsageError for one of these options, which mean nothing `where` (`with --contest`) */
export function expectNone<A extends object>(args: A, names: readonly (keyof A & string)[], where: string) {
  for (const name of names)
    expect((args[name] ?? false) === false, () => `Expected no ${flagOf(name)} ${where}; leave it out`);
}

/**
 * Reads a command line.
 * @param options by camelCase name: `matrixLr` is given as `--matrix-lr`
 * @param positionals the arguments without a name, in order
 * @returns null where help is asked for
 * @throws UsageError
 */
export function readOptions<O extends Options, P extends Options>(
  argv: readonly string[],
  options: O,
  positionals?: P,
): ValuesOf<O & P> | null {
  const names = new Map(Object.keys(options).map((name) => [kebab(name), name]));
  const given = new Map<string, string[]>();
  const add = (name: string, value: string) => given.set(name, [...(given.get(name) ?? []), value]);
  const words: string[] = [];
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    tokens: true,
    options: {
      ...Object.fromEntries(
        [...names].map(([name, key]) => [name, { type: options[key]!.placeholder ? 'string' : 'boolean' }]),
      ),
      help: { type: 'boolean', short: 'h' },
    },
  });
  let taken = -1;
  for (const [i, token] of tokens.entries()) {
    if (token.kind === 'positional' && i !== taken) words.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, value, inlineValue } = token;
    if (name === 'help') return null;
    const negated = name.startsWith('no-') && !names.has(name) ? names.get(name.slice(3)) : undefined;
    const key = negated !== undefined && options[negated]!.placeholder === '' ? negated : names.get(name);
    if (key === undefined || !token.rawName.startsWith('--'))
      throw new UsageError(
        `Unknown option ${argv[token.index]!.split('=')[0]}${suggestion(name, flagNames(names))}`,
      );
    const option = options[key]!;
    if (option.placeholder === '') {
      const next = tokens[i + 1];
      if (key === negated)
        expect(value === undefined, () => `Expected --${name} without a value, got ${show(value)}`);
      else if (value === undefined && next?.kind === 'positional' && option.read(next.value) !== undefined) {
        taken = i + 1;
        add(key, next.value);
        continue;
      }
      add(key, value ?? String(key !== negated));
      continue;
    }
    // An option that follows is no value, unless it is said to be one; numbers may be negative.
    const isOption = value !== undefined && !inlineValue && /^(--?[a-z]|--$)/i.test(value);
    expect(
      value !== undefined && !isOption,
      () =>
        `Expected a value for --${name}, got ${value === undefined ? 'none' : `the option ${value}; write --${name}=${value} if it is one`}`,
    );
    add(key, value!);
  }
  let at = 0;
  for (const [name, option] of Object.entries(positionals ?? {})) {
    const rest = option.many ? words.slice(at) : words.slice(at, at + 1);
    expect(
      rest.length > 0 || 'default' in option,
      () => `Expected <${kebab(name)}>: ${option.describe}; got none`,
    );
    if (rest.length > 0) given.set(name, rest);
    at += rest.length;
  }
  expect(at === words.length, () => `Unexpected argument ${show(words[at])}`);

  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries({ ...options, ...positionals })) {
    const label = name in options ? `--${kebab(name)}` : `<${kebab(name)}>`;
    const texts = given.get(name);
    values[name] = option.default;
    if (!texts) continue;
    expect(
      texts.length === 1 || option.many === true,
      () =>
        `Expected ${label} once, got ${option.isSecret ? `it ${texts.length} times` : texts.map(show).join(' and ')}`,
    );
    const read = texts.map((word) => {
      const value = option.read(word);
      expect(
        value !== undefined,
        () =>
          `Expected ${label} to be ${option.expected}, got ${option.isSecret ? 'something else' : show(word)}`,
      );
      return value;
    });
    values[name] = option.many ? read : read[0];
  }
  return values as ValuesOf<O & P>;
}

const flagNames = (names: ReadonlyMap<string, string>): string[] =>
  [...names.keys(), 'help'].map((name) => `--${name}`);

const show = (value: string | undefined): string =>
  value !== undefined && /^[\w./,:+=@%-]+$/.test(value) ? value : JSON.stringify(value);

/** A command: what it takes and what it does. */
export interface Command<O extends Options = Options, P extends Options = Options> {
  options: O;
  /** Arguments without a name, in order. */
  positionals?: P;
  /** Command lines and what they do. */
  examples?: readonly (readonly [string, string])[];
  /** Resolves to the exit code. */
  run(args: ValuesOf<O & P>): Promise<number>;
}

/** Declares a command; its arguments are typed by its options. */
export const command = <O extends Options, P extends Options = Record<never, never>>(
  declared: Command<O, P>,
): Command<O, P> => declared;

/** Help on a command, as yargs writes it. */
export function helpOf(
  usage: string,
  { options, positionals = {}, examples = [] }: Pick<Command, 'options' | 'positionals' | 'examples'>,
  columns: number,
): Promise<string> {
  const help = yargs()
    .usage(`Usage: ${usage}`)
    .version(false)
    .help('help', 'show this help')
    .alias('h', 'help')
    .wrap(columns);
  for (const [word, { describe }] of Object.entries(positionals)) help.positional(word, { describe });
  for (const [key, option] of Object.entries(options))
    help.option(kebab(key), {
      describe: option.describe,
      group: option.group ?? 'Options:',
      type: TYPES[option.placeholder] ?? 'string',
      ...(option.default !== undefined &&
        option.default !== false &&
        !option.many && { default: option.default }),
    });
  for (const [line, does] of examples) help.example(line, does);
  return help.getHelp();
}

const TYPES: Readonly<Record<string, 'boolean' | 'number'>> = {
  '': 'boolean',
  number: 'number',
  integer: 'number',
};
