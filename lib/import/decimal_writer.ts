/**
 * DecimalWriter: numbers and ready-made bytes written one after another into a byte array, for the
 * generator; as strings they would cost more than all the rest of a line.
 */

const ZERO = 0x30;
const POINT = 0x2e;
/** Longest piece that is copied byte by byte: below it a call of set() costs more than it saves. */
const loopBytesMax = 24;

/** Writes at `at`, which moves on. The caller sees to it that there is room. */
export class DecimalWriter {
  at = 0;
  readonly #target: Uint8Array;

  constructor(target: Uint8Array) {
    this.#target = target;
  }

  byte(value: number): void {
    this.#target[this.at++] = value;
  }

  copy(bytes: Uint8Array): void {
    const target = this.#target;
    const length = bytes.length;
    if (length > loopBytesMax) {
      target.set(bytes, this.at);
    } else {
      for (let i = 0, at = this.at; i < length; i++) target[at + i] = bytes[i];
    }
    this.at += length;
  }

  /** A whole number of at most 15 digits, with zeros in front up to `width` digits. */
  padded(value: number, width: number): void {
    const target = this.#target;
    let at = this.at + width;
    this.at = at;
    // In two halves, because division is several times as fast within 32 bits.
    const high = Math.floor(value / 1_000_000);
    let low = (value - high * 1_000_000) | 0;
    for (let digits = 0; digits < 6 && width > 0; digits++, width--) {
      const rest = (low / 10) | 0;
      target[--at] = ZERO + low - rest * 10;
      low = rest;
    }
    let upper = high | 0;
    while (width-- > 0) {
      const rest = (upper / 10) | 0;
      target[--at] = ZERO + upper - rest * 10;
      upper = rest;
    }
  }

  /** A whole number below 10^9 without zeros in front. */
  plain(value: number): void {
    let width = 1;
    for (let bound = 10; value >= bound; bound *= 10) width++;
    this.padded(value, width);
  }

  /** A whole number of hundredths as a decimal number: 4999 is `49.99`. */
  cents(value: number): void {
    this.plain(Math.floor(value / 100));
    this.byte(POINT);
    this.padded(value % 100, 2);
  }
}
