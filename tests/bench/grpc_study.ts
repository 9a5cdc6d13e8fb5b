/**
 * Case `grpc`: single events, batches of 1000 and one stream of events over gRPC, durable, beside
 * servers that only decode and answer (grpc-js on Node) or only answer (Go), under the same client.
 */
import { loadDefinitions } from "../../lib/grpc/definitions.ts";
import { grpcPortOf } from "../support/grpc_client.ts";
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
import { findGhz, goPeer, nodePeer, runGhz, type StartPeer } from "./grpc_peers.ts";
import type { StreamOrder, StreamResult } from "./grpc_stream_client.ts";
import { checkAccepted } from "./platform_probe.ts";
import { median } from "./quantile.ts";

const BATCH_EVENTS = 1_000;
const warmUpSeconds = 1;

/** One of the three ways in. */
interface Way {
  readonly name: string;
  readonly title: string;
  /** Share of the peer's rate that must be reached. */
  readonly bar: number;
  /** Or this many events/s. */
  readonly orRate?: number;
  /** Events a second at a port, and how many were accepted in all. */
  measure(context: BenchContext, port: number): Promise<{ rate: number; accepted: number }>;
}

const WAYS: readonly Way[] = [
  {
    name: "IngestEvent",
    title: "grpc: IngestEvent, 64 under way, durable",
    bar: 0.7,
    measure: (context, port) => calls(context, port, "IngestEvent", 1, 64),
  },
  {
    name: "IngestEvents",
    title: "grpc: IngestEvents of 1000, durable",
    bar: 0.6,
    orRate: 200_000,
    measure: (context, port) => calls(context, port, "IngestEvents", BATCH_EVENTS, 4),
  },
  { name: "StreamEvents", title: "grpc: StreamEvents, one stream", bar: 0.6, measure: stream },
];

export const grpcStudy: BenchStudy = {
  cases: ["grpc"],
  about: "events over gRPC, beside servers in grpc-js and Go that only answer",
  async run(context) {
    const peers: [string, StartPeer][] = [["grpc-js", await nodePeer(context.cacheFolder)]];
    const go = await goPeer(context.cacheFolder);
    if (go !== null) peers.push(["Go", go]);
    const rows: BenchRow[] = [];
    for (const way of WAYS) {
      const contestants: Contestant[] = [
        { name: "platform", measure: () => platform(context, way) },
        ...peers.filter(([name]) => name !== "Go" || way.name !== "StreamEvents")
          .map(([name, start]) => ({ name, measure: () => peer(context, way, start) })),
      ];
      const figures = await interleave(context, `grpc ${way.name}, events/s`, contestants);
      rows.push(rowOf(way, figures));
    }
    return rows;
  },
};

async function platform(context: BenchContext, way: Way): Promise<number> {
  return await withPlatform(context, {}, async (server) => {
    const { rate, accepted } = await way.measure(context, grpcPortOf(server));
    await checkAccepted(server, accepted, true);
    return rate;
  });
}

async function peer(context: BenchContext, way: Way, start: StartPeer): Promise<number> {
  const { port, stop } = await start();
  try {
    return (await way.measure(context, port)).rate;
  } finally {
    await stop();
  }
}

async function calls(
  context: BenchContext,
  port: number,
  method: string,
  events: number,
  concurrency: number,
) {
  const ghz = await findGhz();
  if (ghz === null) throw new Error("no ghz: go install github.com/bojand/ghz/cmd/ghz@latest");
  const order = { port, method, message: requestOf(events), concurrency };
  const { scratchFolder, settings } = context;
  const warm = await runGhz(ghz, scratchFolder, { ...order, seconds: warmUpSeconds });
  const result = await runGhz(ghz, scratchFolder, { ...order, seconds: settings.loadSeconds });
  return { rate: events * result.rate, accepted: events * (warm.calls + result.calls) };
}

async function stream(context: BenchContext, port: number) {
  const order: StreamOrder = { port, seconds: context.settings.loadSeconds };
  const deadlineMs = 60_000 + 1_000 * order.seconds;
  const run = await runBenchProcess<StreamResult>("grpc_stream_client.ts", order, deadlineMs);
  return { rate: run.events / run.seconds, accepted: run.events };
}

/** A request without ids: the server makes them, so that each call has new events. */
function requestOf(count: number): Uint8Array {
  const seconds = Math.floor(Date.now() / 1_000);
  const events = Array.from({ length: count }, (_, i) => ({
    user_id: `user-${i}`,
    event_type: "EVENT_TYPE_USER",
    timestamp: { seconds, nanos: 0 },
    properties: { plan: "pro" },
    user_event: { action: "page_view", page_url: `/p/${i % 20}` },
  }));
  const { message } = loadDefinitions();
  return count === 1
    ? message("analytics.v1.IngestEventRequest").serialize({ event: events[0] })
    : message("analytics.v1.IngestEventsRequest").serialize({ events });
}

function rowOf(way: Way, figures: ReadonlyMap<string, readonly number[]>): BenchRow {
  const own = figures.get("platform")!;
  const ratio = median(own) / median(figures.get("grpc-js")!);
  const beside = [...figures].filter(([name]) => name !== "platform")
    .map(([name, values]) => `${name}: ${spread(values, "events/s")}`);
  const orRate = way.orRate === undefined ? "" : `, or ${way.orRate.toLocaleString("en-US")}/s`;
  return {
    name: way.title,
    figure: spread(own, "events/s"),
    beside: beside.join("; "),
    ratio: ratio.toFixed(2),
    bar: `>= ${way.bar}${orRate}`,
    met: ratio >= way.bar || median(own) >= (way.orRate ?? Infinity),
  };
}
