/** Every question of the platform, with typed answers. Names are those of the REST API. */
import type * as answers from "./answers.ts";
import { type CountPlace, readCounts } from "./counts.ts";
import type { CallOptions, HttpTransport } from "./http_transport.ts";
import { linesOf } from "./text_lines.ts";
import * as questions from "./questions.ts";

const FUNNEL_COUNTS = ["users", "dropped"];
const BREAKDOWN_COUNTS = ["events", "events_without_number"];

const COUNTS: Record<string, readonly CountPlace[]> = {
  summary: ["total_events", "unique_users", "sessions", "events_by_type.*"],
  breakdown: ["groups.*", "other", "total"].flatMap((place) =>
    BREAKDOWN_COUNTS.map((name) => `${place}.${name}`)
  ),
  funnel: [
    "metadata.total_users",
    ...["steps.*", "breakdown.*.steps.*"].flatMap((place) =>
      FUNNEL_COUNTS.map((name) => `${place}.${name}`)
    ),
  ],
  retention: [
    ...["cohorts.*.size", "cohorts.*.periods.*.users"],
    ...["totals.size", "totals.periods.*.size", "totals.periods.*.users"],
  ],
  stickiness: [
    ...["periods.*.users", "periods.*.user_days", "periods.*.users_by_days.*"],
    ...["active_users.daily", "active_users.weekly", "active_users.monthly"],
  ],
  path: ["occurrences", "users", "ended", "other.occurrences"],
  letters: ["dead_letters.*.partition", "dead_letters.*.offset", "waiting_by_reason.*"],
  letter: ["partition", "offset"],
};

/** Asks. Every method throws ApiError, or the reason of the signal that aborts it. */
export class Queries {
  readonly #transport: HttpTransport;
  readonly #base: string;

  constructor(transport: HttpTransport) {
    this.#transport = transport;
    this.#base = `${transport.settings.url}/v1`;
  }

  /** How many events, users and sessions, by type. */
  async summary(
    question: questions.Question = {},
    options: CallOptions = {},
  ): Promise<answers.Summary> {
    const path = "/analytics/summary";
    return readCounts(await this.#get<answers.Summary>(path, question, options), COUNTS.summary);
  }

  /** A metric over time. */
  timeSeries(
    question: questions.TimeSeriesQuestion,
    options: CallOptions = {},
  ): Promise<answers.TimeSeries> {
    return this.#get("/analytics/timeseries", question, options);
  }

  /** A metric by one or two properties. */
  async breakdown(
    question: questions.BreakdownQuestion,
    options: CallOptions = {},
  ): Promise<answers.Breakdown> {
    const answer = await this.#post<answers.Breakdown>("/analytics/breakdown", question, options);
    return readCounts(answer, COUNTS.breakdown);
  }

  /** How many users get how far in a list of steps. */
  async funnel(
    question: questions.FunnelQuestion,
    options: CallOptions = {},
  ): Promise<answers.Funnel> {
    const answer = await this.#post<answers.Funnel>("/analytics/funnel", question, options);
    return readCounts(answer, COUNTS.funnel);
  }

  /** A page of the users who reached a step, or got no further. */
  funnelUsers(
    question: questions.FunnelUsersQuestion,
    options: CallOptions = {},
  ): Promise<answers.FunnelUsers> {
    return this.#post("/analytics/funnel/users", question, options);
  }

  /** Who came back. */
  async retention(
    question: questions.RetentionQuestion = {},
    options: CallOptions = {},
  ): Promise<answers.Retention> {
    const answer = await this.#post<answers.Retention>("/analytics/retention", question, options);
    return readCounts(answer, COUNTS.retention);
  }

  /** On how many days users were active. */
  async stickiness(
    question: questions.StickinessQuestion = {},
    options: CallOptions = {},
  ): Promise<answers.Stickiness> {
    const path = "/analytics/stickiness";
    const answer = await this.#post<answers.Stickiness>(path, question, options);
    return readCounts(answer, COUNTS.stickiness);
  }

  /** What users did next after an event, or before one. */
  async paths(
    question: questions.PathsQuestion,
    options: CallOptions = {},
  ): Promise<answers.Paths> {
    return readPathCounts(await this.#post<answers.Paths>("/analytics/paths", question, options));
  }

  /** One user. A user without a stored event is an ApiError `not_found`. */
  user(
    userId: string,
    question: questions.UserQuestion = {},
    options: CallOptions = {},
  ): Promise<answers.User> {
    return this.#get(`/analytics/users/${encodeURIComponent(userId)}`, question, options);
  }

  /** A page of users by the beginning of their id. */
  users(question: questions.UsersQuestion = {}, options: CallOptions = {}): Promise<answers.Users> {
    return this.#get("/analytics/users", question, options);
  }

  /** The rows of one SELECT. */
  sql(
    question: string | questions.SqlQuestion,
    options: CallOptions = {},
  ): Promise<answers.SqlResult> {
    const asked = typeof question === "string" ? { sql: question } : question;
    return this.#post("/sql", asked, options);
  }

  /**
   * The events of a range as lines of text, NDJSON or CSV, at the pace of the reader. An export that
   * breaks off throws; it is not begun anew, since lines have been given.
   */
  async *exportEvents(
    question: questions.ExportQuestion = {},
    options: CallOptions = {},
  ): AsyncGenerator<string, void, undefined> {
    const request = { url: `${this.#base}/export`, query: questions.queryOf(question) };
    const headers = { accept: question.format === "csv" ? "text/csv" : "application/x-ndjson" };
    const answer = await this.#transport.open({ ...request, headers, ...options });
    try {
      yield* linesOf(answer.response, options.signal);
    } finally {
      answer.close();
    }
  }

  /** Lines that could not become events. */
  readonly deadLetters = {
    /** A page of them, newest first. */
    list: async (
      question: questions.DeadLettersQuestion = {},
      options: CallOptions = {},
    ): Promise<answers.DeadLetterPage> => {
      const page = await this.#get<answers.DeadLetterPage>("/dead-letters", question, options);
      return readCounts(page, COUNTS.letters);
    },
    /** One of them. */
    get: async (id: string, options: CallOptions = {}): Promise<answers.DeadLetter> => {
      const path = `/dead-letters/${encodeURIComponent(id)}`;
      return readCounts(await this.#get<answers.DeadLetter>(path, {}, options), COUNTS.letter);
    },
    /** Sends them in again as events; sent again, nothing is stored twice. */
    replay: (
      choice: questions.DeadLetterChoice,
      options: CallOptions = {},
    ): Promise<answers.ReplayResult> => this.#post("/dead-letters/replay", choice, options),
    /** Forgets them for good. */
    drop: async (
      choice: Exclude<questions.DeadLetterChoice, { letters: unknown }>,
      options: CallOptions = {},
    ): Promise<{ readonly dropped_count: number }> => {
      const path = "/dead-letters/drop";
      const answer = await this.#post<{ dropped_count: number }>(path, choice, options);
      return readCounts(answer, ["dropped_count"]);
    },
  };

  #get<T>(path: string, question: object, options: CallOptions): Promise<T> {
    const query = questions.queryOf(question);
    return this.#transport.json({ url: `${this.#base}${path}`, query, ...options });
  }

  #post<T>(path: string, question: object, options: CallOptions): Promise<T> {
    const body = questions.bodyOf(question);
    return this.#transport.json({ url: `${this.#base}${path}`, body, ...options });
  }
}

function readPathCounts<T extends answers.PathNode>(node: T): T {
  readCounts(node, COUNTS.path);
  for (const step of node.steps) readPathCounts(step);
  return node;
}
