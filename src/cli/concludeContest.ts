// The outcome of a contest, from its journals alone: the same journals give the same table and plots, byte for byte.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import { formatStandardJson } from '../base/json.js';
import { isObject } from '../base/valid.js';
import { writeContest } from '../report/index.js';
import { REFERENCES, type References, referencesNamed } from '../report/references.js';
import { type Confirmation, confirmationOf } from '../tune/confirm.js';
import { type Again, contestTable, type Race, winnerOf } from '../tune/contest.js';
import { recordedNames } from '../tune/identity.js';
import { readJournal } from '../tune/storage/index.js';
import type { Attributes, Direction, Params } from '../tune/types.js';
import type { ConcludeOptions } from './conclude.js';
import { choice } from './options.js';
import { printable } from './terminal.js';

const REFERENCE_NAMES = REFERENCES.map(({ name }) => name);
export const REFERENCES_OPTION = choice(
  REFERENCE_NAMES,
  `published results beside a contest: ${REFERENCE_NAMES.join(', ')}`,
);

/** The folder of a study within a contest: sampler and seed. */
const RACE = /^(.+)-(\d+)$/;

/** Whether a folder holds a contest. */
export const isContest = (folder: string): boolean =>
  !existsSync(join(folder, 'journal.log')) && raceFolders(folder).length > 0;

const raceFolders = (folder: string): string[] =>
  existsSync(folder) && statSync(folder).isDirectory()
    ? readdirSync(folder).filter((name) => RACE.test(name) && existsSync(join(folder, name, 'journal.log')))
    : [];

/** Numbers of a sampler's trials within its pool: by seed, so that they stay the same when races go on. */
const PER_SEED = 100_000;

const numberInPool = ({ seed, number }: { seed: number; number: number }): number => seed * PER_SEED + number;

/** All trials of a sampler as those of one study. */
export function poolOf(
  name: string,
  races: readonly Race[],
  direction: Direction,
  shared: { space: unknown; defaults: Params; objective: Attributes },
) {
  const trials = races.flatMap(({ seed, trials }) =>
    trials.map((trial) => ({ ...trial, number: numberInPool({ seed, number: trial.number }) })),
  );
  return { name, direction, defaults: shared.defaults, trials, userAttrs: shared };
}

/** Writes contest.txt, contest.json and the plots, and prints the table. @throws UsageError for a folder without studies */
export function concludeContest(folder: string, options: ConcludeOptions): void {
  const { say } = options;
  const references: References | null =
    options.references === undefined ? null : referencesNamed(options.references);
  const { races, direction, metric, shared } = readRaces(folder);
  const confirmed = (name: string): Confirmation | null => {
    const journal = join(folder, 'again', name, 'journal.log');
    if (!existsSync(journal)) return null;
    const own = races.filter(({ sampler }) => sampler === name);
    return confirmationOf(poolOf(name, own, direction, shared), readJournal(journal));
  };
  const again = new Map<string, number[]>();
  const top = new Map<string, Again[]>();
  for (const name of new Set(races.map(({ sampler }) => sampler))) {
    const candidates = confirmed(name)?.candidates ?? [];
    // Races that went on may have another winner than the one that ran again.
    const winner = winnerOf(
      races.filter(({ sampler }) => sampler === name),
      direction,
      [],
    );
    const isWinner = winner && candidates[0]?.trial === numberInPool(winner);
    const runs = candidates.map(({ searched, runs }) => ({
      searched: searched!,
      values: runs.flatMap(({ value }) => value ?? []),
      test: runs.flatMap(({ test }) => test ?? []),
    }));
    top.set(name, runs);
    if (isWinner) again.set(name, runs[0]!.values);
  }
  const baseline = confirmed('defaults')?.candidates[0]?.runs ?? [];
  const table = contestTable(
    races,
    baseline.flatMap(({ value }) => value ?? []),
    again,
    {
      direction,
      metric,
      reference: options.reference,
      top,
      defaultsTest: baseline.flatMap(({ test }) => test ?? []),
    },
  );
  const { text, svg, hours } = writeContest(folder, races, table, references);
  writeFileAtomic(join(folder, 'contest.json'), `${formatStandardJson(table)}\n`);
  say(printable(text));
  say(`Table: ${join(folder, 'contest.json')}   Plots: ${svg}, ${hours}`);
  if (options.json) process.stdout.write(`${formatStandardJson(table)}\n`);
}

/** The studies of a contest by sampler and seed, and what they share. */
export function readRaces(folder: string) {
  const found = raceFolders(folder).flatMap((name) => {
    const [, sampler, seed] = RACE.exec(name)!;
    const study = readJournal(join(folder, name, 'journal.log')).find((one) => one.name === name);
    return study ? [{ sampler: sampler!, seed: Number(seed), study }] : [];
  });
  found.sort((a, b) => a.seed - b.seed || (a.sampler < b.sampler ? -1 : 1));
  expect(found.length > 0, () => `Expected the studies of a contest in ${folder}, got none`);
  const races = found.map(
    ({ sampler, seed, study }): Race => ({ sampler, seed, trials: study.trials, ...costOf(study.userAttrs) }),
  );
  const own = found.find(({ study }) => !isObject(study.userAttrs.imported)) ?? found[0]!;
  const { space, defaults, objective } = own.study.userAttrs;
  return {
    races,
    direction: own.study.directions[0]!,
    metric: recordedNames(own.study)?.[0] ?? 'value',
    shared: {
      space,
      defaults: isObject(defaults) ? (defaults as Params) : {},
      objective: isObject(objective) ? objective : {},
    },
  };
}

const numberOr = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

/** What a study says about cost, and about where it was imported from. */
function costOf({
  imported,
  hours,
  cost_usd: cost,
  llm_usage: usage,
}: Attributes): Pick<Race, 'imported' | 'costUsd' | 'unknownCost'> {
  const costUsd = isObject(imported)
    ? numberOr(cost)
    : isObject(usage)
      ? numberOr(usage.cost_usd)
      : undefined;
  return {
    ...(isObject(imported) && { imported: { hours: numberOr(hours) ?? 0 } }),
    ...(costUsd !== undefined && { costUsd }),
    ...(isObject(usage) && { unknownCost: numberOr(usage.unknown_cost) ?? 0 }),
  };
}
