/** Questions put by a few askers at once, each its next one as soon as its last one is answered. */

/** Time of each answer by kind of question, ms. */
export type QueryLatencies = Readonly<Record<QueryKind, number[]>>;
export type QueryKind = typeof QUERY_KINDS[number];

/** Asked in turn. */
export const QUERY_KINDS = ["summary", "series", "types"] as const;

/** How many questions wait for their answer at any time. */
export const ASKERS = 8;
/** Minutes by which questions differ in where their range begins. */
const offsetsMax = 720;

/** Puts `queries` questions of each kind in turn; each asker has an `ask` of its own. */
export async function askAll(
  queries: number,
  askers: readonly ((kind: QueryKind, offsetMinutes: number) => Promise<void>)[],
): Promise<QueryLatencies> {
  const latencies: QueryLatencies = { summary: [], series: [], types: [] };
  let next = 0;
  await Promise.all(askers.map(async (ask) => {
    while (next < QUERY_KINDS.length * queries) {
      const question = next++;
      const kind = QUERY_KINDS[question % QUERY_KINDS.length];
      // A step that is prime to the number of offsets: neighbours are far apart, none is left out.
      const startedAt = performance.now();
      await ask(kind, question * 307 % offsetsMax);
      latencies[kind].push(performance.now() - startedAt);
    }
  }));
  return latencies;
}
