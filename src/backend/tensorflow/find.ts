// Where an installed tfjs-node may be: the folder named by TINYGPT_TFJS, this project, the user's project.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { messageOf } from '../../base/errors.js';

/** In order of preference: the GPU build serves machines without a GPU too. */
export const PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

/** An installed package. */
export interface Candidate {
  folder: string;
  name: string;
  version: string;
  /** Its native addon, present or not. */
  addon: string;
}

/** Why a package cannot be used, and what mends it. */
export interface Fault {
  reason: string;
  remedy: string;
  /** Worth a remark unasked: something is there and does not work. */
  broken: boolean;
}

/**
 * Installed packages, the preferred first.
 * @param from a file or folder whose project is searched besides the user's (working folder)
 * @throws nothing; a bad TINYGPT_TFJS is the fault returned
 */
export function findPackages(from: string): { candidates: Candidate[]; fault?: Fault } {
  const named = process.env.TINYGPT_TFJS;
  if (named) {
    const folders = [named, ...PACKAGES.map((name) => join(named, 'node_modules', name))].map((f) =>
      resolve(f),
    );
    const candidates = folders.flatMap((folder) => readCandidate(folder) ?? []);
    const fault = {
      reason: `TINYGPT_TFJS names ${named}, which holds no ${PACKAGES.join(' or ')}`,
      remedy: 'set TINYGPT_TFJS to the folder of the installed package, or unset it',
      broken: true,
    };
    return candidates.length > 0 ? { candidates } : { candidates, fault };
  }
  const roots = [from, join(process.cwd(), 'any.js')];
  const folders = PACKAGES.flatMap((name) => roots.flatMap((root) => resolvePackage(name, root) ?? []));
  return { candidates: [...new Set(folders)].flatMap((folder) => readCandidate(folder) ?? []) };
}

function resolvePackage(name: string, root: string): string | undefined {
  try {
    return dirname(createRequire(root).resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

function readCandidate(folder: string): Candidate | undefined {
  try {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    if (!PACKAGES.includes(name)) return undefined;
    return { folder, name, version, addon: join(folder, 'lib', 'napi-v8', 'tfjs_binding.node') };
  } catch {
    return undefined;
  }
}

/** What is wrong with a package as far as its files tell; undefined when it is worth loading. */
export function inspect({ folder, name, version, addon }: Candidate): Fault | undefined {
  if (!version.startsWith('4.'))
    return {
      reason: `${name} ${version} is installed, but this version of tinygpt works with 4.x`,
      remedy: `npm install ${name}@4.22.0`,
      broken: true,
    };
  if (!existsSync(addon))
    return {
      reason: `${name} is installed without its native addon (${addon}): its install script was blocked, or its download failed`,
      remedy: rebuild(name, folder),
      // npm leaves it like this where install scripts are off; that is nobody's mistake.
      broken: process.env.TINYGPT_TFJS !== undefined,
    };
  return undefined;
}

/** The command that runs a package's install script again. */
function rebuild(name: string, folder: string): string {
  const project = resolve(folder.slice(0, folder.lastIndexOf(join('node_modules', name))) || folder);
  return `cd ${project} && npm rebuild ${name} --ignore-scripts=false --foreground-scripts`;
}

const WRONG_BUILD =
  /NODE_MODULE_VERSION|undefined symbol|GLIBC|invalid ELF|wrong ELF|Exec format|not a valid Win32|incompatible architecture/i;

/** Reads the loader's error: which library is missing, which build does not fit. */
export function diagnose(error: unknown, { folder, name }: Candidate): Fault {
  const message = messageOf(error);
  const line = message.split('\n', 1)[0]!;
  const again = rebuild(name, folder);
  const missing = /(\S+): cannot open shared object file|Library not loaded: (\S+)/.exec(message);
  if (missing) {
    const library = missing[1] ?? missing[2]!;
    const reason = `${name} needs the shared library ${library}, which is not found`;
    if (/libtensorflow/.test(library)) return { reason, remedy: again, broken: true };
    const remedy = `install what holds ${library} and name its folder in LD_LIBRARY_PATH, or npm install ${PACKAGES[1]}`;
    return { reason, remedy, broken: true };
  }
  if (WRONG_BUILD.test(message))
    return {
      reason: `the native addon of ${name} was built for another system or Node.js (${line})`,
      remedy: `${again} --build-addon-from-source`,
      broken: true,
    };
  return { reason: `${name} does not load (${line})`, remedy: again, broken: true };
}
