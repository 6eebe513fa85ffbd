// Bytes as protobuf.dev/programming-guides/encoding gives them.

import { expect, test } from '@jest/globals';
import { Message } from '../../src/base/protobuf.js';

const hex = (message: Message) => Buffer.from(message.encode()).toString('hex');

test('integers are varints of seven bits a byte, negative ones of ten bytes', () => {
  expect(hex(new Message().int(1, 150))).toBe('089601');
  expect(hex(new Message().int(1, 127))).toBe('087f');
  expect(hex(new Message().int(1, 128))).toBe('088001');
  expect(hex(new Message().int(16, 0))).toBe('800100');
  expect(hex(new Message().int(1, -2))).toBe('08feffffffffffffffff01');
  expect(hex(new Message().int(5, true))).toBe('2801');
});

test('text, bytes and messages carry their length, floats are four bytes, doubles eight', () => {
  expect(hex(new Message().text(2, 'testing'))).toBe('120774657374696e67');
  expect(hex(new Message().message(3, new Message().int(1, 150)))).toBe('1a03089601');
  expect(hex(new Message().bytes(1, new Uint8Array(200))).slice(0, 6)).toBe('0ac801');
  expect(hex(new Message().float(4, -0.5))).toBe('25000000bf');
  expect(hex(new Message().double(1, -0.5))).toBe('09000000000000e0bf');
});

test('fields keep their order and may repeat', () => {
  expect(hex(new Message().int(2, 1).int(1, 2).int(2, 3))).toBe('100108021003');
});
