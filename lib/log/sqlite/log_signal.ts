/**
 * What the writer tells the readers of the same process without a system call: how far each
 * partition reaches, and that there is something new.
 *
 *     int32  0   appends    grows by one with every commit; readers sleep on it
 *     int32  1   partitions
 *     int64  8   next offset of partition 0
 *     int64 16   next offset of partition 1 ...
 *
 * It is a hint and holds nothing that the file does not: a reader that starts late reads the file.
 * A pending wait keeps no event loop alive (that is how Deno treats Atomics.waitAsync); a thread
 * that only waits needs a port, timer or server that does.
 */
import assert from "node:assert/strict";

const APPENDS_WORD = 0;
const PARTITIONS_WORD = 1;
const HEADER_BYTES = 8;

/** Memory for the signal of one log; hand it to the writer and to every reader. */
export function createLogSignal(partitions: number): SharedArrayBuffer {
  assert.ok(Number.isInteger(partitions) && partitions > 0, "a log has at least one partition");
  const memory = new SharedArrayBuffer(HEADER_BYTES + partitions * BigInt64Array.BYTES_PER_ELEMENT);
  new Int32Array(memory)[PARTITIONS_WORD] = partitions;
  return memory;
}

/** One thread's view of the signal. */
export class LogSignal {
  readonly partitions: number;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #nextOffsets: BigInt64Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, HEADER_BYTES / Int32Array.BYTES_PER_ELEMENT);
    this.#nextOffsets = new BigInt64Array(memory, HEADER_BYTES);
    this.partitions = this.#words[PARTITIONS_WORD];
    assert.equal(this.#nextOffsets.length, this.partitions, "not the memory of a log signal");
  }

  /** Writer: where the next record of `partition` will stand. Seen before the next announce(). */
  publish(partition: number, nextOffset: number): void {
    Atomics.store(this.#nextOffsets, partition, BigInt(nextOffset));
  }

  /** Writer: a commit is durable and published; wakes every reader that waits. */
  announce(): void {
    Atomics.add(this.#words, APPENDS_WORD, 1);
    Atomics.notify(this.#words, APPENDS_WORD);
  }

  /** Next offset of a partition as last published. */
  highWater(partition: number): number {
    return Number(Atomics.load(this.#nextOffsets, partition));
  }

  /** Stands for all commits announced so far. */
  token(): number {
    return Atomics.load(this.#words, APPENDS_WORD);
  }

  /** Resolves once something was announced after `token` was taken, or `ended()` is true. */
  async announced(token: number, ended: () => boolean): Promise<void> {
    while (!ended() && this.token() === token) {
      const wait = Atomics.waitAsync(this.#words, APPENDS_WORD, token);
      if (wait.async) await wait.value;
    }
  }

  /** Makes every waiter look at its `ended()` again; the others go back to sleep. */
  wake(): void {
    Atomics.notify(this.#words, APPENDS_WORD);
  }
}
