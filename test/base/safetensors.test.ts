import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EnvironmentError, UsageError } from '../../src/base/errors.js';
import { randomStream } from '../../src/base/random.js';
import { readSafetensors, writeSafetensors } from '../../src/base/safetensors.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-safetensors-'));
  path = join(folder, 'x.safetensors');
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const file = () => ({
  tensors: new Map([
    ['a.b', { shape: [2, 3], values: Float32Array.of(1, -2, 3.5, Number.NaN, -0, 1e-38) }],
    ['ids', { shape: [], values: Int32Array.of(-7) }],
    ['none', { shape: [0, 4], values: new Float32Array(0) }],
  ]),
  metadata: { note: 'größe "quoted"' },
});

/** A file with this header, as text, and so many bytes of data. */
function writeRaw(header: string, bytes: number): void {
  const head = Buffer.alloc(8);
  const json = Buffer.from(header);
  head.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(path, Buffer.concat([head, json, Buffer.alloc(bytes)]));
}

test('reads what it wrote, bit for bit', () => {
  writeSafetensors(path, file());
  expect(readSafetensors(path)).toEqual(file());
  expect(readdirSync(folder)).toEqual(['x.safetensors']);
});

test('a missing file is a UsageError', () => {
  expect(() => readSafetensors(path)).toThrow(UsageError);
  expect(() => readSafetensors(folder)).toThrow(/regular file .* got a folder/);
});

test('a truncated file is refused with the position', () => {
  writeSafetensors(path, file());
  const whole = readFileSync(path);
  for (const [bytes, message] of [
    [whole.subarray(0, whole.length - 2), /truncated/],
    [whole.subarray(0, 20), /header of \d+ bytes in a file of 20/],
    [whole.subarray(0, 3), /3 bytes/],
    [Buffer.concat([whole, Buffer.alloc(4)]), /tensors end at byte \d+ of a file of \d+/],
    [Buffer.concat([whole.subarray(0, 8), Buffer.alloc(whole.length - 8, 120)]), /header is not JSON/],
  ] as const) {
    writeFileSync(path, bytes);
    expect(() => readSafetensors(path)).toThrow(message);
    expect(() => readSafetensors(path)).toThrow(EnvironmentError);
  }
});

const tensor = (change: object) => ({ dtype: 'F32', shape: [2, 3], data_offsets: [0, 24], ...change });

