/**
 * A cursor over the fields of a protobuf message on the wire: where each lies, without an object.
 *
 *     field    tag (varint: number << 3 | wire type), then by wire type
 *              0 varint    2 length (varint) and bytes    1 eight bytes    5 four bytes
 *     varint   7 bits a byte, least first; the high bit says that more follow
 */

export const VARINT = 0;
export const EIGHT_BYTES = 1;
export const LENGTH = 2;
export const FOUR_BYTES = 5;

/** Longest varint that is read: 49 bits. A longer one, as negative numbers have, is odd. */
const VARINT_BYTES_MAX = 7;

const TAG_MAX = 0xffff_ffff;

/** The field that was read last; set `message`, then read() from its start on, then from `next`. */
export class ProtoFields {
  message: Uint8Array = new Uint8Array(0);
  /** Number of the field, 1 or more. */
  field = 0;
  /** Its wire type: VARINT, EIGHT_BYTES, LENGTH or FOUR_BYTES. */
  wire = 0;
  /** Of a varint its value. */
  value = 0;
  /** Where the value lies, but for varints: [start, next). */
  start = 0;
  /** Where the next field begins. */
  next = 0;

  /** Reads the field at `at`, which lies before `end`. False = odd, and then nothing is known. */
  read(at: number, end: number): boolean {
    // Libraries take a tag's lowest 32 bits and pass over the others.
    if (!this.#varint(at, end) || this.value > TAG_MAX) return false;
    this.wire = this.value % 8;
    this.field = Math.floor(this.value / 8);
    if (this.field === 0) return false;
    switch (this.wire) {
      case VARINT:
        return this.#varint(this.next, end);
      case LENGTH: {
        if (!this.#varint(this.next, end) || this.value > end - this.next) return false;
        this.start = this.next;
        this.next += this.value;
        return true;
      }
      case EIGHT_BYTES:
      case FOUR_BYTES:
        this.start = this.next;
        this.next += this.wire === EIGHT_BYTES ? 8 : 4;
        return this.next <= end;
      default:
        return false;
    }
  }

  #varint(at: number, end: number): boolean {
    const message = this.message;
    if (at < end && message[at] < 0x80) {
      this.value = message[at];
      this.next = at + 1;
      return true;
    }
    let value = 0, scale = 1;
    for (let i = 0; i < VARINT_BYTES_MAX && at < end; i++) {
      const byte = message[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.value = value;
        this.next = at;
        return true;
      }
      scale *= 128;
    }
    return false;
  }
}
