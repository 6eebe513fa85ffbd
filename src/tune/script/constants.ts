// The constants of a script (`MATRIX_LR = 0.04`): found at module level, and replaced for a trial. Nothing else of the
// text changes: comments, strings, line ends and functions' own variables stay as they are.

import { expect, UsageError } from '../../base/errors.js';
import { show } from '../../base/json.js';
import { suggestion } from '../../base/names.js';
import type { Choice, Params } from '../types.js';
import { type Language, type Token, tokenize } from './lexer.js';
import { type Literal, literalAt } from './literals.js';

/**
 * One assignment at module level. `span` is the assigned expression, null where it cannot be replaced alone
 * (`A = B = 1`, `A, B = 1, 2`, `A += 1`); `literal` its value, null where the script has to run to know it.
 */
export type Definition = {
  name: string;
  start: number;
  nested?: boolean;
  span: { start: number; end: number } | null;
  literal: Literal | null;
};

/**
 * A constant that a parameter can stand for: an element of a tuple is `NAME[0]`, of a dictionary `NAME.key`. `nested`: in
 * a block of the module (`if`, `for`).
 */
export type Constant = { name: string; literal: Literal; comment: string; nested: boolean };

/** A module's tokens and comments, and the assignments at its own level, in order. */
function scan(text: string, language: Language) {
  const { tokens, comments } = tokenize(text, language);
  const read = { python: pythonDefinitions, javascript: scriptDefinitions, json: jsonDefinitions }[language];
  return { tokens, comments, definitions: read(tokens) };
}

const isOp = (token: Token | undefined, text: string) => token?.kind === 'op' && token.text === text;
const assigns = (token: Token | undefined) =>
  token?.kind === 'op' && /=$/.test(token.text) && !/^(?:[=!]==?|[<>]=)$/.test(token.text);

/** Statements that end their line with a block of the module's own. */
const BLOCKS = /^(?:if|elif|else|for|while|with|try|except|finally|match|case|async)$/;

function pythonDefinitions(tokens: readonly Token[]): Definition[] {
  const found: Definition[] = [];
  let inside: number | null = null; // indentation of the function or class that the line may belong to
  let lineStart = 0;
  for (let i = 0; i < tokens.length; ) {
    if (tokens[i]!.kind === 'newline') {
      lineStart = tokens[i]!.end;
      i++;
      continue;
    }
    const column = tokens[i]!.start - lineStart;
    let end = i;
    while (end < tokens.length && tokens[end]!.kind !== 'newline') end++;
    const line = tokens.slice(i, end);
    i = end;
    if (inside !== null && column <= inside) inside = null;
    if (inside !== null) continue;
    const word = line[0]!.text === 'async' ? line[1]?.text : line[0]!.text;
    if (word === 'def' || word === 'class') {
      inside = column;
      continue;
    }
    const nested = column > 0;
    found.push(
      ...statements(line)
        .flatMap(pythonStatement)
        .map((one) => ({ ...one, nested })),
    );
  }
  return found;
}

/** The simple statements of a line: split at semicolons, after the colon of a block. */
function statements(line: readonly Token[]): Token[][] {
  let rest = [...line];
  // `match` and `case` may also be names.
  if (BLOCKS.test(line[0]!.text) && !assigns(line[1])) {
    const { depth } = line[0]!;
    const colon = line.findIndex((token) => isOp(token, ':') && token.depth === depth);
    rest = colon < 0 ? [] : line.slice(colon + 1);
  }
  const found: Token[][] = [[]];
  for (const token of rest)
    if (isOp(token, ';') && token.depth === 0) found.push([]);
    else found.at(-1)!.push(token);
  return found;
}

function pythonStatement(statement: readonly Token[]): Definition[] {
  const at = statement.findIndex((token) => token.depth === 0 && assigns(token));
  const operator = statement[at];
  if (!operator || operator.text === ':=' || statement[0]!.kind !== 'word') return [];
  const targets = statement.slice(0, at);
  const colon = targets.findIndex((token) => isOp(token, ':'));
  const named = colon < 0 ? targets : targets.slice(0, colon);
  const value = statement.slice(at + 1);
  const lambda = value.findIndex(({ text, depth }) => text === 'lambda' && depth === 0); // its defaults are its own
  const chained = lambda < 0 ? value : value.slice(0, lambda);
  const isChain = chained.some((token) => token.depth === 0 && isOp(token, '='));
  if (named.length === 1 && operator.text === '=' && !isChain && value.length > 0) {
    const read = literalAt(value, 0, 'python');
    return [define(named[0]!, value, read?.next === value.length ? read.literal : null)];
  }
  // What is assigned some other way: known, so that it is not taken for another's.
  if (named.some((token) => isOp(token, '.') || isOp(token, '['))) return [];
  const names = [...named, ...(isChain ? chained.filter((_, i) => isOp(chained[i + 1], '=')) : [])];
  return names
    .filter((token) => token.kind === 'word')
    .map(({ text, start }) => ({ name: text, start, span: null, literal: null }));
}

