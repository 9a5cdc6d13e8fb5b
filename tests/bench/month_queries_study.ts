/**
 * Case `queries`: summary, hourly series and top event types over 30 days of 10 M events, eight
 * questions at a time, beside DuckDB alone on the same rows. Every question's range begins at another minute.
 */
import { withPlatform } from "./bench_platform.ts";
import { runBenchProcess } from "./bench_process.ts";
import type { BenchContext, BenchRow, BenchStudy } from "./bench_study.ts";
import type { DuckdbQueryOrder } from "./duckdb_query_peer.ts";
import {
  MONTH_END_MS,
  MONTH_ENVIRONMENT,
  MONTH_START_MS,
  type MonthOfEvents,
  monthOfEvents,
} from "./month_of_events.ts";
import { readProcessorSeconds } from "./process_usage.ts";
import { median, quantile } from "./quantile.ts";
import type { QueryOrder } from "./query_client.ts";
import { QUERY_KINDS, type QueryKind, type QueryLatencies } from "./query_latencies.ts";

const P99_MS_MAX = 10;
/** How many times as fast as DuckDB alone, by the medians. */
const BAR = 10;
/** Of each kind, before anything is measured: code is compiled and cut hours are counted by then. */
const warmUp = 500;
const peerWarmUp = 4;
const deadlineMs = 300_000;
const range = { startMs: MONTH_START_MS, endMs: MONTH_END_MS };

export const monthQueriesStudy: BenchStudy = {
  cases: ["queries"],
  about: "summary, hourly series and top types over 30 days of 10 M events, 8 at a time",
  async run(context) {
    const month = await monthOfEvents(context);
    const ours: QueryLatencies[] = [];
    const peers: QueryLatencies[] = [];
    for (let run = 0; run < context.settings.runs; run++) {
      const measures = [
        async () => ours.push(await askPlatform(context, month)),
        async () => peers.push(await askDuckdb(context, month)),
      ];
      for (const measure of run % 2 === 0 ? measures : measures.toReversed()) await measure();
      context.say(
        `queries, run ${run + 1}: ${sayRun(ours[run])}; DuckDB alone ${sayRun(peers[run])}`,
      );
    }
    return QUERY_KINDS.map((kind) => rowOf(month.events, kind, ours, peers));
  },
};

async function askPlatform(context: BenchContext, month: MonthOfEvents): Promise<QueryLatencies> {
  return await withPlatform(
    context,
    { ...month, env: MONTH_ENVIRONMENT },
    async ({ urls, pid }) => {
      const { queries } = context.settings;
      const order: QueryOrder = { gateway: urls.gateway, ...range, warmUp, queries };
      const usedS = readProcessorSeconds(pid);
      const latencies = await runBenchProcess<QueryLatencies>("query_client.ts", order, deadlineMs);
      const perQueryMs = (readProcessorSeconds(pid) - usedS) * 1000 /
        (QUERY_KINDS.length * (warmUp + queries));
      context.say(`queries: ${perQueryMs.toFixed(2)} ms of processor time a question, warm-up too`);
      return latencies;
    },
  );
}

async function askDuckdb(context: BenchContext, month: MonthOfEvents): Promise<QueryLatencies> {
  const order: DuckdbQueryOrder = {
    databaseFile: month.duckdbFile,
    ...range,
    warmUp: peerWarmUp,
    queries: context.settings.peerQueries,
  };
  return await runBenchProcess<QueryLatencies>("duckdb_query_peer.ts", order, deadlineMs);
}

function sayRun(latencies: QueryLatencies): string {
  return QUERY_KINDS.map((kind) =>
    `${kind} p50 ${quantile(latencies[kind], 0.5).toFixed(1)} ms, ` +
    `p99 ${quantile(latencies[kind], 0.99).toFixed(1)} ms`
  ).join(", ");
}

const TITLES: Readonly<Record<QueryKind, string>> = {
  summary: "summary",
  series: "hourly series",
  types: "top event types",
};

function rowOf(
  events: number,
  kind: QueryKind,
  ours: readonly QueryLatencies[],
  peers: readonly QueryLatencies[],
): BenchRow {
  const middle = (runs: readonly QueryLatencies[], q: number) =>
    median(runs.map((run) => quantile(run[kind], q)));
  const text = (runs: readonly QueryLatencies[]) =>
    `p50 ${middle(runs, 0.5).toFixed(1)} ms, p99 ${middle(runs, 0.99).toFixed(1)} ms (of ` +
    `${runs.reduce((sum, run) => sum + run[kind].length, 0).toLocaleString("en-US")} queries)`;
  const p99 = middle(ours, 0.99);
  const ratio = middle(peers, 0.5) / middle(ours, 0.5);
  return {
    name: `queries: ${TITLES[kind]} over 30 days of ${events / 1e6} M events, 8 at a time`,
    figure: text(ours),
    beside: `DuckDB alone: ${text(peers)}`,
    ratio: ratio.toFixed(1),
    bar: `p99 <= ${P99_MS_MAX} ms, ${BAR} times as fast`,
    met: p99 <= P99_MS_MAX && ratio >= BAR,
  };
}
