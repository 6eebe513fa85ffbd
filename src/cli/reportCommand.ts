// tinygpt report: makes the report of any journal again, Optuna's own included.

import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Argv } from 'yargs';
import { expect, UsageError } from '../base/errors.js';
import { readJournal } from '../tune/journal/storage.js';
import { concludeStudy } from './conclude.js';

export const reportOptions = (yargs: Argv) =>
  yargs
    .positional('study', { type: 'string', demandOption: true, describe: 'folder of a study, or a journal' })
    .options({
      name: { type: 'string', describe: 'study of the journal, where it holds several' },
      out: { type: 'string', describe: "folder of the report (default: the journal's)" },
      reference: { type: 'number', describe: 'a value to compare with' },
      json: { type: 'boolean', default: false, describe: 'print the outcome as one JSON object' },
    });

type Arguments = {
  study: string;
  name?: string | undefined;
  out?: string | undefined;
  reference?: number | undefined;
  json: boolean;
};

/** Runs the command; resolves to the exit code. */
export async function reportCommand(args: Arguments): Promise<number> {
  const journal = journalOf(args.study);
  const studies = readJournal(journal);
  const names = studies.map(({ name }) => name);
  expect(studies.length > 0, () => `Expected a study in ${journal}, got none`);
  const study = args.name === undefined ? studies[0]! : studies.find(({ name }) => name === args.name);
  if (!study || (args.name === undefined && studies.length > 1))
    throw new UsageError(
      `Expected --name among ${names.join(', ')} of ${journal}, got ${args.name ?? 'none'}`,
    );
  const { directions } = study;
  expect(directions.length === 1, () => `Expected a study of one objective, got ${directions.length}`);
  const say = (line: string) => (args.json ? process.stderr : process.stdout).write(`${line}\n`);
  await concludeStudy(
    args.out ?? dirname(journal),
    { ...study, direction: directions[0]! },
    { ...args, say },
  );
  return 0;
}

function journalOf(path: string): string {
  expect(existsSync(path), () => `No study at ${path}; give the folder of a study, or a journal file`);
  return statSync(path).isDirectory() ? join(path, 'journal.log') : path;
}