const define = (name: Token, value: readonly Token[], literal: Literal | null): Definition => ({
  name: name.text,
  start: name.start,
  span: literal ?? { start: value[0]!.start, end: value.at(-1)!.end },
  literal,
});

function scriptDefinitions(tokens: readonly Token[]): Definition[] {
  const found: Definition[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    const previous = tokens[i - 1];
    const begins =
      !previous || previous.kind === 'newline' || /^(?:[;})]|export|else|do)$/.test(previous.text);
    if (token.kind !== 'word' || token.depth > 0 || !begins) continue;
    if (/^(?:const|let|var)$/.test(token.text)) i = declarators(tokens, i + 1, found) - 1;
    else if (assigns(tokens[i + 1]))
      found.push({ name: token.text, start: token.start, span: null, literal: null });
  }
  return found;
}

/** Reads `A: number = 1, B = 2`; returns the first token after it. */
function declarators(tokens: readonly Token[], from: number, found: Definition[]): number {
  let i = from;
  for (;;) {
    while (tokens[i]?.kind === 'newline') i++;
    const name = tokens[i];
    if (name?.kind !== 'word') return i; // destructuring
    i++;
    const ends = () => !tokens[i] || isOp(tokens[i], ';') || (tokens[i]!.depth === 0 && isOp(tokens[i], ','));
    i = typeEnd(tokens, i);
    while (tokens[i]?.kind === 'newline' && isOp(tokens[i + 1], '=')) i++;
    if (isOp(tokens[i], '=')) {
      const read = literalAt(tokens, i + 1, 'javascript');
      let after = read?.next ?? i + 1;
      // `as const`, `satisfies T`: what follows the value up to its end is its type.
      if (/^(?:as|satisfies)$/.test(tokens[after]?.text ?? ''))
        while (tokens[after] && tokens[after]!.kind !== 'newline' && !/^[;,]$/.test(tokens[after]!.text))
          after++;
      const literal = read && valueEnds(tokens, after) ? read.literal : null;
      found.push({ name: name.text, start: name.start, span: literal, literal });
      i = after;
      while (!ends() && !(literal && tokens[i]!.kind === 'newline')) {
        if (!literal && tokens[i]!.kind === 'newline' && tokens[i]!.depth === 0) break;
        i++;
      }
    } else found.push({ name: name.text, start: name.start, span: null, literal: null });
    if (!isOp(tokens[i], ',')) return i;
    i++;
  }
}

/** The first token after the type of a variable, if it has one: `: { a: number; b: number }`, `: Record<string, number>`. */
function typeEnd(tokens: readonly Token[], from: number): number {
  let angles = 0;
  const colon = isOp(tokens[from], '!') ? from + 1 : from;
  if (!isOp(tokens[colon], ':')) return from;
  for (let i = colon + 1; i < tokens.length; i++) {
    const { kind, text, depth } = tokens[i]!;
    if (depth > 0) continue;
    if (angles === 0 && (kind === 'newline' || /^[=,;]$/.test(text))) return i;
    if (/^[<>]+$/.test(text)) angles += text.startsWith('<') ? text.length : -text.length;
  }
  return tokens.length;
}

/** Whether nothing continues an expression here: a line end does not, if an operator follows it. */
function valueEnds(tokens: readonly Token[], at: number): boolean {
  const token = tokens[at];
  if (!token || isOp(token, ';') || isOp(token, ',')) return true;
  if (token.kind !== 'newline') return false;
  const next = tokens.slice(at).find(({ kind }) => kind !== 'newline');
  return next?.kind !== 'op' || /^[{;}@]$|^(?:\+\+|--)$/.test(next.text);
}

function jsonDefinitions(tokens: readonly Token[]): Definition[] {
  const read = literalAt(
    tokens,
    tokens.findIndex(({ kind }) => kind !== 'newline'),
    'json',
  );
  if (read?.literal.kind !== 'dict') return [];
  return read.literal.entries.map(({ key, value }) => ({
    name: key,
    start: value.start,
    span: value,
    literal: value,
  }));
}

/** The values of a definition by name, the nested ones included. */
function leaves(name: string, literal: Literal): { name: string; literal: Literal }[] {
  if (literal.kind === 'list') return literal.items.flatMap((item, i) => leaves(`${name}[${i}]`, item));
  if (literal.kind === 'dict')
    return literal.entries.flatMap(({ key, value }) => leaves(`${name}.${key}`, value));
  return [{ name, literal }];
}

const leafNames = ({ name, literal }: Definition): string[] =>
  literal ? leaves(name, literal).map((leaf) => leaf.name) : [];

