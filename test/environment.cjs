// Jest runs tests in a vm context with its own typed-array constructors, so arrays that come from
// native code or worker threads would fail `instanceof`. Share the outer realm's constructors.
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { TestEnvironment } = require('jest-environment-node');

// Tests leave the user's cache alone; compiled kernels are kept from run to run.
process.env.TINYGPT_CACHE ??= join(tmpdir(), `tinygpt-tests-${process.getuid?.() ?? 'user'}`);

const SHARED = [
  'ArrayBuffer',
  'SharedArrayBuffer',
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
  'DataView',
  'Error',
  'TypeError',
  'RangeError',
];

module.exports = class extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    for (const name of SHARED) this.global[name] = globalThis[name];
    // Node 20 has it in its own realm only.
    this.global.Symbol.dispose ??= Symbol.dispose;
  }
};
