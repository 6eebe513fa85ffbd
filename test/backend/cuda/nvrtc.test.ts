// NVRTC in a separate process, as a run loads it: its builtins library is found and asynchronous calls have the stack
// that it needs. On the stand-in, and on NVIDIA's own libraries where available: $TINYGPT_NVRTC names files (as for
// kernelsCompile.test.ts), else those that the backend would find outside of the loader's path.

import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { candidates } from '../../../src/backend/cuda/find.js';
import { describeEmulated } from './present.js';

const MODULES = new URL('../../../src/backend/', import.meta.url).href;

/** Loads NVRTC from `folder` in a new process and runs `body`, with `api`, `file` and `program`; returns what it prints. */
async function inProcess(
  folder: string,
  major: number,
  body: string,
  { env = {}, before = '' }: { env?: NodeJS.ProcessEnv; before?: string } = {},
): Promise<string> {
  const script = `${before}
    const { loadNvrtc } = await import('${MODULES}cuda/library.js');
    const { compileProgram, compileProgramAside } = await import('${MODULES}cuda/program.js');
    const { createCompiler } = await import('${MODULES}cuda/compile.js');
    const { api, file } = await loadNvrtc(${major}, process.env);
    const program = { name: 'k.cu', flags: ['--gpu-architecture=sm_90'], machineCode: true,
      text: 'extern "C" __global__ void k(float *x) { x[threadIdx.x] = x[0] + 1; }' };
    try { ${body} } catch (error) { console.log(error.message); }
    process.exit();`;
  const { PATH, TMPDIR } = process.env;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env: { PATH, ...(TMPDIR && { TMPDIR }), TINYGPT_CUDA_LIBRARIES: folder, ...env },
  });
  return stdout.trim();
}

/** Compiles waiting and aside; prints the file and the sizes of both images. */
const BOTH = `const images = [compileProgram(api, program), await compileProgramAside(api, program)];
  console.log(file.path, ...images.map(({ length }) => (length > 100 ? 'image' : length)));`;

describeEmulated('a process that compiles with the stand-in for NVRTC', (device) => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tinygpt-nvrtc-'));
    copyFileSync(join(device().folder, 'libnvrtc.so.12'), join(folder, 'libnvrtc.so.12'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const compiled = () => `${folder}/libnvrtc.so.12 image image`;

  test('loads the builtins library from beside NVRTC', async () => {
    const name = 'libnvrtc-builtins.so.12.9';
    const env = { FAKE_NVRTC_BUILTINS: name };
    expect(await inProcess(folder, 12, BOTH, { env })).toMatch(/NVRTC_ERROR_BUILTIN_OPERATION_FAILURE/);
    const words = ['-shared', '-fPIC', '-x', 'c++', '/dev/null', `-Wl,-soname,${name}`];
    execFileSync('c++', [...words, '-o', join(folder, name)]);
    expect(await inProcess(folder, 12, BOTH, { env })).toBe(compiled());
  });

  test('compiles aside on a stack of more than a mebibyte, after another backend has loaded a library too', async () => {
    const env = { FAKE_NVRTC_STACK: `${2 ** 20}` };
    expect(await inProcess(folder, 12, BOTH, { env })).toBe(compiled());
    const before = `const { default: koffi } = await import('${MODULES}koffi.js');
      koffi.load(null).func('getpid', 'int', [])();`;
    expect(await inProcess(folder, 12, BOTH, { env, before })).toBe(compiled());
  });

  test('prepares nothing on the small stacks of a program that had set koffi up itself', async () => {
    const env = { FAKE_NVRTC_STACK: `${2 ** 20}` };
    const before = `const { default: koffi } = await import('koffi'); koffi.load(null).func('getpid', 'int', [])();`;
    const body = `const compiler = createCompiler(api, { chip: 90, folder: '${folder}/cache' });
      await compiler.prepare([{ source: 'cuda/moves.cu' }]);
      console.log(compiler.compilations(), compiler.image('cuda/moves.cu', {}).length > 100);`;
    expect(await inProcess(folder, 12, body, { env, before })).toBe('0 true');
  });
});

const named = process.env.TINYGPT_NVRTC?.split(delimiter).filter(Boolean);
const files = (named ?? candidates('libnvrtc').map(({ path }) => path)).filter((path) => path.includes('/'));
describe("NVIDIA's NVRTC, as pip installs it", () => {
  for (const major of [12, 13]) {
    const found = files.filter((path) => path.endsWith(`libnvrtc.so.${major}`));
    if (found.length === 0)
      test.skip(`of CUDA ${major} compiles without LD_LIBRARY_PATH (not found; TINYGPT_NVRTC names it)`, () => {});
    for (const path of found)
      test(`of CUDA ${major} compiles without LD_LIBRARY_PATH: ${path}`, async () => {
        expect(await inProcess(dirname(path), major, BOTH)).toBe(`${path} image image`);
      });
  }
});
