/** The partitions of a log of that many: 0, 1, 2 and so on. */
export function partitionNumbers(count: number): number[] {
  return Array.from({ length: count }, (_, partition) => partition);
}
