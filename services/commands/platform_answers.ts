/**
 * The questions that commands put to a running platform, by its REST API on the gateway's port, as
 * anyone could with curl.
 */
import { ImportError } from "../../lib/import/import_error.ts";

const pollMs = 20;

/** A time range and where to ask. */
export interface Question {
  /** Address of the gateway, such as http://127.0.0.1:8080. */
  readonly gateway: string;
  readonly apiKey?: string;
  /** RFC 3339; inside. */
  readonly start: string;
  /** RFC 3339; not inside. */
  readonly end: string;
}

/** What is read of an AnalyticsSummary. */
export interface SummaryAnswer {
  readonly totalEvents: number;
  readonly uniqueUsers: number;
  readonly sessions: number;
  /** Largest first. */
  readonly eventsByType: readonly (readonly [type: string, events: number])[];
  /** Field to `exact` or its error. */
  readonly accuracy: Readonly<Record<string, string>>;
  /** Everything received before this is counted, ms since the epoch. */
  readonly completeUntilMs: number;
}

/** One bucket of a time series. */
export interface SeriesPoint {
  /** Start of the bucket, RFC 3339. */
  readonly timestamp: string;
  readonly value: number;
}

/** The address of the summary. */
export function summaryUrl({ gateway, start, end }: Question): string {
  return `${gateway}/v1/analytics/summary?time_range.start=${start}&time_range.end=${end}`;
}

/** The address of an hourly series. */
export function hourlyUrl({ gateway, start, end }: Question, metric: string): string {
  return `${gateway}/v1/analytics/timeseries?metric=${metric}&granularity=hour` +
    `&time_range.start=${start}&time_range.end=${end}`;
}

/** Asks for the summary. Throws ImportError when there is no answer. */
export async function askSummary(question: Question): Promise<SummaryAnswer> {
  const answer = await ask(summaryUrl(question), question.apiKey);
  const byType = Object.entries(answer.events_by_type as Record<string, string>);
  return {
    totalEvents: Number(answer.total_events),
    uniqueUsers: Number(answer.unique_users),
    sessions: Number(answer.sessions),
    eventsByType: byType.map(([type, events]) => [type, Number(events)]),
    accuracy: answer.accuracy as Record<string, string>,
    completeUntilMs: Date.parse(String(answer.complete_until)),
  };
}

/** Asks for a metric hour by hour. Throws ImportError when there is no answer. */
export async function askHourly(question: Question, metric: string): Promise<SeriesPoint[]> {
  const answer = await ask(hourlyUrl(question, metric), question.apiKey);
  return answer.series as SeriesPoint[];
}

/**
 * The summary as soon as it counts everything that was received before `atMs`.
 * @throws ImportError when it does not within `deadlineMs`
 */
export async function askSummaryOf(
  question: Question,
  atMs: number,
  deadlineMs: number,
): Promise<SummaryAnswer> {
  const giveUpAt = performance.now() + deadlineMs;
  for (;;) {
    const answer = await askSummary(question);
    if (answer.completeUntilMs >= atMs) return answer;
    if (performance.now() > giveUpAt) {
      const message = `the platform has not counted all events within ${deadlineMs} ms`;
      throw new ImportError("RTA_IMPORT_SERVER", message);
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

async function ask(url: string, apiKey?: string): Promise<Record<string, unknown>> {
  try {
    const response = await fetch(url, { headers: apiKey ? { "x-api-key": apiKey } : {} });
    const answer = await response.json();
    if (response.ok) return answer;
    throw new Error(`${response.status} ${answer.detail ?? ""}`);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new ImportError("RTA_IMPORT_SERVER", `${url}: ${detail}`, { cause });
  }
}
