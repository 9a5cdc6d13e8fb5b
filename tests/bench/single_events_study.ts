/**
 * Case `single`: single `POST /events`, each answered when it is on disk, over 256 connections,
 * beside a server that only reads the body and answers. Both get the same requests from wrk.
 */
import { join } from "node:path";
import { startServer } from "../support/server.ts";
import { startBenchProcess } from "./bench_process.ts";
import { type BenchContext, type BenchRow, interleave, spread } from "./bench_study.ts";
import type { BenchStudy } from "./bench_study.ts";
import { madeLines } from "./made_events.ts";
import { checkStored } from "./platform_probe.ts";
import { median } from "./quantile.ts";
import { haveWrk, runWrk, type WrkResult } from "./wrk.ts";

const CONNECTIONS = 256;
const LINES = 2_000;
const warmUpSeconds = 2;
/** Share of the plain server's rate. */
const BAR = 0.5;

export const singleEventsStudy: BenchStudy = {
  cases: ["single"],
  about: "single POST /events, fsynced, 256 connections, beside a plain Deno.serve (needs wrk)",
  async run(context) {
    if (!await haveWrk(context.say)) {
      throw new Error("SKIPPED: wrk is not installed; as root it is installed, or do it yourself");
    }
    const linesFile = join(context.scratchFolder, "single.ndjson");
    await Deno.writeFile(linesFile, madeLines(LINES, 1, Date.now()));
    const latencies = new Map<string, WrkResult[]>();
    const load = async (name: string, url: string) => {
      await runWrk({ url, connections: CONNECTIONS, seconds: warmUpSeconds, linesFile });
      const seconds = context.settings.loadSeconds;
      const result = await runWrk({ url, connections: CONNECTIONS, seconds, linesFile });
      latencies.set(name, [...latencies.get(name) ?? [], result]);
      return result.requests / result.seconds;
    };
    const figures = await interleave(context, "single", [
      { name: "plain", measure: () => againstPlain((url) => load("plain", url)) },
      { name: "serve", measure: () => againstPlatform("all", (url) => load("serve", url)) },
      {
        name: "ingestion",
        measure: () => againstPlatform("ingestion", (url) => load("ingestion", url)),
      },
    ]);
    return rows(figures, latencies);
  },
};

async function againstPlain(load: (url: string) => Promise<number>): Promise<number> {
  const peer = startPlainServer();
  try {
    return await load(`http://127.0.0.1:${await peer.port}/events`);
  } finally {
    await peer.finish();
  }
}
