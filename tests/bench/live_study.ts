/**
 * Cases `live` and `live-ingest`: how long after its success answer an event has been read by 200
 * readers of windows of one second, while 5,000 other events a second come in; and what the same
 * readers cost ingest.
 */
import type { BatchOrder, BatchResult } from "./batch_client.ts";
import { withPlatform } from "./bench_platform.ts";
import { runBenchProcess, startBenchProcess } from "./bench_process.ts";
import {
  type BenchContext,
  type BenchRow,
  type BenchStudy,
  interleave,
  spread,
} from "./bench_study.ts";
import { STEADY_PER_SECOND, underLoad } from "./freshness_study.ts";
import type { LiveOrder, LiveResult } from "./live_readers.ts";
import { checkAccepted } from "./platform_probe.ts";
import { median, quantile } from "./quantile.ts";

const READERS = 200;
const P99_MS_MAX = 1_200;
/** Share of its rate that ingest must keep. */
const KEPT_MIN = 0.9;
const BATCH_EVENTS = 1_000;
const CONNECTIONS = 4;
const warmUpSeconds = 1;
const runMsMax = 300_000;

export const liveStudy: BenchStudy = {
  cases: ["live", "live-ingest"],
  about: "success answer until read by 200 live readers, and what they cost ingest",
  async run(context, wanted) {
    return [
      ...(wanted.has("live") ? [await liveRow(context)] : []),
      ...(wanted.has("live-ingest") ? [await ingestRow(context)] : []),
    ];
  },
};

async function liveRow(context: BenchContext): Promise<BenchRow> {
  const runs: LiveResult[] = [];
  for (let run = 0; run < context.settings.runs; run++) {
    await withPlatform(context, {}, async ({ urls }) => {
      await underLoad(urls.ingestion, async () => {
        const { probes } = context.settings;
        const order: LiveOrder = { ...urls, readers: READERS, probes };
        runs.push(await runBenchProcess<LiveResult>("live_readers.ts", order, runMsMax));
      });
    });
    const { tookMs, unread, windows, missed } = runs[run];
    const [p50, p99, most] = [0.5, 0.99, 1].map((share) => quantile(tookMs, share).toFixed(0));
    context.say(
      `live, run ${run + 1}: p50 ${p50} ms, p99 ${p99} ms, most ${most} ms; ${windows} windows, ` +
        `${missed} missed`,
    );
    if (unread > 0) throw new Error(`${unread} probes were not read`);
  }
  const p50 = median(runs.map(({ tookMs }) => quantile(tookMs, 0.5)));
  const p99s = runs.map(({ tookMs }) => quantile(tookMs, 0.99));
  const p99 = median(p99s);
  return {
    name: `live: success answer until read by ${READERS} SSE readers, at ` +
      `${STEADY_PER_SECOND.toLocaleString("en-US")} events/s`,
    figure: `p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms ` +
      `(${Math.min(...p99s).toFixed(0)} to ${Math.max(...p99s).toFixed(0)})`,
    beside: "",
    ratio: "",
    bar: `p99 <= ${P99_MS_MAX.toLocaleString("en-US")} ms`,
    met: p99 <= P99_MS_MAX,
  };
}

async function ingestRow(context: BenchContext): Promise<BenchRow> {
  const figures = await interleave(context, "live-ingest, events/s", [
    { name: "alone", measure: () => ingestRate(context, 0) },
    { name: "read", measure: () => ingestRate(context, READERS) },
  ]);
  const [alone, read] = ["alone", "read"].map((name) => figures.get(name)!);
  const ratio = median(read) / median(alone);
  return {
    name: `live-ingest: batches of 1000 events while ${READERS} SSE readers are open`,
    figure: spread(read, "events/s"),
    beside: `without readers: ${spread(alone, "events/s")}`,
    ratio: ratio.toFixed(2),
    bar: `>= ${KEPT_MIN}`,
    met: ratio >= KEPT_MIN,
  };
}

async function ingestRate(context: BenchContext, readers: number): Promise<number> {
  return await withPlatform(context, {}, async (server) => {
    const live: LiveOrder = { ...server.urls, readers, probes: 0 };
    const reading = readers === 0
      ? null
      : startBenchProcess<LiveResult>("live_readers.ts", live, runMsMax);
    await reading?.started;
    const order: BatchOrder = {
      url: `${server.urls.ingestion}/events/batch`,
      connections: CONNECTIONS,
      batchEvents: BATCH_EVENTS,
      warmUpSeconds,
      seconds: context.settings.loadSeconds,
    };
    const deadlineMs = 60_000 + 1000 * order.seconds;
    const result = await runBenchProcess<BatchResult>("batch_client.ts", order, deadlineMs);
    await reading?.finish();
    await checkAccepted(server, result.allEvents, true);
    return result.events / result.seconds;
  });
}
