import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../../src/base/random.js';
import { chunkEnd } from '../../../src/data/tokenizer/splitPattern.js';
import { splitText } from './splitText.js';

const golden = new URL('../../../../test/golden/tokenizer/', import.meta.url);
type Case = { text: string; chunks: number[] | null };

describe('splitText', () => {
  test('cuts the fuzzed corpus where tiktoken cuts it', () => {
    const cases = JSON.parse(readFileSync(new URL('cases.json', golden), 'utf8')) as Case[];
    const checked = cases.filter((each) => each.chunks !== null);
    expect(checked.length).toBeGreaterThan(500);
    for (const { text, chunks } of checked)
      expect([text, splitText(text).map((chunk) => Buffer.byteLength(chunk))]).toEqual([text, chunks]);
  });

  test.each<[string, string[]]>([
    ["I'M we'LL 'story", ['I', "'M", ' we', "'LL", " '", 'story']],
    ["it'\u017f", ['it', "'\u017f"]],
    ['12345', ['12', '34', '5']],
    ['a  b', ['a', ' ', ' b']],
    ['a  1', ['a', ' ', ' ', '1']],
    ['a \n\n  b', ['a', ' \n\n', ' ', ' b']],
    ['x  ', ['x', '  ']],
    [' !?\r\n\r\nok', [' !?\r\n\r\n', 'ok']],
    ['\ufeffa\ufeff\ufeff', ['\ufeffa', '\ufeff\ufeff']],
    ['\u0085\u0085a', ['\u0085', '\u0085a']],
    ['\u{20000}\u{323b0}', ['\u{20000}', '\u{323b0}']],
    ['', []],
  ])('splits %j', (text, chunks) => {
    expect(splitText(text)).toEqual(chunks);
  });

  test('covers random bytes without gaps, up to the end and not beyond', () => {
    const random = randomStream(1, 'split bytes');
    for (let round = 0; round < 300; round++) {
      const bytes = Uint8Array.from({ length: 1 + random.int(60) }, () => random.int(256));
      const end = 1 + random.int(bytes.length);
      let at = 0;
      while (at < end) {
        const next = chunkEnd(bytes, at, end);
        expect(next).toBeGreaterThan(at);
        at = next;
      }
      expect(at).toBe(end);
    }
  });
});
