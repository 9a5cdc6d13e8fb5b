/**
 * An EventProducer that keeps lines in memory, and fails as a test wishes.
 */
import type { LineRanges } from "../../lib/log/line_ranges.ts";
import type { AppendFailure, AppendPart } from "../../services/ingestion/durable_producer.ts";
import type { EventProducer } from "../../services/ingestion/accept_events.ts";

/** A line and where it was put. */
export interface KeptLine {
  readonly partition: number;
  readonly project: string;
  readonly receivedAtMs: number;
  readonly text: string;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

export class MemoryProducer implements EventProducer {
  /** All lines taken so far. */
  readonly kept: KeptLine[] = [];
  /** By call of appendAll or tryEnqueue: what fails with it, null = nothing. */
  failWith: (part: AppendPart) => AppendFailure | null = () => null;
  /** Resolves when appended lines become durable. */
  durable: Promise<void> = Promise.resolve();

  async appendAll(parts: readonly AppendPart[]): Promise<(AppendFailure | null)[]> {
    const outcomes = parts.map((part) => this.#take(part));
    await this.durable;
    return outcomes;
  }

  tryEnqueue(part: AppendPart): void {
    const failure = this.#take(part);
    if (failure !== null) throw failure;
  }

  /** The kept lines as JSON values. */
  events(): Record<string, unknown>[] {
    return this.kept.map(({ text }) => JSON.parse(text));
  }

  #take(part: AppendPart): AppendFailure | null {
    const failure = this.failWith(part);
    if (failure !== null) return failure;
    const { partition, project, receivedAtMs, lines } = part;
    for (const text of textsOf(lines)) this.kept.push({ partition, project, receivedAtMs, text });
    return null;
  }
}

function textsOf(lines: LineRanges): string[] {
  const bytes = new Uint8Array(lines.byteLength);
  lines.copyInto(0, lines.count, bytes, 0);
  return decoder.decode(bytes).split("\n").slice(0, -1);
}
