/** Stores with short runs, for tests of the files beside a partition's. */
import { openDuckdbPartition } from "../../lib/store/duckdb/mod.ts";
import type { PartitionStore } from "../../lib/store/event_store.ts";

/** Rows of a run: of no use to DuckDB's vectors and row groups and an odd number, so all lies askew. */
export const RUN_ROWS = 37;

/** Registers tests under a name, each with a folder of its own. */
export function testInFolder(of: string) {
  return (what: string, body: (folder: string) => Promise<void>): void => {
    Deno.test(`${of}: ${what}`, async () => {
      const folder = await Deno.makeTempDir();
      try {
        await body(folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  };
}

/** Opens a partition; `told` gets what it warns of. */
export function openWithRuns(
  folder: string,
  told: string[] = [],
  runRows = RUN_ROWS,
): Promise<PartitionStore> {
  const warn = (message: string) => told.push(message);
  return openDuckdbPartition({ folder, partition: 0, memoryLimitMb: 64, runRows, warn });
}
