// Real servers for tests: Redis, and Optuna's gRPC storage proxy over PostgreSQL. Each is started on a free port with its
// data in a temporary folder, and is null where it is not installed.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from '@jest/globals';
import { scratchFolder } from './scratch.js';

const started: ChildProcess[] = [];
const folders: string[] = [];
afterAll(() => {
  for (const server of started.splice(0)) server.kill('SIGKILL');
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
const fresh = scratchFolder();

/** A port that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Resolves when the output of a process has matched; with all of it. */
function saying(server: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const hear = (chunk: Buffer) => {
      text += chunk;
      if (pattern.test(text)) resolve(text);
    };
    server.stdout?.on('data', hear);
    server.stderr?.on('data', hear);
    server.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${text}`)));
  });
}

export type Server = { port: number; stop(): Promise<void>; start(): Promise<void> };

async function server(port: number, launch: () => ChildProcess, ready: RegExp): Promise<Server> {
  let child: ChildProcess | undefined;
  const self: Server = {
    port,
    async start() {
      child = launch();
      started.push(child);
      await saying(child, ready);
    },
    async stop() {
      const stopped = child!;
      await new Promise((resolve) => {
        stopped.once('exit', resolve);
        stopped.kill('SIGKILL');
      });
    },
  };
  await self.start();
  return self;
}

const runs = (command: string, ...args: string[]): boolean => {
  try {
    return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
  } catch {
    return false;
  }
};

export const REDIS = process.env.TINYGPT_REDIS_SERVER ?? 'redis-server';
export const hasRedis = runs(REDIS, '--version');

/** Whether the Redis can encrypt: one that cannot does not know the option. */
export const hasRedisTls =
  hasRedis &&
  /one of the following/.test(
    `${spawnSync(REDIS, ['--tls-auth-clients', 'x'], { encoding: 'utf8' }).stderr}`,
  );

/** A self-signed certificate for 127.0.0.1 and its key, or null where there is no openssl. */
export function makeCertificate(): { certificate: string; key: string } | null {
  const folder = fresh('tls');
  mkdirSync(folder, { recursive: true });
  const [certificate, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const made = runs('openssl', 'req', '-x509', ...kind, ...name, '-keyout', key, '-out', certificate);
  return made ? { certificate, key } : null;
}

/** A Redis that keeps what it acknowledges. @param tls it accepts nothing that is not encrypted */
export async function startRedis(tls?: { certificate: string; key: string }): Promise<Server> {
  const port = await freePort();
  const dir = fresh('redis');
  mkdirSync(dir, { recursive: true });
  const { certificate = '', key = '' } = tls ?? {};
  const encrypted = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-auth-clients', 'no'];
  const ports = tls ? ['--port', '0', '--tls-port', `${port}`, ...encrypted] : ['--port', `${port}`];
  const args = [...ports, '--bind', '127.0.0.1', '--dir', dir, '--save', ''];
  const safe = ['--appendonly', 'yes', '--appendfsync', 'always'];
  return server(port, () => spawn(REDIS, [...args, ...safe]), /Ready to accept connections/);
}

/** A Python with Optuna and grpcio. */
export const PYTHON = process.env.TINYGPT_OPTUNA_PYTHON ?? 'python3';
export const hasOptuna = runs(PYTHON, '-c', 'import optuna, grpc');

/** Optuna's gRPC storage proxy. @param url of its database; in its memory when left out */
export async function startProxy(url?: string): Promise<Server> {
  const port = await freePort();
  const script = fileURLToPath(new URL('../../../test/tune/optunaProxy.py', import.meta.url));
  return server(port, () => spawn(PYTHON, [script, `${port}`, ...(url ? [url] : [])]), /Listening/);
}

const binaries = ['/usr/lib/postgresql', ''].flatMap((root) =>
  root && existsSync(root) ? readdirSync(root).map((version) => join(root, version, 'bin')) : [],
);
const initdb = [process.env.TINYGPT_POSTGRES_BIN, ...binaries].find(
  (bin) => bin && existsSync(join(bin, 'initdb')),
);
export const hasPostgres = initdb !== undefined && hasOptuna && runs(PYTHON, '-c', 'import psycopg');

/** A PostgreSQL, and its URL for SQLAlchemy. It refuses to run as root, so a root runs it as `nobody`. */
export async function startPostgres(): Promise<Server & { url: string }> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'tinygpt-postgres-')); // of its own: others may not enter the scratch folder
  folders.push(dir);
  const who = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  if (who.uid) execFileSync('chown', ['65534', dir]);
  execFileSync(
    join(initdb!, 'initdb'),
    ['-D', join(dir, 'data'), '-A', 'trust', '-U', 'optuna', '--no-sync'],
    {
      ...who,
      cwd: dir,
      stdio: 'ignore',
    },
  );
  const args = ['-D', join(dir, 'data'), '-p', `${port}`, '-k', dir, '-c', 'listen_addresses=127.0.0.1'];
  const started = await server(
    port,
    () => spawn(join(initdb!, 'postgres'), args, { ...who, cwd: dir }),
    /ready to accept connections/,
  );
  return { ...started, url: `postgresql+psycopg://optuna@127.0.0.1:${port}/postgres` };
}

/** Runs Python and resolves to what it printed. */
export function python(code: string, ...args: string[]): Promise<string> {
  const child = spawn(PYTHON, ['-W', 'ignore', '-c', code, ...args]);
  return new Promise((resolve, reject) => {
    let [out, errors] = ['', ''];
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (errors += chunk));
    child.on('exit', (code) => (code === 0 ? resolve(out) : reject(new Error(errors))));
  });
}

/** As `python`, while everything here waits. */
export const pythonSync = (code: string): void =>
  void execFileSync(PYTHON, ['-W', 'ignore', '-c', code], { stdio: 'ignore' });

/** A TCP proxy in a process of its own, since a storage blocks this one. */
export async function startCable(
  to: number,
): Promise<{ port: number; cut(): Promise<void>; mend(): Promise<void> }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./cable.js', import.meta.url)), `${to}`], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  started.push(child);
  const port = Number((await saying(child, /\d+\n/)).trim());
  const order = (what: string) =>
    new Promise<void>((resolve) => {
      child.once('message', () => resolve());
      child.send(what);
    });
  return { port, cut: () => order('cut'), mend: () => order('mend') };
}
