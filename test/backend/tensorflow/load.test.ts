// Packages that cannot be loaded, with real addons that are broken on purpose: what the backend's probe reports for each.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { hasCompiler } from '../../setup/tensorflow/fixture.js';

const DRIVER = join(dirname(fileURLToPath(import.meta.url)), '../../../src/backend/tensorflow/driver.js');
const NAME = '@tensorflow/tfjs-node-gpu';
let project = '';

beforeEach(() => {
  project = realpathSync(mkdtempSync(join(tmpdir(), 'tinygpt-load-')));
});
afterEach(() => rmSync(project, { recursive: true }));

/** A package that loads its addon the way tfjs-node does, compiled from `source`. */
function install(source: string, ...flags: string[]): void {
  const folder = join(project, 'node_modules', NAME);
  const addon = join(folder, 'lib', 'napi-v8', 'tfjs_binding.node');
  mkdirSync(dirname(addon), { recursive: true });
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: NAME, version: '4.22.0', main: 'index.js' }),
  );
  writeFileSync(join(folder, 'index.js'), `require('./lib/napi-v8/tfjs_binding.node');\n`);
  writeFileSync(join(project, 'addon.cc'), source);
  const args = ['-shared', '-fPIC', '-o', addon, join(project, 'addon.cc'), ...flags];
  expect(spawnSync('g++', args, { encoding: 'utf8' }).stderr).toBe('');
}

/** The probe in a process of its own. */
function probe(): { available: boolean; reason: string; remedy: string; broken: boolean } {
  const script = `const { driver } = await import(${JSON.stringify(DRIVER)}); console.log(JSON.stringify(await driver.probe()));`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--no-warnings', '--input-type=module', '-e', script],
    {
      encoding: 'utf8',
      cwd: project,
      env: { PATH: process.env.PATH, HOME: project, TINYGPT_TFJS: project },
    },
  );
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

const linux = process.platform === 'linux' && hasCompiler ? describe : describe.skip;

linux('a package that does not load', () => {
  test('a missing CUDA library is named with the command that installs it', () => {
    const library = join(project, 'libcudart.so.12');
    writeFileSync(join(project, 'cudart.cc'), 'extern "C" int cudart() { return 0; }');
    spawnSync('g++', [
      '-shared',
      '-fPIC',
      '-Wl,-soname,libcudart.so.12',
      '-o',
      library,
      join(project, 'cudart.cc'),
    ]);
    install('extern "C" int cudart(); int x = cudart();', library);
    rmSync(library);
    const { available, reason, remedy, broken } = probe();
    expect(available).toBe(false);
    expect(reason).toBe(`${NAME} needs the shared library libcudart.so.12, which is not found`);
    expect(remedy).toContain('npx tinygpt setup tensorflow --gpu');
    expect(broken).toBe(true);
  });

  test('an addon for another Node.js is named with its version', () => {
    install(`
struct node_module { int version; unsigned flags; void* handle; const char* file; void* init; void* context; const char* name; void* data; void* link; };
extern "C" void node_module_register(void*);
static void nothing() {}
static node_module module = { 93, 0, 0, "x", (void*)nothing, 0, "tfjs_binding", 0, 0 };
__attribute__((constructor)) static void load() { node_module_register(&module); }
`);
    const { reason, remedy } = probe();
    expect(reason).toContain(`(NODE_MODULE_VERSION 93, this one has ${process.versions.modules})`);
    expect(remedy).toBe('npx tinygpt setup tensorflow --gpu');
  });

  test('an addon for another TensorFlow is reported', () => {
    install('extern "C" int TFE_NoSuchFunction(); int x = TFE_NoSuchFunction();', '-Wl,-z,now');
    const { reason } = probe();
    expect(reason).toMatch(/built for another system or TensorFlow \(.*undefined symbol: TFE_NoSuchFunction/);
  });
});
