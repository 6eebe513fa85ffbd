// Finds studies: in folders (journals of ours and of Optuna, runs of tinygpt train), in journal files and in storages on the
// network. What cannot be read is listed with its reason.

import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { messageOf, UsageError } from '../base/errors.js';
import { confirmationFolder, followSteps, noSteps, type Steps, stepsFile } from '../report/steps.js';
import { isConfirmation } from '../tune/identity.js';
import type { StudyLog } from '../tune/journal/replay.js';
import { createLiveness } from '../tune/liveness.js';
import { isRemote, openStorage, type Storage, shownPlace } from '../tune/storage/index.js';
import { identify } from '../tune/storage/worker.js';
import type { Trial } from '../tune/types.js';
import { isRun, openRuns } from './runs.js';

/** A study that is followed: live, read by `refresh`. */
export type Followed = {
  log: StudyLog;
  steps: Steps;
  refresh(): void;
  /** Whether the process of a running trial is gone. */
  isLost(trial: Trial): boolean;
};

/** A study that was found. */
export type Found = Followed & {
  /** Names it in requests; the same after a restart. */
  key: string;
  /** Where it is, for people. */
  where: string;
  /** Where its journal is, to write to; null for runs, which have none. */
  place: string | null;
};
/** A place that cannot be read. */
export type Unreadable = { key: string; name: string; where: string; error: string };

export type Library = {
  /** Studies as last looked for. */
  readonly studies: readonly Found[];
  readonly unreadable: readonly Unreadable[];
  /** Looks for new studies and reads what is new in those that are known. */
  rescan(): void;
  close(): void;
};

/** Where this machine records the steps of a study that is kept elsewhere. */
export type StepsFolder = { study: string; folder: string };

/** A worker on another machine is taken for gone after so long without a sign of life. */
const GRACE_SECONDS = 120;
const DEEPEST = 4;
const MOST_FOLDERS = 5000;
const SKIPPED = new Set(['node_modules', 'checkpoint', 'build', 'trials']);
/** What every journal of Optuna begins with. */
const FIRST_BYTES = '{"op_code"';

/**
 * @param places folders, journal files and URLs of storages
 * @param recorded the steps of a study are there, not beside its journal
 * @param connectSeconds that a storage on the network may take to be reached, where that is less than usual
 * @throws UsageError for a place that does not exist
 */
export function openLibrary(
  places: readonly string[],
  recorded?: StepsFolder,
  connectSeconds?: () => number,
): Library {
  for (const place of places)
    if (!isRemote(place) && !statSync(place, { throwIfNoEntry: false }))
      throw new UsageError(
        `Expected a folder, a journal or the URL of a storage, got ${place}; check the path`,
      );
  const storages = new Map<string, Storage>();
  const runs = new Map<string, Found>();
  const found = new Map<string, Found>();
  let studies: Found[] = [];
  let unreadable: Unreadable[] = [];

  /** Studies in a storage; forgets one that cannot be read, so that it is opened again. */
  function inStorage(place: string, where: string): Found[] {
    try {
      const known = storages.get(place);
      const storage = known ?? openStorage(place, { connectSeconds: connectSeconds?.() });
      storages.set(place, storage);
      storage.refresh();
      return storage.log.studies().map((log) => foundIn(storage, place, where, log));
    } catch (error) {
      storages.get(place)?.close();
      storages.delete(place);
      const before = [...found].filter(([, study]) => study.place === place);
      const named = before.map(([key, { log }]) => ({ key, name: log.name }));
      const entries = named.length > 0 ? named : [{ key: keyOf(place, ''), name: where }];
      unreadable.push(...entries.map((entry) => ({ ...entry, where, error: messageOf(error) })));
      return [];
    }
  }

  function foundIn(storage: Storage, place: string, where: string, log: StudyLog): Found {
    const key = keyOf(place, log.name);
    const known = found.get(key);
    if (known && known.log === log) return known;
    const steps = noSteps();
    const beside = storage.path === null ? null : dirname(storage.path);
    const searched = isConfirmation(log) ? log.userAttrs.confirms : log.name;
    const folder = recorded && recorded.study === searched ? recorded.folder : beside;
    const own = folder !== null && isConfirmation(log) ? confirmationFolder(folder) : folder;
    const follow = own === null ? () => {} : followSteps(stepsFile(own), steps);
    const refresh = () => {
      storage.refresh();
      follow();
    };
    const { isLost } = createLiveness(storage, identify(), GRACE_SECONDS);
    const entry: Found = {
      ...{ key, where, place, log, steps, refresh },
      isLost: (trial) => isLost(trial),
    };
    found.set(key, entry);
    follow();
    return entry;
  }

  function inRuns(folder: string, where: string): Found[] {
    try {
      const known = runs.get(folder);
      if (known) known.refresh();
      else runs.set(folder, { ...openRuns(folder), key: keyOf(folder, 'runs'), where, place: null });
      return [runs.get(folder)!];
    } catch (error) {
      unreadable.push({ key: keyOf(folder, 'runs'), name: where, where, error: messageOf(error) });
      return [];
    }
  }

  function rescan(): void {
    unreadable = [];
    studies = places.flatMap((place) => {
      if (isRemote(place)) return inStorage(place, shownPlace(place));
      const { journals, folders } = look(resolve(place));
      const name = (path: string) => relative(process.cwd(), path) || '.';
      return [
        ...journals.flatMap((path) => inStorage(path, name(path))),
        ...folders.flatMap((path) => inRuns(path, name(path))),
      ];
    });
  }
  rescan();
  return {
    get studies() {
      return studies;
    },
    get unreadable() {
      return unreadable;
    },
    rescan,
    close: () => {
      for (const storage of storages.values()) storage.close();
    },
  };
}

const keyOf = (place: string, name: string): string =>
  createHash('sha256')
    .update(JSON.stringify([isRemote(place) ? place : resolve(place), name]))
    .digest('hex')
    .slice(0, 16);

/** Journals under a path, and folders that hold runs; links are not followed. */
function look(path: string): { journals: string[]; folders: string[] } {
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return { journals: [path], folders: [] };
  if (isRun(path)) return { journals: [], folders: [path] };
  const journals: string[] = [];
  const folders: string[] = [];
  let left = MOST_FOLDERS;
  const visit = (folder: string, depth: number): void => {
    if (left-- <= 0) return;
    let hasRuns = false;
    for (const entry of entriesOf(folder)) {
      const at = join(folder, entry.name);
      if (entry.isFile() && /(^|\.)(log|journal|jsonl)$/.test(entry.name) && isJournal(at)) journals.push(at);
      if (!entry.isDirectory() || entry.name.startsWith('.') || SKIPPED.has(entry.name)) continue;
      if (isRun(at)) hasRuns = true;
      else if (depth < DEEPEST) visit(at, depth + 1);
    }
    if (hasRuns) folders.push(folder);
  };
  visit(path, 0);
  return { journals, folders };
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return []; // not ours to read
  }
}

/** Whether a file begins as a journal does. */
export function isJournal(path: string): boolean {
  try {
    const fd = openSync(path, 'r');
    try {
      const head = Buffer.alloc(FIRST_BYTES.length);
      readSync(fd, head, 0, head.length, 0);
      return head.toString() === FIRST_BYTES;
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}
