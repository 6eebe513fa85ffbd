// Writes one story: chooses a plot and a world, casts its roles, and expands the plot's beats.
// The notation is grammar.ts's; words and plots are the text files of data/stories, read by script.ts.

import { type Random, randomStream } from '../../base/random.js';
import type { Split } from '../types.js';
import {
  articleFor,
  compile,
  type Entity,
  openTale,
  type Rules,
  render,
  type Tale,
  type Template,
} from './grammar.js';
import {
  type Plot,
  readLists,
  readNames,
  readPlots,
  readRules,
  readStoryFile,
  readSynonyms,
  readTables,
  type Table,
  type World,
} from './script.js';

/** Words of the shortest and of the longest story. */
export const STORY_WORDS = { least: 60, most: 250 };

const [lists, synonyms, tableText, phrases] = ['lists', 'synonyms', 'tables', 'phrases'].map(
  readStoryFile,
) as [string, string, string, string];
const plotTexts = ['lost', 'kind', 'brave', 'make', 'learn', 'wonder', 'home'].map((name) =>
  readStoryFile(`plots/${name}`),
);
const nameLists = readNames(readStoryFile('names'));
const rules: Rules = new Map();
const vary = readSynonyms(synonyms);
readLists(lists, rules);
readRules(phrases, rules, vary);
const tables = readTables(tableText, rules);

/** All plots. */
export const PLOTS: readonly Plot[] = plotTexts.flatMap((text) => readPlots(text, tables, rules, vary));

/** The names of girls, boys and creatures. */
export const NAMES = new Map([...nameLists].map(([list, text]) => [list, text.split(/,\s+/)]));

const PARAGRAPH = '\n\n';
const QUOTE = 34;
const PRONOUNS = {
  he: { he: 'he', him: 'him', his: 'his', himself: 'himself' },
  she: { he: 'she', him: 'her', his: 'her', himself: 'herself' },
};
/** Roles that any plot may use, and the tables they are cast from. */
const ROLE_TABLES = new Map(
  Object.entries({
    elder: 'elders',
    sage: 'sages',
    land: 'lands',
    home: 'homes',
    weather: 'weathers',
    hobby: 'hobbies',
    place: 'outdoors',
  }).map(([role, table]) => [role, tables.get(table)!]),
);
const inline = (source: string) => compile(source, rules);
/** Roles that any plot may use, and the templates of their names. */
const ROLE_WORDS = new Map(
  Object.entries({
    time: '[morning|afternoon|day]',
    bird: '<bird>',
    bug: '<bug>',
    petname: '<petname>',
  }).map(([role, source]) => [role, inline(source)]),
);
const trait = inline('<trait>');
const intro = inline('a [{hero.trait} |{hero.trait} |][little|young|small] {hero.kid} [named|called] {hero}');
const kinship = {
  he: inline('[friend|friend|best friend|neighbor|brother|cousin]'),
  she: inline('[friend|friend|best friend|neighbor|sister|cousin]'),
  creature: inline('[friend|friend|best friend|good friend]'),
};

/**
 * Story `index` of a split; depends only on its arguments. ASCII, of as many words as STORY_WORDS says.
 * @param index from 0
 */
export function tellStory(seed: number | string, split: Split, index: number): string {
  const random = randomStream(seed, `story/${split}/${index}`);
  for (;;) {
    const plot = pick(random, PLOTS);
    const story = tellPlot(plot, pick(random, plot.worlds), random);
    const words = countWords(story);
    if (words >= STORY_WORDS.least && words <= STORY_WORDS.most) return story;
  }
}

/** The text that stories are made of, for the fingerprint. */
export function storyData(): string[] {
  return [...nameLists.values(), lists, synonyms, tableText, phrases, ...plotTexts];
}

/** A story of `plot`, set in `world`. */
export function tellPlot(plot: Plot, world: World, random: Random): string {
  const tale: Tale = openTale(random, (role) => castRole(role, tale, world));
  castHero(tale, world);
  for (const [role, table] of plot.cast) castFrom(table, role, tale, world);

  // One story of four is a single paragraph; half of the others begin a paragraph at each speech.
  const layout = random.int(8);
  let story = '';
  let gap = '';
  let afterSpeech = false;
  for (const beat of plot.beats) {
    if (beat === 'paragraph') {
      if (layout > 1) gap = PARAGRAPH;
    } else if (!beat.optional || random.int(2) === 0) {
      const text = render(beat.text, tale);
      const speech = text.charCodeAt(0) === QUOTE && (afterSpeech || (layout > 4 && gap !== ''));
      story += (speech ? PARAGRAPH : gap) + text;
      afterSpeech = text.charCodeAt(text.length - 1) === QUOTE;
      gap = ' ';
    }
  }
  return story;
}

