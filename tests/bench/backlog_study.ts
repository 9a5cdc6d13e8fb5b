/**
 * Cases `backlog`, `shards` and the first half of `memory`: a platform starts on a log full of
 * events, and is timed from its ready line until all of them are processed and committed.
 *
 *     backlog  2 shards, beside DuckDB alone loading the same lines
 *     shards   2 shards, beside 1 shard, both with 4 partitions; and what the machine's second core
 *              is worth in the same run: JSON.parse in 2 processes at once, beside 1
 *     memory   the most resident memory of the run with 2 shards
 *
 * Events that the shards process before the ready line are not counted.
 */
import { join } from "node:path";
import { withPlatform } from "./bench_platform.ts";
import { runBenchProcess } from "./bench_process.ts";
import {
  type BenchContext,
  type BenchRow,
  type BenchStudy,
  type Contestant,
  interleave,
  spread,
} from "./bench_study.ts";
import type { LoadOrder } from "./duckdb_load_peer.ts";
import type { ParseOrder } from "./json_parse_peer.ts";
import { madeLoad } from "./made_events.ts";
import { countEvents, processedEvents, waitUntilStored } from "./platform_probe.ts";
import { prepareLog } from "./prepared_log.ts";
import { readProcessMemory, readProcessorSeconds } from "./process_usage.ts";
import { median } from "./quantile.ts";

const PARTITIONS = 4;
const SPAN_MS = 30 * 60_000;
/** Share of DuckDB's rate. */
const BACKLOG_BAR = 0.7;
/** Rate with two shards over that with one. */
const SHARDS_BAR = 1.6;
const MEMORY_MB_MAX = 768;
const TWO_PARSERS = "JSON.parse in 2 processes";
const ONE_PARSER = "JSON.parse in 1 process";
const PARSE_ORDER: ParseOrder = { batchEvents: 1_000, seconds: 3 };
const parseMsMax = 60_000;
/** Longest one run may take, by events, ms. */
const deadlineMs = (events: number) => 60_000 + events / 10;

export const backlogStudy: BenchStudy = {
  cases: ["backlog", "shards", "memory"],
  about: "a backlog processed and stored: rate, by shards, resident memory",
  async run(context, wanted) {
    const backlog = await prepareBacklog(context);
    const runsOf: Record<string, BacklogRun[]> = {};
    const platform = (name: string, shards: number): Contestant => ({
      name,
      measure: async () => {
        const run = await processBacklog(context, backlog, shards);
        (runsOf[name] ??= []).push(run);
        return run.perSecond;
      },
    });
    const contestants = [platform("2 shards", 2)];
    if (wanted.has("backlog")) {
      contestants.push({ name: "DuckDB alone", measure: () => duckdbAlone(context, backlog) });
    }
    if (wanted.has("shards")) {
      contestants.push(platform("1 shard", 1));
      contestants.push({ name: TWO_PARSERS, measure: () => parseIn(2) });
      contestants.push({ name: ONE_PARSER, measure: () => parseIn(1) });
    }
    const figures = await interleave(context, "backlog, events/s", contestants);
    return rowsOf(backlog.events, figures, runsOf, wanted);
  },
};

/** What one run of the platform came to. */
interface BacklogRun {
  readonly perSecond: number;
  /** Processor time over time, all threads. */
  readonly coresBusy: number;
  readonly peakMb: number;
}

/** A log full of events, and the same events as lines. */
interface Backlog {
  readonly folder: string;
  readonly linesFile: string;
  readonly events: number;
  /** Their times lie in [startMs, endMs). */
  readonly startMs: number;
  readonly endMs: number;
}

async function prepareBacklog(context: BenchContext): Promise<Backlog> {
  const events = context.settings.backlogEvents;
  const endMs = Date.now();
  const startMs = endMs - SPAN_MS;
  const folder = join(context.scratchFolder, "backlog");
  const linesFile = join(context.scratchFolder, "backlog.ndjson");
  await Deno.mkdir(folder);
  context.say(`making a backlog of ${events.toLocaleString("en-US")} events`);
  await prepareLog(folder, PARTITIONS, madeLoad({ events, seed: 1, startMs, endMs }), linesFile);
  return { folder, linesFile, events, startMs, endMs };
}

