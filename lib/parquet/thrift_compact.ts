/**
 * Thrift's compact protocol, as far as Parquet's metadata needs it: structs read to plain values and
 * written again, whatever fields they have (thrift/doc/specs/thrift-compact-protocol.md).
 *
 *     struct   fields, then a byte 0
 *     field    one byte: id minus the last id (1 to 15) and type; or 0 and type, then the id as varint
 *     list     one byte: size (0 to 14) and type; or 15 and type, then the size as varint
 *     integer  zigzag varint      binary  length as varint, then bytes      double  8 bytes
 */

/** Types of values; a boolean field has its value in its type. */
const TRUE = 1, FALSE = 2, BYTE = 3, I16 = 4, I32 = 5, I64 = 6, DOUBLE = 7, BINARY = 8, LIST = 9;
const SET = 10, MAP = 11, STRUCT = 12;

/** Deepest nesting that is read: Parquet's is 7. */
const DEPTH_MAX = 32;

/** A struct: its fields by id, in the order in which they were. */
export type ThriftStruct = Map<number, ThriftValue>;

/** A value with its type. Integers of all widths are bigints. */
export type ThriftValue =
  | { readonly type: 1 | 2 }
  | { readonly type: 3 | 4 | 5 | 6; value: bigint }
  | { readonly type: 7 | 8; readonly value: Uint8Array }
  | { readonly type: 9 | 10; readonly of: number; readonly value: ThriftValue[] }
  | { readonly type: 12; readonly value: ThriftStruct };

/** An i64 field's value. */
export function i64(value: bigint): ThriftValue {
  return { type: I64, value };
}

/** Reads one struct. Throws when the bytes are none. */
export function readStruct(bytes: Uint8Array): ThriftStruct {
  return new Reader(bytes).struct(0);
}

/** The bytes of a struct. */
export function writeStruct(struct: ThriftStruct): Uint8Array<ArrayBuffer> {
  const out: number[] = [];
  writeFields(struct, out);
  return new Uint8Array(out);
}

/** The head of a list of `size` structs, whose bytes follow. */
export function structListHead(size: number): Uint8Array<ArrayBuffer> {
  const out: number[] = [];
  writeListHead(STRUCT, size, out);
  return new Uint8Array(out);
}

/** The head of a list field that follows the field `lastId`. */
export function listFieldHead(id: number, lastId: number): Uint8Array<ArrayBuffer> {
  const out: number[] = [];
  writeFieldHead(id, lastId, LIST, out);
  return new Uint8Array(out);
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  struct(depth: number): ThriftStruct {
    if (depth > DEPTH_MAX) throw malformed();
    const fields: ThriftStruct = new Map();
    let id = 0;
    for (let head = this.#byte(); head !== 0; head = this.#byte()) {
      const type = head & 15;
      id = head >> 4 === 0 ? Number(this.#zigzag()) : id + (head >> 4);
      fields.set(id, type === TRUE || type === FALSE ? { type } : this.#value(type, depth));
    }
    return fields;
  }

  #value(type: number, depth: number): ThriftValue {
    switch (type) {
      case TRUE:
      case FALSE:
        // In a list a boolean is a byte of its own.
        return { type: this.#byte() === TRUE ? TRUE : FALSE };
      case BYTE:
        return { type, value: BigInt(this.#byte()) };
      case I16:
      case I32:
      case I64:
        return { type, value: this.#zigzag() };
      case DOUBLE:
        return { type, value: this.#take(8) };
      case BINARY:
        return { type, value: this.#take(Number(this.#varint())) };
      case LIST:
      case SET:
        return this.#list(type, depth);
      case STRUCT:
        return { type, value: this.struct(depth + 1) };
      default:
        throw malformed();
    }
  }

  #list(type: typeof LIST | typeof SET, depth: number): ThriftValue {
    const head = this.#byte();
    const size = head >> 4 === 15 ? Number(this.#varint()) : head >> 4;
    if (size > this.#bytes.length - this.#at) throw malformed();
    const value = Array.from({ length: size }, () => this.#value(head & 15, depth + 1));
    return { type, of: head & 15, value };
  }

  #zigzag(): bigint {
    const value = this.#varint();
    return (value >> 1n) ^ -(value & 1n);
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw malformed();
  }

  #byte(): number {
    if (this.#at >= this.#bytes.length) throw malformed();
    return this.#bytes[this.#at++];
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw malformed();
    return this.#bytes.slice(this.#at, this.#at += length);
  }
}

function writeFields(struct: ThriftStruct, out: number[]): void {
  let last = 0;
  for (const [id, field] of struct) {
    writeFieldHead(id, last, field.type, out);
    last = id;
    if (field.type !== TRUE && field.type !== FALSE) writeValue(field, out);
  }
  out.push(0);
}

function writeFieldHead(id: number, lastId: number, type: number, out: number[]): void {
  const step = id - lastId;
  if (step >= 1 && step <= 15) out.push((step << 4) | type);
  else {
    out.push(type);
    writeZigzag(BigInt(id), out);
  }
}

function writeValue(field: ThriftValue, out: number[]): void {
  switch (field.type) {
    case TRUE:
    case FALSE:
      out.push(field.type);
      break;
    case BYTE:
      out.push(Number(field.value));
      break;
    case DOUBLE:
      out.push(...field.value);
      break;
    case BINARY:
      writeVarint(BigInt(field.value.length), out);
      for (const byte of field.value) out.push(byte);
      break;
    case LIST:
    case SET:
      writeListHead(field.of, field.value.length, out);
      for (const each of field.value) writeValue(each, out);
      break;
    case STRUCT:
      writeFields(field.value, out);
      break;
    default:
      writeZigzag(field.value, out);
  }
}

function writeListHead(of: number, size: number, out: number[]): void {
  if (size < 15) out.push((size << 4) | of);
  else {
    out.push(0xf0 | of);
    writeVarint(BigInt(size), out);
  }
}

function writeZigzag(value: bigint, out: number[]): void {
  writeVarint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)), out);
}

function writeVarint(value: bigint, out: number[]): void {
  for (; value > 127n; value >>= 7n) out.push(Number(value & 127n) | 128);
  out.push(Number(value));
}

function malformed(): Error {
  return new Error(`these are no metadata of Parquet (type ${MAP} or a length is wrong)`);
}
