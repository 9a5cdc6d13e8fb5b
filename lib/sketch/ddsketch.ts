/**
 * DDSketch: quantiles of many numbers within 1 % of their value, in bounded memory, mergeable.
 *
 * Charles Masson, Jee E. Rim, Homin K. Lee, "DDSketch: a fast and fully-mergeable quantile sketch
 * with relative-error guarantees", PVLDB 12(12), 2019. A value v > 0 belongs to the index
 * ceil(log v / log gamma) with gamma = 1.01 / 0.99, and the index stands for the value that is at
 * most 1 % from both ends of its bin. Negative values have bins of their own, zero a count. The
 * mapping is that of Datadog's own libraries, so that their sketches give the same answers.
 *
 * The bins of each sign span a range of 1 : 6 * 10^17 (ddsketch_bins.ts); values nearer to zero
 * than that, beside larger ones of their sign, count as the smallest of the range.
 *
 * Encoded; an empty sketch is its version byte alone:
 *
 *     +------------+---------+---------+---------+-------------+-----------+-----------+
 *     | u8 version | f64 min | f64 max | f64 sum | varint zeros| bins of + | bins of - |
 *     +------------+---------+---------+---------+-------------+-----------+-----------+
 *     bins: varint n, then n x (varint step, varint count); the first step is the zigzagged
 *     index itself, each later one the distance from the index before
 */
import { Bins, BINS_MAX } from "./ddsketch_bins.ts";
import { SketchError } from "./sketch_error.ts";
import { ByteReader, ByteWriter } from "./varint.ts";

/** How far a quantile may lie from the exact one, relative to it. */
export const RELATIVE_ACCURACY = 0.01;

const GAMMA = (1 + RELATIVE_ACCURACY) / (1 - RELATIVE_ACCURACY);
/** Turns a base-2 logarithm into one of base gamma: how many bins a doubling spans. */
export const BINS_PER_LOG2 = Math.LN2 /
  Math.log1p((2 * RELATIVE_ACCURACY) / (1 - RELATIVE_ACCURACY));
/** What is nearer to zero is zero: below, doubles lose the precision that 1 % needs. */
const MAGNITUDE_MIN = 2 ** -1022;
/** No double has an index beyond. */
const INDEX_MAX = 40_000;
const VERSION = 1;
/** Memory of this object without its bins. */
const OBJECT_BYTES = 96;

/** What every sketch is encoded with, one after the other. */
const writer = new ByteWriter();

/** Quantiles, count, sum and extremes of the numbers added; see the module's comment. */
export class DDSketch {
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = -Infinity;
  #zeros = 0;
  #positive: Bins | null = null;
  #negative: Bins | null = null;

  /** How many numbers were added. */
  get count(): number {
    return this.#count;
  }

  /** Their sum, as exact as adding doubles is; 0 when empty. */
  get sum(): number {
    return this.#sum;
  }

  /** The smallest, exact; Infinity when empty. */
  get min(): number {
    return this.#min;
  }

  /** The largest, exact; -Infinity when empty. */
  get max(): number {
    return this.#max;
  }

