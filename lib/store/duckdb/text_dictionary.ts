/**
 * Texts of a result's column as small numbers: the same few values come in row after row, and to
 * make a string of each would cost more than the counting itself. Text that stands inside its
 * duckdb_string_t (native.ts) is compared as words, without becoming a string:
 *
 *     slots   open addressing: 0 = empty, else 1 + id
 *     words   by id: length, three words of text; length -1 = not such a text
 */

const WORDS = 4;
const SLOTS_MIN = 256;
const OTHER = -1;

export class TextDictionary {
  /** By id; null = without a value. */
  readonly texts: (string | null)[] = [];
  readonly #read: (text: string) => string | null;
  readonly #byText = new Map<string, number>();
  readonly #byNumber = new Map<number, number>();
  #slots = new Int32Array(SLOTS_MIN);
  #words = new Int32Array(SLOTS_MIN / 2 * WORDS);
  #short = 0;
  #missing = -1;

  /** @param read makes the text of what the column holds */
  constructor(read: (text: string) => string | null = (text) => text) {
    this.#read = read;
  }

  /** The id of no value at all. */
  missing(): number {
    if (this.#missing < 0) this.#missing = this.#add(null);
    return this.#missing;
  }

  /** The id of what a column of numbers holds; `text` makes its text. */
  ofNumber(value: number, text: (value: number) => string): number {
    let id = this.#byNumber.get(value);
    if (id === undefined) this.#byNumber.set(value, id = this.#add(text(value)));
    return id;
  }

  /** The id of a text. */
  ofText(text: string): number {
    let id = this.#byText.get(text);
    if (id === undefined) this.#byText.set(text, id = this.#add(this.#read(text)));
    return id;
  }

  /** The id of a text of at most 12 bytes, given as words of zero-padded bytes; `decode` reads it. */
  ofWords(length: number, a: number, b: number, c: number, decode: () => string): number {
    const mask = this.#slots.length - 1;
    let slot = mixed(length, a, b, c) & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const id = this.#slots[slot] - 1;
      const at = id * WORDS;
      const words = this.#words;
      if (
        words[at] === length && words[at + 1] === a && words[at + 2] === b && words[at + 3] === c
      ) return id;
    }
    const id = this.#add(this.#read(decode()));
    this.#words.set([length, a, b, c], id * WORDS);
    this.#slots[slot] = id + 1;
    if (2 * ++this.#short > this.#slots.length) this.#rehash();
    return id;
  }

  #add(text: string | null): number {
    const id = this.texts.length;
    this.texts.push(text);
    if ((id + 1) * WORDS > this.#words.length) {
      const words = new Int32Array(2 * this.#words.length);
      words.set(this.#words);
      this.#words = words;
    }
    this.#words[id * WORDS] = OTHER;
    return id;
  }

  #rehash(): void {
    const slots = new Int32Array(2 * this.#slots.length);
    const mask = slots.length - 1;
    for (let id = 0; id < this.texts.length; id++) {
      const [length, a, b, c] = this.#words.subarray(id * WORDS, (id + 1) * WORDS);
      if (length === OTHER) continue;
      let slot = mixed(length, a, b, c) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id + 1;
    }
    this.#slots = slots;
  }
}

function mixed(length: number, a: number, b: number, c: number): number {
  let hash = Math.imul(length ^ a, 0x85ebca6b);
  hash = Math.imul((hash ^ hash >>> 15) + b, 0xc2b2ae35);
  hash = Math.imul((hash ^ hash >>> 13) + c, 0x9e3779b1);
  return hash ^ hash >>> 16;
}
