/**
 * A child process of the DuckDB store's tests: opens a partition, goes on committing from where it
 * was left and prints each commit's number once it resolved. Somebody asks about a user all the
 * while, so that sessions are added up between the commits. It ends when it is killed, or prints
 * the code of the first StoreError and what the store then says of itself.
 *
 *     deno run -A commit_until_killed.ts FOLDER
 */
import { openDuckdbPartition } from "../../lib/store/duckdb/mod.ts";
import { StoreError } from "../../lib/store/event_store.ts";
import { CRASH_RUN_ROWS, crashCommit, crashSeries, crashUserEvents } from "./crash_commits.ts";

const place = { folder: Deno.args[0], partition: 0, memoryLimitMb: 32 };
const store = await openDuckdbPartition({ ...place, runRows: CRASH_RUN_ROWS });
const encoder = new TextEncoder();
const print = (line: string) => Deno.stdout.writeSync(encoder.encode(`${line}\n`));
const series = crashSeries();
let { nextOffset } = await store.load();
print("ready");
try {
  while (true) {
    const { commit, flush } = crashCommit(nextOffset, series);
    await store.commit(commit, flush);
    print(`${nextOffset++}`);
    await crashUserEvents(store, 0);
  }
} catch (error) {
  if (!(error instanceof StoreError)) throw error;
  print(error.code);
  ({ nextOffset } = await store.load());
  const { commit, flush } = crashCommit(nextOffset, series);
  print(await store.commit(commit, flush).then(() => "committed", (again) => again.code));
  print(`${(await store.load()).nextOffset} ${(await store.rowsInRange(0, Infinity, null)).count}`);
  await store.close();
}
