// Damaged journals and space files: whatever they contain, reading, reporting and continuing them gives a result or
// one of our own errors.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { EnvironmentError, UsageError } from '../../src/base/errors.js';
import { parseJson } from '../../src/base/json.js';
import { type Random, randomStream } from '../../src/base/random.js';
import { contestOption, contestText } from '../../src/report/contest.js';
import { progressOption, reportHtml, summaryText } from '../../src/report/index.js';
import { contestTable } from '../../src/tune/contest.js';
import {
  categorical,
  contains,
  float,
  fromUnit,
  int,
  sampleUniform,
  toUnit,
} from '../../src/tune/distributions.js';
import type { StudyLog } from '../../src/tune/journal/replay.js';
import { own } from '../../src/tune/objects.js';
import { medianPruner, prunerByName, prunerNames } from '../../src/tune/pruners/index.js';
import { samplerByName, samplerNames } from '../../src/tune/samplers/index.js';
import { checkSpace, fixParams, loadSpaceFile, onlyParams, parseAssignments } from '../../src/tune/space.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { createStudy, loadStudy } from '../../src/tune/study.js';
import type { Params } from '../../src/tune/types.js';
import { scratchFolder } from './scratch.js';

const fresh = scratchFolder();
const golden = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../test/golden/journal/${name}`, import.meta.url)), 'utf8');

const JOURNAL_MUTATIONS = 3000;
const SPACE_MUTATIONS = 3000;

/** Values that have broken programs. */
const HOSTILE = [
  'null',
  'true',
  '-1',
  '0.5',
  '1e999',
  '-1e999',
  '1e308',
  '9007199254740993',
  'NaN',
  'Infinity',
  '""',
  '"x"',
  '"__proto__"',
  '"constructor"',
  '"\\ud800"',
  '[]',
  '[null]',
  '[[null]]',
  '{}',
  '{"toString":1}',
  '{"__proto__":{"a":1}}',
  '{"constructor":null,"toString":{}}',
  '["a",{"valueOf":1}]',
  '[1,true,null,"1"]',
  '"2026-13-45T99:99:99"',
  `"${'long '.repeat(500)}"`,
  `${'['.repeat(3000)}${']'.repeat(3000)}`,
];

/** A text with one to `most` changes: a value or key exchanged, characters and lines cut, doubled, swapped or damaged. */
function mutated(text: string, random: Random, most = 3): string {
  for (let i = 1 + random.int(most); i > 0; i--) text = mutateOnce(text, random);
  return text;
}

function mutateOnce(text: string, random: Random): string {
  const value = HOSTILE[random.int(HOSTILE.length)]!;
  const at = random.int(Math.max(1, text.length));
  const line = (change: (lines: string[], i: number) => void) => {
    const lines = text.split('\n');
    change(lines, random.int(lines.length));
    return lines.join('\n');
  };
  const kinds = [
    () => replaceNth(text, /(?<=:)("(?:[^"\\]|\\.)*"|-?[\d.e+-]+|null|true|false)/g, value, random),
    () => replaceNth(text, /(?<=[:[,])[[{][^[\]{}]*[\]}]/g, value, random),
    () => replaceNth(text, /"(?:[^"\\]|\\.)*"(?=:)/g, '"__proto__"', random),
    () => replaceNth(text, /"(?:[^"\\]|\\.)*"(?=:)/g, '"toString"', random),
    () => text.slice(0, at) + text.slice(at + random.int(20)),
    () => text.slice(0, at) + String.fromCharCode(random.int(256)) + text.slice(at),
    () => text.slice(0, at),
    () => line((lines, i) => lines.splice(i, 1)),
    () => line((lines, i) => lines.splice(i, 0, lines[random.int(lines.length)]!)),
    () => line((lines, i) => lines.splice(i, 1, '\0'.repeat(random.int(50)))),
  ];
  return kinds[random.int(kinds.length)]!();
}

function replaceNth(text: string, pattern: RegExp, by: string, random: Random): string {
  const matches = [...text.matchAll(pattern)];
  const match = matches[random.int(Math.max(1, matches.length))];
  return match ? text.slice(0, match.index) + by + text.slice(match.index + match[0].length) : text;
}

/** Runs `work`; errors must be ours, on one line. @returns whether it succeeded */
function onlyOwnErrors(work: () => unknown, input: string): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof EnvironmentError))
      throw new Error(`Of ${JSON.stringify(input)}`, { cause: error });
    expect(error.message).not.toContain('\n');
    return false;
  }
}

function file(name: string, content: string | Buffer): string {
  const path = fresh(name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** Everything that is made of a study that could be read. */
function report(log: StudyLog): void {
  const study = { ...log, direction: log.directions[0] ?? 'minimize' };
  const text = summaryText(study, {});
  expect(text).toContain('trial');
  JSON.stringify(progressOption(study, { weights: {} }));
  reportHtml(study, { weights: { x: 1 } });
  const races = [{ sampler: 'a', seed: 1, trials: study.trials }];
  const table = contestTable(races, [1, 2], new Map());
  contestText(table);
  contestOption(races, table);
}

test(`${JOURNAL_MUTATIONS} damaged journals are read and reported, or refused with one of our errors`, () => {
  const random = randomStream(1, 'fuzz/journal');
  const texts = ['optuna.log', 'tinygpt.log'].map(golden);
  let read = 0;
  for (let i = 0; i < JOURNAL_MUTATIONS; i++) {
    const text = mutated(texts[i % 2]!, random);
    // A few characters become bytes that are no UTF-8.
    const path = file('journal.log', i % 10 === 0 ? Buffer.from(text, 'latin1') : text);
    onlyOwnErrors(() => {
      const studies = readJournal(path);
      for (const study of studies) report(study);
      read++;
    }, text);
  }
  expect(read).toBeGreaterThan(JOURNAL_MUTATIONS / 5);
  expect(Object.keys(Object.prototype)).toEqual([]);
});

test('300 damaged journals are continued with every sampler and pruner, or refused', () => {
  const random = randomStream(2, 'fuzz/continue');
  const text = golden('tinygpt.log');
  let continued = 0;
  for (let i = 0; i < 300; i++) {
    const path = file('journal.log', mutated(text, random));
    const sampler = samplerByName(samplerNames[i % samplerNames.length]!);
    const pruner = prunerByName(prunerNames[i % prunerNames.length]!);
    const name = 'night "é"';
    const ok = onlyOwnErrors(
      () => {
        const study = loadStudy({ storage: path, name, sampler, pruner });
        const trial = study.ask();
        trial.report(1, 0.5);
        trial.shouldPrune();
        study.tell(trial, 1);
        study.reclaim({ unknown: true });
        study.best();
        const again = readJournal(path).find((log) => log.name === name)!;
        expect(again.trials).toHaveLength(study.trials.length);
      },
      readFileSync(path, 'utf8'),
    );
    if (ok) continued++;
  }
  expect(continued).toBeGreaterThan(60);
});

test(`${SPACE_MUTATIONS} damaged spaces are searched within their bounds, or refused`, async () => {
  const random = randomStream(3, 'fuzz/space');
  const content = {
    space: {
      matrixLr: { kind: 'float', low: 0.005, high: 0.2, log: true },
      depth: { kind: 'int', low: 1, high: 4 },
      log2_totalBatchSize: { kind: 'int', low: 9, high: 12, log: false, step: 1 },
      windowPattern: { kind: 'categorical', choices: ['S', 'L', 2, null, true] },
      weightDecay: { kind: 'float', low: 0, high: 0.5, step: 0.1, when: { windowPattern: ['L', 2] } },
    },
    defaults: { depth: 2, windowPattern: 'L' },
  };
  const text = JSON.stringify(content, null, 1).replaceAll('": ', '":');
  let searched = 0;
  for (let i = 0; i < SPACE_MUTATIONS; i++) {
    const damaged = mutated(text, random, 1);
    const search = (given: { space: unknown; defaults?: unknown }) => {
      const setup = checkSpace(given.space, given.defaults);
      for (const [name, distribution] of Object.entries(setup.space)) {
        expect(contains(distribution, setup.defaults[name])).toBe(true);
        for (const u of [0, 0.3, 1, random.uniform()]) {
          const value = fromUnit(distribution, u);
          expect(contains(distribution, value)).toBe(true);
          expect(toUnit(distribution, value)).toBeGreaterThanOrEqual(0);
          expect(toUnit(distribution, value)).toBeLessThanOrEqual(1);
        }
        expect(contains(distribution, sampleUniform(distribution, random))).toBe(true);
        onlyOwnErrors(() => fixParams(setup, { [name]: '3' }), damaged);
        onlyOwnErrors(() => onlyParams(setup, [name]), damaged);
      }
      const study = createStudy({ ...setup, sampler: samplerByName('random'), pruner: medianPruner() });
      study.tell(study.ask(), 1);
      study.tell(study.ask(), 2);
      searched++;
    };
    onlyOwnErrors(() => {
      let value: unknown;
      try {
        value = parseJson(damaged);
      } catch {
        return; // loadSpaceFile names the file, below
      }
      search(Object(value) as { space: unknown });
    }, damaged);
    if (i % 10 > 0) continue;
    const path = file('space.json', damaged);
    await loadSpaceFile(path).catch((error) =>
      onlyOwnErrors(() => {
        throw error;
      }, damaged),
    );
  }
  expect(searched).toBeGreaterThan(SPACE_MUTATIONS / 20);
});

test.each(samplerNames)('%s searches parameters named constructor, toString and __proto__', async (name) => {
  const space = Object.fromEntries([
    ['constructor', float(0, 1)],
    ['toString', int(1, 4)],
    ['__proto__', float(1e-3, 1, { log: true })],
    ['hasOwnProperty', categorical(['a', 'b'])],
  ]);
  const path = fresh('journal.log');
  const make = () => createStudy({ storage: path, space, sampler: samplerByName(name), seed: 1 });
  const study = make();
  study.enqueue({ constructor: 0.25 } as object);
  const seen: object[] = [];
  await study.optimize(
    ({ params }) => {
      seen.push(params);
      return own(params, 'constructor') as number;
    },
    { trials: 15 },
  );
  for (const params of seen) expect(Object.keys(params).sort()).toEqual(Object.keys(space).sort());
  expect(own(seen[1] as Params, 'constructor')).toBe(0.25);
  expect(new Set(seen.map((params) => own(params as Params, '__proto__'))).size).toBeGreaterThan(8);
  expect(make().trials.map(({ params }) => JSON.stringify(params))).toEqual(
    study.trials.map(({ params }) => JSON.stringify(params)),
  );
  const { space: rest, fixed } = fixParams(
    checkSpace(space),
    parseAssignments(['toString=2', '__proto__=0.5']),
  );
  expect(Object.keys(rest)).toEqual(['constructor', 'hasOwnProperty']);
  expect(Object.entries(fixed)).toEqual([
    ['toString', 2],
    ['__proto__', 0.5],
  ]);
});

test.each(samplerNames)('%s searches ranges as wide as all floats and integers', (name) => {
  const space = {
    wide: float(-Number.MAX_VALUE, Number.MAX_VALUE),
    half: float(0, Number.MAX_VALUE),
    log: float(5e-324, Number.MAX_VALUE, { log: true }),
    whole: int(0, Number.MAX_SAFE_INTEGER),
  };
  const study = createStudy({ space, sampler: samplerByName(name), seed: 1 });
  for (let i = 0; i < 20; i++) study.tell(study.ask(), i % 5);
  for (const key of Object.keys(space) as (keyof typeof space)[]) {
    const values = study.trials.map(({ params }) => params[key]);
    expect(values.every(Number.isFinite)).toBe(true);
    expect(new Set(values).size).toBeGreaterThan(8);
  }
});
