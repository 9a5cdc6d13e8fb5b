/**
 * Answers that a shard has given, kept for as long as they are still the answer.
 *
 * A dashboard asks the same question again and again, and between two commits nothing changes. An
 * answer is given again only while the cells of every partition are at the version it was made from
 * and no event waits in memory on top of them; so it can't be older than the data. How far the
 * answer is complete is told anew each time.
 */
import type { EncodedSketches, RollupPartial } from "../query/partial.ts";
import type { RollupPlan } from "../query/plan.ts";
import { answerRollups } from "./answer_rollups.ts";
import type { AnswerContext } from "./answer_rollups.ts";
import type { PartitionProcessor } from "./partition_processor.ts";

/** Answers kept. */
const ANSWERS_MAX = 64;
/** Bytes of all sketches kept. */
const BYTES_MAX = 8 * 1024 * 1024;

interface Kept {
  readonly version: string;
  readonly partial: RollupPartial;
  readonly bytes: number;
}

export class AnswerMemo {
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  constructor(readonly processors: readonly PartitionProcessor[]) {}

  /** The answer to the plan: the kept one while nothing has changed, else a new one. */
  async answer(plan: RollupPlan, context: AnswerContext): Promise<RollupPartial> {
    const key = keyOf(plan);
    const before = this.#version();
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.version === before) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return { ...kept.partial, completeUntilMs: this.#completeUntilMs(context) };
    }
    const partial = await answerRollups(this.processors, plan, context);
    if (before !== null && this.#version() === before) this.#keep(key, before, partial);
    return partial;
  }

  /** What the answers follow from; null while events wait in memory. */
  #version(): string | null {
    const versions: number[] = [];
    for (const processor of this.processors) {
      if (processor.isCommitting || processor.openDeltas().some((delta) => !delta.isEmpty)) {
        return null;
      }
      versions.push(processor.cells.version);
    }
    return versions.join();
  }

  #completeUntilMs(context: AnswerContext): number {
    return this.processors.reduce(
      (least, processor) => Math.min(least, context.completeUntilMs(processor)),
      Infinity,
    );
  }

  #keep(key: string, version: string, partial: RollupPartial): void {
    const bytes = key.length + 24 * partial.events.length + sizeOf(partial.users) +
      sizeOf(partial.sessions) + sizeOf(partial.amounts);
    this.#drop(key);
    if (bytes > BYTES_MAX / 4) return;
    this.#kept.set(key, { version, partial, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= ANSWERS_MAX && this.#bytes <= BYTES_MAX) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0;
    this.#kept.delete(key);
  }
}

function keyOf({ project, types, boundsMs, wantTotal, wantByType, groupsMax }: RollupPlan): string {
  return JSON.stringify([project, types, wantTotal, wantByType, String(groupsMax)]) +
    boundsMs.join();
}

function sizeOf(sketches: EncodedSketches): number {
  return sketches.reduce((sum, bytes) => sum + (bytes?.length ?? 0), 0);
}
