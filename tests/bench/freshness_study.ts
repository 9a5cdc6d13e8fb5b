/**
 * Cases `visible` and `rows`: how long after its success answer an event is counted in the summary,
 * and is among its user's rows, while 5,000 other events a second come in one by one.
 */
import { withPlatform } from "./bench_platform.ts";
import { startBenchProcess } from "./bench_process.ts";
import type { BenchContext, BenchRow, BenchStudy } from "./bench_study.ts";
import { probeSummary, probeUserRows } from "./freshness_probe.ts";
import type { PacedOrder, PacedResult } from "./paced_load.ts";
import { median, quantile } from "./quantile.ts";

/** Events of the load, per second. */
export const STEADY_PER_SECOND = 5_000;
/** Share of that which must be answered for a figure to count. */
const heldShare = 0.98;
/** Before the first probe: code gets compiled, files and connections opened. */
const WARM_UP_MS = 3_000;
const runMsMax = 300_000;
const SUMMARY_P50_MS_MAX = 20;
const SUMMARY_P99_MS_MAX = 100;
const ROWS_P99_MS_MAX = 1_000;

export const freshnessStudy: BenchStudy = {
  cases: ["visible", "rows"],
  about: "success answer until counted, and until among the user's rows, at 5,000 events/s",
  async run(context, wanted) {
    const visible: number[][] = [];
    const rows: number[][] = [];
    for (let run = 0; run < context.settings.runs; run++) {
      const load = await withPlatform(
        context,
        {},
        (server) =>
          underLoad(server.urls.ingestion, async () => {
            const { probes } = context.settings;
            if (wanted.has("visible")) visible.push(await probeSummary(server.urls, probes));
            if (wanted.has("rows")) rows.push(await probeUserRows(server.urls, probes));
          }),
      );
      sayRun(context, run, load, visible[run], rows[run]);
    }
    return [
      ...(wanted.has("visible") ? [visibleRow(visible)] : []),
      ...(wanted.has("rows") ? [rowsRow(rows)] : []),
    ];
  },
};

/**
 * Lets `use` work while the steady load runs, after a warm-up of `warmUpMs`.
 *
 * @throws when the platform could not hold the load
 */
export async function underLoad(
  ingestion: string,
  use: () => Promise<void>,
  warmUpMs: number = WARM_UP_MS,
): Promise<PacedResult> {
  const order: PacedOrder = { url: `${ingestion}/events`, perSecond: STEADY_PER_SECOND };
  const load = startBenchProcess<PacedResult>("paced_load.ts", order, runMsMax);
  try {
    await load.started;
    await new Promise((resolve) => setTimeout(resolve, warmUpMs));
    await Promise.race([use(), load.result]);
  } finally {
    await load.finish();
  }
  const result = await load.result;
  if (result.perSecond < heldShare * STEADY_PER_SECOND) {
    throw new Error(`the load was not held: ${JSON.stringify(result)}`);
  }
  return result;
}

function sayRun(
  context: BenchContext,
  run: number,
  load: PacedResult,
  visible: readonly number[] | undefined,
  rows: readonly number[] | undefined,
): void {
  const text = (name: string, values: readonly number[] | undefined) =>
    values === undefined ? "" : `; ${name} p50 ${quantile(values, 0.5).toFixed(1)} ms, ` +
      `p99 ${quantile(values, 0.99).toFixed(1)} ms`;
  context.say(
    `freshness, run ${run + 1}: load ${Math.round(load.perSecond)}/s answered in ` +
      `p50 ${load.p50Ms.toFixed(1)} ms, p99 ${load.p99Ms.toFixed(1)} ms` +
      text("visible", visible) + text("rows", rows),
  );
}

function visibleRow(runs: readonly number[][]): BenchRow {
  const { p50, p99, figure } = summarize(runs);
  return {
    name: "visible: success answer until counted in the summary, at 5,000 events/s",
    figure,
    beside: "",
    ratio: "",
    bar: `p50 <= ${SUMMARY_P50_MS_MAX} ms, p99 <= ${SUMMARY_P99_MS_MAX} ms`,
    met: p50 <= SUMMARY_P50_MS_MAX && p99 <= SUMMARY_P99_MS_MAX,
  };
}

function rowsRow(runs: readonly number[][]): BenchRow {
  const { p99, figure } = summarize(runs);
  return {
    name: "rows: success answer until among the user's rows, at 5,000 events/s",
    figure,
    beside: "",
    ratio: "",
    bar: `p99 <= ${ROWS_P99_MS_MAX} ms`,
    met: p99 <= ROWS_P99_MS_MAX,
  };
}

/** Medians over the runs of each run's p50 and p99. */
export function summarize(runs: readonly number[][]) {
  const p50 = median(runs.map((run) => quantile(run, 0.5)));
  const p99s = runs.map((run) => quantile(run, 0.99));
  const p99 = median(p99s);
  const probes = runs.reduce((sum, run) => sum + run.length, 0);
  const figure = `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms ` +
    `(${Math.min(...p99s).toFixed(1)} to ${Math.max(...p99s).toFixed(1)}); ${probes} probes`;
  return { p50, p99, figure };
}
