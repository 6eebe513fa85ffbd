import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { constantsIn, patchConstants } from '../../../src/tune/script/constants.js';
import { type Language, languageOf } from '../../../src/tune/script/lexer.js';
import { proposeSpace, scriptValues } from '../../../src/tune/script/propose.js';

const python3 = spawnSync('python3', ['--version']).status === 0;

const patch = (text: string, values: Parameters<typeof patchConstants>[2], language: Language = 'python') =>
  patchConstants(text, language, values, 'train.py');

/** The hyperparameters as the reference's train.py writes them. */
const REFERENCE = `import torch
x = """
MATRIX_LR = 7
"""
class GPT:
    DEPTH = 3
    def f(self):
        MATRIX_LR = 9

ASPECT_RATIO = 64       # model_dim = depth * ASPECT_RATIO
WINDOW_PATTERN = "SSSL" # sliding window pattern: L=full, S=half context
TOTAL_BATCH_SIZE = 2**19 # ~524K tokens per optimizer step
MATRIX_LR = 0.04        # learning rate for matrix parameters (Muon)
ADAM_BETAS = (0.8, 0.95) # Adam beta1, beta2
WARMUP_RATIO = 0.0      # fraction of time budget for LR warmup
FINAL_LR_FRAC = 0.0     # final LR as fraction of initial
# MATRIX_LR = 5
DEPTH = 8               # number of transformer layers
DEVICE_BATCH_SIZE = 128  # per-device batch size (reduce if OOM)
H100_BF16_PEAK_FLOPS = 989.5e12
step = 0
while True:
    step += 1
    ema_beta = 0.9
print(f"{DEPTH = } {'MATRIX_LR = 1'}")
`;

