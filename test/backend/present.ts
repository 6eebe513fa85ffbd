// Which backends this machine can run tests on. Tests for every backend use `describeEachBackend`; a backend that is
// absent here appears as a skipped block with its reason.

import { beforeAll, describe, test } from '@jest/globals';
import { findDriver } from '../../src/backend/drivers.js';
import { BACKEND_NAMES, type BackendName } from '../../src/backend/types.js';
import { useBackend } from '../../src/backend/use.js';

const found: { name: BackendName; available: boolean; reason: string }[] = [];
for (const name of BACKEND_NAMES) {
  const probe = await (await findDriver(name))?.probe();
  const reason = probe ? (probe.reason ?? '') : 'not included in this version';
  found.push({ name, available: probe?.available ?? false, reason });
}

/** Backends that work here, in order of preference; never empty (`wasm` and `cpu` always work). */
export const presentBackends: BackendName[] = found.filter((b) => b.available).map((b) => b.name);

/** The others, with the reason. */
export const absentBackends: { name: BackendName; reason: string }[] = found.filter((b) => !b.available);

/**
 * A `describe` block per backend, named `<title> on <backend>`, with that backend made current before its tests.
 * @example describeEachBackend('rmsNorm', () => { test('...', () => { ... }); });
 */
export function describeEachBackend(title: string, body: (backend: BackendName) => void): void {
  for (const name of presentBackends)
    describe(`${title} on ${name}`, () => {
      beforeAll(async () => {
        await useBackend(name);
      });
      body(name);
    });
  for (const { name, reason } of absentBackends)
    describe.skip(`${title} on ${name} (${reason})`, () => {
      test('skipped', () => {});
    });
}
