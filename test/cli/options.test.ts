import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../src/base/random.js';
import {
  choice,
  flag,
  integer,
  many,
  number,
  prompt,
  readOptions,
  required,
  text,
} from '../../src/cli/options.js';
import { err, out, run } from './capture.js';

const OPTIONS = {
  depth: integer('layers', { min: 1 }),
  matrixLr: number('rate', { min: 0 }),
  seed: integer('seed', { default: 1 }),
  sampler: choice(['gp', 'tpe'], 'sampler', { default: 'gp' }),
  text: text('file'),
  prompt: prompt('start'),
  fix: many('name=value'),
  json: flag('print JSON', { default: false }),
  valueEmbeds: flag('value embeddings'),
};
const read = (...argv: string[]) => readOptions(argv, OPTIONS);

describe('values', () => {
  test('each option takes one value, separate or after =', () => {
    expect(read('--depth', '4', '--matrix-lr=1e-2', '--text', 'a b.txt', '--sampler', 'tpe')).toMatchObject({
      depth: 4,
      matrixLr: 0.01,
      text: 'a b.txt',
      sampler: 'tpe',
      seed: 1,
      fix: [],
      json: false,
      valueEmbeds: undefined,
    });
  });

  test('numbers may be negative and written with an exponent', () => {
    expect(read('--seed', '-3')).toMatchObject({ seed: -3 });
    expect(read('--depth', '1e6')).toMatchObject({ depth: 1_000_000 });
  });

  test('flags are set, negated or given as true or false', () => {
    expect(read('--json', '--no-value-embeds')).toMatchObject({ json: true, valueEmbeds: false });
    expect(read('--json=false', '--value-embeds', 'true')).toMatchObject({ json: false, valueEmbeds: true });
  });

  test('an option that may be repeated keeps every value', () => {
    expect(read('--fix', 'a=1', '--fix', 'b=-2')).toMatchObject({ fix: ['a=1', 'b=-2'] });
  });

  test('a prompt may be empty or start with dashes', () => {
    expect(read('--prompt', '')).toMatchObject({ prompt: '' });
    expect(read('--prompt=--seed')).toMatchObject({ prompt: '--seed' });
  });

  test('arguments without a name are read in order', () => {
    const positionals = { what: required('what', ['tensorflow']), files: many('files') };
    expect(readOptions(['tensorflow', 'a', '--json', '--', '-b'], OPTIONS, positionals)).toMatchObject({
      what: 'tensorflow',
      files: ['a', '-b'],
      json: true,
    });
    expect(() => readOptions([], OPTIONS, positionals)).toThrow('Expected <what>: what; got none');
    expect(() => readOptions(['torch'], OPTIONS, positionals)).toThrow(
      'Expected <what> to be one of tensorflow, got torch',
    );
  });

  test.each([
    [['--depth', '4', '--depth', '1'], 'Expected --depth once, got 4 and 1'],
    [['--seed', '7', '--seed=1'], 'Expected --seed once, got 7 and 1'],
    [['--json', '--json'], 'Expected --json once, got true and true'],
    [['--matrix-lr', ''], 'Expected --matrix-lr to be a number >= 0, got ""'],
    [['--matrix-lr='], 'Expected --matrix-lr to be a number >= 0, got ""'],
    [['--text', ''], 'Expected --text to be a text that is not empty, got ""'],
    [['--depth', '--seed', '1'], 'Expected a value for --depth, got the option --seed'],
    [
      ['--text', '--json'],
      'Expected a value for --text, got the option --json; write --text=--json if it is one',
    ],
    [['--seed'], 'Expected a value for --seed, got none'],
    [['--depth', '2.5'], 'Expected --depth to be an integer >= 1, got 2.5'],
    [['--seed', '1.5'], 'Expected --seed to be an integer, got 1.5'],
    [['--depth', '0'], 'Expected --depth to be an integer >= 1, got 0'],
    [['--depth', '4x'], 'Expected --depth to be an integer >= 1, got 4x'],
    [['--depth', '0x10'], 'got 0x10'],
    [['--depth', ' 4'], 'got " 4"'],
    [['--depth', '4,5'], 'got 4,5'],
    [['--depth', '1e999'], 'got 1e999'],
    [['--depth', '9007199254740993'], 'got 9007199254740993'],
    [['--matrix-lr', 'NaN'], 'got NaN'],
    [['--matrix-lr', 'Infinity'], 'got Infinity'],
    [['--matrix-lr', '-0.1'], 'got -0.1'],
    [['--sampler', 'grid'], 'Expected --sampler to be one of gp, tpe, got grid'],
    [['--sampler', 'constructor'], 'got constructor'],
    [['--json=maybe'], 'Expected --json to be true or false, got maybe'],
    [['--no-json=1'], 'Expected --no-json without a value, got 1'],
    [['--no-depth'], 'Unknown option --no-depth'],
    [['--dpeth', '4'], 'Unknown option --dpeth; did you mean --depth?'],
    [['--matrixLr', '1'], 'Unknown option --matrixLr; did you mean --matrix-lr?'],
    [['--matrix_lr=1'], 'Unknown option --matrix_lr; did you mean --matrix-lr?'],
    [['--depth.x', '1'], 'Unknown option --depth.x'],
    [['--constructor', '1'], 'Unknown option --constructor'],
    [['--__proto__', '1'], 'Unknown option --__proto__'],
    [['-depth', '4'], 'Unknown option -depth'],
    [['-5'], 'Unknown option -5'],
    [['stray'], 'Unexpected argument stray'],
  ])('%j is refused', (argv, message) => {
    expect(() => read(...argv)).toThrow(message);
  });
});

