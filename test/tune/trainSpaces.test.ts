import { describe, expect, test } from '@jest/globals';
import { useBackend } from '../../src/backend/index.js';
import { randomStream } from '../../src/base/random.js';
import type { Dataset } from '../../src/data/types.js';
import { TRAIN_DEFAULTS } from '../../src/train/config.js';
import { presetConfig } from '../../src/train/presets.js';
import { contains, sampleUniform } from '../../src/tune/distributions.js';
import { trainCheck } from '../../src/tune/trainObjective.js';
import { configValues, SPACE_NAMES, settingOf, settingsOf, trainSpace } from '../../src/tune/trainSpaces.js';

describe('the spaces of the trainer', () => {
  test.each(SPACE_NAMES)(
    '%s: every parameter is a setting and its default the preset, within the range',
    (name) => {
      const { setup, preset } = trainSpace(name);
      expect(setup.defaults).toEqual(configValues(Object.keys(setup.space), presetConfig(preset)));
      for (const [parameter, distribution] of Object.entries(setup.space)) {
        expect(settingOf(parameter) in TRAIN_DEFAULTS).toBe(true);
        expect(contains(distribution, setup.defaults[parameter])).toBe(true);
      }
    },
  );

  test('the reference has the 14 published parameters and six more', () => {
    expect(Object.keys(trainSpace('reference').setup.space)).toHaveLength(20);
  });

  test('defaults are those of the configuration where it lies within the space, else the nearest in it', () => {
    const config = { ...presetConfig('cpu'), matrixLr: 0.1, depth: 12, windowPattern: 'SLSS' };
    expect(trainSpace('cpu', config).setup.defaults).toMatchObject({
      matrixLr: 0.1,
      depth: 6,
      windowPattern: 'SSSL',
      width: 128,
    });
  });

  test('sizes that a configuration leaves open are worked out', () => {
    const names = [
      'width',
      'heads',
      'kvHeads',
      'log2_kvHeads',
      'evalTokens',
      'log2_evalTokens',
      'aspectRatio',
    ];
    const config = { ...presetConfig('cpu'), width: null, depth: 3, aspectRatio: 50, evalTokens: null };
    expect(configValues(names, config)).toEqual({
      width: 160, // 150 rounded up to heads of 32
      heads: 5,
      kvHeads: 5,
      log2_kvHeads: Math.log2(5),
      aspectRatio: 50,
    });
  });

  test('unknown settings and spaces are errors that list the known ones', () => {
    expect(() => settingOf('constructor')).toThrow(/constructor is not a setting/);
    expect(() => settingOf('learningRate')).toThrow(/learningRate is not a setting .*matrixLr/);
    expect(() => trainSpace('huge')).toThrow(/reference, .*consumer, .*cpu, .* or a file, got huge/);
  });

  test('the reference searches the size of a pass, from which the device batch follows', () => {
    const { setup, preset } = trainSpace('reference');
    const base = presetConfig(preset);
    expect(settingsOf(setup.defaults, base)).toMatchObject({ depth: 8, width: 512, deviceBatchSize: 128 });
    expect(settingsOf({ depth: 9, width: 640, log2_passSize: 19 }, base)).toMatchObject({
      deviceBatchSize: 64,
    });
    expect(settingsOf({ log2_passSize: 19 }, base)).toEqual({ deviceBatchSize: 128 });
    expect(settingsOf({ depth: 24, width: 2048, log2_passSize: 12 }, base).deviceBatchSize).toBe(1);
    expect(configValues(['log2_passSize'], presetConfig('tinystories'))).toEqual({ log2_passSize: 17 });
    expect(settingsOf({ log2_passSize: 17 }, presetConfig('tinystories')).deviceBatchSize).toBe(32);
  });

  test.each([
    ['reference', 78e9, 0.65],
    ['consumer', 12e9, 0.95],
    ['cpu', 8e9, 0.99],
  ])('most of %s runs in %d bytes', async (name, memoryLimit, least) => {
    await useBackend('wasm');
    const { setup, preset } = trainSpace(name);
    const base = presetConfig(preset);
    const { vocabSize } = base;
    const data = { tokenizer: { vocabSize } } as Dataset;
    const check = trainCheck({ base, fixed: {}, data, memoryLimit, budget: { steps: 1 }, seed: 1 });
    const random = randomStream(1, 'test/share');
    const points = Array.from({ length: 400 }, () =>
      Object.fromEntries(Object.entries(setup.space).map(([key, d]) => [key, sampleUniform(d, random)])),
    );
    expect(check(setup.defaults)).toBeNull();
    expect(points.filter((params) => check(params) === null).length / 400).toBeGreaterThan(least);
  });
});
