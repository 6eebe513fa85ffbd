// The number of threads that TINYGPT_THREADS requests.

import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { expect, test } from '@jest/globals';
import { describeNative } from './present.js';

/** What a process that starts the backend says of its threads. */
function start(threads: string) {
  const program = `
    const { useBackend } = await import(${JSON.stringify(new URL('../../../src/backend/index.js', import.meta.url))});
    await useBackend('native').then(({ device }) => console.log(device), (error) => console.log(error.message));`;
  const env = { ...process.env, TINYGPT_THREADS: threads };
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    env,
    encoding: 'utf8',
  });
  return { stdout, stderr };
}

const cores = availableParallelism();
const threads = `${cores} thread${cores === 1 ? '' : 's'}`;

describeNative('TINYGPT_THREADS', () => {
  test('is capped to the cores with a message', () => {
    const { stdout, stderr } = start('1000');
    expect(stdout).toContain(`, ${threads}\n`);
    expect(stderr).toBe(`Using ${threads} (one per core) instead of 1000\n`);
  });

  test('of 1 uses one thread', () => {
    expect(start('1')).toEqual({ stdout: expect.stringContaining(', 1 thread\n'), stderr: '' });
  });

  test.each(['0', '-1', '1.5', 'many'])('of %s is an error that names the value', (value) => {
    expect(start(value).stdout).toMatch(/Expected threads to be a whole number above 0, got (0|-1|1.5|NaN)/);
  });
});
