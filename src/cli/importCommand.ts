// tinygpt import: an agent's log of experiments as a study, to stand beside those of samplers.

import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { expect, UsageError } from '../base/errors.js';
import { makeFolder } from '../base/files.js';
import { readTextFile } from '../base/textFile.js';
import { type AgentRun, agentEntries, readAgentLog, USUAL_SECONDS } from '../tune/agentLog.js';
import { languageOf } from '../tune/script/lexer.js';
import { openStorage, readJournal } from '../tune/storage/index.js';
import { concludeStudy } from './conclude.js';
import { isContest, readRaces } from './concludeContest.js';
import { choice, command, flag, number, required, text, type ValuesOf } from './options.js';
import { counted, linePrinter } from './terminal.js';
import { checkFolderName } from './tuneOptions.js';

const FILE = {
  file: required("an agent's log: tab-separated, with the columns commit, val_bpb, status, description"),
};
const OPTIONS = {
  name: text('what the agent is called in plots and tables', { default: 'agent', placeholder: 'name' }),
  out: text('folder of the study (default studies/<name>)', { placeholder: 'folder' }),
  contest: text('folder of a contest that it joins', { placeholder: 'folder' }),
  hours: number("hours of the run (default: from git's dates, else five minutes an experiment)", {
    above: 0,
  }),
  cost: number('dollars that the run has cost', { min: 0 }),
  git: text('repository with the commits, for the hyperparameters of each', { placeholder: 'folder' }),
  script: text('script in it whose constants are the hyperparameters', {
    default: 'train.py',
    placeholder: 'path',
  }),
  metric: text('column of the value (default: the one after commit)', { placeholder: 'name' }),
  direction: choice(['minimize', 'maximize'], 'whether a lower or a higher value is better', {
    default: 'minimize',
  }),
  json: flag('print the outcome as one JSON object', { default: false }),
};

export const importCommand = command({
  options: OPTIONS,
  positionals: FILE,
  examples: [
    ['tinygpt import results.tsv --git . --cost 27 --hours 8', 'a run of karpathy/autoresearch'],
    ['tinygpt import results.tsv --contest studies/contest', 'beside the samplers of a contest'],
  ],
  run: runImport,
});

/** Runs the command; resolves to the exit code. */
async function runImport(args: ValuesOf<typeof OPTIONS & typeof FILE>): Promise<number> {
  const say = linePrinter(args.json);
  const { file, name, direction } = args;
  checkFolderName(name);
  const other = args.contest === undefined ? '--out' : '--name';
  expect(
    args.contest === undefined || args.out === undefined,
    () => 'Expected one of --out and --contest, got both',
  );
  const shared = args.contest !== undefined && isContest(args.contest) ? readRaces(args.contest) : null;
  expect(
    shared === null || shared.direction === direction,
    () => `Expected --direction ${shared!.direction}, as in the contest in ${args.contest}, got ${direction}`,
  );
  const study = args.contest === undefined ? name : `${name}-1`;
  const folder = args.contest === undefined ? (args.out ?? join('studies', name)) : join(args.contest, study);
  const journal = join(folder, 'journal.log');
  expect(
    !existsSync(journal),
    () => `Expected a new study, got ${journal}, which exists; choose another with ${other}`,
  );
  const { metric, runs } = readAgentLog(readTextFile(file, 'log'), args.metric);
  const history = args.git === undefined ? null : readHistory(args.git, args.script, runs);
  const hours = args.hours ?? history?.hours;
  const entries = agentEntries({
    name: study,
    metric,
    direction,
    sampler: name,
    runs,
    scripts: history?.scripts ?? runs.map(() => null),
    language: languageOf(args.script),
    begin:
      history?.begin ??
      statSync(resolve(file)).mtimeMs -
        (hours === undefined ? runs.length * USUAL_SECONDS : hours * 3600) * 1000,
    hours,
    costUsd: args.cost,
    source: { file: basename(file), ...(args.git !== undefined && { script: args.script }) },
  });
  makeFolder(folder);
  const storage = openStorage(journal, { create: true });
  storage.transact(() => entries);
  storage.close();
  const [log] = readJournal(journal);
  const known = history?.scripts.filter((text) => text !== null).length;
  say(
    `${counted(runs.length, 'experiment')} from ${file}${known === undefined ? '' : `, ${known} with hyperparameters from git`}`,
  );
  await concludeStudy(folder, { ...log!, direction }, { json: args.json, say });
  return 0;
}

type History = { scripts: (string | null)[]; begin: number | undefined; hours: number | undefined };

/**
 * The script at each commit of a log that the repository still has; experiments that were discarded often are gone. A first
 * row without a commit, the baseline, is the parent of the next.
 */
function readHistory(repository: string, script: string, runs: readonly AgentRun[]): History {
  const git = (...words: string[]) =>
    spawnSync('git', ['-C', repository, ...words], { encoding: 'utf8', maxBuffer: 2 ** 26 });
  const { status, error, stderr } = git('rev-parse', '--git-dir');
  if (error || status !== 0)
    throw new UsageError(
      `Expected a git repository at ${repository}, got: ${error?.message ?? stderr.trim().split('\n')[0]}`,
    );
  const first = runs.find(({ commit }) => commit !== null)?.commit;
  const revisions = runs.map(({ commit }, i) => commit ?? (i === 0 && first ? `${first}^` : null));
  const scripts = revisions.map((revision) => {
    if (revision === null) return null;
    const shown = git('show', `${revision}:${script}`);
    return shown.status === 0 ? shown.stdout : null;
  });
  expect(
    scripts.some((text) => text !== null),
    () =>
      `Expected ${repository} to have ${script} at one of the log's commits, got none; see --git and --script`,
  );
  // Of the run's own commits: what came before the baseline may be much older.
  const dates = runs.flatMap(({ commit }) => {
    const shown = commit === null ? null : git('show', '-s', '--format=%ct', `${commit}^{commit}`, '--');
    return shown?.status === 0 ? [Number(shown.stdout) * 1000] : [];
  });
  const known = dates.filter(Number.isFinite);
  const [begin, end] = [Math.min(...known), Math.max(...known)];
  const hours = (end - begin) / 3600e3;
  return { scripts, begin: known.length > 0 ? begin : undefined, hours: hours > 0 ? hours : undefined };
}
