import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const MODULE = join(dirname(fileURLToPath(import.meta.url)), '../../src/backend/stderr.js');

/** Runs a script in a process of its own, whose standard error can be read. */
function stderrOf(script: string): string {
  const source = `import { writeSync } from 'node:fs'; import { withoutStderr } from ${JSON.stringify(MODULE)}; ${script}`;
  const { stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
  });
  expect(status).toBe(0);
  return stderr;
}

test('discards only what is written to the descriptor meanwhile', () => {
  const script = `writeSync(2, 'a'); withoutStderr(() => writeSync(2, 'b')); writeSync(2, 'c');`;
  expect(stderrOf(script)).toBe(process.platform === 'win32' ? 'abc' : 'ac');
});

test('rethrows errors and restores the descriptor', () => {
  const script = `try { withoutStderr(() => { throw new Error('x'); }); } catch (e) { writeSync(2, e.message); }`;
  expect(stderrOf(script)).toBe('x');
});

test('leaves no warning of its descriptors in a worker thread', () => {
  const inWorker = `import(${JSON.stringify(MODULE)}).then(({ withoutStderr }) => withoutStderr(() => {}))`;
  const script = `const { Worker } = await import('node:worker_threads');
    new Worker(${JSON.stringify(inWorker)}, { eval: true });`;
  expect(stderrOf(script)).toBe('');
});
