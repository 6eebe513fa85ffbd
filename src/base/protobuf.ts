// The writing half of Protocol Buffers' wire format, as far as TensorFlow's graphs and TensorBoard's events need it: a field
// is a varint of its number and wire type, then the value (protobuf.dev/programming-guides/encoding).

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/** A message in the making; fields may come in any order and repeat. */
export class Message {
  readonly #parts: Uint8Array[] = [];

  #append(part: Uint8Array): this {
    this.#parts.push(part);
    return this;
  }

  #key(field: number, wire: number): this {
    return this.#append(varint(BigInt((field << 3) | wire)));
  }

  /** An integer, an enumeration's number or a boolean; negative ones as 64 bits of two's complement. */
  int(field: number, value: number | boolean): this {
    return this.#key(field, VARINT).#append(varint(BigInt.asUintN(64, BigInt(value))));
  }

  float(field: number, value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return this.#key(field, FIXED32).#append(bytes);
  }

  double(field: number, value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    return this.#key(field, FIXED64).#append(bytes);
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#key(field, LENGTH)
      .#append(varint(BigInt(value.length)))
      .#append(value);
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }

  message(field: number, value: Message): this {
    return this.bytes(field, value.encode());
  }

  encode(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Seven bits a byte, lowest first; the top bit says that more follow. */
function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
