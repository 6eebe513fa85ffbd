// The studies that a server offers: a folder each below one root, and nothing outside it. A study is evaluated by the server
// (its task: the trainer or a command) or by the agent, which reports what it measured.

import { existsSync, lstatSync, readdirSync, realpathSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { UsageError } from '../base/errors.js';
import { makeFolder } from '../base/files.js';
import { formatJson, show } from '../base/json.js';
import { suggestion } from '../base/names.js';
import { isObject } from '../base/valid.js';
import type { StudyLog } from '../tune/journal/replay.js';
import { samplerByName } from '../tune/samplers/index.js';
import { checkSpace, type TunableSpace } from '../tune/space.js';
import { readJournal } from '../tune/storage/index.js';
import { createStudy, loadStudy } from '../tune/study.js';
import type { Check, Objective, Study } from '../tune/studyTypes.js';
import type { Attributes, Direction } from '../tune/types.js';

/** What the server evaluates trials with. */
export type ServerTask = {
  setup: TunableSpace;
  direction: Direction;
  metricName: string;
  identity(seed: number): Attributes;
  check?: Check | undefined;
  /** Evaluates the trials of a study in its folder. */
  objective(seed: number, folder: string): Objective;
  about: readonly string[];
};

/** A study to create. */
export type Creation = {
  name: string;
  evaluatedBy: 'server' | 'agent';
  /** Of an agent's study all of it; of a server's, what to search of its task. */
  space?: unknown;
  defaults?: unknown;
  direction?: Direction | undefined;
  metric?: string | undefined;
  sampler: string;
  seed: number;
};

/** `objective.task` of a study whose results an agent reports. */
const REPORTED = 'reported by an agent';
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const JOURNAL = 'journal.log';
const MOST_PARAMETERS = 200;
const MOST_CHARACTERS = 50_000;

/** The studies below a folder, by name. */
export function journalsIn(root: string): { name: string; journal: string }[] {
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((name) => NAME.test(name))
    .sort()
    .map((name) => ({ name, journal: join(root, name, JOURNAL) }))
    .filter(({ journal }) => existsSync(journal));
}

/** Opens the studies below a folder. @param task opened when a study needs it */
export function openStudies(given: string, task: () => Promise<ServerTask>) {
  const root = resolve(given);
  const open = new Map<string, Study>();

  /** The folder of a study. @throws UsageError for a name that is none, or a link that leads elsewhere */
  function folderOf(name: string): string {
    if (!NAME.test(name))
      throw new UsageError(
        `Expected the name of a study to be letters, digits, points, dashes and underscores, got ${show(name)}`,
      );
    const folder = join(root, name);
    for (const path of [folder, join(folder, JOURNAL)])
      if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink())
        throw new UsageError(`Expected a study of its own at ${name}, got a link to another place`);
    if (existsSync(folder) && !`${realpathSync(folder)}${sep}`.startsWith(`${realpathSync(root)}${sep}`))
      throw new UsageError(`Expected ${name} to lie in the folder of studies`);
    return folder;
  }

  const names = (): string[] => journalsIn(root).map(({ name }) => name);

  function logOf(name: string): StudyLog {
    const path = join(folderOf(name), JOURNAL);
    const log = existsSync(path) ? readJournal(path).find((study) => study.name === name) : undefined;
    if (log) return log;
    const known = names();
    throw new UsageError(
      `No study ${name}${suggestion(name, known, known.length > 0 ? `; there are ${known.join(', ')}` : '; create one')}`,
    );
  }

  const isReported = ({ userAttrs: { objective } }: Pick<StudyLog, 'userAttrs'>): boolean =>
    isObject(objective) && objective.task === REPORTED;

  return {
    root,
    names,
    folderOf,
    /** A study as its journal has it now, for reading. @throws UsageError where there is none */
    read: logOf,
    isReported,

    /** @throws UsageError for a bad space, or a study of this name that differs */
    async create({
      name,
      evaluatedBy,
      space,
      defaults,
      direction,
      metric,
      sampler,
      seed,
    }: Creation): Promise<Study> {
      const folder = folderOf(name);
      const common = { name, seed, sampler: samplerByName(sampler), storage: join(folder, JOURNAL) };
      let study: Study;
      if (evaluatedBy === 'agent') {
        const setup = checkSpace(bounded(space), defaults);
        makeFolder(folder);
        study = createStudy({
          ...common,
          ...setup,
          direction: direction ?? 'minimize',
          metricName: metric ?? 'value',
          objective: { task: REPORTED, metric: metric ?? 'value' },
          graceSeconds: Infinity, // the agent measures on when the server ends
        });
      } else {
        const served = await task();
        if (direction !== undefined && direction !== served.direction)
          throw new UsageError(`Expected direction ${served.direction}, the task's, got ${direction}`);
        const setup = space === undefined ? served.setup : narrowed(served.setup, bounded(space), defaults);
        makeFolder(folder);
        study = createStudy({
          ...common,
          space: setup.space,
          defaults: setup.defaults,
          direction: served.direction,
          metricName: served.metricName,
          objective: served.identity(seed),
          ...(served.check && { check: served.check }),
        });
      }
      open.set(name, study);
      return study;
    },

    /**
     * A study to work on.
     * @throws UsageError where there is none, or the task is no longer the same
     */
    async get(name: string): Promise<Study> {
      const known = open.get(name);
      if (known) {
        known.refresh();
        return known;
      }
      const log = logOf(name);
      const sampler = samplerByName(typeof log.userAttrs.sampler === 'string' ? log.userAttrs.sampler : 'gp');
      const storage = join(folderOf(name), JOURNAL);
      let study: Study;
      if (isReported(log))
        study = loadStudy({ name, storage, sampler, graceSeconds: Infinity }) as unknown as Study;
      else {
        const served = await task();
        const objective = served.identity(Number(log.userAttrs.seed));
        const check = served.check && { check: served.check };
        study = loadStudy({ name, storage, sampler, objective, ...check }) as unknown as Study;
      }
      open.set(name, study);
      return study;
    },
  };
}

export type Studies = ReturnType<typeof openStudies>;

function bounded(space: unknown): unknown {
  if (isObject(space) && Object.keys(space).length > MOST_PARAMETERS)
    throw new UsageError(`Expected at most ${MOST_PARAMETERS} parameters, got ${Object.keys(space).length}`);
  // Every trial records its distributions.
  if (formatJson(space ?? null).length > MOST_CHARACTERS)
    throw new UsageError(`Expected a space of at most ${MOST_CHARACTERS} characters of JSON, got more`);
  return space;
}

/** A part of the task's space, whose parameters may have other ranges. */
function narrowed(setup: TunableSpace, space: unknown, defaults: unknown): TunableSpace {
  if (isObject(space))
    for (const name of Object.keys(space))
      if (!Object.hasOwn(setup.space, name))
        throw new UsageError(
          `Unknown parameter ${show(name)} of the task${suggestion(name, Object.keys(setup.space), `; it has ${Object.keys(setup.space).join(', ')}`)}`,
        );
  return checkSpace(space, defaults, setup.defaults);
}