  /** Memory in bytes, about. */
  get byteSize(): number {
    return OBJECT_BYTES + (this.#positive?.byteSize ?? 0) + (this.#negative?.byteSize ?? 0);
  }

  /** Adds one number. Throws RangeError if it is not finite. */
  add(value: number): void {
    if (value >= MAGNITUDE_MIN && value < Infinity) {
      (this.#positive ??= new Bins()).add(indexOf(value), 1);
    } else if (value <= -MAGNITUDE_MIN && value > -Infinity) {
      (this.#negative ??= new Bins()).add(indexOf(-value), 1);
    } else if (Number.isFinite(value)) {
      this.#zeros++;
      this.#count++;
      this.#widen(0, 0);
      return;
    } else {
      throw new RangeError(`DDSketch takes finite numbers, not ${value}`);
    }
    this.#count++;
    this.#sum += value;
    this.#widen(value, value);
  }

  /**
   * Adds `count` finite numbers of one sign that lie in one bin, or that are all zero; of them it is
   * enough to know the sum and the extremes.
   */
  addRun(count: number, sum: number, min: number, max: number): void {
    const nearest = min < 0 ? max : min;
    this.#count += count;
    if (Math.abs(nearest) < MAGNITUDE_MIN) {
      this.#zeros += count;
      this.#widen(0, 0);
      return;
    }
    const bins = nearest > 0 ? this.#positive ??= new Bins() : this.#negative ??= new Bins();
    bins.add(indexOf(Math.abs(nearest)), count);
    this.#sum += sum;
    this.#widen(min, max);
  }

  /** Adds everything that was added to `other`, which stays as it is. */
  merge(other: DDSketch): void {
    this.#count += other.#count;
    this.#sum += other.#sum;
    this.#zeros += other.#zeros;
    this.#widen(other.#min, other.#max);
    if (other.#positive !== null) (this.#positive ??= new Bins()).merge(other.#positive);
    if (other.#negative !== null) (this.#negative ??= new Bins()).merge(other.#negative);
  }

  /** Adds everything an encoded sketch holds. Throws SketchError, and then nothing was added. */
  mergeEncoded(bytes: Uint8Array): void {
    this.merge(DDSketch.decode(bytes));
  }

  /**
   * The number that a share `q` of the others is at or below, within 1 % of the exact one; NaN when
   * empty. Of n numbers in order that is number floor(q * (n - 1)), counted from 0.
   *
   * @param q from 0 (smallest) to 1 (largest); RangeError if outside
   */
  quantile(q: number): number {
    if (!(q >= 0 && q <= 1)) throw new RangeError(`a quantile is from 0 to 1, not ${q}`);
    if (this.#count === 0) return NaN;
    const rank = Math.floor(q * (this.#count - 1));
    const negatives = this.#negative?.total ?? 0;
    let value = 0;
    if (rank < negatives) {
      value = -valueOf(this.#negative!.indexAt(negatives - 1 - rank));
    } else if (rank >= negatives + this.#zeros) {
      value = valueOf(this.#positive!.indexAt(rank - negatives - this.#zeros));
    }
    return Math.min(Math.max(value, this.#min), this.#max);
  }

  /** An independent copy. */
  clone(): DDSketch {
    const copy = new DDSketch();
    copy.merge(this);
    return copy;
  }

  /** The bytes to store. Equal sketches give equal bytes, up to the last bits of their sums. */
  encode(): Uint8Array<ArrayBuffer> {
    writer.begin();
    writer.byte(VERSION);
    if (this.#count === 0) return writer.finish();
    writer.double(this.#min);
    writer.double(this.#max);
    writer.double(this.#sum);
    writer.varint(this.#zeros);
    writeBins(this.#positive);
    writeBins(this.#negative);
    return writer.finish();
  }

  /** The sketch that encode() wrote. Throws SketchError on any other bytes. */
  static decode(bytes: Uint8Array): DDSketch {
    const reader = new ByteReader(bytes);
    const sketch = new DDSketch();
    if (reader.byte() !== VERSION) throw new SketchError("DDSketch: not of version 1");
    if (reader.done) return sketch;
    sketch.#min = reader.double();
    sketch.#max = reader.double();
    sketch.#sum = reader.double();
    sketch.#zeros = reader.varint();
    sketch.#positive = readBins(reader);
    sketch.#negative = readBins(reader);
    sketch.#count = sketch.#zeros + (sketch.#positive?.total ?? 0) +
      (sketch.#negative?.total ?? 0);
    if (!reader.done || !sketch.#isSound()) {
      throw new SketchError("DDSketch: extremes, counts and bins do not fit together");
    }
    return sketch;
  }

  #widen(min: number, max: number): void {
    if (min < this.#min) this.#min = min;
    if (max > this.#max) this.#max = max;
  }

  /** Do the extremes lie in the outermost bins, and are there any numbers at all? */
  #isSound(): boolean {
    const min = this.#min;
    const max = this.#max;
    const [positive, negative] = [this.#positive, this.#negative];
    const zeroMax = this.#zeros > 0 ? max === 0 : max < 0;
    const zeroMin = this.#zeros > 0 ? min === 0 : min > 0;
    return this.#count >= 1 && this.#count <= Number.MAX_SAFE_INTEGER && min <= max &&
      (positive === null ? zeroMax : isOutermost(positive, max)) &&
      (negative === null ? zeroMin : isOutermost(negative, -min));
  }
}

/** The index of a value of at least MAGNITUDE_MIN. */
function indexOf(value: number): number {
  return Math.ceil(Math.log2(value) * BINS_PER_LOG2);
}

/** The value at most 1 % from any of the index's bin. */
function valueOf(index: number): number {
  return 2 ** (index / BINS_PER_LOG2) * (2 / (1 + GAMMA));
}

/** True if a magnitude belongs to the highest bin; other engines' logarithms may be one off. */
function isOutermost(bins: Bins, magnitude: number): boolean {
  return magnitude >= MAGNITUDE_MIN && magnitude < Infinity &&
    Math.abs(indexOf(magnitude) - bins.indexes[bins.size - 1]) <= 1;
}

function writeBins(bins: Bins | null): void {
  writer.varint(bins?.size ?? 0);
  if (bins === null) return;
  for (let i = 0; i < bins.size; i++) {
    const index = bins.indexes[i];
    const zigzag = index >= 0 ? 2 * index : -2 * index - 1;
    writer.varint(i === 0 ? zigzag : index - bins.indexes[i - 1]);
    writer.varint(bins.counts[i]);
  }
}

/** Null when there are none. Throws SketchError. */
function readBins(reader: ByteReader): Bins | null {
  const size = reader.varint();
  if (size === 0) return null;
  if (size > BINS_MAX) throw new SketchError(`DDSketch: ${size} bins, but ${BINS_MAX} at most`);
  const indexes = new Int32Array(size);
  const counts = new Float64Array(size);
  let total = 0;
  let index = 0;
  for (let i = 0; i < size; i++) {
    const step = reader.varint();
    if (i === 0) index = step % 2 === 0 ? step / 2 : -(step + 1) / 2;
    else index += step;
    const count = reader.varint();
    const sound = count >= 1 && Math.abs(index) <= INDEX_MAX &&
      (i === 0 || (step >= 1 && index - indexes[0] < BINS_MAX));
    if (!sound) throw new SketchError(`DDSketch: bin ${i} cannot be`);
    indexes[i] = index;
    counts[i] = count;
    total += count;
  }
  return Bins.of(indexes, counts, total);
}
