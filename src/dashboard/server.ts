// The dashboard's server: the page, its events, and actions.
//
// What it holds on to. It listens on loopback unless told otherwise. A page of another site can make a browser send requests
// here, and a name that resolves to 127.0.0.1 makes that site ours in the browser's eyes (DNS rebinding): so only requests
// to a local name or an address are answered, none that a browser marks as another site's, and actions must come from this
// page with the token that the terminal printed. Nothing on the page loads from elsewhere.

import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { hostname } from 'node:os';
import { getRequestListener } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { bearerAuth } from 'hono/bearer-auth';
import { bodyLimit } from 'hono/body-limit';
import { HTTPException } from 'hono/http-exception';
import { secureHeaders } from 'hono/secure-headers';
import { streamSSE } from 'hono/streaming';
import { EnvironmentError, hasCode, messageOf } from '../base/errors.js';
import { formatStandardJson } from '../base/json.js';
import { pageFile } from '../report/html.js';
import { type Actions, enqueue, stop } from './actions.js';
import { type Feed, openFeed, type Position } from './feed.js';
import { type Found, openLibrary } from './library.js';
import { type Machine, watchMachine } from './machine.js';

export type DashboardOptions = {
  /** Folders, journals and URLs of storages. */
  places: readonly string[];
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
  const library = openLibrary(options.places);
  const feeds = new Map<string, { study: Found; feed: Feed; refreshed: number }>();
  let machine: Machine | null = null;
  let readers = 0;
  let scanned = Date.now();

  function rescan(): void {
    if (Date.now() - scanned < RESCAN_MS) return;
    library.rescan();
    scanned = Date.now();
  }

  /** The feed of a study, as it is now. */
  function feedOf(key: string): Feed | null {
    const study = library.studies.find((each) => each.key === key);
    if (!study) return null;
    let entry = feeds.get(key);
    if (!entry || entry.study !== study)
      feeds.set(key, (entry = { study, feed: openFeed(study), refreshed: 0 }));
    if (Date.now() - entry.refreshed >= TICK_MS / 2) {
      try {
        entry.feed.refresh();
      } catch {
        library.rescan(); // removed or replaced: it is opened again, or listed with its reason
        return null;
      }
      entry.refreshed = Date.now();
    }
    return entry.feed;
  }

  /** Every study, the one that changed last first. */
  function list(): string {
    const studies = library.studies
      .map((study) => ({ entry: entryOf(study), last: lastChange(study) }))
      .sort((a, b) => b.last - a.last)
      .map(({ entry }) => entry);
    const errors = library.unreadable.map(({ key, where, error }) => ({
      ...{ key, where, error, name: where },
      ...{ trials: 0, running: 0, best: null },
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
      machine ??= watchMachine();
      const say = (data: string) => stream.writeSSE({ data });
      let shown = '';
      let at: Position | null = null;
      let listed = '';
      let listedAt = 0;
      let lived = 0;
      try {
        while (!closed && !stream.aborted) {
          rescan();
          // The study that was asked for, else the one that changed last.
          const key = library.studies.some((study) => study.key === (shown || asked))
            ? shown || asked
            : latest();
          if (key !== shown) [shown, at] = [key, null];
          const feed = key === '' ? null : feedOf(key);
          if (feed) {
            const news: ReturnType<Feed['since']> = at === null ? 'again' : feed.since(at);
            const message: { text: string; at: Position } | null = news === 'again' ? feed.snapshot() : news;
            if (message) {
              await say(message.text);
              at = message.at;
              listedAt = 0;
            }
          }
          if (Date.now() - listedAt >= RESCAN_MS / 2) {
            listedAt = Date.now();
            const entries = list();
            if (entries !== listed) await say((listed = entries));
          }
          if (feed && Date.now() - lived >= 900) {
            lived = Date.now();
            await say(
              formatStandardJson({ kind: 'live', live: feed.live(machine.sample(), isResumable(key)) }),
            );
          }
          await stream.sleep(TICK_MS);
        }
      } finally {
        if (--readers === 0) {
          machine?.close();
          machine = null;
        }
      }
    }),
  );

  const latest = () => [...library.studies].sort((a, b) => lastChange(b) - lastChange(a))[0]?.key ?? '';
  const isResumable = (key: string): boolean => {
    const place = library.studies.find((study) => study.key === key)?.place;
    return place !== null && place !== undefined && (resumption?.isKnown(place) ?? false);
  };

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
            ?.live(NO_MACHINE, false)
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
        library.close();
        machine?.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const NO_TOKEN = 'Actions need the token that the terminal printed';
const NO_MACHINE = { cpu: null, cores: 0, memoryUsed: 0, memoryTotal: 0, gpus: [] };

const HEADERS = {
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    connectSrc: ["'self'"],
    imgSrc: ["'self'", 'data:'],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
  crossOriginResourcePolicy: 'same-origin',
  crossOriginOpenerPolicy: 'same-origin',
  referrerPolicy: 'no-referrer',
  xFrameOptions: 'DENY',
  strictTransportSecurity: false,
};

/** Why a request is not answered; null for one that is. */
function refusalOf(c: Context, host: string): string | null {
  const name = c.req.header('host') ?? '';
  const url = URL.canParse(`http://${name}`) ? new URL(`http://${name}`) : null;
  const asked = url?.hostname.replace(/^\[|\]$/g, '') ?? '';
  const isLoopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
  // No site can make a browser resolve an address to something else, only a name.
  const known = isLoopback
    ? asked === 'localhost' || asked === '::1' || (isIP(asked) === 4 && asked.startsWith('127.'))
    : isIP(asked) > 0 || ['localhost', host, hostname()].includes(asked);
  if (!known) return `Expected the dashboard's own address, got ${JSON.stringify(name).slice(0, 80)}`;
  const site = c.req.header('sec-fetch-site');
  if (site !== undefined && site !== 'same-origin' && !(site === 'none' && c.req.method === 'GET'))
    return 'Expected a request of this page, got one of another site';
  const origin = c.req.header('origin');
  const isRead = c.req.method === 'GET' || c.req.method === 'HEAD';
  // Browsers name the origin of every action; what is only read may come without.
  if (origin === undefined ? !isRead : origin !== `http://${name}`)
    return 'Expected a request of this page, got one of another origin';
  return null;
}

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
