/**
 * The partitions of a shard that is a member of a consumer group: opens what the group assigns to
 * it, and commits and lets go what it takes away, one step at a time per partition.
 *
 *     assigned  -> wait for the partition's lock -> open -> runs
 *     taken     -> commit -> close -> release the lock      (whoever waits for it opens it then)
 *
 * The group says who should have a partition, the lock says who has it. A partition that comes back
 * while it is being closed is opened again after that; one that is taken away while its lock is
 * waited for is given up at once. A failure of one partition is the shard's failure.
 */

/** Opens and closes one partition; both run once at a time per partition. */
export interface PartitionHome {
  /** Resolves true when the partition runs; false when `signal` was aborted before. */
  open(partition: number, signal: AbortSignal): Promise<boolean>;
  /** Commits, closes and releases a partition that runs. */
  close(partition: number): Promise<void>;
}

interface Place {
  wanted: boolean;
  open: boolean;
  /** Of the opening under way. */
  opening: AbortController | null;
  /** The last step asked for; each begins when the one before has ended. */
  steps: Promise<void>;
}

export class Assignments {
  readonly #home: PartitionHome;
  readonly #onChange: () => void;
  readonly #onFailure: (error: Error) => void;
  readonly #places = new Map<number, Place>();
  #failed = false;
  #released = false;

  /**
   * @param onChange a partition began or ended to run
   * @param onFailure one could not be opened or closed; called once, nothing more is done then
   */
  constructor(home: PartitionHome, onChange: () => void, onFailure: (error: Error) => void) {
    this.#home = home;
    this.#onChange = onChange;
    this.#onFailure = onFailure;
  }

  /** Partitions that run, ascending. */
  get open(): number[] {
    return this.#which((place) => place.open);
  }

  /** Partitions that are assigned and do not run yet, ascending. */
  get awaited(): number[] {
    return this.#which((place) => place.wanted && !place.open);
  }

  /** Takes a new assignment in; what it begins goes on after the call. None after release(). */
  assign(partitions: readonly number[]): void {
    if (this.#released) return;
    const wanted = new Set(partitions);
    for (const partition of wanted) {
      const place = this.#places.get(partition);
      if (place?.wanted) continue;
      this.#step(partition, place ?? this.#newPlace(partition), true);
    }
    for (const [partition, place] of this.#places) {
      if (place.wanted && !wanted.has(partition)) this.#step(partition, place, false);
    }
    this.#onChange();
  }

  /** Lets go of everything, for good; resolves when all is closed. */
  async release(): Promise<void> {
    this.assign([]);
    this.#released = true;
    await Promise.all([...this.#places.values()].map((place) => place.steps));
  }

  #newPlace(partition: number): Place {
    const place = { wanted: false, open: false, opening: null, steps: Promise.resolve() };
    this.#places.set(partition, place);
    return place;
  }

  #step(partition: number, place: Place, wanted: boolean): void {
    place.wanted = wanted;
    if (!wanted) place.opening?.abort();
    place.steps = place.steps.then(() => this.#settle(partition, place)).catch((error) => {
      if (!this.#failed) this.#onFailure(error);
      this.#failed = true;
    });
  }

  /** Brings the partition to what is wanted of it now. */
  async #settle(partition: number, place: Place): Promise<void> {
    if (this.#failed || place.wanted === place.open) return;
    if (place.wanted) {
      place.opening = new AbortController();
      place.open = await this.#home.open(partition, place.opening.signal);
      place.opening = null;
    } else {
      await this.#home.close(partition);
      place.open = false;
    }
    this.#onChange();
  }

  #which(test: (place: Place) => boolean): number[] {
    return [...this.#places].filter(([, place]) => test(place)).map(([partition]) => partition)
      .sort((a, b) => a - b);
  }
}
