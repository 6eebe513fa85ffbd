// The commands that began this user's studies on this machine, so that the dashboard can run one again. They are kept in the
// cache and run only from files that nobody else can have written: a study's own folder may come from anyone.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { defaultCacheFolder, sha256, writeFileAtomic } from '../base/files.js';
import { readJsonFile } from '../base/textFile.js';
import { whyUntrusted } from '../base/trust.js';
import { isObject } from '../base/valid.js';
import type { Actions } from '../dashboard/actions.js';
import { isRemote } from '../tune/storage/index.js';
import { MAIN } from './commandLine.js';

type Command = { words: string[]; cwd: string };

const fileOf = (place: string): string =>
  join(
    defaultCacheFolder(),
    'commands',
    `${sha256(isRemote(place) ? place : resolve(place)).slice(0, 32)}.json`,
  );

/** Options that a resumed command leaves to the dashboard which started it. */
const LEFT_OUT = /^--(no-)?dashboard(=|$)/;

/**
 * Remembers the command line that works on a study.
 * @param place its journal or storage
 * @param words the command line without the program
 */
export function rememberCommand(place: string, words: readonly string[]): void {
  const kept = words.filter((word, i) => {
    const isPort = words[i - 1] === '--dashboard' && /^\d+$/.test(word);
    return !LEFT_OUT.test(word) && !isPort;
  });
  try {
    writeFileAtomic(fileOf(place), `${JSON.stringify({ words: kept, cwd: process.cwd() })}\n`, {
      owned: true,
    });
  } catch {
    // Without a cache a study is resumed by hand.
  }
}

function commandOf(place: string): Command | null {
  const file = fileOf(place);
  try {
    if (!existsSync(file) || whyUntrusted(file) !== undefined) return null;
    const command = readJsonFile(file);
    if (!isObject(command) || typeof command.cwd !== 'string' || !Array.isArray(command.words)) return null;
    return { words: command.words.map(String), cwd: command.cwd };
  } catch {
    return null;
  }
}

/** The studies that can be resumed here. */
export function knownCommands(): NonNullable<Actions['resumption']> {
  /** Processes that were started here and have not ended. */
  const started = new Map<string, ChildProcess>();
  return {
    isKnown: (place) => commandOf(place) !== null,
    resume(place) {
      // Its first trial takes a while to begin: a second click must not start a second process, which would slow the first.
      const running = started.get(place);
      if (running) return `Already resumed as process ${running.pid}`;
      const { words, cwd } = commandOf(place)!;
      const log = isRemote(place) ? null : openSync(join(dirname(place), 'resumed.log'), 'a');
      const output = log ?? 'ignore';
      const child = spawn(process.execPath, [MAIN, ...words], {
        cwd,
        detached: true,
        stdio: ['ignore', output, output],
      });
      started.set(place, child);
      child.on('exit', () => started.delete(place));
      child.on('error', () => started.delete(place)); // the page shows that nothing runs
      child.unref();
      if (log !== null) closeSync(log);
      return `Resumed as process ${child.pid}${log === null ? '' : '; it prints to resumed.log'}`;
    },
  };
}
