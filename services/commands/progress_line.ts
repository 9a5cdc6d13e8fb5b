/**
 * Progress of a long command: a bar that is drawn again in place on a terminal, and elsewhere a
 * plain line every few seconds, so that a log file stays readable.
 */
import type { CommandIo } from "./command_io.ts";
import { bar, groupedNumber } from "./text_table.ts";

const redrawMs = 100;
const plainLineMs = 5_000;
const barWidth = 24;
const SECOND_MS = 1_000;

/** How far the work is. */
export interface ProgressState {
  /** 0 to 1. */
  readonly share: number;
  /** Done in all. */
  readonly count: number;
  /** Done in this run; the speed is theirs. */
  readonly countNow: number;
  readonly refused: number;
}

/** Shows progress. Call `end` before anything else is written to stderr. */
export class ProgressLine {
  readonly #io: CommandIo;
  readonly #noun: string;
  readonly #startedAtMs: number;
  readonly #now: () => number;
  #shownAtMs: number;
  #width = 0;

  /** @param noun what is counted, such as "rows" */
  constructor(io: CommandIo, noun: string, now: () => number = () => performance.now()) {
    this.#io = io;
    this.#noun = noun;
    this.#now = now;
    this.#startedAtMs = now();
    this.#shownAtMs = this.#startedAtMs;
  }

  /** Shows the state, unless the last one was shown a moment ago. */
  update(state: ProgressState): void {
    const { terminalColumns, stderr } = this.#io;
    const nowMs = this.#now();
    if (nowMs - this.#shownAtMs < (terminalColumns === null ? plainLineMs : redrawMs)) return;
    this.#shownAtMs = nowMs;
    const facts = this.#facts(state, nowMs);
    if (terminalColumns === null) {
      stderr.write(`${facts}\n`);
      return;
    }
    const drawn = `[${bar(state.share, barWidth).padEnd(barWidth)}] ${facts}`;
    const line = drawn.slice(0, Math.max(1, terminalColumns - 1));
    stderr.write(`\r${line.padEnd(this.#width)}`);
    this.#width = line.length;
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#width > 0) this.#io.stderr.write(`\r${" ".repeat(this.#width)}\r`);
    this.#width = 0;
  }

  #facts({ share, count, countNow, refused }: ProgressState, nowMs: number): string {
    const seconds = Math.max(0.001, (nowMs - this.#startedAtMs) / SECOND_MS);
    const facts = [
      `${Math.floor(100 * share)} %`,
      `${groupedNumber(count)} ${this.#noun}`,
      `${groupedNumber(Math.round(countNow / seconds))}/s`,
    ];
    if (refused > 0) facts.push(`${groupedNumber(refused)} refused`);
    return facts.join("  ");
  }
}
