// tinygpt mcp: studies as tools for coding agents, by the Model Context Protocol over stdin and stdout. Stdout is the
// protocol's alone: whatever else is printed, libraries' lines included, goes to stderr.

import { join } from 'node:path';
import { Writable } from 'node:stream';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { messageOf } from '../base/errors.js';
import { once } from '../base/once.js';
import { isObject } from '../base/valid.js';
import type { Confirming } from '../mcp/runs.js';
import { openServer } from '../mcp/server.js';
import { journalsIn, type ServerTask } from '../mcp/studies.js';
import { readJournal } from '../tune/storage/index.js';
import { BACKEND_OPTIONS } from './backendOptions.js';
import { packageVersion } from './cli.js';
import { concluded, concludeStudy } from './conclude.js';
import { confirmStudy, mustConfirm } from './confirmStudy.js';
import { DATA_OPTIONS } from './dataOptions.js';
import { isOfCommand, openTask } from './openTask.js';
import { command, group, integer, number, readOptions, text, type ValuesOf } from './options.js';
import type { TaskRun } from './task.js';
import { abortOnInterrupt, linePrinter, openProgress, type Screen } from './terminal.js';
import { TUNE_OPTIONS, type TuneArguments } from './tuneOptions.js';

const { space, fix, only, preset, config } = TUNE_OPTIONS;
const { metric, direction, patch, env, timeLimit } = TUNE_OPTIONS;
const { trialSeconds, trialTokens, trialSteps, evalTokens, memoryLimit, confirm, repeats } = TUNE_OPTIONS;

const OPTIONS = {
  ...group('Server:', {
    out: text('folder of the studies, the only one that is written to', {
      default: 'studies',
      placeholder: 'folder',
    }),
    maxTrials: integer('most trials of a study', { default: 200, min: 1 }),
    maxMinutes: number('most minutes of trials while the server runs', { default: 120, above: 0 }),
  }),
  ...DATA_OPTIONS,
  ...BACKEND_OPTIONS,
  ...{ space, fix, only, preset, config },
  ...{ command: TUNE_OPTIONS.command, metric, direction, patch, env, timeLimit },
  ...{ trialSeconds, trialTokens, trialSteps, evalTokens, memoryLimit },
  ...{ confirm, repeats },
};

type Arguments = ValuesOf<typeof OPTIONS>;

export const mcpCommand = command({
  options: OPTIONS,
  examples: [
    ['tinygpt mcp', 'serve studies in ./studies; an agent can also train with the defaults'],
    ['tinygpt mcp --trial-seconds 60 --max-minutes 60', 'an hour of trials of one minute'],
    [
      'tinygpt mcp --command "python train.py" --patch train.py --metric val_bpb',
      "trials of the user's own script",
    ],
  ],
  run: serve,
});

/** Serves until the client closes stdin or the process is stopped; resolves to the exit code. */
async function serve(args: Arguments): Promise<number> {
  const protocol = ownStdout();
  const say = linePrinter(true);
  const progress = openProgress();
  const gone = new AbortController();
  const { signal: interrupted, release } = abortOnInterrupt(() => gone.abort());
  const signal = AbortSignal.any([gone.signal, interrupted]);
  const closed = new Promise<void>((resolve) => {
    for (const event of ['end', 'close']) process.stdin.once(event, () => gone.abort());
    protocol.once('error', () => gone.abort()); // nobody reads the answers
    signal.addEventListener('abort', () => resolve());
  });

  const task = once(() => open(args, { progress, signal, say }));
  const server = openServer({
    folder: args.out,
    version: packageVersion(),
    maxTrials: args.maxTrials,
    maxMinutes: args.maxMinutes,
    signal,
    task,
    confirmation: confirmationBy(args, task, { progress, signal, say }),
    onRun: (study, folder) => {
      const studies = readJournal(study.path!);
      return concludeStudy(folder, concluded(studies.find(({ name }) => name === study.name)!, studies), {
        say,
      });
    },
  });
  try {
    if (isOfCommand(args)) await task(); // a command opens fast, and its options may be wrong
    const handle = serveStdio(server.create, {
      transport: new StdioServerTransport(process.stdin, protocol),
      onerror: (error) => say(`mcp: ${messageOf(error)}`),
    });
    await closed;
    await server.settled();
    await handle.close();
    return 0;
  } finally {
    release();
  }
}

/** As in a study of tune; an agent may ask for another number of trials. */
function confirmationBy(args: Arguments, task: () => Promise<ServerTask>, screen: Screen): Confirming {
  const asked = (top: number | undefined) => ({
    confirm: top ?? args.confirm,
    repeats: args.repeats,
    storage: undefined,
  });
  return {
    isDue: (study, top, seconds, elapsed) => mustConfirm(asked(top), study, seconds, elapsed),
    async run(study, top, { folder, seconds, signal, onTrial }) {
      const { objective } = await task();
      const seeded = { objective: ({ seed, folder }: TaskRun) => objective(seed, folder) };
      return confirmStudy(asked(top), seeded, study, folder, seconds, { ...screen, signal }, onTrial);
    },
  };
}

/** What run_trials evaluates with. */
async function open(args: Arguments, screen: Screen): Promise<ServerTask> {
  const given = Object.fromEntries(Object.entries(args).filter(([name]) => name in TUNE_OPTIONS));
  const limits = { trials: args.maxTrials, minutes: args.maxMinutes };
  const all = { ...readOptions([], TUNE_OPTIONS)!, ...given, ...limits } as TuneArguments;
  // The evaluation's size may have been measured by an earlier server.
  const measured = journalsIn(args.out).find(({ journal, name }) =>
    readJournal(journal).some(
      (study) =>
        study.name === name &&
        isObject(study.userAttrs.objective) &&
        'eval_tokens' in study.userAttrs.objective,
    ),
  );
  const place = measured ?? { journal: join(args.out, 'journal.log'), name: '' };
  const task = await openTask(all, place, screen.progress, screen.signal);
  for (const line of task.about) screen.say(line);
  return {
    setup: task.setup,
    direction: task.direction,
    metricName: task.metricName,
    identity: task.identity,
    check: task.check,
    about: task.perTrial ? [...task.about, task.perTrial] : task.about,
    objective: (seed, folder) => task.objective({ seed, label: 'trial', pruning: false, folder }, screen),
  };
}

/** The real stdout, for the protocol; from here on everything else that is written to stdout goes to stderr. */
function ownStdout(): Writable {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write;
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      write(chunk, done);
    },
  });
}
