import { describe, expect, test } from '@jest/globals';
import { contestArguments } from '../../experiments/run.js';
import { readOptions } from '../../src/cli/options.js';
import { TUNE_OPTIONS } from '../../src/cli/tuneOptions.js';

const read = (scale: string, ...more: string[]) =>
  readOptions(contestArguments(scale, more).slice(1), TUNE_OPTIONS)!;

describe('the seed comparison', () => {
  test.each(['taste', 'evening', 'night'])('%s is a contest that tune accepts', (scale) => {
    const args = read(scale);
    expect(args.contest).toContain('random,gp,cmaes,tpe');
    expect(args.out).toBe(`studies/seed-comparison-${scale}`);
    expect((args.minutes ?? 0) + (args.hours ?? 0)).toBeGreaterThan(0);
  });

  test('options override those of a scale, also by another unit', () => {
    const args = read('taste', '--trials', '24', '--text', 'a.txt', '--out', 'x', '--seeds', '2');
    expect(args).toMatchObject({
      trials: 24,
      minutes: undefined,
      text: 'a.txt',
      bundled: undefined,
      out: 'x',
      seeds: 2,
    });
    expect(args.trialTokens).toBe(8192);
    expect(read('taste', '--llm-command', 'claude -p')).toMatchObject({
      llm: undefined,
      llmCommand: 'claude -p',
    });
    expect(args.fix).toEqual(['depth=3', 'width=96', 'log2_headDim=5']);
  });
});
