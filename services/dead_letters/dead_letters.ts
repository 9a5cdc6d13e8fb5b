/**
 * Dead letters, without a transport: list, show, replay, drop. A caller sees and changes the
 * letters of one project; those of another do not exist for it.
 *
 *     replay: letter (or its edited payload) -> give it an id and a time if it lacks them
 *             -> the normal acceptance -> durable -> marked as replayed
 *
 * Replaying is idempotent. The event keeps its id, and one without an id gets the letter's own, so
 * that deduplication drops the second copy where the first was kept but not marked. A letter that is
 * marked is not sent again, however long ago that was.
 */
import { createHash } from "node:crypto";
import { ID_CHARS_MAX } from "../../lib/config/limits.ts";
import { isCut, type KeptDeadLetter } from "../../lib/dead_letter/dead_letter.ts";
import type { DeadLetterFile } from "../../lib/dead_letter/dead_letter_file.ts";
import { DeadLetterError } from "../../lib/dead_letter/dead_letter_sink.ts";
import type { DeadLetterFilter, LetterPlace } from "../../lib/dead_letter/letter_search.ts";
import type { Rejection } from "../../lib/event/event.ts";
import { parseDocument } from "../../lib/event/parse_document.ts";
import { validatePlain, writeCanonicalLine } from "../../lib/event/validate.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { Metrics } from "../../lib/telemetry/metrics.ts";

/** The verdict of the normal acceptance on one event. */
export type LineVerdict =
  | { readonly ok: true; readonly eventId: string }
  | { readonly ok: false; readonly rejection: Rejection };

/**
 * Takes one plain event in, and resolves when it is durable or refused. Throws ProblemError when it
 * can't be told (overloaded, log_unavailable, shutting_down).
 */
export type AcceptLine = (project: string, line: Uint8Array) => Promise<LineVerdict>;

export interface DeadLettersOptions {
  readonly file: DeadLetterFile;
  readonly acceptLine: AcceptLine;
  readonly metrics: Metrics;
  /** A clock, ms since the epoch. */
  readonly now?: () => number;
}

/** Letters of a project, newest first. */
export interface LetterList {
  readonly letters: readonly KeptDeadLetter[];
  /** Null = no letter follows. */
  readonly next: LetterPlace | null;
  /** How many letters of the project wait, by reason, most first; the filter does not matter. */
  readonly waitingByReason: ReadonlyMap<string, number>;
}

/** What came of one letter. */
export type ReplayVerdict =
  | {
    readonly id: string;
    readonly verdict: "replayed";
    readonly eventId: string;
    readonly replayedAtMs: number;
  }
  | {
    readonly id: string;
    readonly verdict: "refused";
    readonly rejection: Pick<Rejection, "code" | "field" | "message">;
  }
  | { readonly id: string; readonly verdict: "not_found" };

/** A letter to replay. */
export interface LetterToReplay {
  readonly id: string;
  /** In place of the letter's own; null = as it is. */
  readonly payload: Uint8Array | null;
}

/** Which letters. */
export interface LetterSelection {
  readonly filter: DeadLetterFilter;
  readonly limit: number;
  /** The place that the answer before named. */
  readonly after: LetterPlace | null;
}

/** More reasons than there are: a topic that others write to may name any. */
const REASONS_SHOWN_MAX = 100;
/** Letters that are on their way at the same time: the log makes them durable together. */
const REPLAYED_AT_ONCE = 64;

/** See the head of this file. Every method throws ProblemError when the file fails. */
export class DeadLetters {
  readonly #file: DeadLetterFile;
  readonly #acceptLine: AcceptLine;
  readonly #metrics: Metrics;
  readonly #now: () => number;
  #forgotten: number | null = null;

  constructor(options: DeadLettersOptions) {
    this.#file = options.file;
    this.#acceptLine = options.acceptLine;
    this.#metrics = options.metrics;
    this.#now = options.now ?? Date.now;
  }

  list(project: string, { filter, limit, after }: LetterSelection): Promise<LetterList> {
    return orProblem(async () => {
      const { letters, next } = await this.#file.page({ ...filter, project }, limit, after);
      const counts = await this.#file.counts(project);
      const waiting = counts.filter((count) => count.waiting > 0).slice(0, REASONS_SHOWN_MAX);
      const waitingByReason = new Map(waiting.map(({ reason, waiting }) => [reason, waiting]));
      return { letters, next, waitingByReason };
    });
  }

