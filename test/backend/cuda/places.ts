// A `describe` block per place where kernels can run: the emulated device, and a GPU where there is one.

import { beforeAll, describe, test } from '@jest/globals';
import { type Bench, PLACES } from '../../cuda/device/bench.js';

/** Blocks `<title> on <place>`; those of places that cannot be used are skipped with the reason in their name. */
export function describeKernels(title: string, body: (bench: () => Bench) => void): void {
  for (const { name, usable, open } of PLACES) {
    if (!usable) {
      describe.skip(`${title} on ${name}`, () => {
        test('skipped', () => {});
      });
      continue;
    }
    describe(`${title} on ${name}`, () => {
      let bench: Bench | undefined;
      beforeAll(async () => {
        bench = await open();
      });
      body(() => bench!);
    });
  }
}
