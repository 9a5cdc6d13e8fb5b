/**
 * First in, first out, in a circle that doubles when it is full: taking from the front costs the
 * same however many wait, and a queue that has reached its size allocates nothing more. It has no
 * limit of its own; what it holds stands for bytes in a ring, which has one.
 */

const CAPACITY_MIN = 1024;

/** A queue of T in amortised constant time per element. */
export class PendingQueue<T> {
  /** Elements that wait. */
  length = 0;
  /** Its length is a power of two; undefined where nothing waits. */
  #slots: (T | undefined)[] = new Array(CAPACITY_MIN).fill(undefined);
  #front = 0;

  push(element: T): void {
    if (this.length === this.#slots.length) this.#grow();
    this.#slots[(this.#front + this.length) & (this.#slots.length - 1)] = element;
    this.length++;
  }

  /** The oldest element, which stays; undefined when empty. */
  first(): T | undefined {
    return this.#slots[this.#front];
  }

  /** The element `index` places behind the oldest one. */
  at(index: number): T | undefined {
    return index < this.length
      ? this.#slots[(this.#front + index) & (this.#slots.length - 1)]
      : undefined;
  }

  /** Takes the oldest element; undefined when empty. */
  shift(): T | undefined {
    const element = this.#slots[this.#front];
    if (this.length === 0) return undefined;
    this.#slots[this.#front] = undefined;
    this.#front = (this.#front + 1) & (this.#slots.length - 1);
    this.length--;
    return element;
  }

  #grow(): void {
    const grown: (T | undefined)[] = new Array(2 * this.#slots.length).fill(undefined);
    for (let i = 0; i < this.length; i++) grown[i] = this.at(i);
    this.#slots = grown;
    this.#front = 0;
  }
}
