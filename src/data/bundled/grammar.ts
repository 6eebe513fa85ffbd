// A small template language: text with choices, rules and slots, compiled once to closures.
//   [a|b|]         one of these, equally likely; brackets nest
//   <rule>         an expansion of a named rule; <rule role> expands it about that role (slot {who})
//   {role.field}   a field of somebody or something in the story; {role} is its name
//   {he} {his} ... the hero's pronouns
// A capital first letter of a rule or slot (`<Glad>`, `{He}`) makes its text begin with a capital. An article "a" before
// anything but plain text becomes "an" before a vowel sound. A comma or full stop after `?`, `!` or `.` is
// dropped, so that a choice may bring its own. The words and plots themselves are data: data/stories.

import type { Random } from '../../base/random.js';

/**
 * Somebody or something in a story: its forms, by name. `text` is the name, `poss` its possessive, and `meet` what is
 * said instead when it is mentioned for the first time ("his friend Tom").
 */
export type Entity = Record<string, string>;

/** A story in progress: the stream of choices, who and what occurs in it, and the text so far (see `write`). */
export type Tale = {
  random: Random;
  cast: Record<string, Entity>;
  /** Casts a role that a template needs and nobody has cast before. */
  castRole: (role: string) => Entity | undefined;
  text: string;
  /** The next text begins with a capital. */
  capital: boolean;
  /** The next text has an article before it. */
  article: boolean;
  /** The text ends in a full stop, exclamation or question mark. */
  stopped: boolean;
};

/** A compiled template: writes its text to the tale. */
export type Template = (tale: Tale) => void;

/** Named rules, compiled; looked up when expanded, so that rules may refer to later ones. */
export type Rules = Map<string, Template>;

const COMMA = 44;
const PRONOUNS = new Set(['he', 'him', 'his', 'himself']);
const SOUNDS_LIKE_CONSONANT = /^(?:uni|use|usu|one\b|once\b|ukulele)/i;
const SOUNDS_LIKE_VOWEL = /^(?:[aeiou]|hour|honest)/i;

/** "a" or "an", by the sound of `phrase`. */
export function articleFor(phrase: string): 'a' | 'an' {
  return SOUNDS_LIKE_VOWEL.test(phrase) && !SOUNDS_LIKE_CONSONANT.test(phrase) ? 'an' : 'a';
}

/** `text` with its first letter a capital, skipping an opening quotation mark. */
function capitalize(text: string): string {
  const at = text.charCodeAt(0) === 34 ? 1 : 0;
  return text.slice(0, at) + text.charAt(at).toUpperCase() + text.slice(at + 1);
}

/** A story that has not begun. */
export function openTale(random: Random, castRole: Tale['castRole']): Tale {
  return { random, castRole, cast: {}, text: '', capital: false, article: false, stopped: false };
}

/** Adds `next` to the story, with the right capital, article and punctuation. */
function write(tale: Tale, next: string): void {
  if (next === '') return;
  if (tale.article) {
    const word = articleFor(next);
    tale.text += tale.capital ? `${capitalize(word)} ` : `${word} `;
    tale.article = tale.capital = tale.stopped = false;
  }
  if (tale.capital) {
    next = capitalize(next);
    tale.capital = false;
  }
  if (tale.stopped) {
    const first = next.charCodeAt(0);
    if (first === COMMA || isStop(first)) next = next.slice(1);
  }
  tale.text += next;
  tale.stopped = isStop(next.charCodeAt(next.length - 1));
}

/** The text of one template, without adding it to the story. */
export function render(template: Template, tale: Tale): string {
  const { text, capital, article, stopped } = tale;
  tale.text = '';
  tale.capital = tale.article = tale.stopped = false;
  template(tale);
  const rendered = tale.text;
  tale.text = text;
  tale.capital = capital;
  tale.article = article;
  tale.stopped = stopped;
  return rendered;
}

function isStop(code: number): boolean {
  return code === 46 || code === 33 || code === 63; // . ! ?
}