async function processBacklog(
  context: BenchContext,
  { folder, events, startMs, endMs }: Backlog,
  shards: number,
): Promise<BacklogRun> {
  const dataFolder = await Deno.makeTempDir({ dir: context.scratchFolder, prefix: "data-" });
  for await (const { name } of Deno.readDir(folder)) {
    await Deno.copyFile(join(folder, name), join(dataFolder, name));
  }
  const env = { RTA_SHARDS: String(shards), RTA_PARTITIONS: String(PARTITIONS) };
  const result = await withPlatform(context, { dataFolder, env }, async (server) => {
    const startedAt = performance.now();
    const processorSeconds = readProcessorSeconds(server.pid);
    const before = await processedEvents(server.urls);
    await waitUntilStored(server, events, deadlineMs(events));
    const seconds = (performance.now() - startedAt) / 1000;
    const coresBusy = (readProcessorSeconds(server.pid) - processorSeconds) / seconds;
    const { peakMb } = readProcessMemory(server.pid);
    const counted = await countEvents(server.urls, startMs, endMs);
    if (counted !== events) throw new Error(`${counted} events counted of ${events}`);
    return { perSecond: (events - before) / seconds, coresBusy, peakMb };
  });
  await Deno.remove(dataFolder, { recursive: true });
  return result;
}

async function duckdbAlone(context: BenchContext, backlog: Backlog): Promise<number> {
  const folder = await Deno.makeTempDir({ dir: context.scratchFolder, prefix: "duckdb-" });
  const order: LoadOrder = {
    linesFile: backlog.linesFile,
    events: backlog.events,
    databaseFile: join(folder, "alone.duckdb"),
    receivedAtMs: backlog.endMs,
  };
  const deadline = deadlineMs(backlog.events);
  const perSecond = await runBenchProcess<number>("duckdb_load_peer.ts", order, deadline);
  await Deno.remove(folder, { recursive: true });
  return perSecond;
}

/** Events/s of processes that work at the same time and share nothing. */
async function parseIn(processes: number): Promise<number> {
  const parsers = Array.from(
    { length: processes },
    () => runBenchProcess<number>("json_parse_peer.ts", PARSE_ORDER, parseMsMax),
  );
  return (await Promise.all(parsers)).reduce((sum, perSecond) => sum + perSecond, 0);
}

function rowsOf(
  events: number,
  figures: ReadonlyMap<string, readonly number[]>,
  runsOf: Readonly<Record<string, readonly BacklogRun[]>>,
  wanted: ReadonlySet<string>,
): BenchRow[] {
  const two = figures.get("2 shards")!;
  const text = (contestant: string) => {
    const rate = spread(figures.get(contestant)!, "events/s");
    const runs = runsOf[contestant];
    if (runs === undefined) return rate;
    return `${rate}, ${median(runs.map((run) => run.coresBusy)).toFixed(1)} cores busy`;
  };
  const size = `${(events / 1e6).toLocaleString("en-US")} M events`;
  const rows: BenchRow[] = [];
  const compare = (name: string, contestant: string, bar: number, limit = "") => {
    const ratio = median(two) / median(figures.get(contestant)!);
    rows.push({
      name,
      figure: text("2 shards"),
      beside: `${contestant}: ${text(contestant)}${limit}`,
      ratio: ratio.toFixed(2),
      bar: `>= ${bar}`,
      met: ratio >= bar,
    });
  };
  if (wanted.has("backlog")) {
    compare(`backlog: ${size} processed and stored, 2 shards`, "DuckDB alone", BACKLOG_BAR);
  }
  if (wanted.has("shards")) {
    const gain = median(figures.get(TWO_PARSERS)!) / median(figures.get(ONE_PARSER)!);
    const limit = `; limit: JSON.parse in 2 processes is ${gain.toFixed(2)} of 1`;
    compare(`shards: the same, by shards`, "1 shard", SHARDS_BAR, limit);
  }
  if (wanted.has("memory")) {
    const peaksMb = runsOf["2 shards"].map((run) => run.peakMb);
    rows.push({
      name: `memory: most resident, backlog of ${size}`,
      figure: spread(peaksMb, "MiB"),
      beside: `limit: ${MEMORY_MB_MAX} MiB`,
      ratio: "",
      bar: `<= ${MEMORY_MB_MAX} MiB`,
      met: median(peaksMb) <= MEMORY_MB_MAX,
    });
  }
  return rows;
}