describe('help', () => {
  test.each([[[]], [['-h']], [['--help']], [['help']]])('tinygpt %j lists the commands', async (argv) => {
    expect(await run(...argv)).toBe(0);
    expect(out).toMatch(/^ {2}tinygpt train +train a model/m);
    expect(err).toBe('');
  });

  test.each([[['train', '-h']], [['train', '--depth', '3', '--help']], [['help', 'train']]])(
    'tinygpt %j lists the options of the command',
    async (argv) => {
      expect(await run(...argv)).toBe(0);
      expect(out).toMatch(/^Usage: tinygpt train \[options\]/);
      expect(out).toMatch(/^ +--matrix-lr +Muon.*\[number\]$/m);
      expect(out).toMatch(/^ +--value-embeds [\s\S]*?\[boolean\]$/m);
      expect(out).toMatch(/^ +--seed .*\(default 1\)/m);
    },
  );

  test('the version is the package version', async () => {
    expect(await run('--version')).toBe(0);
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
    const version = out;
    expect(await run('tune', '--version')).toBe(0); // tinygpt-tune --version
    expect(out).toBe(version);
  });
});

// Command lines that are wrong in one word, or that end in help: nothing is ever run.
test('2,000 wrong command lines end in one line of ours and exit code 2', async () => {
  const random = randomStream(1, 'wrong command lines');
  const pick = <T>(list: readonly T[]): T => list[random.int(list.length)]!;
  const commands = [
    'train',
    'tune',
    'sample',
    'report',
    'prepare',
    'bench',
    'doctor',
    'setup',
    'verify',
    'cache',
  ];
  const names = [
    'depth',
    'seed',
    'text',
    'json',
    'backend',
    'trials',
    'matrix-lr',
    'fix',
    'name',
    'out',
    'tokens',
  ];
  const values = [
    '1',
    '-1',
    '2.5',
    '',
    'abc',
    '1e999',
    'NaN',
    '0x1',
    '../up',
    'true',
    '--',
    '-',
    '{}',
    '\u0000',
    '💥',
  ];
  const junk = [
    '--constructor',
    '--__proto__=1',
    '-x',
    '--',
    '=',
    '--=',
    '--=1',
    '-',
    '--no-',
    '--seed.x=1',
    '\u202e',
  ];
  for (let n = 0; n < 2000; n++) {
    const words = Array.from({ length: random.int(5) }, () =>
      random.uniform() < 0.2
        ? pick(junk)
        : `--${pick(names)}${random.uniform() < 0.5 ? `=${pick(values)}` : ''}`,
    );
    const argv = [pick(commands), ...words, pick(['--frob', '--seed=x', '--seed=1.5', '--seed', '--depth='])];
    const code = await run(...argv);
    expect({ argv, code, out }).toEqual({ argv, code: 2, out: '' });
    expect(err).toMatch(/^error: [^\n]+\n$/);
    expect(err).not.toMatch(/TINYGPT_DEBUG|TypeError|undefined/);
  }
});