describe('constants of a script', () => {
  test('are those that its module assigns once a value that can be read', () => {
    expect(scriptValues(REFERENCE, 'python')).toEqual({
      ASPECT_RATIO: 64,
      log2_ASPECT_RATIO: 6,
      WINDOW_PATTERN: 'SSSL',
      TOTAL_BATCH_SIZE: 524288,
      log2_TOTAL_BATCH_SIZE: 19,
      MATRIX_LR: 0.04,
      'ADAM_BETAS[0]': 0.8,
      'ADAM_BETAS[1]': 0.95,
      WARMUP_RATIO: 0,
      FINAL_LR_FRAC: 0,
      DEPTH: 8,
      log2_DEPTH: 3,
      DEVICE_BATCH_SIZE: 128,
      log2_DEVICE_BATCH_SIZE: 7,
      H100_BF16_PEAK_FLOPS: 989.5e12,
      ema_beta: 0.9,
      x: '\nMATRIX_LR = 7\n',
    });
  });

  test('are replaced where the module defines them, and nothing else is', () => {
    const values = {
      MATRIX_LR: 1,
      TOTAL_BATCH_SIZE: 2 ** 18,
      'ADAM_BETAS[1]': 0.9,
      WINDOW_PATTERN: 'L',
      DEPTH: 9,
    };
    expect(patch(REFERENCE, values)).toBe(
      REFERENCE.replace('MATRIX_LR = 0.04', 'MATRIX_LR = 1.0')
        .replace('2**19', '262144')
        .replace('0.95', '0.9')
        .replace('"SSSL"', '"L"')
        .replace('DEPTH = 8', 'DEPTH = 9'),
    );
  });

  const python: [string, Parameters<typeof patchConstants>[2], string][] = [
    ['A = 1\r\nB = 2 # two\r\n', { A: 3, B: 4 }, 'A = 3\r\nB = 4 # two\r\n'],
    ['A: float = 1e-3; B = 524_288\n', { A: 1, B: 7 }, 'A: float = 1.0; B = 7\n'],
    ['A = (\n  0.8, # first\n  0.95,\n)', { 'A[0]': 1, 'A[1]': 1e-7 }, 'A = (\n  1.0, # first\n  1e-7,\n)'],
    ['A = 0.8, 0.95\n', { 'A[1]': 0.5 }, 'A = 0.8, 0.5\n'],
    ['A = -2**2 # four', { A: 3 }, 'A = 3 # four'],
    ['A = \\\n  5\n', { A: 6 }, 'A = \\\n  6\n'],
    [
      'C = {"lr": 0.1, "b": [1, 2], **d}\n',
      { 'C.lr': 2, 'C.b[1]': 9 },
      'C = {"lr": 2.0, "b": [1, 9], **d}\n',
    ],
    ['A = float(os.environ.get("A", 1)) # env\n', { A: 0.5 }, 'A = 0.5 # env\n'],
    ['A = True\nB = None\n', { A: false, B: 'x' }, 'A = False\nB = "x"\n'],
    ["A = 'it''s' \"#\" # c\n", { A: '"\\\n\u2028' }, 'A = "\\"\\\\\\n\\u2028" # c\n'],
    ['if debug:\n    A = 1\n', { A: 2 }, 'if debug:\n    A = 2\n'],
    ['if debug: A = 1\n', { A: 2 }, 'if debug: A = 2\n'],
    ['f = lambda A=1: A\nA = 2', { A: 3 }, 'f = lambda A=1: A\nA = 3'],
    [
      'C = {"d": torch.device("cuda", 0), "lr": 0.1, **{"x": 1}, "b": (f(1, 2), 3)}',
      { 'C.lr': 2, 'C.b[1]': 4 },
      'C = {"d": torch.device("cuda", 0), "lr": 2.0, **{"x": 1}, "b": (f(1, 2), 4)}',
    ],
    ['\uFEFFA = 1', { A: 2 }, '\uFEFFA = 2'],
    ["s = f'{x!r:>{w}} {d['A = 3']}'\nA = 1", { A: 2 }, "s = f'{x!r:>{w}} {d['A = 3']}'\nA = 2"],
    [
      'def f(\n  a=1\n):\n  A = 1\n@g\nclass B: A = 2\nA = 3',
      { A: 4 },
      'def f(\n  a=1\n):\n  A = 1\n@g\nclass B: A = 2\nA = 4',
    ],
  ];
  test.each(python)('Python: %j', (text, values, expected) => {
    expect(patch(text, values)).toBe(expected);
  });

  const script: [string, Parameters<typeof patchConstants>[2], string][] = [
    [
      'const C: Record<string, number> = { lr: 0.1, wd: 0 };\nconst D: Map<string, Array<number>> = new Map(), lr = 1;',
      { 'C.lr': 2, lr: 3 },
      'const C: Record<string, number> = { lr: 2, wd: 0 };\nconst D: Map<string, Array<number>> = new Map(), lr = 3;',
    ],
    [
      'const C: {\n  lr: number;\n  f: (a: number) => number;\n} = { f: (a) => g(a, 1), lr: 0.1 };',
      { 'C.lr': 2 },
      'const C: {\n  lr: number;\n  f: (a: number) => number;\n} = { f: (a) => g(a, 1), lr: 2 };',
    ],
    [
      'const f = <T, U>(a: T, b: U) => a;\nconst A = 1;',
      { A: 2 },
      'const f = <T, U>(a: T, b: U) => a;\nconst A = 2;',
    ],
    ['export const LR: number = 0.04; // rate', { LR: 1 }, 'export const LR: number = 1; // rate'],
    [
      'const A = 1, B = [0.8, 0.95] as const\nlet C = 2 ** 19\n',
      { A: 3, 'B[1]': 0.5, C: 8 },
      'const A = 3, B = [0.8, 0.5] as const\nlet C = 8\n',
    ],
    [
      'const C = {\n  lr: 0.1, // A = 3\n  "b": { c: 1 },\n}\nf(C)',
      { 'C.lr': 2, 'C.b.c': 5 },
      'const C = {\n  lr: 2, // A = 3\n  "b": { c: 5 },\n}\nf(C)',
    ],
    [
      'const r = /[{"]/; const s = `\u0024{`const A = 1`} {`;\nconst A = 1;',
      { A: 2 },
      'const r = /[{"]/; const s = `\u0024{`const A = 1`} {`;\nconst A = 2;',
    ],
    [
      'function f() { const A = 3 }\n/* const A = 4 */\nconst A = true',
      { A: false },
      'function f() { const A = 3 }\n/* const A = 4 */\nconst A = false',
    ],
    ["const A = 'x'\n// end", { A: 'y' }, 'const A = "y"\n// end'],
  ];
  test.each(script)('TypeScript: %j', (text, values, expected) => {
    expect(patch(text, values, 'javascript')).toBe(expected);
  });

  test('JSON: nested values, comments, floats that stay floats', () => {
    const text =
      '{\n  "optim": { "lr": 1.0, "betas": [0.8, 0.95] }, // rates\n  "depth": 8, "name": null\n}\n';
    expect(patch(text, { 'optim.lr': 2, 'optim.betas[1]': 0.9, depth: 6, name: 'a' }, 'json')).toBe(
      '{\n  "optim": { "lr": 2.0, "betas": [0.8, 0.9] }, // rates\n  "depth": 6, "name": "a"\n}\n',
    );
  });

  test.each([
    ['A = 1\nA = 2', 'A', /once, got it on lines 1 and 2/],
    ['A = 1\nA += 1', 'A', /once, got it on lines 1 and 2/],
    ['if x:\n  A = 1\nelse:\n  A = 2', 'A', /once, got it on lines 2 and 4/],
    ['A = B = 1', 'A', /by itself with a value, got line 1/],
    ['A, B = 1, 2', 'B', /by itself with a value, got line 1/],
    ['def f():\n  A = 1', 'A', /to define A at module level, got no such constant; it has none/],
    ['MATRIX_LR = 1', 'MATRX_LR', /to define MATRX_LR at module level.*MATRIX_LR/],
    ['A = (1, 2)', 'A[2]', /no such constant; did you mean A\[0\]/],
  ])('what cannot be replaced is refused: %j', (text, name, message) => {
    expect(() => patch(text, { [name]: 3 })).toThrow(message);
  });

  (python3 ? test : test.skip)('a patched Python script has the values, as Python reads it', () => {
    const text = 'A = 0.04\nB = 2**19\nC = (0.8, 0.95)\nD = "SSSL"\nE = True\nF = 524_288\nG = {"x": 1e-3}\n';
    const values = { A: 1, B: 65536, 'C[1]': 1e-7, D: 'é"\\\'\n😀', E: false, F: 2, 'G.x': 5 };
    const { stdout } = spawnSync('python3', ['-X', 'utf8', '-'], {
      input: `${patch(text, values)}import json\nprint(json.dumps([A, B, C, D, E, F, G]), type(A).__name__, type(F).__name__)`,
      encoding: 'utf8',
    });
    const [, json, kinds] = /^(.*\]) (.*)\n$/.exec(stdout)!;
    expect(JSON.parse(json!)).toEqual([1, 65536, [0.8, 1e-7], values.D, false, 2, { x: 5 }]);
    expect(kinds).toBe('float int');
  });

  test('any text is read without an error', () => {
    const pieces = [
      'A = 1\n',
      '"""',
      "'",
      '(',
      ')',
      '{',
      '}',
      '\\',
      '#',
      '//',
      '/*',
      '`\u0024{',
      'def f():\n',
      ' ',
      '=',
      ',',
      'f"{',
      '\r',
      '**',
      '\u{1F600}',
    ];
    let state = 7;
    const next = () => (state = (state * 1103515245 + 12345) % 2 ** 31);
    for (let i = 0; i < 2000; i++) {
      const text = Array.from({ length: next() % 30 }, () => pieces[(next() >> 8) % pieces.length]).join('');
      for (const language of ['python', 'javascript', 'json'] as const) constantsIn(text, language);
    }
    expect(constantsIn(`A = ${'('.repeat(1e5)}`, 'python')).toEqual([]);
  });
});

