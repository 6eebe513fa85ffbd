// The bundled stories are correct English, self-consistent and varied.

import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { UsageError } from '../../src/base/errors.js';
import { randomStream } from '../../src/base/random.js';
import { bundledSource } from '../../src/data/bundled/bundledSource.js';
import { articleFor } from '../../src/data/bundled/grammar.js';
import { NAMES, PLOTS, STORY_WORDS, storyData, tellPlot, tellStory } from '../../src/data/bundled/story.js';
import type { DocumentSource, Split } from '../../src/data/types.js';

async function documents(source: DocumentSource, split: Split): Promise<string[]> {
  const all: string[] = [];
  for await (const group of source.groups(split)) all.push(...group);
  return all;
}

/** Every plot in every world it may happen in, a dozen times over. */
const TELLINGS = PLOTS.flatMap((plot) =>
  plot.worlds.flatMap((world) =>
    Array.from({ length: 12 }, (_, i) => ({
      plot: `${plot.name} (${world} ${i})`,
      story: tellPlot(plot, world, randomStream(2, `${plot.name}/${world}/${i}`)),
    })),
  ),
);

describe('every plot, in every world', () => {
  const faults: [name: string, pattern: RegExp][] = [
    ['left-over notation', /[[\]{}<>|_]|undefined|NaN/],
    ['double spaces', / {2}/],
    ['spaces before punctuation', / [.,!?;:]/],
    ['punctuation twice', /[.,!?;:]{2}|[.!?]"[.!?]/],
    ['"a" before a vowel', /\ba [aeiou](?!ne\b|nce\b|ni|se)/i],
    ['"an" before a consonant', /\ban (?!hour|honest)[^aeiou\s]/i],
    ['a paragraph without a capital', /(?:^|\n)"?[a-z]/],
    ['a word twice', /\b(?!had\b|that\b|on\b|peep\b|very\b)([a-z]+) \1\b/i],
    ['a letter against a quotation mark', /[a-z]"[a-z]/i],
    ['other characters', /[^\x20-\x7e\n]/],
    ['white space at an end', /^\s|\s$/],
    ['three line ends', /\n\n\n| \n|\n /],
  ];

  test.each(faults)('gives no story with %s', (_, pattern) => {
    for (const { plot, story } of TELLINGS)
      if (pattern.test(story)) expect(`${plot}: ...${context(story, pattern)}...`).toBe('without fault');
  });

  test('begins every sentence with a capital, in speeches and outside', () => {
    const begun = /[.!?] [a-z]/;
    for (const { plot, story } of TELLINGS) {
      const narration = story.replaceAll(/"[^"]*"/g, 'Speech');
      const speeches = [...story.matchAll(/"([^"]*)"/g)].map(([, speech]) => speech!);
      for (const text of [narration.replaceAll(/\b(?:Mr|Mrs|Dr)\./g, ''), ...speeches])
        if (begun.test(text)) expect(`${plot}: ...${context(text, begun)}...`).toBe('without fault');
    }
  });

  test('closes every speech, and lets no speech run over a paragraph', () => {
    for (const { plot, story } of TELLINGS)
      for (const paragraph of story.split('\n\n')) {
        const quotes = paragraph.split('"').length - 1;
        if (quotes % 2) expect(`${plot}: ${paragraph}`).toBe('in pairs of quotation marks');
      }
  });

  test('ends in a full stop, an exclamation or a speech', () => {
    for (const { story } of TELLINGS) expect(story).toMatch(/[.!?]"?$/);
  });
});

function context(story: string, pattern: RegExp): string {
  const at = story.search(pattern);
  return story.slice(Math.max(0, at - 40), at + 40);
}

test('only the hero and the friend have names from the lists', () => {
  const names = new Set([...NAMES.get('girls')!, ...NAMES.get('boys')!]);
  for (const { plot, story } of TELLINGS) {
    const people = new Set(story.match(/\b[A-Z][a-z]+\b/g)!.filter((name) => names.has(name)));
    if (people.size > 2) expect(`${plot}: ${[...people].join(', ')}`).toBe('two at most');
  }
});

test('pronouns of hero, friend and grown-ups are slots, so that they agree with their names', () => {
  const pronoun = /\b(?:he|she|him|her|his|hers|himself|herself)\b/i;
  const others = /king|queen|singer|bride|girl|knight|woman|baby|Mr\. Snow/; // whose pronoun never varies
  for (const line of storyData().flatMap((text) => text.split('\n'))) {
    const isGender = /; (?:he|she)(?:;|$)/.test(line);
    if (!isGender && pronoun.test(line.replaceAll(/\{[^}]*\}/g, ''))) expect(line).toMatch(others);
  }
});

test('no name is in two lists or twice in one', () => {
  const names = [...NAMES.values()].flat();
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThan(200);
});

test('there are at least 40 plots', () => {
  expect(PLOTS.length).toBeGreaterThanOrEqual(40);
  expect(new Set(PLOTS.map(({ name }) => name)).size).toBe(PLOTS.length);
});

test.each([
  ['apple', 'an'],
  ['old kite', 'an'],
  ['honest fox', 'an'],
  ['hour', 'an'],
  ['unicorn', 'a'],
  ['useful key', 'a'],
  ['umbrella', 'an'],
  ['ugly hat', 'an'],
  ['red apple', 'a'],
  ['honey cake', 'a'],
])('before %p the article is %p', (phrase, article) => {
  expect(articleFor(phrase)).toBe(article);
});

describe('the corpus', () => {
  test('is deterministic: stories depend on seed, split and index only', async () => {
    const source = bundledSource({ megabytes: 0.3, seed: 5 });
    const train = await documents(source, 'train');
    expect(await documents(bundledSource({ megabytes: 0.3, seed: 5 }), 'train')).toEqual(train);
    expect(tellStory(5, 'train', 123)).toBe(train[123]);
    expect(tellStory(5, 'val', 123)).not.toBe(train[123]);
    expect(tellStory(6, 'train', 123)).not.toBe(train[123]);
    const longer = await documents(bundledSource({ megabytes: 0.4, seed: 5 }), 'train');
    expect(longer.slice(0, train.length)).toEqual(train);
  });

  test('has not changed: hash and fingerprint', async () => {
    const source = bundledSource({ megabytes: 0.3 });
    const hash = createHash('sha256');
    for (const split of ['train', 'val'] as const)
      for await (const group of source.groups(split)) hash.update(group.join('\n\n\n'));
    expect(hash.digest('hex')).toBe('331219d916f318d786c80eb43c1c191248e057382252f5acd475a08d412c71bd');
    expect(await source.fingerprint()).toBe(
      '7036b49ca6dad50696a0f6917ad84cfbfc4fab2da4ff2045375cee2c1e98c086',
    );
  });

  test('has the requested size, with 5% but at least 256 KB for validation', async () => {
    const size = async (source: DocumentSource, split: Split) =>
      (await documents(source, split)).reduce((sum, story) => sum + Buffer.byteLength(story), 0);
    const small = bundledSource({ megabytes: 0.5 });
    expect(Math.abs((await size(small, 'train')) - 0.5e6)).toBeLessThan(2000);
    expect(Math.abs((await size(small, 'val')) - 256e3)).toBeLessThan(2000);
    expect(Math.abs((await size(bundledSource({ megabytes: 8 }), 'val')) - 400e3)).toBeLessThan(2000);
  });

  test('has no validation story in the training split, and no duplicates', async () => {
    const source = bundledSource({ megabytes: 2 });
    const train = await documents(source, 'train');
    const val = await documents(source, 'val');
    const seen = new Set(train);
    expect(val.filter((story) => seen.has(story))).toEqual([]);
    expect(seen.size).toBe(train.length);
  });

  test('is in groups of at most 1,000 stories of 60 to 250 words', async () => {
    for await (const group of bundledSource({ megabytes: 1.2 }).groups('train')) {
      expect(group.length).toBeLessThanOrEqual(1000);
      for (const story of group) {
        const words = story.split(/\s+/).length;
        expect(words).toBeGreaterThanOrEqual(STORY_WORDS.least);
        expect(words).toBeLessThanOrEqual(STORY_WORDS.most);
      }
    }
  });

  test('uses every plot and several thousand words', async () => {
    const words = new Set<string>();
    for (const story of await documents(bundledSource({ megabytes: 2 }), 'train'))
      for (const word of story.toLowerCase().match(/[a-z]+/g)!) words.add(word);
    expect(words.size).toBeGreaterThan(2000);
  });

  test('has a name and a fingerprint of its size and seed', async () => {
    const of = (options: Parameters<typeof bundledSource>[0]) => bundledSource(options).fingerprint();
    expect(bundledSource().name).toBe('bundled:16MB');
    expect(await of({})).toBe(await of({ megabytes: 16, seed: 0 }));
    expect(await of({ megabytes: 15 })).not.toBe(await of({}));
    expect(await of({ seed: 1 })).not.toBe(await of({}));
  });

  test('of an impossible size is refused', () => {
    for (const megabytes of [0, -3, Number.NaN, Infinity, 1e300])
      expect(() => bundledSource({ megabytes })).toThrow(UsageError);
  });
});