function castHero(tale: Tale, world: World): void {
  const hero = castBeing(tale, world, []);
  tale.cast.hero = hero;
  tale.cast.who = hero;
  hero.trait = render(trait, tale);
  hero.mood = unlike([hero.trait], trait, tale);
  hero.mood2 = unlike([hero.trait, hero.mood], trait, tale);
  hero.intro = render(intro, tale);
}

/** Casts a usual role when it is first needed. */
function castRole(role: string, tale: Tale, world: World): Entity | undefined {
  const table = ROLE_TABLES.get(role);
  if (table) return castFrom(table, role, tale, world);
  const words = ROLE_WORDS.get(role);
  if (words) return (tale.cast[role] = { text: render(words, tale) });
  return role === 'friend' ? castFriend(tale, world) : undefined;
}

function castFriend(tale: Tale, world: World): Entity {
  const hero = tale.cast.hero!;
  const friend = castBeing(tale, world, [hero.text!, hero.kid!]);
  const kin = world === 'town' ? kinship[friend.he as 'he' | 'she'] : kinship.creature;
  friend.meet = `${hero.his} ${render(kin, tale)} ${friend.text}${friend.kind ? ` ${friend.kind}` : ''}`;
  return (tale.cast.friend = friend);
}

/** A named child or creature whose name is not in `others`, nor its kind where a world has many kinds. */
function castBeing(tale: Tale, world: World, others: string[]): Entity {
  const { random } = tale;
  let being: Entity;
  do being = expandRow(tables.get('heroes')!, tale, world);
  while (world !== 'town' && others.includes(being.kid!));
  being.gender ||= random.int(2) === 0 ? 'he' : 'she';
  const names = NAMES.get(being.names!)!;
  do being.text = pick(random, names);
  while (others.includes(being.text));
  return withPronouns(being);
}

/** Casts `role` from a row of `table`, other than the rows that earlier roles were cast from. */
function castFrom(table: Table, role: string, tale: Tale, world: World): Entity {
  let found: Entity;
  do found = expandRow(table, tale, world);
  while (found.text && isCast(found.text, role, tale));
  return (tale.cast[role] = found);
}

function isCast(text: string, role: string, { cast }: Tale): boolean {
  for (const other in cast) if (other !== role && cast[other]!.text === text) return true;
  return false;
}

/**
 * A row with its cells expanded. A cell `gender` gives pronouns; `noun` and `adj` (lists, one of which gives an
 * adjective) give `full`, the noun with its adjective. `a` is the whole with its article.
 */
function expandRow(table: Table, tale: Tale, world: World): Entity {
  const { fields } = table;
  const row = pick(tale.random, table.rows[world]);
  const entity: Entity = {};
  for (let i = 0; i < row.length; i++) entity[fields[i]!] = render(row[i]!, tale);
  if (entity.gender && entity.text) withPronouns(entity);
  if (entity.noun) {
    entity.text = entity.noun;
    const list = pick(tale.random, entity.adj!.split(', '));
    entity.full = `${render(rules.get(list)!, tale)} ${entity.noun}`;
  }
  const phrase = entity.full ?? entity.text;
  if (phrase) entity.a = `${articleFor(phrase)} ${phrase}`;
  return entity;
}

function withPronouns(being: Entity): Entity {
  being.poss = `${being.text}'s`;
  return Object.assign(being, PRONOUNS[being.gender as 'he' | 'she']);
}

function unlike(others: string[], template: Template, tale: Tale): string {
  for (;;) {
    const text = render(template, tale);
    if (!others.includes(text)) return text;
  }
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.int(items.length)]!;
}

function countWords(text: string): number {
  let words = 1;
  for (let at = text.indexOf(' '); at >= 0; at = text.indexOf(' ', at + 1)) words++;
  for (let at = text.indexOf(PARAGRAPH); at >= 0; at = text.indexOf(PARAGRAPH, at + 1)) words++;
  return words;
}
