// --dashboard: a process of its own serves the page while a study or a run goes on, so that neither waits for the other.

import { spawn } from 'node:child_process';
import { makeFolder } from '../base/files.js';
import { isRemote, openStorage } from '../tune/storage/index.js';
import { MAIN } from './commandLine.js';
import { USUAL_PORT } from './dashboardCommand.js';
import { optional } from './options.js';
import type { StudyPlace } from './tuneOptions.js';

export const DASHBOARD_OPTION = {
  dashboard: optional(`serve a live page meanwhile, at port ${USUAL_PORT} or --dashboard PORT`, {
    usual: USUAL_PORT,
    expected: 'a port from 0 to 65535',
    read: (given) => (/^\d{1,5}$/.test(given) && Number(given) <= 65_535 ? Number(given) : undefined),
  }),
};

/** In the environment of processes that have a dashboard above them. */
const SERVED = 'TINYGPT_DASHBOARD';

/**
 * Runs `work` with a dashboard of `place` where one is asked for. On a terminal the page stays after the end, until Ctrl-C,
 * so that a study can be looked at and resumed from it.
 * @param place folder, made where it is missing, or where a study is kept with its steps elsewhere
 * @returns what `work` returns
 */
export async function withDashboard(
  port: number | null | undefined,
  place: string | StudyPlace,
  work: () => Promise<number>,
): Promise<number> {
  if (port === undefined || port === null || process.env[SERVED]) return work();
  process.env[SERVED] = '1';
  const words = [MAIN, 'dashboard', '--port', String(port), ...served(place)];
  const server = spawn(process.execPath, words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  // Where it cannot listen it has said why, and the work goes on.
  await Promise.race([new Promise<void>((resolve) => server.once('message', () => resolve())), ended]);
  server.channel?.unref();
  server.unref();
  try {
    const code = await work();
    if (process.stdout.isTTY && process.stdin.isTTY && code !== 130 && server.exitCode === null) {
      process.stderr.write('The dashboard stays; Ctrl-C ends it\n');
      server.ref();
      const interrupted = new Promise<void>((resolve) => process.once('SIGINT', () => resolve()));
      await Promise.race([interrupted, ended]);
    }
    return code;
  } finally {
    delete process.env[SERVED];
    if (server.connected) server.disconnect();
  }
}

/** Makes what is served where it is missing. @returns the words that name it */
function served(place: string | StudyPlace): string[] {
  if (typeof place === 'string') {
    makeFolder(place);
    return ['--', place];
  }
  const { name, folder, storage } = place;
  if (!isRemote(storage)) openStorage(storage, { create: true }).close();
  return [`--steps=${folder}`, `--steps-of=${name}`, '--', storage];
}
