/**
 * Questions to rows as the answers put them: within a deadline, given up when nobody waits any more,
 * and with a word on property names that no event has, because an empty answer to a misspelt filter
 * looks like a true one.
 */

import { NOTES_KEYS_MAX, ROW_QUESTION_MS_DEFAULT } from "../../lib/config/limits.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { RowPartialOf, RowQuestion } from "../../lib/query/row_question.ts";
import type { AnalyticsPorts, RowPartials } from "./answer_query.ts";

/** How long an answer may take, and who waits for it. */
export interface Patience {
  /** null = ROW_QUESTION_MS_DEFAULT. */
  readonly timeoutMs: number | null;
  /** Aborted when the client has gone; null = nobody can go. */
  readonly gone: AbortSignal | null;
}

/** Runs `work` until it ends, the deadline is over (deadline_exceeded) or the client has gone. */
export async function withPatience<T>(
  { timeoutMs, gone }: Patience,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const end = new AbortController();
  const ms = timeoutMs ?? ROW_QUESTION_MS_DEFAULT;
  const timer = setTimeout(() => {
    const detail = `no answer within ${ms / 1_000} s; ask for a shorter range, or with a longer ` +
      "timeout_seconds";
    end.abort(new ProblemError("deadline_exceeded", detail));
  }, ms);
  const leave = () => end.abort(new ProblemError("deadline_exceeded", "the client has gone"));
  if (gone?.aborted) leave();
  gone?.addEventListener("abort", leave);
  try {
    return await work(end.signal);
  } finally {
    clearTimeout(timer);
    gone?.removeEventListener("abort", leave);
  }
}

/** The partials of all partitions, and how far they reach. */
export interface AskedRows<Partial> {
  readonly partials: readonly Partial[];
  readonly missing: readonly number[];
  /** Everything received before this is counted, ms since the epoch; Infinity = no partition. */
  readonly completeUntilMs: number;
}

/** Puts a question to all rows, or to those of one user. */
export async function askRows<Q extends RowQuestion>(
  question: Q,
  ports: AnalyticsPorts,
  signal: AbortSignal,
  userId?: string,
): Promise<AskedRows<RowPartialOf<Q>>> {
  const asked: RowPartials<RowPartialOf<Q>> = await ports.askRows(question, signal, userId);
  return {
    partials: asked.answers.map(({ partial }) => partial),
    missing: asked.missing,
    completeUntilMs: Math.min(...asked.answers.map((answer) => answer.completeUntilMs)),
  };
}

/** A question's place and time, for notes. */
export interface NotedRange {
  readonly project: string;
  readonly startMs: number;
  readonly endMs: number;
}

/**
 * What to say of an empty answer: which of the property names no event in the range has. Asked only
 * when the answer is empty, since it reads rows once more.
 */
export async function notesOnKeys(
  keys: Iterable<string>,
  range: NotedRange,
  ports: AnalyticsPorts,
  signal: AbortSignal,
): Promise<string[]> {
  const asked = [...new Set(keys)].slice(0, NOTES_KEYS_MAX);
  if (asked.length === 0) return [];
  const { project, startMs: fromMs, endMs: toMs } = range;
  const question = { kind: "known_keys", project, fromMs, toMs, keys: asked } as const;
  const { partials } = await askRows(question, ports, signal);
  const known = new Set(partials.flat());
  return asked.filter((key) => !known.has(key))
    .map((key) => `no event in the range has the property ${JSON.stringify(key)}`);
}
