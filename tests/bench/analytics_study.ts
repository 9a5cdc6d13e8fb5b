/**
 * Cases `funnel`, `retention`, `breakdown` and `user`: questions that read the rows of 30 days, one
 * at a time, beside ClickHouse and DuckDB on the same rows. The answers of all are compared: a figure
 * that is faster and wrong is none.
 */
import {
  type AnalyticsKind,
  type AnalyticsQuestion,
  analyticsQuestions,
  type AnalyticsResult,
} from "./analytics_questions.ts";
import { compareAnswers } from "./compare_answers.ts";
import { withPlatform } from "./bench_platform.ts";
import { runBenchProcess } from "./bench_process.ts";
import type { BenchContext, BenchRow, BenchStudy } from "./bench_study.ts";
import { type ClickhouseMonth, clickhouseMonth } from "./clickhouse_month.ts";
import type { ClickhouseQuestionOrder } from "./clickhouse_question_peer.ts";
import type { DuckdbQuestionOrder } from "./duckdb_question_peer.ts";
import {
  MONTH_END_MS,
  MONTH_ENVIRONMENT,
  MONTH_START_MS,
  type MonthOfEvents,
  monthOfEvents,
} from "./month_of_events.ts";
import { askFirst, type FirstQuestions, withoutColumns } from "./first_questions.ts";
import { readProcessMemory } from "./process_usage.ts";
import { median, quantile } from "./quantile.ts";
import type { QuestionOrder } from "./question_client.ts";
import type { UserOrder } from "./user_client.ts";
import { wideMonth } from "./wide_month.ts";

/** Kinds by case. */
const CASE_KINDS: Readonly<Record<string, readonly AnalyticsKind[]>> = {
  funnel: ["funnel3", "funnel8"],
  retention: ["retention"],
  breakdown: ["top_pages", "users_by_country"],
};
/** What is asked of whom. */
const PEERS = {
  clickhouse: ["funnel3", "funnel8", "retention"],
  duckdb: ["retention", "top_pages", "users_by_country"],
  wide: ["top_pages", "users_by_country"],
} as const satisfies Record<string, readonly AnalyticsKind[]>;

type Contestant = "platform" | keyof typeof PEERS;

export const USER_P99_MS_MAX = 20;
const deadlineMs = 600_000;
const userWarmUp = 50;
const range = { startMs: MONTH_START_MS, endMs: MONTH_END_MS };

/** What all runs found. */
interface Found {
  readonly month: MonthOfEvents;
  /** By contestant and kind: latencies of each run, ms. */
  readonly latencies: Map<string, number[][]>;
  /** Latencies of the first question of each kind in each run, ms, and what followed on it. */
  readonly firsts: FirstQuestions[];
  /** Latencies of users in each run. */
  readonly users: number[][];
  readonly peaksMb: number[];
  /** Numbers that were compared between contestants. */
  compared: number;
}

export const analyticsStudy: BenchStudy = {
  cases: [...Object.keys(CASE_KINDS), "user"],
  about: "funnels, retention, breakdowns and users over 30 days of 10 M events",
  async run(context, wanted) {
    const kinds = Object.entries(CASE_KINDS).flatMap(([name, each]) =>
      wanted.has(name) ? each : []
    );
    const month = await monthOfEvents(context);
    const found: Found = {
      month,
      latencies: new Map(),
      firsts: [],
      users: [],
      peaksMb: [],
      compared: 0,
    };
    const places = { clickhouse: await clickhouseMonth(context, month), wide: "" };
    if (wanted.has("breakdown")) places.wide = await wideMonth(month);
    for (let run = 0; run < context.settings.runs; run++) {
      await oneRun(context, { found, kinds, run, places, withUsers: wanted.has("user") });
    }
    context.say(`analytics: ${found.compared} figures of peers are equal to ours`);
    const rows = kinds.flatMap((kind) => rowsOf(kind, found));
    if (wanted.has("user")) rows.push(userRow(found));
    return rows;
  },
};

