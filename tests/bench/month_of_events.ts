/**
 * Thirty days of events for the query case, kept between benches: a data folder that the platform
 * itself has filled, and the same rows in one DuckDB file, in order of time, for the peer.
 */
import { DuckDBInstance } from "@duckdb/node-api";
import { join } from "node:path";
import { FORMAT_VERSION } from "../../lib/store/duckdb/schema.ts";
import { withPlatform } from "./bench_platform.ts";
import type { BenchContext } from "./bench_study.ts";
import { madeLoad, TYPES, USERS } from "./made_events.ts";
import { countEvents, waitUntilStored } from "./platform_probe.ts";
import { prepareLog } from "./prepared_log.ts";

const PARTITIONS = 4;
const DAYS = 30;
const DAY_MS = 86_400_000;
/** Raised whenever what is made here changes. */
const MADE_VERSION = 1;
/** End of the folders' names: what the events in them depend on, but for their number. */
const SUFFIX = `-${USERS}-${TYPES}-v${MADE_VERSION}-format${FORMAT_VERSION}`;

/** First instant of the events: a fixed one, so that the same data serves every bench. */
export const MONTH_START_MS = Date.UTC(2026, 0, 1);
/** First instant after them. */
export const MONTH_END_MS = MONTH_START_MS + DAYS * DAY_MS;

/** Where the events are. */
export interface MonthOfEvents {
  readonly dataFolder: string;
  readonly duckdbFile: string;
  readonly events: number;
}

/** How the platform is started on the data: it is to leave it as it is. */
export const MONTH_ENVIRONMENT = {
  RTA_PARTITIONS: String(PARTITIONS),
  RTA_LOG_RETENTION_HOURS: "87600",
} as const;

/** Gives the data, and makes it first where it is missing, unfinished or of another format. */
export async function monthOfEvents(context: BenchContext): Promise<MonthOfEvents> {
  const events = context.settings.queryEvents;
  const folder = join(context.cacheFolder, `month-${events}${SUFFIX}`);
  const month = {
    dataFolder: join(folder, "data"),
    duckdbFile: join(folder, "alone.duckdb"),
    events,
  };
  if (await isComplete(context, month)) return month;
  await removeUseless(context.cacheFolder, folder);
  await Deno.mkdir(month.dataFolder, { recursive: true });
  context.say(`making ${events.toLocaleString("en-US")} events of ${DAYS} days; kept for later`);
  const load = madeLoad({
    events,
    seed: 1,
    startMs: MONTH_START_MS,
    endMs: MONTH_END_MS,
    sessionIds: true,
  });
  await prepareLog(month.dataFolder, PARTITIONS, load);
  await withPlatform(context, { ...month, env: MONTH_ENVIRONMENT }, async (server) => {
    await waitUntilStored(server, events, 120_000 + events / 10);
  });
  await copyRows(month);
  if (!await isComplete(context, month)) throw new Error("the events of the month are not whole");
  return month;
}

/** Removes what stands in place of `folder`, and all months that no bench can use any more. */
async function removeUseless(cacheFolder: string, folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(cacheFolder)) {
    const path = join(cacheFolder, name);
    if (!name.startsWith("month-") || (name.endsWith(SUFFIX) && path !== folder)) continue;
    await Deno.remove(path, { recursive: true });
  }
}

/** Whether both sides have all events: the platform is asked, the file was made last. */
async function isComplete(context: BenchContext, month: MonthOfEvents): Promise<boolean> {
  try {
    await Deno.stat(month.duckdbFile);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  try {
    return await withPlatform(context, { ...month, env: MONTH_ENVIRONMENT }, async (server) => {
      const counted = await countEvents(server.urls, MONTH_START_MS, MONTH_END_MS);
      return counted === month.events;
    });
  } catch (error) {
    context.say(`the kept events can't be used: ${(error as Error).message.slice(0, 200)}`);
    return false;
  }
}

/**
 * Copies the rows of all partitions into one table, in order of time. It has the columns that the
 * questions need and the others of an event; types are text, as read_ndjson would leave them.
 */
async function copyRows({ dataFolder, duckdbFile }: MonthOfEvents): Promise<void> {
  const unfinished = `${duckdbFile}.unfinished`;
  const database = await DuckDBInstance.create(unfinished, { threads: "2" });
  const connection = await database.connect();
  const selects: string[] = [];
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const file = join(dataFolder, `events-${String(partition).padStart(3, "0")}.duckdb`);
    await connection.run(`ATTACH '${file.replaceAll("'", "''")}' AS p${partition} (READ_ONLY)`);
    selects.push(
      `SELECT e.id, user_id, session_id, s.type, timestamp, received_at, source, properties, amount
       FROM p${partition}.events e JOIN p${partition}.series s ON s.id = e.series_id`,
    );
  }
  await connection.run(
    `CREATE TABLE events AS FROM (${selects.join(" UNION ALL ")}) ORDER BY timestamp`,
  );
  await connection.run("CHECKPOINT");
  connection.closeSync();
  database.closeSync();
  await Deno.rename(unfinished, duckdbFile);
}