  /** The letter of this id. Throws ProblemError not_found. */
  async show(project: string, id: string): Promise<KeptDeadLetter> {
    const letter = await orProblem(() => this.#file.get(id, project));
    if (letter === null) throw new ProblemError("not_found", "no dead letter has this id");
    return letter;
  }

  /**
   * Replays the named letters. Where acceptance fails as a whole, the letters before that stay
   * replayed, and the request can be sent again as it is.
   */
  replay(project: string, letters: readonly LetterToReplay[]): Promise<ReplayVerdict[]> {
    return orProblem(async () => {
      const verdicts: ReplayVerdict[] = [];
      for (let at = 0; at < letters.length; at += REPLAYED_AT_ONCE) {
        const named = letters.slice(at, at + REPLAYED_AT_ONCE);
        const found = await Promise.all(named.map(({ id }) => this.#file.get(id, project)));
        const there = named.flatMap(({ payload }, index) => {
          const letter = found[index];
          return letter === null ? [] : [{ letter, payload }];
        });
        const answered = new Map((await this.#replayAtOnce(there)).map((each) => [each.id, each]));
        verdicts.push(
          ...named.map(({ id }) => answered.get(id) ?? { id, verdict: "not_found" } as const),
        );
      }
      return verdicts;
    });
  }

  /** Replays letters that wait and match: one page of them, newest first. */
  replayMatching(
    project: string,
    { filter, limit, after }: LetterSelection,
  ): Promise<{ verdicts: ReplayVerdict[]; next: LetterPlace | null }> {
    return orProblem(async () => {
      const waiting = { ...filter, project, state: "waiting" } as const;
      const { letters, next } = await this.#file.page(waiting, limit, after);
      const verdicts: ReplayVerdict[] = [];
      for (let at = 0; at < letters.length; at += REPLAYED_AT_ONCE) {
        const some = letters.slice(at, at + REPLAYED_AT_ONCE);
        verdicts.push(
          ...await this.#replayAtOnce(some.map((letter) => ({ letter, payload: null }))),
        );
      }
      return { verdicts, next };
    });
  }

  /** Drops the letters of these ids; gives how many there were. */
  drop(project: string, ids: readonly string[]): Promise<number> {
    return orProblem(() => this.#file.dropIds(ids, project));
  }

  /** Drops the letters that match; gives how many there were. */
  dropMatching(project: string, filter: DeadLetterFilter): Promise<number> {
    return orProblem(() => this.#file.drop({ ...filter, project }));
  }

  /** Brings the gauges up to date and the file to its size. Throws DeadLetterError. */
  async refresh(): Promise<void> {
    const { waiting, forgotten } = await this.#file.totals();
    this.#metrics.deadLettersKept.set(waiting);
    // The file counts since it was made, a metric since the process started.
    this.#metrics.deadLettersForgotten.inc(Math.max(0, forgotten - (this.#forgotten ?? forgotten)));
    this.#forgotten = forgotten;
    await this.#file.shrink();
  }

  async #replayAtOnce(
    letters: readonly { letter: KeptDeadLetter; payload: Uint8Array | null }[],
  ): Promise<ReplayVerdict[]> {
    const nowMs = this.#now();
    const outcomes = await Promise.allSettled(
      letters.map(({ letter, payload }) => this.#replayOne(letter, payload, nowMs)),
    );
    const verdicts = outcomes.flatMap((outcome) =>
      outcome.status === "fulfilled" ? [outcome.value] : []
    );
    // What was accepted is marked also where others failed; what was marked before stays as it is.
    const accepted = verdicts.filter((each) => each.verdict === "replayed");
    if (accepted.length > 0) await this.#file.markReplayed(accepted, nowMs);
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    return verdicts;
  }

  async #replayOne(
    letter: KeptDeadLetter,
    edited: Uint8Array | null,
    nowMs: number,
  ): Promise<ReplayVerdict> {
    const { id, replayedAtMs, eventId } = letter;
    if (replayedAtMs !== null) {
      return { id, verdict: "replayed", eventId: eventId ?? "", replayedAtMs };
    }
    if (edited === null && isCut(letter)) return refusedAsCut(letter);
    const line = completeLine(letter, edited ?? letter.payload, nowMs);
    const verdict = await this.#acceptLine(letter.project, line);
    if (verdict.ok) {
      return { id, verdict: "replayed", eventId: verdict.eventId, replayedAtMs: nowMs };
    }
    const { code, field, message } = verdict.rejection;
    return { id, verdict: "refused", rejection: { code, field, message } };
  }
}

/** Runs the work; a file that fails makes it a problem. */
async function orProblem<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DeadLetterError)) throw error;
    const detail = "the dead letters cannot be read or written; try again later";
    throw new ProblemError("store_unavailable", detail, { cause: error });
  }
}

function refusedAsCut({ id, payload, payloadBytes }: KeptDeadLetter): ReplayVerdict {
  const message = `only the first ${payload.length} of ${payloadBytes} bytes were kept; ` +
    "replay it with an edited payload";
  return { id, verdict: "refused", rejection: { code: "event_too_large", field: "", message } };
}

/**
 * The line to be taken in. One that lacks an id or a time gets the letter's, which stay the same
 * however often it is replayed. What is no event is left as it is, for acceptance to say why.
 */
function completeLine(letter: KeptDeadLetter, payload: Uint8Array, nowMs: number): Uint8Array {
  const verdict = validatePlain(payload, {
    receivedAtMs: nowMs,
    makeId: () => eventIdOf(letter.id),
  });
  if (!verdict.ok) return payload;
  const { event } = verdict;
  const timestampMs = hasTimestamp(payload)
    ? event.timestampMs
    : Math.min(letter.receivedAtMs, nowMs);
  return writeCanonicalLine({ ...event, timestampMs });
}

/** Whether a valid event says when it happened; null and 0 say nothing. */
function hasTimestamp(payload: Uint8Array): boolean {
  const parsed = parseDocument(payload);
  return parsed.ok && Boolean(parsed.value.timestamp);
}

/** The id of an event that has none: the letter's, or its SHA-256 where that is too long. */
function eventIdOf(letterId: string): string {
  if (letterId.length <= ID_CHARS_MAX) return letterId;
  return createHash("sha256").update(letterId).digest("hex");
}
