// The C kernels as a shared library: compiled at first use by this machine's compiler for its own instruction set,
// then kept in the cache folder under a name that changes with the sources, the compiler, the flags and the CPU, and
// ends with the library's own hash: a truncated or modified library is recompiled. Nothing is loaded from where
// another user could write (base/trust.ts).

import { execFile } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { EnvironmentError, messageOf } from '../../base/errors.js';
import {
  defaultCacheFolder,
  discard,
  makeFolder,
  removeLeftovers,
  sha256,
  syncFile,
  temporaryName,
} from '../../base/files.js';
import { whyUntrusted } from '../../base/trust.js';
import { cpuName } from '../machine.js';

/** kernels/native of the package. */
export const SOURCES = fileURLToPath(new URL('../../../../kernels/native/', import.meta.url));

/**
 * No -ffast-math: NaN must pass through, so that diverging runs are detected. Multiply-adds may contract; errno and traps
 * are not used.
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
  /** Compiler and key, e.g. `gcc -march=native`. */
  made: string;
  /** Hash of all that it depends on. */
  key: string;
  /** The folder that it lies in where it serves this process only: to be removed when the library is loaded. */
  spare?: string;
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
  /**
   * Where the library is kept. When it cannot be written, or others can write it too, a fresh private folder under the
   * system's temporary one serves, for this process only.
   */
  folder?: string;
  /** Folder of the C files. */
  sources?: string;
  /** Called before a compilation, which takes seconds; `unkept` says why its result serves this process only. */
  onCompile?: (compiler: string, unkept?: string) => void;
}

/**
 * Finds or makes the library. Several processes may do so at once: each writes its own file and renames it.
 * @throws EnvironmentError when there is no compiler or it fails
 */
export async function compileKernels({
  folder = join(defaultCacheFolder(), 'native'),
  sources: from = SOURCES,
  onCompile,
}: CompileOptions = {}): Promise<CompiledLibrary> {
  const compiler = findCompiler();
  if (!compiler) {
    const looked = process.env.CC
      ? `CC names ${process.env.CC}, which does not exist`
      : 'no C compiler was found';
    throw new EnvironmentError(looked);
  }
  const files = readdirSync(from)
    .filter((name) => /\.[ch]$/.test(name))
    .sort();
  const parts = [...files, ...sharedHeaders(from)].flatMap((name) => [name, readFileSync(join(from, name))]);
  const { size, mtimeMs } = statSync(compiler);
  const key = sha256(...parts, realpathSync(compiler), `${size} ${mtimeMs}`, FLAGS.join(' '), processor());
  const sources = files.filter((name) => name.endsWith('.c')).map((name) => join(from, name));
  const name = `kernels-${key.slice(0, 24)}`;
  const found = findLibrary(folder, name);
  if (found) return { path: found, key, made: describe(compiler, key) };

  let failure: unknown = unusable(folder);
  if (failure) removeLeftovers(tmpdir());
  onCompile?.(basename(compiler), failure ? messageOf(failure) : undefined);
  const spare = temporaryName(join(tmpdir(), 'tinygpt-native'));
  for (const each of failure ? [spare] : [folder, spare]) {
    try {
      const path = await build(compiler, sources, each, name);
      return { path, key, made: describe(compiler, key), ...(each === spare && { spare }) };
    } catch (error) {
      if (each === spare) discard(spare);
      failure = error;
    }
  }
  const reason = lacksSpace(failure)
    ? `No space left to compile the kernels, neither in ${folder} nor in ${tmpdir()}`
    : `${basename(compiler)} failed: ${firstErrorLine(failure)}`;
  throw new EnvironmentError(reason, { cause: failure });
}

/** A library of this name that is whole and that nobody else could have written. */
function findLibrary(folder: string, name: string): string | undefined {
  let files: string[] = [];
  try {
    files = readdirSync(folder).filter((file) => file.startsWith(name) && file.endsWith('.so'));
  } catch {
    // It is not there yet, or cannot be read.
  }
  return files
    .map((file) => join(folder, file))
    .find((path) => {
      try {
        return path.endsWith(fileName(name, readFileSync(path))) && !whyUntrusted(path);
      } catch {
        return false;
      }
    });
}

/** A library's name records its hash. */
const fileName = (name: string, library: Uint8Array): string => `${name}-${sha256(library).slice(0, 24)}.so`;

/** Makes the folder and tidies it; why libraries cannot be kept there, if so. */
function unusable(folder: string): unknown {
  try {
    makeFolder(folder, 0o700);
    removeLeftovers(folder);
    const reason = whyUntrusted(folder);
    return reason && new EnvironmentError(reason);
  } catch (error) {
    return error;
  }
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
 * Compiles for the best target that the compiler takes, in a folder of its own in `folder` that is removed again: the
 * compiler's own files need no other disk, and none of them stay.
 * @returns path of the library
 * @throws when no target works or `folder` cannot be written
 */
async function build(compiler: string, sources: string[], folder: string, name: string): Promise<string> {
  makeFolder(folder, 0o700);
  const untrusted = whyUntrusted(folder);
  if (untrusted) throw new EnvironmentError(untrusted);
  const temporary = temporaryName(join(folder, name));
  const made = join(temporary, 'kernels.so');
  let failure: unknown;
  try {
    mkdirSync(temporary, { mode: 0o700 });
    for (const target of TARGETS) {
      try {
        const args = [...FLAGS, ...target, '-fPIC', '-shared', ...sources, '-o', made, '-lm', '-lpthread'];
        await run(compiler, process.platform === 'linux' ? [...args, '-ldl'] : args, temporary);
        chmodSync(made, 0o700);
        syncFile(made);
        const path = join(folder, fileName(name, readFileSync(made)));
        renameSync(made, path);
        return path;
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
async function run(command: string, args: string[], temporary: string): Promise<void> {
  const env = { ...process.env, LC_ALL: 'C', TMPDIR: temporary };
  await promisify(execFile)(command, args, { env, maxBuffer: 2 ** 24, timeout: 300_000 });
}

/** A compiler's complaint, from the message that execFile makes of its whole output. */
function firstErrorLine(error: unknown): string {
  const lines = messageOf(error)
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  return lines.find((line) => /error|cannot|No space/i.test(line)) ?? lines[0] ?? 'no message';
}

const describe = (compiler: string, key: string) => `${basename(compiler)}, ${key.slice(0, 8)}`;

/** The processor's model and features: a library made for another would die of an illegal instruction. */
function processor(): string {
  let features = '';
  try {
    const lines = readFileSync('/proc/cpuinfo', 'utf8').split('\n');
    features = lines.find((line) => /^(flags|Features)\b/.test(line)) ?? '';
  } catch {}
  return `${process.platform} ${process.arch} ${cpuName()} ${features}`;
}