describe('a proposed space', () => {
  test('has the published ranges for the constants of the reference, and its values as defaults', () => {
    const { space, defaults, comments, leftOut } = proposeSpace(REFERENCE, 'python');
    expect(Object.keys(space)).toEqual([
      'ASPECT_RATIO',
      'WINDOW_PATTERN',
      'log2_TOTAL_BATCH_SIZE',
      'MATRIX_LR',
      'ADAM_BETAS[0]',
      'ADAM_BETAS[1]',
      'WARMUP_RATIO',
      'FINAL_LR_FRAC',
      'DEPTH',
      'log2_DEVICE_BATCH_SIZE',
    ]);
    expect(space.MATRIX_LR).toMatchObject({ kind: 'float', low: 0.005, high: 0.2, log: true });
    expect(defaults).toMatchObject({ log2_TOTAL_BATCH_SIZE: 19, MATRIX_LR: 0.04, WINDOW_PATTERN: 'SSSL' });
    expect(comments.DEPTH).toBe('number of transformer layers');
    expect(leftOut.map(({ name }) => name)).toEqual(['x', 'H100_BF16_PEAK_FLOPS', 'ema_beta', 'step']);
  });

  test('keeps a comment of several lines on one', () => {
    const { comments } = proposeSpace('const LR = 0.1; /* first\n   second */\n', 'javascript');
    expect(comments).toEqual({ LR: 'first second' });
  });

  test('reads the names of other scripts too', () => {
    const text =
      'const learningRate = 3e-4;\nconst nLayer = 6;\nconst dropout = 0.1;\nconst batchSize = 64;\nconst maxIters = 500;\nconst beta2 = 0.999;\nconst useBias = true;\nconst outDir = "out";\nconst seed = 1;';
    const { space, leftOut } = proposeSpace(text, 'javascript');
    expect(space).toMatchObject({
      learningRate: { kind: 'float', low: 3e-5, high: 3e-3, log: true },
      nLayer: { kind: 'int', low: 3, high: 12 },
      dropout: { low: 0, high: 0.5 },
      log2_batchSize: { kind: 'int', low: 4, high: 8 },
      beta2: { low: 0.996, high: 0.9998 },
      useBias: { choices: [true, false] },
    });
    expect(leftOut.map(({ name }) => name)).toEqual(['maxIters', 'outDir', 'seed']);
  });
});