describe('a header is refused', () => {
  test.each([
    ['that is null', null, /header is not a JSON object/],
    ['that is a list', [], /header is not a JSON object/],
    ['whose metadata is null', { __metadata__: null, w: tensor({}) }, /__metadata__ is not an object/],
    ['whose metadata holds a number', { __metadata__: { a: 1 }, w: tensor({}) }, /not an object of strings/],
    ['with a tensor that is null', { w: null }, /w is not described by an object/],
    ['without a dtype', { w: tensor({ dtype: undefined }) }, /w has dtype undefined/],
    ['of another dtype', { w: tensor({ dtype: 'BF16' }) }, /w has dtype "BF16"/],
    ['without a shape', { w: tensor({ shape: undefined }) }, /w has shape undefined/],
    ['whose shape is a number', { w: tensor({ shape: 6 }) }, /w has shape 6/],
    ['with a negative size', { w: tensor({ shape: [-2, -3] }) }, /w has shape \[-2,-3\]/],
    ['with a fractional size', { w: tensor({ shape: [1.5, 4] }) }, /w has shape \[1.5,4\]/],
    ['with a size as text', { w: tensor({ shape: ['2', 3] }) }, /w has shape \["2",3\]/],
    ['without offsets', { w: tensor({ data_offsets: undefined }) }, /w has data_offsets undefined/],
    ['with one offset', { w: tensor({ data_offsets: [24] }) }, /w has data_offsets \[24\]/],
    ['with offsets below zero', { w: tensor({ data_offsets: [-24, 0] }) }, /w has data_offsets \[-24,0\]/],
    ['with offsets in the wrong order', { w: tensor({ data_offsets: [24, 0] }) }, /data_offsets \[24,0\]/],
    ['with a shape of another size', { w: tensor({ shape: [5] }) }, /w has 24 bytes for shape \[5\]/],
    ['whose tensors overlap', { v: tensor({}), w: tensor({}) }, /w begins at byte 0 .* byte 24 is next/],
    ['with a gap before a tensor', { w: tensor({ data_offsets: [8, 32] }) }, /w begins at byte 8 .* byte 0/],
    ['with more data than the file has', { w: tensor({ shape: [60], data_offsets: [0, 240] }) }, /truncated/],
    [
      'that forgets the end of the data',
      { w: tensor({ shape: [1], data_offsets: [0, 4] }) },
      /tensors end at/,
    ],
  ])('%s', (_, header, message) => {
    writeRaw(JSON.stringify(header), 24);
    expect(() => readSafetensors(path)).toThrow(message);
    expect(() => readSafetensors(path)).toThrow(EnvironmentError);
  });

  test.each([
    ['of infinite sizes', '{"w":{"dtype":"F32","shape":[1e999],"data_offsets":[0,1e999]}}', /w has shape/],
    ['nested deeper than any stack', `{"w":{"dtype":${'['.repeat(1e5)}${']'.repeat(1e5)}}}`, /w has dtype/],
    ['named __proto__', '{"__proto__":{"dtype":"F64"}}', /__proto__ has dtype "F64"/],
  ])('%s', (_, header, message) => {
    writeRaw(header, 24);
    expect(() => readSafetensors(path)).toThrow(message);
  });

  test('longer than the format allows', () => {
    const bytes = Buffer.alloc(16);
    bytes.writeBigUInt64LE(2n ** 63n);
    writeFileSync(path, bytes);
    expect(() => readSafetensors(path)).toThrow(/declares a header of 9223372036854776000 bytes/);
  });
});

test('each of 10,000 damaged files is read whole or refused with a typed error', () => {
  writeSafetensors(path, file());
  const whole = readFileSync(path);
  const headerEnd = 8 + Number(whole.readBigUInt64LE(0));
  const random = randomStream(1, 'safetensors.fuzz');
  const snippets = [
    'null',
    '[]',
    '{}',
    '-1',
    '1e999',
    '"x"',
    '1.5',
    'NaN',
    ',',
    ':',
    '"',
    '}',
    '[',
    '\0',
    'F64',
  ];
  let refused = 0;
  for (let i = 0; i < 10_000; i++) {
    let bytes = Buffer.from(whole);
    for (let edits = 1 + random.int(3); edits > 0; edits--) {
      const at = random.uniform() < 0.8 ? random.int(headerEnd) : random.int(bytes.length + 1);
      const kind = random.int(4);
      if (kind === 0) bytes = bytes.subarray(0, at);
      else if (kind === 1 && at < bytes.length) bytes[at] = random.int(256);
      else {
        const snippet = Buffer.from(snippets[random.int(snippets.length)]!);
        const skip = kind === 2 ? snippet.length : random.int(12);
        bytes = Buffer.concat([bytes.subarray(0, at), snippet, bytes.subarray(at + skip)]);
        // A header length that fits, so that the header is read.
        if (bytes.length >= 8 && random.uniform() < 0.7)
          bytes.writeBigUInt64LE(BigInt(Math.max(0, headerEnd - 8 + bytes.length - whole.length)), 0);
      }
    }
    writeFileSync(path, bytes);
    try {
      for (const { shape, values } of readSafetensors(path).tensors.values())
        expect(values.length).toBe(shape.reduce((a, b) => a * b, 1));
    } catch (error) {
      expect(error).toBeInstanceOf(EnvironmentError);
      expect((error as Error).message).toMatch(/^[^\n]*is not a complete safetensors file: /);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(5000);
});
