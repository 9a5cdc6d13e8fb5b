/** Reads the 64-bit counts of an answer, which proto JSON writes as texts, as numbers. */

/** Where a count stands: names joined by dots, `*` for each element or member. */
export type CountPlace = string;

/**
 * Makes numbers of the texts at these places, within the answer itself; what is not there, or no
 * whole number, stays as it is.
 */
export function readCounts<T>(answer: T, places: readonly CountPlace[]): T {
  for (const place of places) convert(answer, place.split("."));
  return answer;
}

function convert(holder: unknown, [name, ...rest]: readonly string[]): void {
  if (typeof holder !== "object" || holder === null) return;
  const members = holder as Record<string, unknown>;
  for (const key of name === "*" ? Object.keys(members) : [name]) {
    if (!Object.hasOwn(members, key)) continue;
    if (rest.length > 0) convert(members[key], rest);
    else members[key] = numberOf(members[key]);
  }
}

function numberOf(value: unknown): unknown {
  return typeof value === "string" && /^-?\d+$/.test(value) ? Number(value) : value;
}
