/** Entry of the process with the SQL engine: what it is told comes by stdin. */
import { SqlEngine } from "../lib/store/duckdb/sql_engine.ts";
import { SqlEngineLoop, yieldToOthers } from "./sql_engine_loop.ts";

yieldToOthers();
await new SqlEngineLoop(await SqlEngine.open(), Deno.stdout, Deno.stderr).run(
  Deno.stdin.readable,
);
Deno.exit(0);
