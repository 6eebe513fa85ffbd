// A Python package index without Python: which wheels there are, which fits this machine, where it lies.
// Source: PEP 503 and PEP 691 (simple repository API), PEP 658 (metadata beside wheels).

import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { EnvironmentError, UsageError } from '../../base/errors.js';
import { request } from './download.js';
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

/** A wheel to be had. */
export interface Wheel {
  project: string;
  version: string;
  file: string;
  url: string;
  /** Hex SHA-256, where the index tells. */
  sha256?: string;
  /** Bytes, where the index tells. */
  size?: number;
}

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
  return (PIP_INDEX_URL ?? configured[0] ?? 'https://pypi.org/simple').replace(/\/+$/, '');
}

/**
 * The newest released wheel of a project that satisfies the requirement and runs on `platform`.
 * Any Python's will do: only its libraries and headers are used.
 * @throws EnvironmentError when there is none, saying what there is, or when the index does not answer
 */
export async function findWheel(
  { project, specifier }: Requirement,
  platform: Platform,
  { index = indexUrl(), signal }: { index?: string | undefined; signal?: AbortSignal | undefined } = {},
): Promise<Wheel> {
  const glibc = platform.glibc;
  if (platform.os !== 'linux' || glibc === undefined)
    throw new UsageError(
      `Expected Linux with glibc, whose TensorFlow wheels hold what the addon needs, got ${platform.os}` +
        `${platform.os === 'linux' ? ' with another C library' : ''}; elsewhere: npm install @tensorflow/tfjs-node`,
    );
  const wheels = (await listWheels(index, project, signal)).filter(({ version }) => isRelease(version));
  const fitting = wheels.filter(({ version }) => satisfies(version, specifier));
  if (fitting.length === 0) {
    const newest = wheels.map(({ version }) => version).sort(compareVersions);
    throw new EnvironmentError(
      `${index} has no ${project} ${specifier}; ${newest.length ? `the newest is ${newest.at(-1)}` : 'it has none'}`,
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

/** All wheels of a project, yanked ones excluded. */
async function listWheels(index: string, project: string, signal?: AbortSignal): Promise<Wheel[]> {
  const url = `${index}/${project}/`;
  const accept = 'application/vnd.pypi.simple.v1+json, text/html;q=0.5';
  const response = await request(url, { headers: { accept }, signal });
  const text = await response.text();
  const files = response.headers.get('content-type')?.includes('json')
    ? fromJson(text)
    : fromHtml(text, response.url || url);
  return files.flatMap((file) => {
    const name = parseWheelName(file.file);
    return name ? [{ ...file, project: name.project, version: name.version }] : [];
  });
}

type IndexFile = Omit<Wheel, 'project' | 'version'>;

function fromJson(text: string): IndexFile[] {
  const { files } = JSON.parse(text) as {
    files: { filename: string; url: string; hashes?: { sha256?: string }; size?: number; yanked?: unknown }[];
  };
  return files
    .filter(({ yanked }) => !yanked)
    .map(({ filename: file, url, hashes, size }) => ({
      file,
      url,
      ...(hashes?.sha256 && { sha256: hashes.sha256 }),
      ...(size !== undefined && { size }),
    }));
}

function fromHtml(text: string, base: string): IndexFile[] {
  return [...text.matchAll(/<a\s([^>]*)>/gi)]
    .filter(([, attributes]) => !/\bdata-yanked\b/.test(attributes!))
    .flatMap(([, attributes]) => {
      const href = /\bhref\s*=\s*["']([^"']+)["']/i.exec(attributes!)?.[1];
      if (!href) return [];
      const url = new URL(href.replaceAll('&amp;', '&'), base);
      const sha256 = /sha256=([0-9a-f]{64})/.exec(url.hash)?.[1];
      url.hash = '';
      const file = decodeURIComponent(url.pathname.split('/').at(-1)!);
      return [{ file, url: url.href, ...(sha256 && { sha256 }) }];
    });
}

/** Requirements of a wheel's extra. @throws EnvironmentError when the index keeps no metadata beside its wheels */
export async function requirementsOf(
  wheel: Wheel,
  extra: string,
  signal?: AbortSignal,
): Promise<Requirement[]> {
  const response = await request(`${wheel.url}.metadata`, { signal });
  const requirements = requirementsOfExtra(await response.text(), extra);
  if (requirements.length === 0)
    throw new EnvironmentError(
      `${wheel.file} lists nothing under [${extra}]; choose another release with --release`,
    );
  return requirements;
}