/** One of `templates`, equally likely. */
export function choose(templates: Template[]): Template {
  const count = templates.length;
  if (count === 1) return templates[0]!;
  return (tale) => templates[tale.random.int(count)]!(tale);
}

/**
 * Compiles one template.
 * @param rules where `<rule>` is looked up, when the text is made
 * @throws Error for unbalanced brackets; the text it makes throws for a rule, role or field that does not exist. Both
 * are errors in the data, which the tests expand in full.
 */
export function compile(source: string, rules: Rules): Template {
  let at = 0;

  function sequence(stops: string): Template {
    const parts: Template[] = [];
    let literal = '';
    const flush = () => {
      const text = literal;
      if (text) parts.push((tale) => write(tale, text));
      literal = '';
    };
    while (at < source.length && !stops.includes(source[at]!)) {
      const character = source[at++]!;
      if (!'[<{'.includes(character)) {
        literal += character;
        continue;
      }
      const article = /(?:^|[^A-Za-z])([Aa]) $/.exec(literal)?.[1];
      if (article) literal = literal.slice(0, -2);
      flush();
      if (article)
        parts.push((tale) => {
          tale.article = true;
          if (article === 'A') tale.capital = true;
        });
      if (character === '[') parts.push(alternatives());
      else if (character === '<') parts.push(rule(until('>')));
      else parts.push(slot(until('}')));
    }
    flush();
    if (parts.length === 1) return parts[0]!;
    return (tale) => {
      for (const part of parts) part(tale);
    };
  }

  function alternatives(): Template {
    const options: Template[] = [];
    for (;;) {
      options.push(sequence('|]'));
      if (at >= source.length) throw new Error(`Expected "]" in template: ${source}`);
      if (source[at++] === ']') return choose(options);
    }
  }

  function until(close: string): string {
    const end = source.indexOf(close, at);
    if (end < 0) throw new Error(`Expected "${close}" in template: ${source}`);
    const inside = source.slice(at, end);
    at = end + 1;
    return inside;
  }

  function rule(reference: string): Template {
    const [written, about] = reference.split(' ') as [string, string?];
    const name = written.toLowerCase();
    const capital = written !== name;
    return (tale) => {
      const body = rules.get(name);
      if (!body) throw new Error(`Expected a rule <${name}>, named in template: ${source}`);
      if (capital) tale.capital = true;
      if (!about) return body(tale);
      const outer = tale.cast.who!;
      tale.cast.who = entity(tale, about);
      body(tale);
      tale.cast.who = outer;
    };
  }

  function slot(reference: string): Template {
    const lower = reference.charAt(0).toLowerCase() + reference.slice(1);
    const [role, field = 'text'] = PRONOUNS.has(lower)
      ? ['hero', lower]
      : (lower.split('.') as [string, string?]);
    const capital = reference !== lower;
    return (tale) => {
      const found = mention(entity(tale, role), field);
      if (found === undefined) throw new Error(`Expected ${role} to have a field ${field}: ${source}`);
      if (capital) tale.capital = true;
      write(tale, found);
    };
  }

  function entity(tale: Tale, role: string): Entity {
    const found = tale.cast[role] ?? tale.castRole(role);
    if (!found) throw new Error(`Expected a role ${role}, named in template: ${source}`);
    return found;
  }

  const template = sequence(']');
  if (at < source.length) throw new Error(`Expected no lone "]" in template: ${source}`);
  return template;
}

/**
 * A field of an entity. The first mention of one with `meet` introduces it. `{x.named}` is the name where the sentence
 * itself introduces ("a girl called {friend.named}"); `{x.name}` is the name where a first mention would not do
 * (inside a speech).
 */
function mention(entity: Entity, field: string): string | undefined {
  if (field === 'name') return entity.text;
  if (field !== 'text' && field !== 'poss' && field !== 'named') return entity[field];
  const meeting = entity.meet !== undefined && !entity.met;
  if (meeting) entity.met = 'yes';
  if (field === 'named') return entity.text;
  if (meeting) return field === 'text' ? entity.meet : `${entity.meet}'s`;
  return entity[field];
}
