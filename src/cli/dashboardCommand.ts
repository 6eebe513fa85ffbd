// tinygpt dashboard: serves the live page of every study that it finds.

import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { StepsFolder } from '../dashboard/library.js';
import { type Dashboard, startDashboard } from '../dashboard/server.js';
import { command, integer, many, text, type ValuesOf } from './options.js';
import { knownCommands } from './resumption.js';
import { abortOnInterrupt, linePrinter } from './terminal.js';
import { stopWithParent } from './workers.js';

/** The port where it is not said. */
export const USUAL_PORT = 6006;

const PLACES = {
  places: many('folders, journals or storages (default: studies and runs, else this folder)'),
};
export const STEPS_OPTIONS = {
  steps: text('folder with the steps of a study in a storage: the --out of its tune on this machine', {
    placeholder: 'folder',
  }),
  stepsOf: text("that study's name (default: the folder's)", { placeholder: 'name' }),
};
const OPTIONS = {
  port: integer(`port, or the next free one after it (default ${USUAL_PORT}); 0 takes any`, {
    min: 0,
    max: 65_535,
  }),
  ...STEPS_OPTIONS,
  host: text('address to listen on (default: this machine only)', { placeholder: 'address' }),
};

export const dashboardCommand = command({
  options: OPTIONS,
  positionals: PLACES,
  examples: [
    ['tinygpt dashboard', 'the studies and runs in this folder'],
    ['tinygpt dashboard optuna.log redis://localhost:6379', 'a journal and a storage'],
    ['ssh -L 6006:localhost:6006 HOST', "the page of another machine's dashboard, at http://localhost:6006"],
  ],
  run: runDashboard,
});

/** Runs the command; resolves to the exit code. */
async function runDashboard(args: ValuesOf<typeof OPTIONS & typeof PLACES>): Promise<number> {
  const isChild = process.connected === true;
  const { signal, release } = isChild ? stopWithParent() : abortOnInterrupt(() => {});
  try {
    const places =
      args.places.length > 0 ? args.places : ['studies', 'runs'].filter((folder) => existsSync(folder));
    const dashboard = await startDashboard({
      places: places.length > 0 ? places : ['.'],
      port: args.port ?? USUAL_PORT,
      host: args.host,
      steps: stepsFolder(args),
      resumption: knownCommands(),
    });
    announce(dashboard, args.host);
    process.send?.('listening');
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    await dashboard.close();
    return 0;
  } finally {
    release();
  }
}

/** Where the steps of a study are that is kept elsewhere. */
export const stepsFolder = ({
  steps: folder,
  stepsOf: study,
}: ValuesOf<typeof STEPS_OPTIONS>): StepsFolder | undefined =>
  folder === undefined ? undefined : { study: study ?? basename(resolve(folder)), folder };

function announce({ url, token }: Dashboard, host: string | undefined): void {
  const say = linePrinter(true);
  say(`Dashboard: ${url}#token=${token}`);
  say(`Its actions (enqueue, stop, resume) need the token ${token}, which this link carries`);
  if (host !== undefined && !/^(127\.|::1$|localhost$)/.test(host))
    say('Anyone who can reach this address can read the studies; only the actions need the token');
}
