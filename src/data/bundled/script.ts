// Reads the text files of data/stories into names, tables, rules and plots. Lines that begin with # are comments,
// sections begin `== name`; each file says how its sections are written.
// A plot's section is:
//   worlds: town forest            where it may happen; all worlds when left out
//   cast: thing=toys spot=spots    roles beyond the usual ones, each a row of a table of tables.txt
//   table trouble: text; cause     a table of its own, rows `- cell; cell`; one row is cast in the role `trouble`
// and then beats, separated by empty lines. A beat's lines are alternatives, of which one is chosen; a beat that begins
// with `?` is left out of half of the stories; `¶` breaks the paragraph.

import { readFileSync } from 'node:fs';
import { EnvironmentError, messageOf } from '../../base/errors.js';
import { choose, compile, type Rules, type Template } from './grammar.js';

/** Where a story happens; who lives there follows from it. */
const WORLDS = ['town', 'forest', 'farm', 'kingdom'] as const;
export type World = (typeof WORLDS)[number];

/** A table: its field names, and for each world the rows that occur there, a template for every cell. */
export type Table = { name: string; fields: string[]; rows: Record<World, Template[][]> };

/** A step of a plot, of which one alternative is written, always or in half of the stories. */
export type Beat = { text: Template; optional: boolean } | 'paragraph';

export type Plot = {
  name: string;
  worlds: readonly World[];
  /** Role and the table it is cast from. */
  cast: [role: string, table: Table][];
  beats: Beat[];
};

type Section = { name: string; lines: string[] };

function sections(text: string): Section[] {
  const found: Section[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line.startsWith('== ')) found.push({ name: line.slice(3), lines: [] });
    else if (found.length > 0) found.at(-1)!.lines.push(line);
    else if (line) throw new Error(`Expected a line "== name" before: ${line}`);
  }
  return found;
}

/**
 * The text of data/stories/`name`.txt without its comments.
 * @throws EnvironmentError when the file cannot be read
 */
