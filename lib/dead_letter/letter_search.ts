/**
 * The search of dead letters: newest first, from a place on, in slices of a few milliseconds, so
 * that a thread that serves requests stays at their service while a quarter of a GiB is looked
 * through.
 *
 * The filter is worked out by SQLite as a column and not as a condition: every row is stepped over
 * here, so the clock is looked at also where nothing is found for long. Letters are ordered by the
 * time they were set aside, then by the order they came in; a place in that order is what a page
 * begins after.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { DEAD_LETTERS_SLICE_MS } from "../config/limits.ts";

/** Which letters are meant; what is missing means any. */
export interface DeadLetterFilter {
  readonly project?: string;
  readonly reason?: string;
  readonly topic?: string;
  readonly partition?: number;
  /** Set aside at this time or later, ms since the epoch. */
  readonly fromMs?: number;
  /** Set aside before this time, ms since the epoch. */
  readonly toMs?: number;
  /** Contained in the payload or the message, case and all; "" means any. */
  readonly text?: string;
  readonly state?: DeadLetterState;
}

/** `waiting`: not replayed. */
export type DeadLetterState = "waiting" | "replayed";

/** The place of a letter in newest-first order. */
export interface LetterPlace {
  readonly timeMs: number;
  readonly seq: number;
}

/** A part of the way. */
export interface SearchSlice {
  /** What was found, newest first. */
  readonly found: LetterPlace[];
  /** Where to go on; null = every letter has been looked at. */
  readonly next: LetterPlace | null;
}

type Parameters = Record<string, string | number | Uint8Array>;

/** What a row of the search is. */
interface SearchRow {
  readonly seq: number;
  readonly time_ms: number;
  readonly hit: number;
}

/** One search, prepared; slices may be taken from it as long as the database is open. */
export class LetterSearch {
  readonly #sameTime: StatementSync;
  readonly #earlier: StatementSync;
  readonly #parameters: Parameters;
  readonly #fromMs: number;
  /** Where the newest letter that can match is after. */
  readonly start: LetterPlace;

  constructor(db: DatabaseSync, filter: DeadLetterFilter) {
    const { hit, parameters } = filterSql(filter);
    this.#parameters = parameters;
    this.#fromMs = filter.fromMs ?? -Infinity;
    this.start = filter.toMs === undefined
      ? { timeMs: Infinity, seq: 0 }
      : { timeMs: filter.toMs, seq: 0 };
    // Two statements, because SQLite seeks by one column only in (time_ms, seq) < (?, ?), and
    // thousands of letters may have been set aside in one millisecond.
    this.#sameTime = db.prepare(
      `SELECT seq, time_ms, ${hit} AS hit FROM letters
       WHERE time_ms = $timeMs AND seq < $seq ORDER BY seq DESC`,
    );
    this.#earlier = db.prepare(
      `SELECT seq, time_ms, ${hit} AS hit FROM letters
       WHERE time_ms < $timeMs AND time_ms >= $fromMs ORDER BY time_ms DESC, seq DESC`,
    );
  }

  /** Looks on from a place, for some milliseconds at most or until `foundMax` are found. */
  slice(after: LetterPlace, foundMax: number): SearchSlice {
    const found: LetterPlace[] = [];
    const untilMs = performance.now() + DEAD_LETTERS_SLICE_MS;
    for (const row of this.#rows(after)) {
      const place = { timeMs: row.time_ms, seq: row.seq };
      if (row.hit === 1) found.push(place);
      if (found.length >= foundMax || performance.now() >= untilMs) return { found, next: place };
    }
    return { found, next: null };
  }

  *#rows({ timeMs, seq }: LetterPlace): Iterable<SearchRow> {
    const shared = { ...this.#parameters, $timeMs: timeMs };
    if (seq > 0 && timeMs >= this.#fromMs) yield* rows(this.#sameTime, { ...shared, $seq: seq });
    yield* rows(this.#earlier, { ...shared, $fromMs: this.#fromMs });
  }
}

function rows(statement: StatementSync, parameters: Parameters): Iterable<SearchRow> {
  return statement.iterate(parameters) as Iterable<unknown> as Iterable<SearchRow>;
}

/** The filter as an expression of 1 or 0, but for its times; columns are never null. */
function filterSql(filter: DeadLetterFilter): { hit: string; parameters: Parameters } {
  const parameters: Parameters = {};
  const conditions: string[] = [];
  for (const name of ["project", "reason", "topic", "partition"] as const) {
    const value = filter[name];
    if (value === undefined) continue;
    conditions.push(`${name} = $${name}`);
    parameters[`$${name}`] = value;
  }
  if (filter.state !== undefined) {
    conditions.push(`replayed_at_ms IS ${filter.state === "waiting" ? "" : "NOT "}NULL`);
  }
  const others = conditions.length === 0 ? "1" : conditions.join(" AND ");
  if (filter.text === undefined || filter.text === "") return { hit: `(${others})`, parameters };
  parameters.$text = filter.text.toWellFormed();
  // As bytes, because a payload need not be text.
  parameters.$bytes = new TextEncoder().encode(filter.text);
  // CASE, because AND would look through the payloads of all the others as well.
  const contains = "instr(payload, $bytes) > 0 OR instr(message, $text) > 0";
  return { hit: `CASE WHEN ${others} THEN (${contains}) ELSE 0 END`, parameters };
}