/** What a script defines exactly once, at module level, with a value that can be read without running it. */
export function constantsIn(text: string, language: Language): Constant[] {
  const { definitions, comments } = scan(text, language);
  const repeated = new Set(repeatedNames(definitions));
  const once = definitions.filter(({ name }) => !repeated.has(name));
  return once.flatMap(({ name, literal, nested = false }) => {
    if (!literal) return [];
    const line = comments.find(
      ({ start }) => start >= literal.end && !/[\r\n]/.test(text.slice(literal.end, start)),
    );
    const comment = line
      ? text.slice(line.start, line.end).replace(/^(?:#+|\/\/+|\/\*+)\s*|\s*\*\/$/g, '')
      : '';
    return leaves(name, literal)
      .filter((leaf) => leaf.literal.kind !== 'other' && !repeated.has(leaf.name))
      .map((leaf) => ({ ...leaf, comment: comment.trim().replace(/\s+/g, ' '), nested }));
  });
}

/** Names that are assigned more than once, or stand twice in a dictionary. */
function repeatedNames(definitions: readonly Definition[]): string[] {
  const names = definitions.flatMap((one) => [
    one.name,
    ...leafNames(one).filter((name) => name !== one.name),
  ]);
  const once = new Set<string>();
  const twice = new Set<string>();
  for (const name of names) (once.has(name) ? twice : once).add(name);
  return [...twice];
}

/** What a script gives more than one value, of which at least one can be read: none of them is the constant's. */
export function repeatedIn(text: string, language: Language): string[] {
  const { definitions } = scan(text, language);
  const readable = new Set(definitions.flatMap(leafNames));
  return repeatedNames(definitions).filter((name) => readable.has(name));
}

/**
 * Replaces constants. Integers stay integers and floats floats: where the script has `1.0`, 2 is written as `2.0`.
 * @param values by name, see `Constant`; booleans and null in the language's own words
 * @param where the file, for messages
 * @throws UsageError for a name that the script does not define at module level, or more than once
 */
export function patchConstants(text: string, language: Language, values: Params, where: string): string {
  const { definitions } = scan(text, language);
  const edits = Object.entries(values).map(([name, value]) => {
    const { span, literal } = target(definitions, name, text, where);
    return { ...span, name, by: formatValue(value, literal, language) };
  });
  edits.sort((a, b) => b.start - a.start);
  for (const [i, edit] of edits.entries())
    expect(
      i === 0 || edit.end <= edits[i - 1]!.start,
      () =>
        `Expected constants of ${where} that do not contain each other, got ${edit.name} and ${edits[i - 1]!.name}`,
    );
  return edits.reduce(
    (patched, { start, end, by }) => patched.slice(0, start) + by + patched.slice(end),
    text,
  );
}

function target(definitions: readonly Definition[], name: string, text: string, where: string) {
  const root = definitions.filter((definition) => definition.name === name);
  const found =
    root.length > 0
      ? root
      : definitions.flatMap((definition) =>
          definition.literal
            ? leaves(definition.name, definition.literal)
                .filter((leaf) => leaf.name === name)
                .map(({ literal }) => ({ ...definition, span: literal, literal }))
            : [],
        );
  const names = () => [...new Set(definitions.flatMap((one) => (one.literal ? leafNames(one) : one.name)))];
  const [only, second] = found;
  if (!only)
    throw new UsageError(
      `Expected ${where} to define ${name} at module level, got no such constant${suggestion(name, names(), `; it has ${names().slice(0, 30).join(', ') || 'none'}`)}`,
    );
  const owners = definitions.filter((definition) => definition.name === (root.length > 0 ? name : only.name));
  const lines = (second ? found : owners).map(({ start }) => text.slice(0, start).split(/\r\n|\r|\n/).length);
  expect(
    !second && owners.length === 1,
    () => `Expected ${where} to define ${name} once, got it on lines ${lines.join(' and ')}`,
  );
  if (!only.span)
    throw new UsageError(
      `Expected ${where} to define ${name} by itself with a value, got line ${lines[0]}; write ${name} = VALUE on a line of its own`,
    );
  return { span: { start: only.span.start, end: only.span.end }, literal: only.literal };
}

function formatValue(value: Choice, literal: Literal | null, language: Language): string {
  if (typeof value === 'string')
    return JSON.stringify(value).replace(
      /[\u2028\u2029]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16)}`,
    );
  if (typeof value === 'number') {
    expect(Number.isFinite(value), () => `Expected a finite number for a constant, got ${show(value)}`);
    const text = Object.is(value, -0) ? '0' : String(value);
    const isFloat = literal?.kind === 'number' && !literal.integer;
    return isFloat && !/[.e]/.test(text) && language !== 'javascript' ? `${text}.0` : text;
  }
  const words = language === 'python' ? { true: 'True', false: 'False', null: 'None' } : null;
  return words ? words[`${value}`] : `${value}`;
}
