// Blocks of tests that need the native backend; skipped by name where it is absent.

import { beforeAll, describe } from '@jest/globals';
import { useBackend } from '../../../src/backend/use.js';
import { absentBackends } from '../present.js';

const reason = absentBackends.find(({ name }) => name === 'native')?.reason;

/** A `describe` block on the native backend. */
export function describeNative(title: string, body: () => void): void {
  const run = reason === undefined ? describe : describe.skip;
  run(reason === undefined ? title : `${title} (native is absent: ${reason})`, () => {
    if (reason === undefined)
      beforeAll(async () => {
        await useBackend('native');
      });
    body();
  });
}