export function readStoryFile(name: string): string {
  const url = new URL(`../../../../data/stories/${name}.txt`, import.meta.url);
  try {
    return readFileSync(url, 'utf8')
      .replaceAll('\r\n', '\n')
      .replaceAll(/^#.*\n/gm, '');
  } catch (error) {
    throw new EnvironmentError(`Cannot read the stories' text (${messageOf(error)}); install tinygpt again`, {
      cause: error,
    });
  }
}

/** Lists of names, by section. */
export function readNames(text: string): Map<string, string> {
  return new Map(sections(text).map(({ name, lines }) => [name, lines.join('\n').trim()]));
}

function emptyTable(heading: string): Table {
  const [name, fields] = heading.split(':') as [string, string?];
  if (!fields) throw new Error(`Expected "name: field; field", got: ${heading}`);
  const rows = Object.fromEntries(WORLDS.map((world) => [world, []])) as unknown as Table['rows'];
  return { name: name.trim(), fields: cells(fields), rows };
}

function cells(line: string): string[] {
  return line.split(';').map((cell) => cell.trim());
}

function addRow(table: Table, line: string, worlds: readonly World[], rules: Rules): void {
  const row = cells(line);
  if (row.length !== table.fields.length)
    throw new Error(`Expected ${table.fields.length} cells in table ${table.name}, got: ${line}`);
  const compiled = row.map((cell) => compile(cell, rules));
  for (const world of worlds) table.rows[world].push(compiled);
}

function worldsOf(words: string): readonly World[] {
  const named = words.split(/\s+/).filter(Boolean);
  for (const name of named)
    if (!WORLDS.includes(name as World)) throw new Error(`Expected a world, got ${name}`);
  return named.length > 0 ? (named as World[]) : WORLDS;
}

/** Makes `vary`, which writes a choice of a line's ways to say something where a template has the first of them. */
export function readSynonyms(text: string): (template: string) => string {
  const ways = new Map<string, string[]>();
  for (const line of text.split('\n').filter(Boolean)) {
    const words = line.split(', ');
    ways.set(words[0]!, words);
  }
  const longestFirst = [...ways.keys()].sort((a, b) => b.length - a.length);
  // Slots and rules are left alone; a contraction needs a word after it ("as it is." stays).
  const pattern = new RegExp(`\\{[^}]*\\}|<[^>]*>|\\b(?:${longestFirst.join('|')})\\b(?!['-])`, 'gi');
  return (template) =>
    template.replace(pattern, (found, at: number) => {
      const words = ways.get(found.toLowerCase());
      if (!words) return found;
      const contracts = words.some((word) => word.includes("'"));
      if (contracts && !/^ [a-z[<{]/i.test(template.slice(at + found.length))) return found;
      const capital = found[0] !== found[0]!.toLowerCase() || (contracts && /^i\b/i.test(found));
      return `[${words.map((word) => (capital ? word[0]!.toUpperCase() + word.slice(1) : word)).join('|')}]`;
    });
}

/** Adds lists of words (`name: word, word`) to the rules. */
export function readLists(text: string, rules: Rules): void {
  for (const line of text.split('\n').filter(Boolean)) {
    const [name, words] = line.split(':') as [string, string];
    const templates = words.split(', ').map((word) => compile(word.trim(), rules));
    rules.set(name, choose(templates));
  }
}

/** Adds sections of alternatives to the rules. */
export function readRules(text: string, rules: Rules, vary: (template: string) => string): void {
  for (const { name, lines } of sections(text))
    rules.set(name, choose(lines.filter(Boolean).map((line) => compile(vary(line), rules))));
}

/** Reads tables by name. */
export function readTables(text: string, rules: Rules): Map<string, Table> {
  const tables = new Map<string, Table>();
  for (const { name, lines } of sections(text)) {
    const table = emptyTable(name);
    let worlds: readonly World[] = WORLDS;
    for (const line of lines.filter(Boolean)) {
      if (line.startsWith('@')) worlds = worldsOf(line.slice(1));
      else addRow(table, line, worlds, rules);
    }
    tables.set(table.name, table);
  }
  return tables;
}

/** Reads plots; `tables` are those that their casts name. */
export function readPlots(
  text: string,
  tables: Map<string, Table>,
  rules: Rules,
  vary: (template: string) => string,
): Plot[] {
  return sections(text).map(({ name, lines }) => {
    const plot: Plot = { name, worlds: WORLDS, cast: [], beats: [] };
    let beat: string[] = [];
    let own: Table | null = null;
    const endBeat = () => {
      if (beat.length === 0) return;
      const optional = beat[0]!.startsWith('? ');
      if (optional) beat[0] = beat[0]!.slice(2);
      if (beat.some((line) => line.startsWith('? ') || (line === '¶' && beat.length > 1)))
        throw new Error(`Expected an empty line between beats of plot ${name}: ${beat.join(' ')}`);
      plot.beats.push(
        beat[0] === '¶'
          ? 'paragraph'
          : { text: choose(beat.map((line) => compile(vary(line), rules))), optional },
      );
      beat = [];
    };
    for (const line of lines) {
      if (!line) endBeat();
      else if (line.startsWith('worlds:')) plot.worlds = worldsOf(line.slice(7));
      else if (line.startsWith('cast:')) {
        for (const pair of line.slice(5).trim().split(/\s+/)) {
          const [role, table] = pair.split('=') as [string, string];
          const found = tables.get(table);
          if (!found) throw new Error(`Expected a table ${table}, named in plot ${name}`);
          plot.cast.push([role, found]);
        }
      } else if (line.startsWith('table ')) {
        own = emptyTable(line.slice(6));
        plot.cast.push([own.name, own]);
      } else if (line.startsWith('- ') && own) addRow(own, line.slice(2), WORLDS, rules);
      else beat.push(line);
    }
    endBeat();
    return plot;
  });
}
