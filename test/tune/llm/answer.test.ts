import { describe, expect, test } from '@jest/globals';
import { categorical, float, int } from '../../../src/tune/distributions.js';
import { objectIn, readAnswer } from '../../../src/tune/llm/answer.js';
import { space } from '../problem.js';

const good = { x: 2, lr: 0.5, depth: 6, kind: null };
const answer = (params: unknown, more = {}) => JSON.stringify({ params, ...more });

describe('a configuration in an answer', () => {
  test('is read from plain, fenced and surrounded JSON; the last object counts', () => {
    for (const text of [
      answer(good),
      `\`\`\`json\n${answer(good)}\n\`\`\``,
      `Let me think: {not json} and {"a": 1}.\n${answer(good)}\nGood luck with "it {`,
      `The form is ${answer({ x: 0 })}\nMine:\n${answer(good, { reason: 'a {brace} "quote' })}`,
      JSON.stringify({ proposal: { params: good } }),
    ])
      expect(readAnswer(text, space).params).toEqual(good);
  });

  test.each([
    ['prose', 'I would rather not.', /one JSON object with "params", got "I would/],
    ['an empty answer', '', /one JSON object/],
    ['a list', '[1, 2]', /one JSON object/],
    ['a torn object', answer(good).slice(0, -3), /one JSON object/],
    ['params that are no object', answer([1]), /"params" to be an object/],
    ['a missing value', answer({ x: 1, lr: 0.5, depth: 6 }), /Expected a value for kind, got none/],
    ['a value outside', answer({ ...good, x: 9 }), /Expected x within float -5 \.\. 5, got 9/],
    [
      'a value off the grid',
      answer({ ...good, depth: 5 }),
      /Expected depth within int 2 \.\. 12 step 2, got 5/,
    ],
    ['a text for a number', answer({ ...good, x: '2' }), /Expected x within .*, got "2"/],
    ['an unknown choice', answer({ ...good, kind: 'c' }), /Expected kind within one of/],
    ['an unknown name', answer({ ...good, depht: 4 }), /Unknown parameter "depht"; did you mean depth\?/],
    ['NaN', '{"params": {"x": NaN}}', /one JSON object/],
    ['a number beyond doubles', answer(good).replace('2', '1e999'), /Expected x within/],
    ['__proto__', '{"params": {"__proto__": {"x": 1}}}', /Unknown parameter "__proto__"/],
  ])('is refused with the fault named: %s', (_, text, fault) => {
    expect(() => readAnswer(text, space)).toThrow(fault);
  });

  test('names every fault at once, a bounded number of them', () => {
    expect(() => readAnswer(answer({ x: 9, lr: 7, depth: 6, kind: 'a' }), space)).toThrow(
      /x within.*; Expected lr within/,
    );
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`name${i}`, i]));
    expect(() => readAnswer(answer(many), space)).toThrow(/^(Unknown parameter "name\d+"[^;]*(; |$)){10}/);
  });

  test('drops parameters whose condition does not hold', () => {
    const conditional = {
      kind: categorical(['a', 'b']),
      beta: float(0, 1, { when: { kind: 'a' } }),
      n: int(1, 3),
    };
    expect(readAnswer(answer({ kind: 'b', beta: 0.5, n: 1 }), conditional).params).toEqual({
      kind: 'b',
      n: 1,
    });
    expect(() => readAnswer(answer({ kind: 'a', n: 1 }), conditional)).toThrow('value for beta');
  });

  test('keeps a reason of one bounded line', () => {
    const { reason } = readAnswer(answer(good, { reason: `a\n\u001b[31mb ${'c'.repeat(1000)}` }), space);
    expect(reason).toMatch(/^a \?\[31mb c+$/);
    expect(reason).toHaveLength(300);
    expect(readAnswer(answer(good, { reason: 5 }), space).reason).toBe('');
  });
});

test('megabytes of braces are read in bounded steps', () => {
  for (const text of ['{'.repeat(2e6), '{"params":'.repeat(2e5), '"{'.repeat(1e6)])
    expect(() => objectIn(text, 'params')).toThrow('one JSON object');
});
