/**
 * The month of events in ClickHouse, kept beside the platform's own: the same rows and columns in a
 * MergeTree ordered by user and time, which is the order that funnels and retention want.
 */
import { join } from "node:path";
import { runBenchProcess } from "./bench_process.ts";
import type { BenchContext } from "./bench_study.ts";
import { installChdb } from "./chdb_engine.ts";
import type { ClickhouseLoadOrder } from "./clickhouse_load_peer.ts";
import type { MonthOfEvents } from "./month_of_events.ts";

/** Raised whenever what is made here changes. */
const MADE_VERSION = 1;
const loadMsMax = 900_000;

/** Where ClickHouse and its data are. */
export interface ClickhouseMonth {
  readonly chdbFolder: string;
  readonly dataFolder: string;
}

/** Gives the data, and makes it first where it is missing or unfinished. */
export async function clickhouseMonth(
  context: BenchContext,
  month: MonthOfEvents,
): Promise<ClickhouseMonth> {
  const chdbFolder = await installChdb(context.cacheFolder, context.say);
  const dataFolder = join(month.duckdbFile, "..", `clickhouse-v${MADE_VERSION}`);
  const mark = join(dataFolder, "complete");
  try {
    await Deno.stat(mark);
    return { chdbFolder, dataFolder };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  context.say("copying the events into ClickHouse; kept for later");
  await Deno.remove(dataFolder, { recursive: true }).catch(() => {});
  const order: ClickhouseLoadOrder = {
    chdbFolder,
    dataFolder,
    duckdbFile: month.duckdbFile,
    parquetFile: join(context.scratchFolder, "month.parquet"),
    events: month.events,
  };
  await runBenchProcess<number>("clickhouse_load_peer.ts", order, loadMsMax);
  await Deno.writeTextFile(mark, "");
  return { chdbFolder, dataFolder };
}
