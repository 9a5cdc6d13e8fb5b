/**
 * Case `single`: single `POST /events`, each answered when it is on disk, over 256 connections,
 * beside a server that only reads the body and answers. Both get the same requests from wrk.
 */
import { join } from "node:path";
import { withPlatform } from "./bench_platform.ts";
import { startBenchProcess } from "./bench_process.ts";
import {
  type BenchContext,
  type BenchRow,
  type BenchStudy,
  interleave,
  spread,
} from "./bench_study.ts";
import { madeLines } from "./made_events.ts";
import { checkAccepted } from "./platform_probe.ts";
import { median } from "./quantile.ts";
import { haveWrk, runWrk, type WrkResult } from "./wrk.ts";

const CONNECTIONS = 256;
/** Lines that requests are made from: enough for some ten thousand users. */
const LINES = 100_000;
/** Ids of the measured requests begin beyond those of the warm-up. */
const FIRST_ID = 1_000_000_000;
const warmUpSeconds = 2;
/** Share of the plain server's rate. */
const BAR = 0.5;

export const singleEventsStudy: BenchStudy = {
  cases: ["single"],
  about: "single POST /events, fsynced, 256 connections, beside a plain Deno.serve (needs wrk)",
  async run(context) {
    if (!await haveWrk(context.say)) {
      throw new Error("SKIPPED: wrk is missing and could not be installed; install it");
    }
    const linesFile = join(context.scratchFolder, "single.ndjson");
    await Deno.writeFile(linesFile, madeLines(LINES, 1, Date.now()));
    const runsOf: Record<string, WrkResult[]> = { plain: [], serve: [], ingestion: [] };
    /** Warms the server up, measures it, and gives all requests that it answered. */
    const load = async (name: string, url: string) => {
      const order = { url, connections: CONNECTIONS, linesFile };
      const warmUp = await runWrk({ ...order, seconds: warmUpSeconds, firstId: 0 });
      const seconds = context.settings.loadSeconds;
      const result = await runWrk({ ...order, seconds, firstId: FIRST_ID });
      runsOf[name].push(result);
      const requests = warmUp.requests + result.requests;
      return { perSecond: result.requests / result.seconds, requests };
    };
    const figures = await interleave(context, "single, requests/s", [
      { name: "plain", measure: () => plainServer((url) => load("plain", url)) },
      { name: "serve", measure: () => platform(context, "all", (url) => load("serve", url)) },
      {
        name: "ingestion",
        measure: () => platform(context, "ingestion", (url) => load("ingestion", url)),
      },
    ]);
    return rowsOf(figures, runsOf);
  },
};

/** Rate, and how many requests were answered in all. */
interface Load {
  readonly perSecond: number;
  readonly requests: number;
}

async function plainServer(load: (url: string) => Promise<Load>): Promise<number> {
  const peer = startBenchProcess<number>("plain_server.ts", null, 120_000);
  try {
    const { port } = await peer.started;
    return (await load(`http://127.0.0.1:${port}/events`)).perSecond;
  } finally {
    await peer.finish();
  }
}

/** Measures a new platform, and checks that it has what it said it has. */
async function platform(
  context: BenchContext,
  roles: "all" | "ingestion",
  load: (url: string) => Promise<Load>,
): Promise<number> {
  return await withPlatform(context, { env: { RTA_ROLES: roles } }, async (server) => {
    const { perSecond, requests } = await load(`${server.urls.ingestion}/events`);
    await checkAccepted(server, requests, roles === "all");
    return perSecond;
  });
}

function rowsOf(
  figures: ReadonlyMap<string, readonly number[]>,
  runsOf: Readonly<Record<string, readonly WrkResult[]>>,
): BenchRow[] {
  const plain = figures.get("plain")!;
  const latency = (name: string, which: "p50Ms" | "p99Ms") =>
    median(runsOf[name].map((run) => run[which])).toFixed(1);
  const row = (name: string, contestant: string, bar: number | null): BenchRow => {
    const ratio = median(figures.get(contestant)!) / median(plain);
    return {
      name,
      figure: `${spread(figures.get(contestant)!, "events/s")}; ` +
        `p50 ${latency(contestant, "p50Ms")} ms, p99 ${latency(contestant, "p99Ms")} ms`,
      beside: `plain Deno.serve: ${spread(plain, "requests/s")}`,
      ratio: ratio.toFixed(2),
      bar: bar === null ? "" : `>= ${bar}`,
      met: bar === null ? null : ratio >= bar,
    };
  };
  return [
    row("single: POST /events, fsynced, 256 connections", "serve", BAR),
    row("single: the same, role ingestion alone", "ingestion", null),
  ];
}
