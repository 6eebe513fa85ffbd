import { expect, test } from '@jest/globals';
import { byteSize, duration, fitted } from '../../src/cli/terminal.js';

const stream = (isTTY: boolean, columns: number) => ({ isTTY, columns }) as NodeJS.WriteStream;

test('a line is cut to the width of a terminal and left whole in a file', () => {
  const line = 'depth=4 width=128 matrixLr=0.04';
  expect(fitted(line, stream(true, 20))).toBe('depth=4 width=128 …');
  expect(fitted(line, stream(true, 80))).toBe(line);
  expect(fitted(line, stream(false, 20))).toBe(line);
});

test('sizes and times read as people write them', () => {
  expect([950, 12_345_678, 4.5e9].map(byteSize)).toEqual(['950 B', '12.3 MB', '4.50 GB']);
  expect([45, 125, 12_000].map(duration)).toEqual(['45s', '2m05s', '3h20m']);
});
