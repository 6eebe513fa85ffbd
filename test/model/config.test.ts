import { describe, expect, test } from '@jest/globals';
import { UsageError } from '../../src/base/errors.js';
import {
  hasValueEmbedding,
  MODEL_DEFAULTS,
  type ModelConfig,
  modelConfig,
  parameterShapes,
  windowSizes,
} from '../../src/model/config.js';
import { countParameters, flopsPerToken } from '../../src/model/flops.js';
import { initialWeights } from '../../src/model/init.js';
import { rotaryTables } from '../../src/model/rotary.js';

const sizes = (overrides: Partial<ModelConfig>): ModelConfig => ({
  ...MODEL_DEFAULTS,
  vocabSize: 96,
  seqLen: 32,
  depth: 3,
  heads: 2,
  kvHeads: 2,
  width: 64,
  windowPattern: 'SL',
  ...overrides,
});

describe('model configuration', () => {
  test('counts parameters and FLOPs as the reference does', () => {
    // Recorded from the PyTorch original at these sizes.
    expect(countParameters(sizes({}))).toEqual({
      embedding: 6144,
      valueEmbedding: 12288,
      head: 6144,
      matrices: 147584,
      scalars: 6,
      total: 172166,
    });
    expect(flopsPerToken(sizes({}))).toBe(983808);
  });

  test('repeats the window pattern and always ends with a long window', () => {
    expect(windowSizes(sizes({ depth: 6, windowPattern: 'SSSL' }))).toEqual([16, 16, 16, 32, 16, 32]);
    expect(windowSizes(sizes({ depth: 2, windowPattern: 's', shortWindowFraction: 1 / 8 }))).toEqual([4, 32]);
  });

  test('puts value embeddings on alternating layers, the last included', () => {
    expect([0, 1, 2].filter((layer) => hasValueEmbedding(sizes({}), layer))).toEqual([0, 2]);
    expect([0, 1].filter((layer) => hasValueEmbedding(sizes({ depth: 2 }), layer))).toEqual([1]);
    const roles = parameterShapes(sizes({ valueEmbeds: false })).map(({ role }) => role);
    expect(roles.filter((role) => role === 'gate' || role === 'valueEmbedding')).toEqual([]);
  });

  test('each matrix of a block and value embedding belongs to its layer, the rest to none', () => {
    for (const { name, layer } of parameterShapes(sizes({})))
      expect([name, layer]).toEqual([name, /\.\d+\./.test(name) ? Number(/\d+/.exec(name)![0]) : null]);
  });

  test.each([
    [{ width: 100, heads: 3, kvHeads: 3 }, /width to be a multiple of heads, got 100 and 3; set --head-dim/],
    [{ width: 66, heads: 2 }, /even head size .* got 33/],
    [{ heads: 4, kvHeads: 3 }, /multiple of kvHeads, got 4 and 3/],
    [{ width: 16 }, /width >= 32/],
    [{ windowPattern: 'SXL' }, /letters S and L, got "SXL"/],
    [{ shortWindowFraction: 0 }, /fraction in \(0, 1\], got 0/],
    [{ depth: 0 }, /depth to be an integer >= 1, got 0/],
    [{ softcap: Number.NaN }, /softcap to be > 0, got NaN/],
  ])('refuses %j with the values and the remedy', (overrides, message) => {
    expect(() => modelConfig(sizes(overrides))).toThrow(message);
    expect(() => modelConfig(sizes(overrides))).toThrow(UsageError);
  });
});

describe('initial weights', () => {
  test('depend only on the seed', () => {
    const [a, b, c] = [1, 1, 2].map((seed) => initialWeights(sizes({}), seed).get('transformer.wte.weight'));
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });

  test('have the standard deviations of the reference', () => {
    const weights = initialWeights(sizes({ vocabSize: 2000, initScale: 0.5, x0Init: 0.05 }), 1);
    const deviation = (name: string) => {
      const values = weights.get(name)!.values as Float32Array;
      return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
    };
    const bound = 0.5 * Math.sqrt(3 / 64);
    // Standard errors are below 1% of each value at these sizes; 3% is allowed.
    expect(deviation('transformer.wte.weight') / 1).toBeCloseTo(1, 1);
    expect(deviation('lm_head.weight') / 0.001).toBeCloseTo(1, 1);
    expect(deviation('transformer.h.0.mlp.c_fc.weight') / (bound / Math.sqrt(3))).toBeCloseTo(1, 1);
    expect(Math.max(...weights.get('transformer.h.1.attn.c_q.weight')!.values)).toBeLessThanOrEqual(bound);
    expect(deviation('transformer.h.0.attn.c_proj.weight')).toBe(0);
    expect(deviation('transformer.h.0.attn.ve_gate.weight')).toBe(0);
    expect([...weights.get('x0_lambdas')!.values]).toEqual([0.05, 0.05, 0.05].map(Math.fround));
  });
});

test('rotary tables from a later position continue the earlier ones', () => {
  const whole = rotaryTables(12, 8, 10_000);
  const tail = rotaryTables(5, 8, 10_000, 7);
  expect(tail.cos).toEqual(whole.cos.slice(7 * 4));
  expect(tail.sin).toEqual(whole.sin.slice(7 * 4));
  expect(whole.cos[3 * 4]).toBeCloseTo(Math.cos(3), 6);
  expect(whole.sin[11 * 4 + 1]).toBeCloseTo(Math.sin(11 / 10), 5);
});