interface Run {
  readonly found: Found;
  readonly kinds: readonly AnalyticsKind[];
  readonly run: number;
  readonly places: { readonly clickhouse: ClickhouseMonth; readonly wide: string };
  readonly withUsers: boolean;
}

async function oneRun(context: BenchContext, run: Run): Promise<void> {
  const { found, kinds, places } = run;
  const { duckdbFile, ...folders } = found.month;
  const lists = (contestant: Contestant) => {
    const asked: readonly AnalyticsKind[] = contestant === "platform" ? kinds : PEERS[contestant];
    const list = (each: number, serial: number) =>
      analyticsQuestions(range.startMs, range.endMs, each, serial)
        .filter(({ kind }) => kinds.includes(kind) && asked.includes(kind));
    // The same questions in each run, and others to warm up.
    return { warmUp: list(1, 1_000), questions: list(context.settings.questions, run.run) };
  };
  const results = new Map<Contestant, AnalyticsResult>();
  const measures = [
    async () => {
      const env = MONTH_ENVIRONMENT;
      withoutColumns(folders.dataFolder);
      await withPlatform(context, { ...folders, env }, async ({ urls, pid }) => {
        found.firsts.push(await askFirst(urls.gateway, pid));
        const order: QuestionOrder = { gateway: urls.gateway, ...lists("platform") };
        results.set("platform", await runBenchProcess("question_client.ts", order, deadlineMs));
        if (run.withUsers) found.users.push(await askUsers(context, urls.gateway, run.run, true));
        found.peaksMb.push(readProcessMemory(pid).peakMb);
      });
    },
    async () => {
      const order: ClickhouseQuestionOrder = { ...places.clickhouse, ...lists("clickhouse") };
      const peer = "clickhouse_question_peer.ts";
      results.set("clickhouse", await runBenchProcess(peer, order, deadlineMs));
    },
    ...(["duckdb", "wide"] as const).map((name) => async () => {
      const wide = name === "wide";
      const order: DuckdbQuestionOrder = {
        databaseFile: wide ? places.wide : duckdbFile,
        wide,
        compared: !wide,
        ...lists(name),
      };
      if (order.questions.length === 0) return;
      results.set(name, await runBenchProcess("duckdb_question_peer.ts", order, deadlineMs));
    }),
  ];
  for (const measure of run.run % 2 === 0 ? measures : measures.toReversed()) await measure();
  const ours = { ...results.get("platform")!, questions: lists("platform").questions };
  for (const [contestant, result] of results) {
    const { questions } = lists(contestant);
    keep(found, contestant, questions, result);
    if (result.answers.length > 0 && contestant !== "platform") {
      found.compared += compareAnswers(ours, { ...result, questions }, contestant);
    }
  }
  context.say(`analytics, run ${run.run + 1}: ${sayRun(found, kinds)}`);
}

/**
 * Asks for users as `user_client.ts` does; gives the latencies, ms.
 *
 * @param whole whether there are no events but those of the month
 */
export function askUsers(
  context: BenchContext,
  gateway: string,
  seed: number,
  whole: boolean,
): Promise<number[]> {
  const { queries } = context.settings;
  const order: UserOrder = { gateway, ...range, warmUp: userWarmUp, queries, seed, whole };
  return runBenchProcess<number[]>("user_client.ts", order, deadlineMs);
}

function keep(
  found: Found,
  contestant: Contestant,
  questions: readonly AnalyticsQuestion[],
  { latenciesMs }: AnalyticsResult,
): void {
  const byKind = Map.groupBy(questions.keys(), (index) => questions[index].kind);
  for (const [kind, indexes] of byKind) {
    const key = `${contestant} ${kind}`;
    const runs = found.latencies.get(key) ?? [];
    runs.push(indexes.map((index) => latenciesMs[index]));
    found.latencies.set(key, runs);
  }
}

/** The median over the runs of each run's median, ms; null = not asked. */
function middle({ latencies }: Found, contestant: Contestant, kind: AnalyticsKind): number | null {
  const runs = latencies.get(`${contestant} ${kind}`);
  return runs === undefined ? null : median(runs.map((run) => median(run)));
}

