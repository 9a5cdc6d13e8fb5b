import { openDuckdbPartition } from "../../lib/store/duckdb/mod.ts";
import { eventStoreContract } from "./event_store_contract.ts";

eventStoreContract("duckdb", async () => {
  const folder = await Deno.makeTempDir();
  return {
    open: () => openDuckdbPartition({ folder, partition: 0, memoryLimitMb: 64 }),
    remove: () => Deno.remove(folder, { recursive: true }),
  };
});
