/**
 * Case `batches`: batches of 1000 events as NDJSON, each answered when it is on disk, beside one
 * core that does only JSON.parse on the same bytes.
 */
import type { BatchOrder, BatchResult } from "./batch_client.ts";
import { withPlatform } from "./bench_platform.ts";
import { runBenchProcess } from "./bench_process.ts";
import {
  type BenchContext,
  type BenchRow,
  type BenchStudy,
  interleave,
  spread,
} from "./bench_study.ts";
import type { ParseOrder } from "./json_parse_peer.ts";
import { checkAccepted } from "./platform_probe.ts";
import { median, quantile } from "./quantile.ts";

const BATCH_EVENTS = 1_000;
const CONNECTIONS = 4;
const warmUpSeconds = 1;
const peerSeconds = 2;
/** How many times the rate of JSON.parse. */
const BAR = 1.5;

export const eventBatchesStudy: BenchStudy = {
  cases: ["batches"],
  about: "batches of 1000 events as NDJSON, fsynced, beside one core doing only JSON.parse",
  async run(context) {
    const runsOf: Record<string, BatchResult[]> = { serve: [], ingestion: [] };
    const measure = async (name: "serve" | "ingestion") => {
      const roles = name === "serve" ? "all" : "ingestion";
      const result = await platform(context, roles);
      runsOf[name].push(result);
      return result.events / result.seconds;
    };
    const figures = await interleave(context, "batches, events/s", [
      { name: "JSON.parse", measure: jsonParse },
      { name: "serve", measure: () => measure("serve") },
      { name: "ingestion", measure: () => measure("ingestion") },
    ]);
    return rowsOf(figures, runsOf);
  },
};

async function jsonParse(): Promise<number> {
  const order: ParseOrder = { batchEvents: BATCH_EVENTS, seconds: peerSeconds };
  return await runBenchProcess<number>("json_parse_peer.ts", order, 60_000);
}

async function platform(context: BenchContext, roles: "all" | "ingestion"): Promise<BatchResult> {
  return await withPlatform(context, { env: { RTA_ROLES: roles } }, async (server) => {
    const order: BatchOrder = {
      url: `${server.urls.ingestion}/events/batch`,
      connections: CONNECTIONS,
      batchEvents: BATCH_EVENTS,
      warmUpSeconds,
      seconds: context.settings.loadSeconds,
    };
    const deadlineMs = 60_000 + 1000 * order.seconds;
    const result = await runBenchProcess<BatchResult>("batch_client.ts", order, deadlineMs);
    await checkAccepted(server, result.allEvents, roles === "all");
    return result;
  });
}

function rowsOf(
  figures: ReadonlyMap<string, readonly number[]>,
  runsOf: Readonly<Record<string, readonly BatchResult[]>>,
): BenchRow[] {
  const peer = figures.get("JSON.parse")!;
  const row = (name: string, contestant: string, bar: number | null): BenchRow => {
    const values = figures.get(contestant)!;
    const ratio = median(values) / median(peer);
    const p99 = median(runsOf[contestant].map((run) => quantile(run.latenciesMs, 0.99)));
    const overloaded = runsOf[contestant].reduce((sum, run) => sum + run.overloaded, 0);
    return {
      name,
      figure: `${spread(values, "events/s")}; p99 of a batch ${p99.toFixed(0)} ms` +
        (overloaded === 0 ? "" : `; ${overloaded} answers of 429`),
      beside: `JSON.parse alone: ${spread(peer, "events/s")}`,
      ratio: ratio.toFixed(2),
      bar: bar === null ? "" : `>= ${bar}`,
      met: bar === null ? null : ratio >= bar,
    };
  };
  return [
    row("batches: 1000 events as NDJSON, fsynced", "serve", BAR),
    row("batches: the same, role ingestion alone", "ingestion", null),
  ];
}
