// The native backend's self-test, its own cases included.

import { afterAll, expect, test } from '@jest/globals';
import { selfTest } from '../../../src/backend/checks/selfTest.js';
import { driver } from '../../../src/backend/native/driver.js';
import { useBackend } from '../../../src/backend/use.js';
import { describeNative } from '../native/present.js';

describeNative('the native backend’s self-test', () => {
  afterAll(async () => {
    await useBackend('native');
  });

  for (const precision of ['fp32', 'bf16'] as const)
    test(`passes in ${precision}, fused kernels and deep matmuls included`, async () => {
      await driver.start(precision);
      const own = await driver.checks!();
      const { failures, cases } = await selfTest(precision, own);
      expect(failures).toEqual([]);
      expect(cases).toBeGreaterThan(own.length);
      expect(own.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['linear map of 45 rows, 601 to 18']),
      );
    });

  test('bf16 matmuls fail at fp32 tolerance', async () => {
    await driver.start('bf16');
    const { failures } = await selfTest('fp32', await driver.checks!());
    expect(failures.length).toBeGreaterThan(0);
    expect(failures.join('\n')).toMatch(/linear map/);
  });

  test('the version names the instructions of bf16 matmuls', async () => {
    const { version } = await driver.start('bf16');
    expect(version).toMatch(/, bf16 by (rounding|AVX512-BF16|AMX)$/);
  });
});
