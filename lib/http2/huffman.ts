/**
 * The Huffman code of HPACK (RFC 7541, Appendix B). It is canonical: codes of one length follow each
 * other in the order of their symbols, and longer ones follow shorter ones, so the lengths say all.
 */

import { Buffer } from "node:buffer";

/** Bits of each symbol's code, 0 to 255; the end of string, 256, has 30. */
// deno-fmt-ignore
const CODE_BITS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

const END_OF_STRING = 256;
const END_BITS = 30;
const SHORTEST_BITS = 5;

/** Two entries a node: where bit 0 and bit 1 lead; >= 0 a node, else ~symbol. */
const TREE = makeTree();

/** The text of bytes[start, end), one character a byte; null = it is not well coded. */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string | null {
  // The shortest code has five bits.
  const decoded = Buffer.allocUnsafe(Math.ceil((end - start) * 8 / SHORTEST_BITS));
  let length = 0;
  let node = 0;
  let depth = 0;
  let onlyOnes = true;
  for (let at = start; at < end; at++) {
    for (let bit = 7; bit >= 0; bit--) {
      const one = bytes[at] >>> bit & 1;
      const next = TREE[2 * node + one];
      depth++;
      if (one === 0) onlyOnes = false;
      if (next >= 0) {
        node = next;
        continue;
      }
      const symbol = ~next;
      if (symbol === END_OF_STRING) return null;
      decoded[length++] = symbol;
      node = 0;
      depth = 0;
      onlyOnes = true;
    }
  }
  // What is left is padding: less than a byte of the end's code, all ones.
  return depth < 8 && onlyOnes ? decoded.toString("latin1", 0, length) : null;
}

function makeTree(): Int32Array {
  const tree: number[] = [0, 0];
  const bits = [...CODE_BITS, END_BITS];
  const symbols = bits.map((_, symbol) => symbol)
    .sort((a, b) => bits[a] - bits[b] || a - b);
  let code = 0;
  let length = bits[symbols[0]];
  for (const symbol of symbols) {
    code *= 2 ** (bits[symbol] - length);
    length = bits[symbol];
    put(tree, code, length, symbol);
    code++;
  }
  return Int32Array.from(tree);
}

function put(tree: number[], code: number, length: number, symbol: number): void {
  let node = 0;
  for (let bit = length - 1; bit > 0; bit--) {
    const place = 2 * node + (code >>> bit & 1);
    if (tree[place] === 0) {
      tree[place] = tree.length / 2;
      tree.push(0, 0);
    }
    node = tree[place];
  }
  tree[2 * node + (code & 1)] = ~symbol;
}
