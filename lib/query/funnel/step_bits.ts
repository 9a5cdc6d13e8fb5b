/** Bits of a row's match mask: steps first, then exclusions. */

/** A mask with the bits [from, from + count). */
export function bitRange(from: number, count: number): number {
  let mask = 0;
  for (let bit = from; bit < from + count; bit++) mask |= 1 << bit;
  return mask;
}
