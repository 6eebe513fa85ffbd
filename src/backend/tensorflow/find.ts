// Where tfjs-node may be: the folder named by TINYGPT_TFJS, what `tinygpt setup tensorflow` prepared, this project's
// node_modules, the user's; and what is wrong with it, as far as its files show.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { sha256 } from '../../base/files.js';
import { whyUntrusted } from '../../base/trust.js';
import {
  preparedFolder,
  preparedPackage,
  readSetup,
  type SetupRecord,
  VARIANTS,
  type Variant,
} from './prepared.js';

/** In order of preference: the GPU build serves machines without a GPU too. */
export const PACKAGES: readonly string[] = Object.values(VARIANTS);

/** An installed package. */
export interface Candidate {
  folder: string;
  name: string;
  version: string;
  /** Its native addon, present or not. */
  addon: string;
  /** Set where `tinygpt setup tensorflow` made it. */
  prepared?: { folder: string; record: SetupRecord };
}

/** Why a package cannot be used, and the fix. */
export interface Fault {
  reason: string;
  remedy: string;
  /** Worth a remark unasked: something is there and does not work. */
  broken: boolean;
}

/** The command that rebuilds the addon of a package. */
export const setupCommand = (name: string): string =>
  `npx tinygpt setup tensorflow${name === VARIANTS.gpu ? ' --gpu' : ''}`;

/**
 * Packages that are there, the preferred first.
 * @param from a file or folder whose project is searched besides the user's (working folder)
 * @throws nothing; a bad TINYGPT_TFJS is the fault returned
 */
export function findPackages(from: string): { candidates: Candidate[]; fault?: Fault } {
  const named = process.env.TINYGPT_TFJS;
  if (named) {
    const folders = [named, ...PACKAGES.map((name) => preparedPackage(named, name))].map((f) => resolve(f));
    const candidates = folders.flatMap((folder) => readCandidate(folder) ?? []);
    const fault = {
      reason: `TINYGPT_TFJS names ${named}, which holds no ${PACKAGES.join(' or ')}`,
      remedy: 'set TINYGPT_TFJS to the folder of the installed package, or unset it',
      broken: true,
    };
    return candidates.length > 0 ? { candidates } : { candidates, fault };
  }
  const prepared = (Object.keys(VARIANTS) as Variant[]).map((variant) =>
    preparedPackage(preparedFolder(variant), VARIANTS[variant]),
  );
  const installed = PACKAGES.flatMap((name) => resolveAll(name, from));
  const folders = [...new Set([...prepared, ...installed])];
  return { candidates: folders.flatMap((folder) => readCandidate(folder) ?? []) };
}

/** Folder of an installed package, prepared ones aside. */
export const findInstalled = (name: string, from = import.meta.url): string | undefined =>
  resolveAll(name, from).find((folder) => readCandidate(folder)?.version.startsWith('4.'));

function resolveAll(name: string, from: string): string[] {
  return [from, join(process.cwd(), 'any.js')].flatMap((root) => resolvePackage(name, root) ?? []);
}

function resolvePackage(name: string, root: string): string | undefined {
  try {
    return dirname(createRequire(root).resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

/** The native addon of a package. */
export const addonOf = (folder: string): string => join(folder, 'lib', 'napi-v8', 'tfjs_binding.node');

function readCandidate(folder: string): Candidate | undefined {
  try {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    if (!PACKAGES.includes(name)) return undefined;
    const candidate = { folder, name, version, addon: addonOf(folder) };
    const project = resolve(folder, '..', '..', '..');
    const record = readSetup(project);
    return record ? { ...candidate, prepared: { folder: project, record } } : candidate;
  } catch {
    return undefined;
  }
}

/** What is wrong with a package as far as its files tell; undefined when it is worth loading. */
export function inspect({ folder, name, version, addon, prepared }: Candidate): Fault | undefined {
  if (!version.startsWith('4.'))
    return {
      reason: `${name} ${version} is installed, but this version of tinygpt works with 4.x`,
      remedy: `npm install ${name}@4.22.0`,
      broken: true,
    };
  if (!existsSync(addon))
    return {
      reason: `${name} is installed without its native addon (${addon}): ${whyWithoutAddon(folder)}`,
      remedy: setupCommand(name),
      // npm leaves it like this where install scripts are off; that is nobody's mistake.
      broken: process.env.TINYGPT_TFJS !== undefined,
    };
  const hash = prepared?.record.addonHash;
  if (hash && sha256(readFileSync(addon)) !== hash)
    return {
      reason: `the native addon of ${name} is not as it was built (${addon})`,
      remedy: setupCommand(name),
      broken: true,
    };
  // What TINYGPT_TFJS names is the user's own choice.
  const untrusted = process.env.TINYGPT_TFJS ? undefined : whyUntrusted(addon);
  if (untrusted)
    return {
      reason: `${name} is not loaded, as another user could have changed it: ${untrusted}`,
      remedy: `remove others' write access, or ${setupCommand(name)}`,
      broken: true,
    };
  return undefined;
}

/** The install script makes deps/, downloads libtensorflow into it, then fetches or builds the addon. */
function whyWithoutAddon(folder: string): string {
  const deps = join(folder, 'deps');
  if (!existsSync(deps))
    return 'npm did not run its install script (--ignore-scripts, or not among allowScripts)';
  return existsSync(join(deps, 'lib'))
    ? 'libtensorflow was downloaded, but the addon could neither be downloaded nor built'
    : 'its install script could not download libtensorflow';
}
