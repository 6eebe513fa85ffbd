// The C kernels as a shared library: compiled at first use by this machine's compiler for its own instruction set, then
// kept in the cache folder under a name that changes with the sources, the compiler, the flags and the processor.

import { execFile } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EnvironmentError, messageOf } from '../../base/errors.js';
import { defaultCacheFolder, discard, makeFolder, sha256, temporaryName } from '../../base/files.js';
import { cpuName } from '../machine.js';

/** kernels/native of the package. */
export const SOURCES = fileURLToPath(new URL('../../../../kernels/native/', import.meta.url));

/**
 * No -ffast-math: NaN must pass through, it is how a diverging run is told. Multiply-adds may contract, errno and traps
 * are not looked at.
 */
export const FLAGS = [
  '-std=gnu11',
  '-O3',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-ffp-contract=fast',
  '-Wno-psabi',
];

/** For this processor, the best first; a compiler that does not know the flag gets the next. */
export const TARGETS: readonly (readonly string[])[] =
  process.arch === 'arm64' ? [['-mcpu=native'], ['-march=native'], []] : [['-march=native'], []];

/** A library ready to be loaded. */
export interface CompiledLibrary {
  path: string;
  /** What it was made with, e.g. `gcc -march=native`. */
  made: string;
  /** Hash of all that it depends on. */
  key: string;
}

export const NO_COMPILER_REMEDY =
  'install a C compiler (Debian and Ubuntu: apt-get install gcc libc6-dev; macOS: xcode-select --install), ' +
  'or name one with CC';

/**
 * The compiler that $CC names, else the first of cc, gcc and clang in the path; undefined when there is none.
 * @returns its full path
 */
export function findCompiler(env: NodeJS.ProcessEnv = process.env): string | undefined {
  for (const name of env.CC ? [env.CC] : ['cc', 'gcc', 'clang']) {
    const candidates = name.includes('/')
      ? [name]
      : (env.PATH ?? '')
          .split(delimiter)
          .filter(Boolean)
          .map((folder) => join(folder, name));
    const found = candidates.find(isExecutable);
    if (found) return found;
  }
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Options of `compileKernels`. */
export interface CompileOptions {
  /** Where the library is kept; when it cannot be written, a private folder under the system's temporary one serves. */
  folder?: string;
  /** Folder of the C files. */
  sources?: string;
  /** Told before a compilation, which takes seconds. */
  onCompile?: (compiler: string) => void;
}

/**
 * Finds or makes the library. Several processes may do so at once: each writes a file of its own and renames it.
 * @throws EnvironmentError when there is no compiler or it fails
 */
export async function compileKernels({
  folder = join(defaultCacheFolder(), 'native'),
  sources: from = SOURCES,
  onCompile,
}: CompileOptions = {}): Promise<CompiledLibrary> {
  const compiler = findCompiler();
  if (!compiler) {
    const looked = process.env.CC ? `CC names ${process.env.CC}, which is not there` : 'no C compiler found';
    throw new EnvironmentError(looked);
  }
  const files = readdirSync(from)
    .filter((name) => /\.[ch]$/.test(name))
    .sort();
  const parts = [...files, ...sharedHeaders(from)].flatMap((name) => [name, readFileSync(join(from, name))]);
  const { size, mtimeMs } = statSync(compiler);
  const key = sha256(...parts, realpathSync(compiler), `${size} ${mtimeMs}`, FLAGS.join(' '), processor());
  const sources = files.filter((name) => name.endsWith('.c')).map((name) => join(from, name));
  const name = `kernels-${key.slice(0, 24)}.so`;
  const folders = [folder, privateFolder()];
  for (const each of folders) {
    const path = join(each, name);
    if (existsSync(path)) return { path, key, made: describe(compiler, path) };
  }
  onCompile?.(basename(compiler));
  let failure: unknown;
  for (const each of folders) {
    try {
      const path = join(each, name);
      await build(compiler, sources, path);
      return { path, key, made: describe(compiler, path) };
    } catch (error) {
      failure = error;
    }
  }
  const reason = lacksSpace(failure)
    ? `No space left to compile the kernels, neither in ${folders.join(' nor in ')}`
    : `${basename(compiler)} failed: ${firstErrorLine(failure)}`;
  throw new EnvironmentError(reason, { cause: failure });
}

/** Whether a compilation failed for want of disk space. */
export const lacksSpace = (error: unknown): boolean => /no space left|quota exceeded/i.test(messageOf(error));

/** The row kernels that CUDA compiles too, in the folder beside the C files. */
function sharedHeaders(from: string): string[] {
  const folder = join('..', 'rows');
  if (!existsSync(join(from, folder))) return [];
  return readdirSync(join(from, folder))
    .filter((name) => name.endsWith('.h'))
    .sort()
    .map((name) => join(folder, name));
}

/**
 * Compiles for the best target that the compiler takes, in a folder beside `path` that is removed again: the compiler's own
 * files need no other disk, and none of them stay. @throws when no target works or `path` cannot be written
 */
async function build(compiler: string, sources: string[], path: string): Promise<void> {
  makeFolder(dirname(path), 0o700);
  const temporary = temporaryName(path);
  const made = join(temporary, 'kernels.so');
  let failure: unknown;
  try {
    mkdirSync(temporary, { mode: 0o700 });
    for (const target of TARGETS) {
      try {
        const args = [...FLAGS, ...target, '-fPIC', '-shared', ...sources, '-o', made, '-lm', '-lpthread'];
        await run(compiler, process.platform === 'linux' ? [...args, '-ldl'] : args, temporary);
        renameSync(made, path);
        return;
      } catch (error) {
        failure = error;
        // Code for lesser processors may be smaller, but must not take this one's place.
        if (lacksSpace(error)) break;
      }
    }
  } finally {
    discard(temporary);
  }
  throw failure;
}

/** Runs a compiler, whose messages come in English, with its files in `temporary`. */
function run(command: string, args: string[], temporary: string): Promise<void> {
  const env = { ...process.env, LC_ALL: 'C', TMPDIR: temporary };
  return new Promise((resolve, reject) => {
    execFile(command, args, { env, maxBuffer: 2 ** 24, timeout: 300_000 }, (error) =>
      error ? reject(error) : resolve(),
    );
  });
}

/** A compiler's complaint, from the message that execFile makes of its whole output. */
function firstErrorLine(error: unknown): string {
  const lines = messageOf(error)
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  return lines.find((line) => /error|cannot|No space/i.test(line)) ?? lines[0] ?? 'no message';
}

const describe = (compiler: string, path: string) =>
  `${basename(compiler)}, ${basename(path, '.so').slice(8, 16)}`;

/** The processor's model and features: a library made for another would die of an illegal instruction. */
function processor(): string {
  let features = '';
  try {
    const lines = readFileSync('/proc/cpuinfo', 'utf8').split('\n');
    features = lines.find((line) => /^(flags|Features)\b/.test(line)) ?? '';
  } catch {}
  return `${process.platform} ${process.arch} ${cpuName()} ${features}`;
}

/** A folder of this user's alone: a library that another user could have put there must not be loaded. */
function privateFolder(): string {
  const uid = process.getuid?.() ?? 0;
  const path = join(tmpdir(), `tinygpt-native-${uid}`);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const { uid: owner, mode } = lstatSync(path);
    if (owner === uid && (mode & 0o022) === 0) return path;
  } catch {}
  return `${path}-${process.pid}`;
}
