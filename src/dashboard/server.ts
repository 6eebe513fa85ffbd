// The dashboard's server: the page, its events, and actions. It listens on loopback unless told otherwise; who is answered
// is decided in guard.ts, and actions need the token that the terminal printed.

import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { bearerAuth } from 'hono/bearer-auth';
import { bodyLimit } from 'hono/body-limit';
import { HTTPException } from 'hono/http-exception';
import { secureHeaders } from 'hono/secure-headers';
import { streamSSE } from 'hono/streaming';
import { EnvironmentError, hasCode, messageOf } from '../base/errors.js';
import { formatStandardJson } from '../base/json.js';
import { pause } from '../base/pause.js';
import { pageFile } from '../report/html.js';
import { isConfirmation } from '../tune/identity.js';
import { type Actions, enqueue, stop } from './actions.js';
import { type Feed, openFeed, type Position } from './feed.js';
import { HEADERS, refusalOf } from './guard.js';
import { type Found, openLibrary, type StepsFolder } from './library.js';
import { type Machine, watchMachine } from './machine.js';

export type DashboardOptions = {
  /** Folders, journals and URLs of storages. */
  places: readonly string[];
  /** Steps that are not beside their study's journal. */
  steps?: StepsFolder | undefined;
  /** Taken as given, or the next free one after it; 0 takes any. */
  port: number;
  /** Address to listen on; loopback unless set. */
  host?: string | undefined;
  /** What actions need; drawn unless set. */
  token?: string | undefined;
  /** Continues a study whose command is known here, see cli/. */
  resumption?: Actions['resumption'];
};

export type Dashboard = {
  url: string;
  token: string;
  /** Resolves when it no longer listens. */
  close(): Promise<void>;
};

