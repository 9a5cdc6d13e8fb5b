import { openDuckdbPartition } from "../../lib/store/duckdb/mod.ts";
import { eventStoreContract } from "./event_store_contract.ts";

eventStoreContract("duckdb", async () => {
  const folder = await Deno.makeTempDir();
  return {
    // Short runs, so that few rows come to many of them.
    open: () => {
      return openDuckdbPartition({
        folder,
        partition: 0,
        memoryLimitMb: 64,
        runRows: 4_000,
      });
    },
    remove: () => Deno.remove(folder, { recursive: true }),
  };
});
