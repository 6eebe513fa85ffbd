// The JavaScript package around the addon, with its dependencies: copied from node_modules where it is installed (npm
// installs it without its addon when install scripts are off), else downloaded by npm. Scripts never run.

import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { EnvironmentError, hasCode } from '../../base/errors.js';
import { runProgram } from '../program.js';

/** The version fetched where none is installed. */
export const PACKAGE_VERSION = '4.22.0';

interface PackageJson {
  version: string;
  dependencies?: Record<string, string>;
}

const readPackage = (folder: string): PackageJson =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** Where `name` is for a module in `from`, as Node.js looks for it; undefined when it is nowhere. */
function locate(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (basename(folder) !== 'node_modules' && existsSync(join(candidate, 'package.json')))
      return realpathSync(candidate);
    if (folder === dirname(folder)) return undefined;
  }
}

/** Not copied: build outputs of the original folder, and source maps, half of the bytes. */
const leftBehind = (source: string, path: string): boolean =>
  path.endsWith('.map') ||
  path === join(source, 'node_modules') ||
  (basename(dirname(source)) === '@tensorflow' &&
    ['deps', 'build', 'lib'].some((name) => path === join(source, name)));

/**
 * Copies an installed package and all it depends on into `project`/node_modules, each where Node.js finds it.
 * @throws EnvironmentError when a dependency is missing
 */
export function copyPackage(name: string, source: string, project: string): void {
  const sources = new Map<string, string>();
  const place = (name: string, source: string, target: string) => {
    cpSync(source, target, {
      recursive: true,
      dereference: true,
      filter: (path) => !leftBehind(source, path),
    });
    sources.set(realpathSync(target), source);
    for (const dependency of Object.keys(readPackage(source).dependencies ?? {})) {
      const wanted = locate(dependency, source);
      if (!wanted)
        throw new EnvironmentError(
          `${name} in ${source} lacks its dependency ${dependency}; run npm install again`,
        );
      const seen = locate(dependency, target);
      if (seen && sources.get(seen) === wanted) continue;
      const inside = seen && sources.has(seen) ? target : project;
      place(dependency, wanted, join(inside, 'node_modules', dependency));
    }
  };
  place(name, realpathSync(source), join(project, 'node_modules', name));
}

/** Fetches a package and all it depends on into `project`/node_modules. @throws EnvironmentError with npm's reason */
export async function fetchPackage(name: string, project: string, signal?: AbortSignal): Promise<void> {
  mkdirSync(project, { recursive: true });
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n');
  const flags = [
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
    '--omit=dev',
    '--loglevel=error',
  ];
  const spec = name.includes('@', 1) ? name : `${name}@${PACKAGE_VERSION}`;
  const { code, output } = await npm(['install', ...flags, spec], project, signal);
  if (code !== 0) {
    const reason = output
      .split('\n')
      .find((line) => /\bERR!|\berror\b/.test(line) && !/complete log/.test(line));
    throw new EnvironmentError(
      `npm cannot fetch ${spec} (${reason?.replace(/^npm (ERR!|error)\s*/, '').trim() ?? `exit code ${code}`}); ` +
        'check `npm ping`, or install the package in this project first: it is copied from there',
    );
  }
  for (const file of readdirSync(project, { recursive: true }) as string[])
    if (file.endsWith('.map')) rmSync(join(project, file), { force: true });
}

async function npm(args: string[], cwd: string, signal?: AbortSignal) {
  try {
    return await runProgram('npm', args, { cwd, signal });
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new EnvironmentError('npm was not found; add it to PATH');
    throw error;
  }
}

/** Folder of node_api.h from the npm package `node-api-headers`, for a Node.js that came without. */
export async function fetchNodeHeaders(project: string, signal?: AbortSignal): Promise<string> {
  await fetchPackage('node-api-headers@1', project, signal);
  return join(project, 'node_modules', 'node-api-headers', 'include');
}
