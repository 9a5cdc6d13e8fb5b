/**
 * Case `load`: every kind of question while 20,000 events a second come in, beside the same questions
 * to the same process before that; whether ingest keeps its rate; and the most memory that the
 * process has taken in all of it. It works on a copy of the month: what comes in must not stay there.
 */
import { join } from "node:path";
import { analyticsQuestions, type AnalyticsResult, QUESTION_KINDS } from "./analytics_questions.ts";
import { askUsers } from "./analytics_study.ts";
import { withPlatform } from "./bench_platform.ts";
import { runBenchProcess, startBenchProcess } from "./bench_process.ts";
import { type BenchContext, type BenchRow, type BenchStudy, count, spread } from "./bench_study.ts";
import { askFirst } from "./first_questions.ts";
import {
  MONTH_END_MS,
  MONTH_ENVIRONMENT,
  MONTH_START_MS,
  monthOfEvents,
} from "./month_of_events.ts";
import type { PacedBatchesOrder, PacedBatchesResult } from "./paced_batches.ts";
import { readProcessMemory } from "./process_usage.ts";
import { median } from "./quantile.ts";
import type { QuestionOrder } from "./question_client.ts";
import type { QueryOrder } from "./query_client.ts";
import { QUERY_KINDS, type QueryLatencies } from "./query_latencies.ts";

const PER_SECOND = 20_000;
const SLOWER_MAX = 2;
const KEPT_SHARE = 0.9;
const MEMORY_MB_MAX = 1_024;
const deadlineMs = 900_000;
const rollupWarmUp = 500;
/** Rest after the load has begun, so that the first batches are stored. */
const settleMs = 2_000;
const range = { startMs: MONTH_START_MS, endMs: MONTH_END_MS };

/** Median latency by what was asked, ms. */
type Medians = ReadonlyMap<string, number>;

interface LoadRun {
  readonly idle: Medians;
  readonly loaded: Medians;
  readonly ingest: PacedBatchesResult;
  readonly peakMb: number;
}

export const analyticsLoadStudy: BenchStudy = {
  cases: ["load"],
  about: "the same questions while 20,000 events/s come in, and the memory of all of it",
  async run(context) {
    const month = await monthOfEvents(context);
    const runs: LoadRun[] = [];
    for (let run = 0; run < context.settings.runs; run++) {
      const dataFolder = join(context.scratchFolder, `load-${run}`);
      await copyFolder(month.dataFolder, dataFolder);
      const env = MONTH_ENVIRONMENT;
      runs.push(
        await withPlatform(context, { dataFolder, env }, async ({ urls, pid }) => {
          await askFirst(urls.gateway, pid);
          const idle = await askAllKinds(context, urls.gateway, 2 * run);
          const { loaded, ingest } = await underBatches(
            urls.ingestion,
            () => askAllKinds(context, urls.gateway, 2 * run + 1),
          );
          return { idle, loaded, ingest, peakMb: readProcessMemory(pid).peakMb };
        }),
      );
      await Deno.remove(dataFolder, { recursive: true });
      context.say(`load, run ${run + 1}: ${sayRun(runs[run])}`);
    }
    return [...runs[0].idle.keys()].map((asked) => slowerRow(asked, runs))
      .concat(ingestRow(runs), memoryRow(runs, month.events));
  },
};

/** Every kind once through; `serial` makes other questions of them. */
async function askAllKinds(
  context: BenchContext,
  gateway: string,
  serial: number,
): Promise<Medians> {
  const { queries, questions: each } = context.settings;
  const medians = new Map<string, number>();
  const order: QueryOrder = { gateway, ...range, warmUp: rollupWarmUp, queries };
  const rollups = await runBenchProcess<QueryLatencies>("query_client.ts", order, deadlineMs);
  for (const kind of QUERY_KINDS) medians.set(kind, median(rollups[kind]));
  medians.set("user", median(await askUsers(context, gateway, serial, false)));
  const list = (count: number, nth: number) =>
    analyticsQuestions(range.startMs, range.endMs, count, nth);
  const questions = list(each, serial);
  const asked: QuestionOrder = { gateway, warmUp: list(1, 1_000), questions };
  const file = "question_client.ts";
  const { latenciesMs } = await runBenchProcess<AnalyticsResult>(file, asked, deadlineMs);
  for (const kind of QUESTION_KINDS) {
    medians.set(kind, median(latenciesMs.filter((_, index) => questions[index].kind === kind)));
  }
  return medians;
}

async function underBatches(ingestion: string, ask: () => Promise<Medians>) {
  const order: PacedBatchesOrder = { url: `${ingestion}/events/batch`, perSecond: PER_SECOND };
  const file = "paced_batches.ts";
  const load = startBenchProcess<PacedBatchesResult>(file, order, deadlineMs);
  await load.started;
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  let loaded: Medians;
  try {
    loaded = await ask();
  } finally {
    await load.finish();
  }
  return { loaded, ingest: await load.result };
}

/** A copy that shares its blocks where the file system can do that. */
async function copyFolder(from: string, to: string): Promise<void> {
  const args = ["--recursive", "--reflink=auto", from, to];
  const { code } = await new Deno.Command("cp", { args }).output();
  if (code !== 0) throw new Error(`${from} could not be copied`);
}

function sayRun({ idle, loaded, ingest, peakMb }: LoadRun): string {
  const times = [...idle].map(([asked, ms]) =>
    `${asked} ${ms.toFixed(1)} -> ${loaded.get(asked)!.toFixed(1)} ms`
  );
  const { perSecond, offeredPerSecond, overloaded } = ingest;
  return `${times.join(", ")}; ${count(perSecond)} of ${count(offeredPerSecond)} events/s, ` +
    `${overloaded} refused; ${peakMb.toFixed(0)} MiB`;
}

function slowerRow(asked: string, runs: readonly LoadRun[]): BenchRow {
  const idle = median(runs.map((run) => run.idle.get(asked)!));
  const loaded = median(runs.map((run) => run.loaded.get(asked)!));
  const ratio = loaded / idle;
  return {
    name: `load: ${asked.replaceAll("_", " ")} while ${count(PER_SECOND)} events/s come in`,
    figure: `p50 ${loaded.toFixed(1)} ms`,
    beside: `idle: p50 ${idle.toFixed(1)} ms`,
    ratio: ratio.toFixed(2),
    bar: `<= ${SLOWER_MAX}`,
    met: ratio <= SLOWER_MAX,
  };
}

function ingestRow(runs: readonly LoadRun[]): BenchRow {
  const kept = runs.map(({ ingest }) => ingest.perSecond);
  const p99 = median(runs.map(({ ingest }) => ingest.p99Ms));
  return {
    name: "load: events accepted while all of that is asked",
    figure: `${spread(kept, "events/s")}; p99 of a batch ${p99.toFixed(0)} ms`,
    beside: `offered: ${count(PER_SECOND)} events/s`,
    ratio: (median(kept) / PER_SECOND).toFixed(2),
    bar: `>= ${KEPT_SHARE}`,
    met: median(kept) >= KEPT_SHARE * PER_SECOND,
  };
}

function memoryRow(runs: readonly LoadRun[], events: number): BenchRow {
  const peaks = runs.map(({ peakMb }) => peakMb);
  return {
    name: `memory: most resident, all questions over ${
      events / 1e6
    } M events, with and without load`,
    figure: spread(peaks, "MiB"),
    beside: `limit: ${MEMORY_MB_MAX} MiB`,
    ratio: "",
    bar: `<= ${MEMORY_MB_MAX} MiB`,
    met: Math.max(...peaks) <= MEMORY_MB_MAX,
  };
}