function sayRun({ latencies, users, peaksMb }: Found, kinds: readonly AnalyticsKind[]): string {
  const parts = kinds.map((kind) => {
    const each = ["platform", ...Object.keys(PEERS)].flatMap((contestant) => {
      const last = latencies.get(`${contestant} ${kind}`)?.at(-1);
      return last === undefined ? [] : [`${contestant} ${median(last).toFixed(0)} ms`];
    });
    return `${kind}: ${each.join(", ")}`;
  });
  const last = users.at(-1);
  if (last !== undefined) parts.push(`user p99 ${quantile(last, 0.99).toFixed(1)} ms`);
  return `${parts.join("; ")}; ${peaksMb.at(-1)?.toFixed(0)} MiB`;
}

const TITLES: Readonly<Record<AnalyticsKind, string>> = {
  funnel3: "funnel: 3 steps within a day",
  funnel8: "funnel: 8 steps within a day",
  retention: "retention: by week, any return",
  top_pages: "breakdown: events by page, top 10",
  users_by_country: "breakdown: users by country, top 10",
};

const PEER_NAMES = {
  clickhouse: "ClickHouse",
  duckdb: "DuckDB",
  wide: "DuckDB with the property as a column",
} as const;

/** The row with the bar, and one beside the peer that has the property as a column. */
function rowsOf(kind: AnalyticsKind, found: Found): BenchRow[] {
  const ours = middle(found, "platform", kind)!;
  const name = `${TITLES[kind]}, 30 days of ${found.month.events / 1e6} M events`;
  const runs = found.latencies.get(`platform ${kind}`)!.map((run) => median(run));
  const spread = `${Math.min(...runs).toFixed(0)} to ${Math.max(...runs).toFixed(0)}`;
  const figure = `${ours.toFixed(0)} ms (${spread})`;
  const peers = (["clickhouse", "duckdb"] as const).flatMap((peer) => {
    const ms = middle(found, peer, kind);
    return ms === null ? [] : [{ peer, ms }];
  });
  const best = Math.min(...peers.map(({ ms }) => ms));
  const beside = peers.map(({ peer, ms }) => `${PEER_NAMES[peer]}: ${ms.toFixed(0)} ms`);
  const row: BenchRow = {
    name,
    figure,
    beside: beside.join("; "),
    ratio: (ours / best).toFixed(2),
    bar: peers.length > 1 ? "<= 1 of the better peer" : "<= 1",
    met: ours <= best,
  };
  const wide = middle(found, "wide", kind);
  if (wide === null) return [row];
  const first = median(
    found.firsts.map((run) =>
      run.latenciesMs[run.questions.findIndex((question) => question.kind === kind)]
    ),
  );
  const made = median(found.firsts.map(({ madeSeconds }) => madeSeconds));
  return [row, {
    name: `${name}, beside a column`,
    figure,
    beside: `${PEER_NAMES.wide}: ${wide.toFixed(0)} ms`,
    ratio: (ours / wide).toFixed(2),
    bar: "",
    met: null,
  }, {
    name: `${name}, the first question`,
    figure: `${first.toFixed(0)} ms; columns within ${made.toFixed(0)} s after it`,
    beside: beside.join("; "),
    ratio: (first / best).toFixed(2),
    bar: "",
    met: null,
  }];
}

function userRow({ users, month }: Found): BenchRow {
  const p99 = median(users.map((run) => quantile(run, 0.99)));
  const p50 = median(users.map((run) => quantile(run, 0.5)));
  const count = users.reduce((sum, run) => sum + run.length, 0);
  return {
    name: `user: profile, sessions and 100 newest events of one of ${month.events / 1e6} M`,
    figure: `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (of ${
      count.toLocaleString("en-US")
    } queries)`,
    beside: "",
    ratio: "",
    bar: `p99 <= ${USER_P99_MS_MAX} ms`,
    met: p99 <= USER_P99_MS_MAX,
  };
}
