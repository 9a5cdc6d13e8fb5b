/**
 * The most frequent values of a stream in bounded memory, with an error that is known: the counters
 * of Misra and Gries (Finding repeated elements, 1982), mergeable as in Agarwal et al. (Mergeable
 * Summaries, PODS 2012).
 *
 *     add, merge ...   -> counts by value, up to twice `counters` of them
 *     more than that   -> the (counters + 1)-th largest count is taken off every count, and what
 *                         comes to nothing is forgotten; it is added to `errorMax`
 *
 * So a count is never too large, and too small by at most `errorMax`; a value that is not there had
 * at most `errorMax`. Each step takes its amount off at least `counters + 1` counts, which is why
 * errorMax <= total / (counters + 1), however much is merged. As long as there were no more
 * different values than room, everything is exact.
 *
 * Encoded: varint total, errorMax, number of values, then by value: varint count, varint bytes,
 * UTF-8, the largest count first.
 */
import { decodeUtf8, encodeUtf8 } from "../event/text_coding.ts";
import { SketchError } from "./sketch_error.ts";
import { ByteReader, ByteWriter } from "./varint.ts";

const writer = new ByteWriter();

/** Most bytes of the three numbers before the values. */
const HEADER_BYTES_MAX = 24;

/** See the module's comment. */
export class TopValues {
  readonly #counters: number;
  #counts = new Map<string, number>();
  #total = 0;
  #errorMax = 0;

  /** @param counters values that are surely kept, at least 1 */
  constructor(counters: number) {
    this.#counters = counters;
  }

  /** How often anything was added. */
  get total(): number {
    return this.#total;
  }

  /** How much too small any count can be; 0 = all are exact. */
  get errorMax(): number {
    return this.#errorMax;
  }

  /** Values that are kept now. */
  get size(): number {
    return this.#counts.size;
  }

  add(value: string, times = 1): void {
    this.#total += times;
    this.#raise(value, times);
  }

  /** Adds everything that was added to `other`, which stays as it is. */
  merge(other: TopValues): void {
    this.#total += other.#total;
    this.#errorMax += other.#errorMax;
    for (const [value, count] of other.#counts) this.#raise(value, count);
  }

  /** The values with the largest counts, largest first; equal ones in the order of their texts. */
  top(limit: number): [value: string, count: number][] {
    return [...this.#counts].sort(byCount).slice(0, limit);
  }

  /**
   * The sketch in at most `bytesMax` bytes (64 or more). What does not fit is taken off first, as
   * if there were fewer counters.
   */
  encode(bytesMax: number): Uint8Array<ArrayBuffer> {
    if (this.#counts.size > this.#counters) this.#takeOff(this.#counters);
    for (;;) {
      const entries = this.top(Infinity).map(([value, count]) => ({
        count,
        bytes: encodeUtf8(value),
      }));
      let bytes = HEADER_BYTES_MAX;
      const fitting = entries.findIndex((entry) => {
        bytes += 16 + entry.bytes.length;
        return bytes > bytesMax;
      });
      if (fitting >= 0) {
        this.#takeOff(fitting);
        continue;
      }
      writer.begin();
      writer.varint(this.#total);
      writer.varint(this.#errorMax);
      writer.varint(entries.length);
      for (const entry of entries) {
        writer.varint(entry.count);
        writer.varint(entry.bytes.length);
        for (const byte of entry.bytes) writer.byte(byte);
      }
      return writer.finish();
    }
  }

  /** Reads what encode() wrote. Throws SketchError when the bytes are no such sketch. */
  static decode(bytes: Uint8Array, counters: number): TopValues {
    const sketch = new TopValues(counters);
    const reader = new ByteReader(bytes);
    sketch.#total = reader.varint();
    sketch.#errorMax = reader.varint();
    for (let left = reader.varint(); left > 0; left--) {
      const count = reader.varint();
      const text = new Uint8Array(Math.min(reader.varint(), bytes.length));
      for (let at = 0; at < text.length; at++) text[at] = reader.byte();
      sketch.#raise(decodeUtf8(text), count);
    }
    if (!reader.done) throw new SketchError("bytes follow the encoded sketch");
    return sketch;
  }

  #raise(value: string, times: number): void {
    this.#counts.set(value, (this.#counts.get(value) ?? 0) + times);
    if (this.#counts.size > 2 * this.#counters) this.#takeOff(this.#counters);
  }

  /** Leaves at most `kept` values. */
  #takeOff(kept: number): void {
    const sorted = [...this.#counts].sort(byCount);
    const off = sorted[kept][1];
    this.#errorMax += off;
    this.#counts = new Map(
      sorted.filter(([, count]) => count > off).map(([value, count]) => [value, count - off]),
    );
  }
}

function byCount([a, x]: [string, number], [b, y]: [string, number]): number {
  return y - x || (a < b ? -1 : 1);
}
