/**
 * Puts the questions of the analytics cases to the platform over HTTP, one after the other, a process
 * of its own. The clock stops when the answer was read and parsed.
 */
import {
  type AnalyticsQuestion,
  type AnswerFigures,
  askEach,
  FUNNEL_WINDOW_MS,
  TOP,
} from "./analytics_questions.ts";
import { readOrder, sayResult } from "./bench_process.ts";
import { KeepAliveConnection, postRequest } from "./keep_alive_connection.ts";

/** What is asked. */
export interface QuestionOrder {
  readonly gateway: string;
  readonly warmUp: readonly AnalyticsQuestion[];
  readonly questions: readonly AnalyticsQuestion[];
}

const dayChars = "2026-01-05".length;

const order = readOrder<QuestionOrder>();
const connection = await KeepAliveConnection.open(order.gateway);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

// deno-lint-ignore no-explicit-any -- answers of the API; a wrong member shows in the comparison
type Json = any;

/** How a kind is put: its route, the body beside the range, and the figures of its answer. */
interface Put {
  readonly path: string;
  readonly body: Json;
  readonly read: (answer: Json) => AnswerFigures;
}

function putOf({ kind, types }: AnalyticsQuestion): Put {
  switch (kind) {
    case "retention":
      return {
        path: "retention",
        body: { granularity: "week", start: { event_types: types } },
        read: readCohorts,
      };
    case "top_pages":
      return {
        path: "breakdown",
        body: { group_by: ["page"], metric: "events", limit: TOP },
        read: readGroups,
      };
    case "users_by_country":
      return {
        path: "breakdown",
        body: { group_by: ["country"], metric: "users", limit: TOP },
        read: readGroups,
      };
    case "funnel3":
    case "funnel8":
      return {
        path: "funnel",
        body: {
          steps: types.map((type) => ({ event_type: type })),
          window: `${FUNNEL_WINDOW_MS / 1_000}s`,
        },
        read: readSteps,
      };
  }
}

function readSteps({ steps }: Json): AnswerFigures {
  const figures = steps.map(({ users }: Json, index: number) => [
    `step ${index + 1}`,
    Number(users),
  ]);
  return Object.fromEntries(figures);
}

/** Cells that nobody is in are left out, as peers have no row for them. */
function readCohorts({ cohorts }: Json): AnswerFigures {
  const figures = cohorts.flatMap(({ start, periods }: Json) =>
    periods.map((
      { users }: Json,
      k: number,
    ) => [`${start.slice(0, dayChars)} + ${k}`, Number(users)])
  );
  return Object.fromEntries(figures.filter(([, users]: [string, number]) => users > 0));
}

function readGroups({ groups }: Json): AnswerFigures {
  return Object.fromEntries(
    groups.map(({ labels, value }: Json) => [Object.values(labels)[0], Number(value)]),
  );
}

async function ask(question: AnalyticsQuestion): Promise<AnswerFigures> {
  const { path, body, read } = putOf(question);
  const { startMs, endMs } = question;
  const range = { start: new Date(startMs).toISOString(), end: new Date(endMs).toISOString() };
  const sent = encoder.encode(JSON.stringify({ time_range: range, ...body }));
  const url = `${order.gateway}/v1/analytics/${path}`;
  const { status, body: bytes } = await connection.exchange(
    postRequest(url, "application/json", sent),
  );
  const text = decoder.decode(bytes);
  if (status !== 200) throw new Error(`${question.kind}: ${status} ${text}`);
  return read(JSON.parse(text));
}

await askEach(order.warmUp, ask);
sayResult(await askEach(order.questions, ask));
connection.close();
