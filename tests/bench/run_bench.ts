/**
 * `make bench`: speed and memory, with a peer or a limit beside each figure.
 *
 *     deno run -A tests/bench/run_bench.ts                   every case
 *     deno run -A tests/bench/run_bench.ts backlog memory    these alone
 *     deno run -A tests/bench/run_bench.ts --write backlog   and put their rows into the document
 *
 * The figures go to the terminal; a bench of every case at full size also writes them into
 * docs/BENCHMARKS.md. Exit code 1: a case could not be measured. A figure that misses its bar is
 * said loudly and does not change the exit code.
 */
import { join } from "node:path";
import { ROOT } from "../tidy/source_tree.ts";
import { analyticsLoadStudy } from "./analytics_load_study.ts";
import { analyticsStudy } from "./analytics_study.ts";
import { backlogStudy } from "./backlog_study.ts";
import { describeSettings, isFullSize, readBenchSettings, settingNames } from "./bench_settings.ts";
import type { BenchContext, BenchRow, BenchStudy } from "./bench_study.ts";
import { terminalTable, withRows } from "./bench_table.ts";
import { describeCommit, describeMachine, measureFsyncMs } from "./machine.ts";
import { eventBatchesStudy } from "./event_batches_study.ts";
import { grpcStudy } from "./grpc_study.ts";
import { freshnessStudy } from "./freshness_study.ts";
import { kafkaBacklogStudy } from "./kafka_backlog_study.ts";
import { kafkaIngestStudy } from "./kafka_ingest_study.ts";
import { kafkaVisibleStudy } from "./kafka_visible_study.ts";
import { liveStudy } from "./live_study.ts";
import { monthQueriesStudy } from "./month_queries_study.ts";
import { ringStudy } from "./ring_study.ts";
import { singleEventsStudy } from "./single_events_study.ts";
import { steadyMemoryStudy } from "./steady_memory_study.ts";

const DOCUMENT = join(ROOT, "docs", "BENCHMARKS.md");
const STUDIES: readonly BenchStudy[] = [
  singleEventsStudy,
  eventBatchesStudy,
  grpcStudy,
  backlogStudy,
  freshnessStudy,
  liveStudy,
  monthQueriesStudy,
  analyticsStudy,
  analyticsLoadStudy,
  steadyMemoryStudy,
  ringStudy,
  kafkaBacklogStudy,
  kafkaIngestStudy,
  kafkaVisibleStudy,
];

async function main(args: readonly string[]): Promise<number> {
  const known = [...new Set(STUDIES.flatMap((study) => study.cases))];
  const names = args.filter((arg) => !arg.startsWith("--"));
  const unknown = args.filter((arg) => !known.includes(arg) && arg !== "--write");
  if (unknown.length > 0) {
    console.log(usage(known));
    return unknown.every((arg) => arg === "--help") ? 0 : 2;
  }
  const wanted = new Set(names.length === 0 ? known : names);
  const context = openContext();
  const origin = await describeOrigin(context);
  console.log(`${origin.machine}\ncommit ${origin.commit}, ${context.settings.runs} runs\n`);
  const { rows, failures } = await runStudies(context, wanted);
  await Deno.remove(context.scratchFolder, { recursive: true });
  console.log(`\n${terminalTable(rows)}`);
  const missed = rows.filter((row) => row.met === false);
  console.log(`\n${rows.filter((row) => row.met).length} reached, ${missed.length} MISSED`);
  for (const failure of failures) console.log(`NOT MEASURED: ${failure}`);
  const complete = failures.length === 0 && wanted.size === known.length;
  if (args.includes("--write") || (complete && isFullSize(context.settings))) {
    await writeDocument(rows, origin);
  } else console.log("not written into docs/BENCHMARKS.md: not every case at full size");
  return failures.length === 0 ? 0 : 1;
}

async function runStudies(
  context: BenchContext,
  wanted: ReadonlySet<string>,
): Promise<{ rows: BenchRow[]; failures: string[] }> {
  const rows: BenchRow[] = [];
  const failures: string[] = [];
  for (const study of STUDIES) {
    if (!study.cases.some((name) => wanted.has(name))) continue;
    const startedAt = performance.now();
    try {
      rows.push(...await study.run(context, wanted));
    } catch (error) {
      console.error(error);
      failures.push(`${study.cases.join(", ")}: ${(error as Error).message}`);
    }
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    context.say(`${study.cases.join(", ")}: took ${seconds} s`);
  }
  return { rows, failures };
}

/** Takes the bench's folder; two benches at once would measure each other. */
function openContext(): BenchContext {
  const cacheFolder = join(ROOT, ".cache", "bench");
  Deno.mkdirSync(cacheFolder, { recursive: true });
  const lock = Deno.openSync(join(cacheFolder, "lock"), { create: true, write: true });
  if (!lock.tryLockSync(true)) throw new Error("another bench is running in this folder");
  const scratchFolder = join(cacheFolder, "scratch");
  // What a bench that was interrupted has left.
  if (exists(scratchFolder)) Deno.removeSync(scratchFolder, { recursive: true });
  Deno.mkdirSync(scratchFolder);
  const settings = readBenchSettings(Deno.env.toObject());
  // The platform would warn of them as settings it does not know.
  for (const name of settingNames()) Deno.env.delete(name);
  return { settings, cacheFolder, scratchFolder, say: (line) => console.log(line) };
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function describeOrigin({ settings, scratchFolder }: BenchContext) {
  const fsyncMs = measureFsyncMs(scratchFolder);
  console.log(`a write of 4 KiB with fsync takes ${fsyncMs.toFixed(2)} ms here`);
  return {
    commit: await describeCommit(),
    date: new Date().toISOString().slice(0, 10),
    machine: await describeMachine(),
    runs: settings.runs,
  };
}

async function writeDocument(
  rows: readonly BenchRow[],
  origin: Parameters<typeof withRows>[2],
): Promise<void> {
  const document = withRows(await Deno.readTextFile(DOCUMENT), rows, origin);
  await Deno.writeTextFile(DOCUMENT, document);
  const fmt = new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", DOCUMENT], cwd: ROOT });
  await fmt.output();
  console.log("written into docs/BENCHMARKS.md");
}

function usage(known: readonly string[]): string {
  const lines = STUDIES.map((study) => `  ${study.cases.join(" ").padEnd(28)} ${study.about}`);
  return `run_bench.ts [--write] [case ...]\n\ncases (${known.length}):\n${lines.join("\n")}\n\n` +
    `environment, with its full sizes:\n${describeSettings()}`;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
