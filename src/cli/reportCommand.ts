// tinygpt report: writes the report of any study, including Optuna's own.

import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from '../base/errors.js';
import { studyNamed } from '../tune/identity.js';
import { isRemote, readJournal } from '../tune/storage/index.js';
import { concluded, concludeStudy } from './conclude.js';
import { concludeContest, isContest, REFERENCES_OPTION } from './concludeContest.js';
import { command, flag, number, required, text, type ValuesOf } from './options.js';
import { linePrinter } from './terminal.js';

const STUDY = { study: required('folder of a study or a contest, a journal or the URL of a storage') };
const OPTIONS = {
  name: text('study to report, if the journal has several', { placeholder: 'name' }),
  out: text("folder of the report (default: the journal's)", { placeholder: 'folder' }),
  reference: number('a value to compare with'),
  references: REFERENCES_OPTION,
  json: flag('print the outcome as one JSON object', { default: false }),
};

export const reportCommand = command({ options: OPTIONS, positionals: STUDY, run: runReport });

/** Runs the command; resolves to the exit code. */
async function runReport(args: ValuesOf<typeof OPTIONS & typeof STUDY>): Promise<number> {
  const say = linePrinter(args.json);
  if (isContest(args.study)) {
    concludeContest(args.study, { ...args, say });
    return 0;
  }
  const journal = journalOf(args.study);
  expect(
    !isRemote(journal) || args.out !== undefined,
    () => 'Expected --out with the URL of a storage, got none; say where to write the report',
  );
  const studies = readJournal(journal);
  const study = studyNamed(studies, args.name, journal);
  await concludeStudy(args.out ?? dirname(journal), concluded(study, studies), { ...args, say });
  return 0;
}

/** The journal in a folder, or the path or URL itself. @throws UsageError where nothing is there */
export function journalOf(path: string): string {
  if (isRemote(path)) return path;
  expect(
    existsSync(path),
    () => `No study at ${path}; give the folder of a study, a journal or the URL of a storage`,
  );
  return statSync(path).isDirectory() ? join(path, 'journal.log') : path;
}
