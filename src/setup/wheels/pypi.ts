// A client for Python package indexes: lists wheels and picks the one for this machine.
// What an index says is not trusted: a file has a plain name and a SHA-256, or it is not used.
// Source: PEP 503 and PEP 691 (simple repository API), PEP 658 (metadata beside wheels).

import { existsSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { EnvironmentError, expect, messageOf, UsageError } from '../../base/errors.js';
import {
  decodeText,
  fetchText,
  type HttpOptions,
  type TextAnswer,
  withoutCredentials,
} from '../../net/http.js';
import {
  compareVersions,
  glibcNeeded,
  isRelease,
  type Platform,
  parseWheelName,
  type Requirement,
  requirementsOfExtra,
  satisfies,
} from './versions.js';

/** A wheel to download or on disk. */
export interface Wheel {
  project: string;
  version: string;
  file: string;
  url: string;
  /** Hex SHA-256; without one it is not downloaded. */
  sha256?: string;
  /** Bytes, where the index says. */
  size?: number;
}

/** A wheel on disk. @throws UsageError for another file */
export function localWheel(path: string): Wheel & { path: string } {
  const file = basename(path);
  const name = parseWheelName(file);
  if (!name) throw new UsageError(`Expected --from to name a wheel (.whl) or a folder, got ${path}`);
  return { project: name.project, version: name.version, file, url: '', path, size: statSync(path).size };
}

const elsewhere = () =>
  'set PIP_INDEX_URL to an index that can be reached, or download the wheel elsewhere and name it with --from';

/** HTTP options for an index and its files. */
export const indexHttp = (http: HttpOptions): HttpOptions => ({ attempts: 4, ...http, remedy: elsewhere });

/** pip's index: PIP_INDEX_URL, else index-url of pip's configuration file, else PyPI. */
export function indexUrl(env: NodeJS.ProcessEnv = process.env): string {
  const { PIP_INDEX_URL, PIP_CONFIG_FILE, XDG_CONFIG_HOME } = env;
  const files = [
    PIP_CONFIG_FILE,
    join(XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'pip', 'pip.conf'),
    join(homedir(), '.pip', 'pip.conf'),
    '/etc/pip.conf',
  ];
  const configured = files.flatMap((file) =>
    file && existsSync(file)
      ? (/^\s*index-url\s*=\s*(\S+)/m.exec(readFileSync(file, 'utf8'))?.slice(1) ?? [])
      : [],
  );
  const url = PIP_INDEX_URL ?? configured[0] ?? 'https://pypi.org/simple';
  expect(
    /^https?:/.test(url) && URL.canParse(url),
    () =>
      `Expected the package index to be a URL such as https://pypi.org/simple, got ${url}; set PIP_INDEX_URL`,
  );
  return url.replace(/\/+$/, '');
}

/**
 * The newest released wheel of a project that satisfies the requirement and runs on `platform`.
 * The Python version does not matter: only libraries and headers are used.
 * @throws EnvironmentError when there is none, saying what there is, or when the index does not answer
 */
export async function findWheel(
  { project, specifier }: Requirement,
  platform: Platform,
  { index = indexUrl(), ...http }: HttpOptions & { index?: string | undefined } = {},
): Promise<Wheel> {
  const glibc = platform.glibc;
  if (platform.os !== 'linux' || glibc === undefined)
    throw new UsageError(
      `Expected Linux with glibc, which the wheels of ${project} are made for, got ${platform.os}` +
        `${platform.os === 'linux' ? ' with another C library' : ''}`,
    );
  const wheels = (await listWheels(index, project, http)).filter(({ version }) => isRelease(version));
  const fitting = wheels.filter(({ version }) => satisfies(version, specifier));
  if (fitting.length === 0) {
    const newest = wheels.map(({ version }) => version).sort(compareVersions);
    throw new EnvironmentError(
      `${withoutCredentials(index)} has no ${project} ${specifier}; ${newest.length ? `the newest is ${newest.at(-1)}` : 'it has none'}`,
    );
  }
  const needs = (wheel: Wheel) => glibcNeeded(parseWheelName(wheel.file)!.platforms, platform.machine);
  const runnable = fitting.filter((wheel) => {
    const needed = needs(wheel);
    return needed !== undefined && compareVersions(needed, glibc) <= 0;
  });
  if (runnable.length > 0)
    return runnable
      .sort((a, b) => compareVersions(a.version, b.version) || compareText(a.file, b.file))
      .at(-1)!;
  const newest = fitting.sort((a, b) => compareVersions(a.version, b.version)).at(-1)!;
  const needed = fitting.flatMap((wheel) => needs(wheel) ?? []).sort(compareVersions)[0];
  throw new EnvironmentError(
    needed === undefined
      ? `${project} ${newest.version} has no wheel for Linux on ${platform.machine}`
      : `${project} needs glibc ${needed} or newer, this system has ${glibc}; use a newer system, or an older release with --release`,
  );
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** All wheels of a project, without yanked ones. @throws EnvironmentError for an answer that is no list of files */
async function listWheels(index: string, project: string, http: HttpOptions): Promise<Wheel[]> {
  const accept = 'application/vnd.pypi.simple.v1+json, text/html;q=0.5';
  const answer = await fetchText(`${index}/${project}/`, { accept }, indexHttp(http));
  let files: IndexFile[];
  try {
    files = answer.headers.get('content-type')?.includes('json') ? fromJson(answer) : fromHtml(answer);
  } catch (error) {
    throw new EnvironmentError(
      `Expected ${withoutCredentials(answer.url)} to list files (${messageOf(error).split('\n')[0]}); ${elsewhere()}`,
      { cause: error },
    );
  }
  return files.flatMap((file) => {
    const name = parseWheelName(file.file);
    return name ? [{ ...file, project: name.project, version: name.version }] : [];
  });
}

type IndexFile = Omit<Wheel, 'project' | 'version'>;

function fromJson({ text, url: base }: TextAnswer): IndexFile[] {
  const { files } = JSON.parse(text) as {
    files: { filename: string; url: string; hashes?: { sha256?: string }; size?: number; yanked?: unknown }[];
  };
  return files
    .filter(({ yanked }) => !yanked)
    .map(({ filename, url, hashes, size }) => ({
      file: String(filename),
      url: new URL(url, base).href,
      ...withHash(hashes?.sha256),
      ...(Number.isSafeInteger(size) && size! >= 0 && { size: size! }),
    }));
}

function fromHtml({ text, url: base }: TextAnswer): IndexFile[] {
  return [...text.matchAll(/<a\s([^>]*)>/gi)]
    .filter(([, attributes]) => !/\bdata-yanked\b/.test(attributes!))
    .flatMap(([, attributes]) => {
      const href = /\bhref\s*=\s*["']([^"']+)["']/i.exec(attributes!)?.[1];
      if (!href) return [];
      const url = new URL(href.replaceAll('&amp;', '&'), base);
      const sha256 = /sha256=([0-9a-f]{64})/.exec(url.hash)?.[1];
      url.hash = '';
      return [{ file: decodeText(url.pathname.split('/').at(-1)!), url: url.href, ...withHash(sha256) }];
    });
}

const withHash = (sha256: unknown) =>
  typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) ? { sha256 } : {};

/** Requirements of a wheel's extra. @throws EnvironmentError when the index has no metadata beside its wheels */
export async function requirementsOf(
  wheel: Wheel,
  extra: string,
  http: HttpOptions = {},
): Promise<Requirement[]> {
  const { text } = await fetchText(`${wheel.url}.metadata`, {}, indexHttp(http));
  const requirements = requirementsOfExtra(text, extra);
  if (requirements.length === 0)
    throw new EnvironmentError(
      `${wheel.file} lists nothing under [${extra}]; choose another release with --release`,
    );
  return requirements;
}
