// Compiling the kernels: cached, safe with concurrent processes, and with a reason when it fails; and the C code
// under the sanitizers.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import {
  compileKernels,
  FLAGS,
  findCompiler,
  SOURCES,
  TARGETS,
} from '../../../src/backend/native/compile.js';
import { EnvironmentError } from '../../../src/base/errors.js';
import { temporaryName } from '../../../src/base/files.js';

const scratch = mkdtempSync(join(tmpdir(), 'tinygpt-compile-'));
const mounted: string[] = [];
afterAll(() => {
  for (const folder of mounted) spawnSync('umount', [folder]);
  rmSync(scratch, { recursive: true, force: true });
});

/** A file system of 128 KiB in memory, where the system lets this process mount one. */
function mountSmall(name: string, mode = 'rw'): string | undefined {
  const folder = join(scratch, name);
  mkdirSync(folder);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=128k,${mode}`, 'tmpfs', folder]).status !== 0)
    return undefined;
  mounted.push(folder);
  return folder;
}
const mountable = process.platform === 'linux' && mountSmall('probe-of-mounting') !== undefined;

function smallDisk(name: string, mode?: string): string {
  const folder = mountSmall(name, mode);
  if (folder === undefined) throw new Error(`Cannot mount ${name}`);
  return folder;
}

/** A folder of its own with one small source. */
function sourceFolder(name: string, code = 'int one(void) { return 1; }\n'): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'one.c'), code);
  return folder;
}

const compiler = findCompiler();
const withCompiler = compiler === undefined ? test.skip : test;

/** Compiles in a process with another temporary folder; what it prints: the library's path, or the error. */
function compileElsewhere(temporary: string, folder: string, sources: string): string {
  const module = new URL('../../../src/backend/native/compile.js', import.meta.url).href;
  const script = `import { compileKernels } from ${JSON.stringify(module)};
    compileKernels(${JSON.stringify({ folder, sources })}).then(({ path }) => console.log(path), (error) =>
      console.log(String(error)));`;
  const env = { ...process.env, TMPDIR: temporary };
  return execFileSync(process.execPath, ['--input-type=module', '-e', script], { env, encoding: 'utf8' });
}

/** A test that is skipped by name where no small disk can be mounted. */
function withSmallDisks(title: string, body: () => void | Promise<void>): void {
  if (mountable) withCompiler(title, body);
  else test.skip(`${title} (mounting is refused here)`, () => {});
}

describe('finding a compiler', () => {
  test('prefers CC to the first of cc, gcc and clang in the path', () => {
    const folder = join(scratch, 'bin');
    mkdirSync(folder);
    for (const name of ['gcc', 'clang', 'mine']) {
      writeFileSync(join(folder, name), '#!/bin/sh\n');
      chmodSync(join(folder, name), 0o755);
    }
    expect(findCompiler({ PATH: folder })).toBe(join(folder, 'gcc'));
    expect(findCompiler({ PATH: folder, CC: 'mine' })).toBe(join(folder, 'mine'));
    expect(findCompiler({ PATH: '', CC: join(folder, 'mine') })).toBe(join(folder, 'mine'));
  });

  test('returns undefined when there is none', () => {
    expect(findCompiler({ PATH: scratch })).toBeUndefined();
    expect(findCompiler({ PATH: process.env.PATH, CC: 'no-such-compiler' })).toBeUndefined();
  });
});

describe('compiling', () => {
  withCompiler('compiles the library once and finds it again', async () => {
    const [sources, folder] = [sourceFolder('once'), join(scratch, 'once-cache')];
    const made = await compileKernels({ folder, sources });
    const { mtimeMs } = statSync(made.path);
    expect(await compileKernels({ folder, sources })).toEqual(made);
    expect(statSync(made.path).mtimeMs).toBe(mtimeMs);
  });

  withCompiler('a changed source makes another library', async () => {
    const [sources, folder] = [sourceFolder('changed'), join(scratch, 'changed-cache')];
    const before = await compileKernels({ folder, sources });
    writeFileSync(join(sources, 'one.c'), 'int one(void) { return 2; }\n');
    expect((await compileKernels({ folder, sources })).path).not.toBe(before.path);
  });

  withCompiler('concurrent compilations leave one library and nothing else', async () => {
    const [sources, folder] = [sourceFolder('several'), join(scratch, 'several-cache')];
    const made = await Promise.all([1, 2, 3].map(() => compileKernels({ folder, sources })));
    expect(new Set(made.map(({ path }) => path)).size).toBe(1);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  withCompiler('falls back to a private folder when the cache cannot be written', async () => {
    const sources = sourceFolder('unwritable', `int unwritable${process.pid}(void) { return 1; }\n`);
    // A file where the folder should be: unwritable for the superuser too.
    const folder = join(scratch, 'file');
    writeFileSync(folder, '');
    const { path } = await compileKernels({ folder: join(folder, 'native'), sources });
    expect(statSync(path).size).toBeGreaterThan(0);
    expect(path.startsWith(scratch)).toBe(false);
    rmSync(dirname(path), { recursive: true });
  });

  withSmallDisks(
    'falls back to a private folder when the cache is full, and leaves no partial files',
    async () => {
      // Too large for what is left, though the compiler's plain code might not be.
      const code = `const char large[300000] = {${process.pid}};\nint one(void) { return 1; }\n`;
      const sources = sourceFolder('full', code);
      const folder = smallDisk('full-cache');
      const { path } = await compileKernels({ folder, sources });
      expect(statSync(path).size).toBeGreaterThan(300_000);
      expect(path.startsWith(folder)).toBe(false);
      expect(readdirSync(folder)).toEqual([]);
      rmSync(dirname(path), { recursive: true });
    },
  );

  withSmallDisks('falls back to a private folder when the cache is on a read-only disk', async () => {
    const sources = sourceFolder('read-only', `int read_only${process.pid}(void) { return 1; }\n`);
    const folder = smallDisk('read-only-cache', 'ro');
    const { path } = await compileKernels({ folder: join(folder, 'native'), sources });
    expect(path.startsWith(folder)).toBe(false);
    rmSync(dirname(path), { recursive: true });
  });

  withSmallDisks('reports one line when the temporary folder is full too', () => {
    const sources = sourceFolder('all-full', 'const char large[300000] = {1};\n');
    const folder = smallDisk('all-full-cache');
    const said = compileElsewhere(folder, join(folder, 'native'), sources);
    expect(said).toMatch(
      /^EnvironmentError: No space left to compile the kernels, neither in .+ nor in .+\n$/,
    );
    expect(readdirSync(join(folder, 'native'))).toEqual([]);
  });

  withSmallDisks('does not need the temporary folder when the cache has space', () => {
    const sources = sourceFolder('full-temporary', 'const char large[300000] = {1};\n');
    const folder = join(scratch, 'full-temporary-cache');
    expect(compileElsewhere(smallDisk('full-temporary-disk'), folder, sources)).toMatch(`${folder}/kernels-`);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  withCompiler('a library that was cut short or changed is compiled again', async () => {
    const [sources, folder] = [sourceFolder('cut'), join(scratch, 'cut-cache')];
    const { path } = await compileKernels({ folder, sources });
    const whole = readFileSync(path);
    for (const damaged of [whole.subarray(0, whole.length / 2), Buffer.from(whole).fill(7, 100, 101), '']) {
      writeFileSync(path, damaged);
      const compiled: string[] = [];
      const again = await compileKernels({ folder, sources, onCompile: (name) => compiled.push(name) });
      expect(compiled).toHaveLength(1);
      expect(readFileSync(again.path)).toEqual(whole);
    }
  });

  withCompiler('removes what killed compilations left', async () => {
    const [sources, folder] = [sourceFolder('killed'), join(scratch, 'killed-cache')];
    mkdirSync(folder);
    const dead = spawnSync('true').pid;
    const left = temporaryName(join(folder, 'kernels')).replace(`.${process.pid}.`, `.${dead}.`);
    mkdirSync(left);
    writeFileSync(join(left, 'half.o'), '');
    await compileKernels({ folder, sources });
    expect(readdirSync(folder)).toEqual([expect.stringMatching(/^kernels-.*\.so$/)]);
  });

  withCompiler('a cache that others can write is not used, nor is a library in it', async () => {
    const [sources, cache] = [sourceFolder('open'), join(scratch, 'open-cache')];
    const folder = join(cache, 'native');
    const planted = await compileKernels({ folder, sources });
    chmodSync(cache, 0o777);
    const reasons: (string | undefined)[] = [];
    const made = await compileKernels({ folder, sources, onCompile: (_, unkept) => reasons.push(unkept) });
    expect(reasons).toEqual([`${cache} can be written by others (mode 777)`]);
    expect(made.path).not.toBe(planted.path);
    // A fresh folder of this process's own, under a name that nobody could have guessed.
    expect(made.path.startsWith(made.spare!)).toBe(true);
    expect(statSync(made.spare!).mode & 0o777).toBe(0o700);
    const other = await compileKernels({ folder, sources });
    expect(other.spare).not.toBe(made.spare);
    for (const { spare } of [made, other]) rmSync(spare!, { recursive: true });
  });

  (process.getuid?.() === 0 ? withCompiler : test.skip)(
    'a library of another user is not loaded, but compiled again',
    async () => {
      const [sources, folder] = [sourceFolder('foreign'), join(scratch, 'foreign-cache')];
      const planted = await compileKernels({ folder, sources });
      chownSync(planted.path, 12_345, 12_345);
      const compiled: string[] = [];
      const made = await compileKernels({ folder, sources, onCompile: (name) => compiled.push(name) });
      expect(compiled).toHaveLength(1);
      expect(statSync(made.path).uid).toBe(0);
    },
  );

  withCompiler('a compile error shows the compiler’s message', async () => {
    const [sources, folder] = [sourceFolder('wrong', 'int wrong( {\n'), join(scratch, 'wrong-cache')];
    const failure = compileKernels({ folder, sources });
    await expect(failure).rejects.toThrow(EnvironmentError);
    await expect(failure).rejects.toThrow(/error/);
    expect(readdirSync(folder)).toEqual([]);
  });
});

/** Flags with which the compiler can build and run a sanitized program; undefined where it cannot. */
function sanitizing(): string[] | undefined {
  if (compiler === undefined) return undefined;
  const program = join(scratch, 'probe');
  writeFileSync(`${program}.c`, 'int main(void) { return 0; }\n');
  const sanitize = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
  for (const target of TARGETS) {
    const { status } = spawnSync(compiler, [...sanitize, ...target, `${program}.c`, '-o', program]);
    if (status === 0 && spawnSync(program).status === 0) return [...sanitize, ...target];
  }
  return undefined;
}

describe('the kernels under AddressSanitizer and UndefinedBehaviorSanitizer', () => {
  const flags = sanitizing();
  const title = 'stay within their buffers over irregular sizes';
  if (!flags) {
    test.skip(`${title} (no compiler with sanitizers)`, () => {});
    return;
  }
  test(title, () => {
    const program = join(scratch, 'sizes');
    const files = readdirSync(SOURCES)
      .filter((name) => name.endsWith('.c'))
      .map((name) => join(SOURCES, name));
    const options = [...FLAGS.filter((flag) => flag !== '-O3'), '-O1', '-g', ...flags];
    const libraries = ['-lm', '-lpthread', ...(process.platform === 'linux' ? ['-ldl'] : [])];
    execFileSync(compiler!, [
      ...options,
      ...files,
      join(SOURCES, 'test/sizes.c'),
      '-o',
      program,
      ...libraries,
    ]);
    const env = { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' };
    const { status, stdout, stderr } = spawnSync(program, { env, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^\d+ rounds$/m);
  });
});
