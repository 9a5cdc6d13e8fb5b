/**
 * Reads the rows of all partitions in windows (lib/store/row_window.ts): where they end at the
 * beginning, then window by window, each as large as the last ones make seem right.
 */

import {
  WINDOW_MS_GOAL,
  WINDOW_ROWS_FIRST,
  WINDOW_ROWS_MAX,
} from "../../lib/config/export_limits.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import type { RowPartialOf, RowQuestion } from "../../lib/query/row_question.ts";
import type { AnalyticsPorts } from "./answer_query.ts";

/** Fewer rows than this are not read in one go for being slow: a busy machine is always slow. */
const SLOW_ROWS_LEAST = 1_024;
/** How much larger a window may be than the one before. */
const GROWTH_MAX = 4;

/** What reading in windows needs from the process it runs in. */
export interface WindowPorts extends Pick<AnalyticsPorts, "now" | "askRows"> {
  /** Puts a question to the rows of one partition. Rejects with store_unavailable if none has it. */
  askPartition<Q extends RowQuestion>(
    partition: number,
    question: Q,
    signal: AbortSignal,
  ): Promise<RowPartialOf<Q>>;
}

/** The rows of a moment. */
export interface RowsNow {
  /** By partition, ascending: every row has a smaller number. */
  readonly ends: readonly { readonly partition: number; readonly endSeq: number }[];
  readonly missing: readonly number[];
  /** Everything received before this is among the rows, ms since the epoch. */
  readonly completeUntilMs: number;
}

/**
 * Where the rows of all partitions end now. Partitions that do not run here are an error, unless they
 * may be left out.
 */
export async function rowsNow(
  ports: WindowPorts,
  mayMiss: boolean,
  signal: AbortSignal,
): Promise<RowsNow> {
  const { answers, missing } = await ports.askRows({ kind: "rows_end" }, signal);
  if (answers.length === 0 || (missing.length > 0 && !mayMiss)) {
    const which = `partitions ${missing.join(", ")} are not open in this process`;
    throw new ProblemError("store_unavailable", `${which}; allow_missing=true leaves them out`);
  }
  return {
    ends: answers.map(({ partition, partial: endSeq }) => ({ partition, endSeq }))
      .sort((a, b) => a.partition - b.partition),
    missing,
    completeUntilMs: Math.min(...answers.map((answer) => answer.completeUntilMs)),
  };
}

/** What a window is to hold. */
export interface WindowGoal {
  readonly bytes: number;
  /** Rows that match. */
  readonly rows: number;
}

/** What a window held. */
export interface WindowSeen {
  /** Rows that were gone through. */
  readonly scanned: number;
  readonly rows: number;
  readonly bytes: number;
  readonly tookMs: number;
}

/** How many rows the next window goes through. */
export class WindowSize {
  readonly #goal: WindowGoal;
  #rows = WINDOW_ROWS_FIRST;

  constructor(goal: WindowGoal) {
    this.#goal = goal;
  }

  get rows(): number {
    return this.#rows;
  }

  learn({ scanned, rows, bytes, tookMs }: WindowSeen): void {
    if (scanned === 0) return;
    const fits = Math.min(
      GROWTH_MAX,
      this.#goal.bytes / Math.max(1, bytes),
      this.#goal.rows / Math.max(1, rows),
    );
    const wanted = Math.min(WINDOW_ROWS_MAX, Math.max(1, Math.floor(scanned * fits)));
    const slow = Math.floor(scanned * WINDOW_MS_GOAL / Math.max(1, tookMs));
    this.#rows = Math.min(wanted, Math.max(SLOW_ROWS_LEAST, slow));
  }
}
