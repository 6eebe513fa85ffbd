// Builds tfjs-node's addon with the machine's C++ compiler only: two source files against TensorFlow's C API and
// Node-API, whose binary interface is the same for every Node.js. The package's own way needs node-gyp, Python and
// make, and links against a folder inside the package.

import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EnvironmentError, hasCode } from '../../base/errors.js';
import { runProgram } from '../program.js';

/** Node-API's version that the package's loader looks for. */
const NAPI_VERSION = 8;

/** The C++ compiler: $CXX, g++ or clang++. @throws EnvironmentError with the commands that install one */
export async function findCompiler(signal?: AbortSignal): Promise<string> {
  const named = process.env.CXX;
  for (const compiler of named ? [named] : ['g++', 'clang++', 'c++']) {
    try {
      const { code } = await runProgram(compiler, ['--version'], { signal });
      if (code === 0) return compiler;
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'EACCES')) throw error;
    }
  }
  throw new EnvironmentError(
    `${named ? `CXX names ${named}, which cannot be run` : 'No C++ compiler was found (g++, clang++)'}; ` +
      'install one: apt-get install g++ (Debian, Ubuntu), dnf install gcc-c++ (Fedora), pacman -S gcc (Arch)',
  );
}

/** Folder of node_api.h beside this Node.js; undefined where a distribution packages it separately. */
export function findNodeHeaders(): string | undefined {
  const nodedir = process.env.npm_config_nodedir;
  const roots = [...(nodedir ? [nodedir] : []), dirname(dirname(process.execPath))];
  return roots
    .flatMap((root) => [join(root, 'include', 'node'), join(root, 'src')])
    .find((folder) => existsSync(join(folder, 'node_api.h')));
}

/** What the addon is built from. */
export interface Addon {
  /** The package, whose binding/ holds the sources. */
  packageFolder: string;
  /** Folder of node_api.h. */
  nodeHeaders: string;
  /** Folder of tensorflow/c/c_api.h. */
  tensorflowHeaders: string;
  /** libtensorflow_cc and libtensorflow_framework, by path. */
  libraries: string[];
  /** Run-time search path for them: absolute, or relative to the addon as $ORIGIN/... */
  searchPath: string;
}

/** Path of the addon inside a package. */
const addonPath = (packageFolder: string): string =>
  join(packageFolder, 'lib', `napi-v${NAPI_VERSION}`, 'tfjs_binding.node');

/** Compiles and links. @throws EnvironmentError with the compiler's first error */
export async function compileAddon(compiler: string, addon: Addon, signal?: AbortSignal): Promise<void> {
  const target = addonPath(addon.packageFolder);
  mkdirSync(dirname(target), { recursive: true });
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((file) =>
    join(addon.packageFolder, 'binding', file),
  );
  const missing = sources.find((file) => !existsSync(file));
  if (missing) throw new EnvironmentError(`The package has no ${missing}; install its version 4.22.0`);
  const { code, output } = await runProgram(
    compiler,
    [
      ...['-std=c++17', '-O2', '-fPIC', '-shared', '-w'],
      ...[`-DNAPI_VERSION=${NAPI_VERSION}`, '-DNODE_GYP_MODULE_NAME=tfjs_binding'],
      ...[`-I${addon.nodeHeaders}`, `-I${addon.tensorflowHeaders}`],
      ...sources,
      ...addon.libraries,
      // A missing function shows when the addon loads, not by ending the process when it is called.
      ...['-Wl,-z,now', `-Wl,-rpath,${addon.searchPath}`],
      ...['-o', target],
    ],
    { signal },
  );
  if (code === 0) return;
  const line = output
    .split('\n')
    .find((text) => /\b(fatal )?error\b|undefined reference|cannot find/.test(text));
  throw new EnvironmentError(
    `The addon does not compile with ${compiler}: ${line?.trim() ?? output.trim().split('\n').at(-1)}; ` +
      'name another compiler in CXX, or choose another TensorFlow with --release',
  );
}
