/**
 * The bins of a DDSketch: how many values fell to each index, for values of one sign.
 *
 *     indexes  [ 12 | 13 | 57 | 311 ]   ascending, only those that hold something
 *     counts   [  1 |  4 |  2 |  90 ]   beside them
 *
 * Sorted arrays rather than a window from the lowest to the highest index: most sketches hold a
 * few values far apart. The indexes span BINS_MAX at most; what falls lower is counted in the
 * lowest bin of that span. As the span hangs from the highest index alone, merging in any order
 * and grouping gives the same bins.
 */

/** Indexes from the highest down that are told apart: at 1 % a range of values of 1 : 6 * 10^17. */
export const BINS_MAX = 2048;

const CAPACITY_MIN = 4;
/** Memory of the object and its two arrays without their content. */
const OBJECT_BYTES = 48 + 2 * 120;

/** Counts by index; see the module's comment. */
export class Bins {
  /** How many places of the arrays are in use. */
  size = 0;
  /** Sum of all counts. */
  total = 0;
  indexes: Int32Array = new Int32Array(CAPACITY_MIN);
  counts: Float64Array = new Float64Array(CAPACITY_MIN);

  /** Memory in bytes, about. */
  get byteSize(): number {
    return OBJECT_BYTES + this.indexes.byteLength + this.counts.byteLength;
  }

  /** Counts `count` values of one index. */
  add(index: number, count: number): void {
    this.total += count;
    const place = this.#collapsed(index);
    const at = this.#search(place);
    if (at < this.size && this.indexes[at] === place) {
      this.counts[at] += count;
      return;
    }
    this.#reserve(this.size + 1);
    if (at < this.size) {
      this.indexes.copyWithin(at + 1, at, this.size);
      this.counts.copyWithin(at + 1, at, this.size);
    }
    this.indexes[at] = place;
    this.counts[at] = count;
    this.size++;
  }

  /** Adds all counts of `other`, which stays as it is. */
  merge(other: Bins): void {
    if (other.size === 0) return;
    this.#collapsed(other.indexes[other.size - 1]);
    if (other.indexes[0] !== this.#collapsed(other.indexes[0])) {
      // Some of the other's bins lie below this span: rare, so one by one.
      for (let i = 0; i < other.size; i++) this.add(other.indexes[i], other.counts[i]);
      return;
    }
    const size = this.size + this.#countMissing(other);
    this.#reserve(size);
    // From the highest down, so that the two lists are joined in place.
    let from = this.size - 1;
    let theirs = other.size - 1;
    for (let to = size - 1; theirs >= 0; to--) {
      const index = other.indexes[theirs];
      const own = from >= 0 ? this.indexes[from] : -Infinity;
      if (own > index) {
        this.indexes[to] = own;
        this.counts[to] = this.counts[from--];
      } else if (own === index) {
        this.indexes[to] = own;
        this.counts[to] = this.counts[from--] + other.counts[theirs--];
      } else {
        this.indexes[to] = index;
        this.counts[to] = other.counts[theirs--];
      }
    }
    this.size = size;
    this.total += other.total;
  }

  /** The index of the value that `rank` others precede, lowest index first. */
  indexAt(rank: number): number {
    let seen = 0;
    for (let i = 0; i < this.size - 1; i++) {
      seen += this.counts[i];
      if (seen > rank) return this.indexes[i];
    }
    return this.indexes[this.size - 1];
  }

  /** Bins that take over these ascending indexes and their counts. */
  static of(indexes: Int32Array, counts: Float64Array, total: number): Bins {
    const bins = new Bins();
    bins.size = indexes.length;
    bins.total = total;
    bins.indexes = indexes;
    bins.counts = counts;
    return bins;
  }

  /** First place whose index is at least `index`. */
  #search(index: number): number {
    let low = 0;
    let high = this.size;
    // Where no index of the span is missing, as in busy sketches, the place follows from the first.
    const direct = index - this.indexes[0];
    if (direct >= 0 && direct < high && this.indexes[direct] === index) return direct;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.indexes[middle] < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** How many indexes of `other` have no bin here. */
  #countMissing(other: Bins): number {
    let missing = other.size;
    for (let own = 0, theirs = 0; own < this.size && theirs < other.size;) {
      const difference = this.indexes[own] - other.indexes[theirs];
      if (difference === 0) missing--;
      if (difference <= 0) own++;
      if (difference >= 0) theirs++;
    }
    return missing;
  }

  #reserve(size: number): void {
    if (size <= this.indexes.length) return;
    const capacity = Math.max(size, Math.min(2 * this.indexes.length, BINS_MAX));
    const indexes = new Int32Array(capacity);
    const counts = new Float64Array(capacity);
    indexes.set(this.indexes);
    counts.set(this.counts);
    this.indexes = indexes;
    this.counts = counts;
  }

  /** Where an index is counted, once the span has moved up to hold it. */
  #collapsed(index: number): number {
    if (this.size === 0) return index;
    const floor = Math.max(this.indexes[this.size - 1], index) - BINS_MAX + 1;
    if (this.indexes[0] < floor) this.#collapseBelow(floor);
    return Math.max(index, floor);
  }

  /** Counts all bins below `floor` at `floor`. */
  #collapseBelow(floor: number): void {
    let count = 0;
    let kept = 0;
    for (; kept < this.size && this.indexes[kept] <= floor; kept++) count += this.counts[kept];
    this.indexes.copyWithin(1, kept, this.size);
    this.counts.copyWithin(1, kept, this.size);
    this.indexes[0] = floor;
    this.counts[0] = count;
    this.size += 1 - kept;
  }
}