test.each([
  ['python', 'LR = 0.1\nLR = 0.2\nWD = 0.1\n', ['LR']],
  ['python', "C = {'lr': 0.1, 'wd': 0.1, 'lr': 0.2}\n", ['C.lr']],
  ['python', 'match = 0.1\nmatch = 0.2\ncase = 0.3\n', ['match']],
  ['javascript', 'let lr = 0.1, wd = 0.1;\nif (fast) lr = 0.2;\nelse wd = 0.3\n', ['lr', 'wd']],
  ['json', '{"lr": 0.1, "wd": 0.1, "lr": 0.2}', ['lr']],
] as const)(
  'what has two values is left out, with the reason, as --patch refuses it: %s, %j',
  (language, text, names) => {
    const { space, leftOut } = proposeSpace(text, language);
    expect(leftOut).toEqual(names.map((name) => ({ name, reason: 'assigned more than once' })));
    for (const name of names)
      expect(() => patchConstants(text, language, { [name]: 1 }, 'x')).toThrow(/once/);
    for (const name of Object.keys(space)) patchConstants(text, language, { [name]: 1 }, 'x');
  },
);

test('a big integer is no number to search: it could not be written back', () => {
  expect(proposeSpace('const BATCH = 64n, LR = 0.1;', 'javascript').defaults).toEqual({ LR: 0.1 });
});

test('a constant too large or too small for a range around it is left out, and the others are not', () => {
  const text = 'BIG = 10**20\nMOST = 1e308\nTINY = 5e-324\nLR = 0.1\nCLIP = 1e20\n';
  const { space, leftOut } = proposeSpace(text, 'python');
  expect(Object.keys(space)).toEqual(['LR', 'CLIP']);
  const reason = 'of an extreme size; give a range by hand';
  expect(leftOut).toEqual(['BIG', 'MOST', 'TINY'].map((name) => ({ name, reason })));
});

test('a file of another kind is refused', () => {
  expect(() => languageOf('train.rs')).toThrow(
    'Expected a Python, TypeScript, JavaScript or JSON file, got train.rs',
  );
});