const LOOPBACK = '127.0.0.1';
const TICK_MS = 400;
const RESCAN_MS = 3000;
/** A reader that has not taken the last message by then is left. */
const PATIENCE_MS = 1000;
const PORTS_TRIED = 20;
const LARGEST_BODY = 64 * 1024;

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>tinygpt</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="page.css">
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript.</noscript>
<script src="page.js"></script>
</body>
</html>
`;

/**
 * Starts the server.
 * @throws UsageError for a place that does not exist
 * @throws EnvironmentError for a port that is taken, or a page that has not been built
 */
export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { host = LOOPBACK, token = randomBytes(24).toString('base64url'), resumption } = options;
  const files = { 'page.js': pageFile('page.js'), 'page.css': pageFile('page.css') };
  const library = openLibrary(options.places, options.steps);
  const feeds = new Map<string, { study: Found; feed: Feed; refreshed: number }>();
  let machine: Machine | null = null;
  let readers = 0;
  let scanned = performance.now();
  const ending = new AbortController();
  setMaxListeners(0, ending.signal); // each reader waits for it

  function rescan(): void {
    if (performance.now() - scanned < RESCAN_MS) return;
    library.rescan();
    scanned = performance.now();
  }

  /** The feed of a study, as it is now. */
  function feedOf(key: string): Feed | null {
    const study = library.studies.find((each) => each.key === key);
    if (!study) return null;
    let entry = feeds.get(key);
    if (!entry || entry.study !== study)
      feeds.set(key, (entry = { study, feed: openFeed(study), refreshed: Number.NEGATIVE_INFINITY }));
    if (ending.signal.aborted || performance.now() - entry.refreshed >= TICK_MS / 2) {
      try {
        entry.feed.refresh();
      } catch {
        library.rescan(); // removed or replaced: it is opened again, or listed with its reason
        return null;
      }
      entry.refreshed = performance.now();
    }
    return entry.feed;
  }

  /** Every study, the one that changed last first; confirmation runs after all searches. */
  const sorted = (): Found[] =>
    library.studies
      .map((study) => ({ study, rank: isConfirmation(study.log) ? 1 : 0, last: lastChange(study) }))
      .sort((a, b) => a.rank - b.rank || b.last - a.last)
      .map(({ study }) => study);

  function list(): string {
    const studies = sorted().map(entryOf);
    const errors = library.unreadable.map((entry) => ({
      ...entry,
      ...{ trials: 0, running: 0, best: null, actions: false },
    }));
    return formatStandardJson({ kind: 'list', studies: [...studies, ...errors] });
  }
  const entryOf = (study: Found) =>
    (feeds.get(study.key)?.study === study ? feeds.get(study.key)!.feed : openFeed(study)).entry();

  const app = new Hono();
  app.use(secureHeaders(HEADERS));
  app.use(async (c, next) => {
    const refusal = refusalOf(c, host);
    if (refusal) return c.json({ message: refusal }, 403);
    c.header('Cache-Control', 'no-store');
    await next();
  });
  app.get('/', (c) => c.html(PAGE));
  app.get('/page.js', (c) =>
    c.body(files['page.js'], 200, { 'Content-Type': 'text/javascript; charset=utf-8' }),
  );
  app.get('/page.css', (c) => c.body(files['page.css'], 200, { 'Content-Type': 'text/css; charset=utf-8' }));
  app.get('/api/studies', (c) => {
    rescan();
    return c.body(list(), 200, { 'Content-Type': 'application/json' });
  });
  app.get('/api/studies/:key', (c) => {
    const feed = feedOf(c.req.param('key'));
    if (!feed) return c.json({ message: 'No such study' }, 404);
    return c.body(feed.snapshot().text, 200, { 'Content-Type': 'application/json' });
  });
  app.get('/api/events', (c) =>
    streamSSE(c, async (stream) => {
      const asked = c.req.query('study') ?? '';
      let closed = false;
      stream.onAbort(() => {
        closed = true;
      });
      readers++;
      c.header('Connection', 'close'); // ends with the stream, so that closing waits for what is said last
      machine ??= watchMachine();
      const say = (data: string) => stream.writeSSE({ data });
      let shown = '';
      let at: Position | null = null;
      let listed = '';
      let listedAt = Number.NEGATIVE_INFINITY;
      let lived = Number.NEGATIVE_INFINITY;
      try {
        // Once more when the server closes: a study ends just before its --dashboard does.
        for (let last = false; !last && !closed && !stream.aborted; ) {
          last = ending.signal.aborted;
          rescan();
          // The study that was asked for, else the first of the list; it stays while it cannot be read.
          const isThere = library.studies.some(({ key }) => key === asked);
          const key = shown || (isThere ? asked : latest());
          if (key !== shown) [shown, at] = [key, null];
          const feed = key === '' ? null : feedOf(key);
          if (feed) {
            const news: ReturnType<Feed['since']> = at === null ? 'again' : feed.since(at);
            const message: { text: string; at: Position } | null = news === 'again' ? feed.snapshot() : news;
            if (message) {
              await say(message.text);
              at = message.at;
              listedAt = Number.NEGATIVE_INFINITY;
            }
          }
          if (performance.now() - listedAt >= RESCAN_MS / 2) {
            listedAt = performance.now();
            const entries = list();
            if (entries !== listed) await say((listed = entries));
          }
          if (feed && (last || performance.now() - lived >= 900)) {
            lived = performance.now();
            await say(formatStandardJson({ kind: 'live', live: feed.live(machine.sample()) }));
          }
          if (!last) await pause(TICK_MS, ending.signal);
        }
      } finally {
        if (--readers === 0) {
          machine?.close();
          machine = null;
        }
      }
    }),
  );

  const latest = () => sorted()[0]?.key ?? '';

  app.use(
    '/api/studies/:key/*',
    bodyLimit({ maxSize: LARGEST_BODY, onError: (c) => c.json({ message: 'The request is too long' }, 413) }),
  );
  app.use(
    '/api/studies/:key/*',
    bearerAuth({
      token,
      noAuthenticationHeader: { message: { message: NO_TOKEN } },
      invalidAuthenticationHeader: { message: { message: NO_TOKEN } },
      invalidToken: { message: { message: 'This is not the token that the terminal printed' } },
    }),
  );
  app.post('/api/studies/:key/:action', async (c) => {
    const study = library.studies.find(({ key }) => key === c.req.param('key'));
    if (!study) return c.json({ message: 'No such study' }, 404);
    if (study.place === null) return c.json({ message: 'Runs of tinygpt train take no actions' }, 400);
    const place = study.place;
    try {
      const body: unknown = await c.req.json();
      switch (c.req.param('action')) {
        case 'enqueue':
          return c.json({ message: enqueue(place, study.log.name, body) });
        case 'stop':
          return c.json({ message: stop(place, study.log.name, true) });
        case 'resume': {
          const isRunning = feedOf(study.key)
            ?.live(NO_MACHINE)
            .running.some(({ lost }) => !lost);
          if (isRunning) return c.json({ message: stop(place, study.log.name, false) });
          if (!resumption?.isKnown(place))
            return c.json(
              { message: 'Run the command that began this study again: it continues where it stopped' },
              400,
            );
          stop(place, study.log.name, false);
          return c.json({ message: resumption.resume(place) });
        }
        default:
          return c.json({ message: 'Expected the action enqueue, stop or resume' }, 404);
      }
    } catch (error) {
      return c.json({ message: messageOf(error) }, 400);
    }
  });
  app.notFound((c) => c.json({ message: 'Nothing here' }, 404));
  app.onError((error, c) =>
    error instanceof HTTPException ? error.getResponse() : c.json({ message: messageOf(error) }, 500),
  );

  const server = createServer(getRequestListener(app.fetch));
  const port = await listen(server, host, options.port);
  const shownHost = host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${shownHost}:${port}/`,
    token,
    close: () =>
      new Promise((resolve) => {
        ending.abort();
        const late = setTimeout(() => server.closeAllConnections(), PATIENCE_MS);
        server.close(() => {
          clearTimeout(late);
          library.close();
          machine?.close();
          resolve();
        });
      }),
  };
}

const NO_TOKEN = 'Actions need the token that the terminal printed';
const NO_MACHINE = { cpu: null, cores: 0, memoryUsed: 0, memoryTotal: 0, gpus: [] };

/** When a study last changed, in milliseconds since the epoch. */
function lastChange({ log: { trials } }: Found): number {
  let last = 0;
  for (let i = Math.max(0, trials.length - 50); i < trials.length; i++)
    last = Math.max(last, trials[i]!.end ?? trials[i]!.start ?? 0);
  return last;
}

/** Listens on a port, or the next free one. @returns the port */
async function listen(server: Server, host: string, port: number): Promise<number> {
  for (let tried = 0; ; tried++) {
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port === 0 ? 0 : port + tried, host, () => {
          server.off('error', reject);
          resolve();
        });
      });
      return (server.address() as AddressInfo).port;
    } catch (error) {
      if (hasCode(error, 'EADDRINUSE') && port !== 0 && tried < PORTS_TRIED) continue;
      throw new EnvironmentError(
        `Cannot listen on ${host}:${port} (${messageOf(error)}); choose another --port or --host`,
        {
          cause: error,
        },
      );
    }
  }
}
