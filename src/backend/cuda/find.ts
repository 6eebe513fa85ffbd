// Where to look for the CUDA libraries. No toolkit is needed: the driver brings libcuda, and NVRTC and cuBLASLt come from
// `tinygpt setup cuda`, the toolkit, conda, or pip's wheels, as PyTorch installs them. cuDNN, which is optional, comes from one
// of the last three. Python is never run to find them.

import { existsSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { defaultCacheFolder } from '../../base/files.js';

const LIBRARY_NAMES = ['libcuda', 'libnvrtc', 'libcublasLt', 'libcudnn'] as const;
export type LibraryName = (typeof LIBRARY_NAMES)[number];

/** File names to look for, the newest first. NVRTC and cuBLASLt of CUDA 12 and 13 keep the calls that are used here. */
const FILES: Record<LibraryName, readonly string[]> = {
  libcuda: ['libcuda.so.1'],
  libnvrtc: ['libnvrtc.so.13', 'libnvrtc.so.12'],
  libcublasLt: ['libcublasLt.so.13', 'libcublasLt.so.12'],
  libcudnn: ['libcudnn.so.9'],
};

/** A file that may be the library. */
export interface Candidate {
  /** A full path, or a bare name that the system's loader looks up. */
  path: string;
  /** CUDA's major version by the file's name; 0 for libcuda and libcudnn, which tell their version themselves. */
  major: number;
  /** Where it was found, in words. */
  where: string;
}

/** Folders that do not come from the environment; tests give others. */
export interface SystemFolders {
  home: string;
  usrLocal: string;
  /** Folders outside of the loader's path where drivers are installed: WSL, containers, Colab. */
  driver: readonly string[];
  python: readonly string[];
  /** Where `tinygpt setup cuda` put libraries. */
  prepared: string;
}

/** The variable that names folders before all others. */
const NAMED = 'TINYGPT_CUDA_LIBRARIES';

/** What `where` says of libraries that `tinygpt setup cuda` downloaded. */
export const PREPARED = 'tinygpt setup cuda';

/** Where `tinygpt setup cuda` puts libraries. */
export const preparedFolder = (): string => join(defaultCacheFolder(), 'cuda-libraries', 'current');

const systemFolders = (): SystemFolders => ({
  home: homedir(),
  usrLocal: '/usr/local',
  driver: [
    ...['/usr/lib/wsl/lib', '/run/opengl-driver/lib', '/usr/local/nvidia/lib64', '/usr/lib64-nvidia'],
    ...['/usr/lib64', '/usr/lib'],
  ],
  python: ['/usr/lib/python3', '/usr/local/lib'],
  prepared: preparedFolder(),
});

/**
 * What could be loaded as `library`, the best first: $TINYGPT_CUDA_LIBRARIES (folders separated by colons), what `tinygpt setup
 * cuda` downloaded, the loader's path, CUDA_HOME and CUDA_PATH, conda, pip's wheels, /usr/local/cuda*. Files outside of the
 * loader's path exist.
 * @param beside what was found where this was comes before all but the first of these
 */
export function candidates(
  library: LibraryName,
  env: NodeJS.ProcessEnv = process.env,
  system: SystemFolders = systemFolders(),
  beside?: Candidate,
): Candidate[] {
  const all = allCandidates(library, env, system);
  const isFirst = ({ where }: Candidate) => where === NAMED || where === beside?.where;
  return [...all.filter(isFirst), ...all.filter((file) => !isFirst(file))];
}

function allCandidates(library: LibraryName, env: NodeJS.ProcessEnv, system: SystemFolders): Candidate[] {
  const found: Candidate[] = [];
  const from = (where: string, folders: readonly string[]) => {
    for (const folder of folders)
      for (const file of FILES[library]) {
        const path = join(folder, file);
        if (existsSync(path)) found.push({ path, major: majorOf(file), where });
      }
  };
  from(NAMED, split(env.TINYGPT_CUDA_LIBRARIES));
  from(PREPARED, [system.prepared]);
  for (const path of FILES[library]) found.push({ path, major: majorOf(path), where: "the loader's path" });
  if (library === 'libcuda') {
    from('the driver', system.driver);
    return found;
  }
  from('CUDA_HOME', [...toolkit(env.CUDA_HOME), ...toolkit(env.CUDA_PATH)]);
  from('conda', toolkit(env.CONDA_PREFIX));
  from('pip', wheels(env, system));
  const installed = children(system.usrLocal, /^cuda(-\d+(\.\d+)*)?$/).sort(newestFirst);
  from(
    'the toolkit',
    installed.flatMap((name) => toolkit(join(system.usrLocal, name))),
  );
  return found;
}

/**
 * Libraries that `file` loads by their bare names while it runs, which the loader finds only where `file` has a RUNPATH of its
 * own: NVRTC's builtins, which NVRTC 13's wheel does not find next to itself.
 */
export function companions({ path, major }: Candidate): string[] {
  if (!/^libnvrtc\./.test(basename(path)) || !path.includes('/')) return [];
  const builtins = new RegExp(`^libnvrtc-builtins\\.so\\.${major}(\\.|$)`);
  return [...new Set([dirname(path), dirname(realpathSync(path))])].flatMap((folder) =>
    children(folder, builtins).map((name) => join(folder, name)),
  );
}

const majorOf = (file: string): number => (/^libcu(da|dnn)\./.test(file) ? 0 : Number(file.split('.').pop()));

const split = (folders: string | undefined): string[] => (folders ?? '').split(delimiter).filter(Boolean);

/** Folders of a toolkit that hold libraries; conda and NVIDIA's installer agree on these. */
function toolkit(root: string | undefined): string[] {
  if (!root) return [];
  const targets = children(join(root, 'targets'), /-linux$/).map((name) =>
    join(root, 'targets', name, 'lib'),
  );
  return [join(root, 'lib64'), join(root, 'lib'), ...targets];
}

/** `nvidia/<package>/lib` in the site-packages of the Pythons at hand. */
function wheels(env: NodeJS.ProcessEnv, system: SystemFolders): string[] {
  const prefixes = [env.VIRTUAL_ENV, env.CONDA_PREFIX].filter((path) => path !== undefined);
  for (const folder of split(env.PATH)) {
    const python = join(folder, 'python3');
    if (!existsSync(python)) continue;
    // A virtual environment is the folder of one of the links, any other Python that of the last link's target.
    for (const link of [...links(python), realpathSync(python)]) prefixes.push(dirname(dirname(link)));
  }
  const libraries = [...prefixes.map((prefix) => join(prefix, 'lib')), join(system.home, '.local', 'lib')];
  const packages = [...libraries, ...system.python].flatMap((folder) =>
    [
      folder,
      ...children(folder, /^python3(\.\d+)?$/)
        .sort(newestFirst)
        .map((name) => join(folder, name)),
    ].flatMap((python) => [join(python, 'site-packages'), join(python, 'dist-packages')]),
  );
  return [...new Set(packages)].flatMap((folder) =>
    children(join(folder, 'nvidia'), /./)
      .sort(newestFirst)
      .map((name) => join(folder, 'nvidia', name, 'lib')),
  );
}

/** A path and what it links to, link by link, without the end. */
function links(path: string): string[] {
  const found: string[] = [];
  try {
    for (let at = path; !found.includes(at); at = resolve(dirname(at), readlinkSync(at))) found.push(at);
  } catch {} // no link
  return found;
}

function children(folder: string, pattern: RegExp): string[] {
  try {
    return readdirSync(folder).filter((name) => pattern.test(name));
  } catch {
    return [];
  }
}

const newestFirst = (a: string, b: string): number => b.localeCompare(a, 'en', { numeric: true });
