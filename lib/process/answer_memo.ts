/**
 * Answers that a shard has given, kept for as long as they are still the answer.
 *
 * A dashboard asks the same question again and again, and between two commits nothing changes. An
 * answer is given again only while the cells of every partition are at the version it was made from
 * and no event waits in memory on top of them; so it can't be older than the data. How far the
 * answer is complete is told anew each time.
 *
 * An answer is kept once its question has come a second time: to keep those that nobody asks for
 * again fills memory with buffers that only a full garbage collection takes back. Every answer is
 * in memory of its own, to be given back by its reader (lib/query/partial_memory.ts).
 */
import type { RollupPartial } from "../query/partial.ts";
import { copyPartial, OWN_MEMORY, SharedSlots } from "../query/partial_memory.ts";
import type { RollupPlan } from "../query/plan.ts";
import { answerRollups } from "./answer_rollups.ts";
import type { AnswerContext } from "./answer_rollups.ts";
import type { PartitionProcessor } from "./partition_processor.ts";

/** Answers kept. */
const ANSWERS_MAX = 64;
/** Questions of late that are remembered, answered or not. */
const ASKED_MAX = 256;
/** Bytes of all sketches kept. */
const BYTES_MAX = 8 * 1024 * 1024;

interface Kept {
  readonly version: string;
  readonly boundsMs: Float64Array;
  readonly partial: RollupPartial;
  readonly bytes: number;
}

export class AnswerMemo {
  readonly #kept = new Map<string, Kept>();
  readonly #asked = new Set<string>();
  /** What answers are given in. */
  readonly #memory = new SharedSlots(() => performance.now());
  #bytes = 0;

  constructor(readonly processors: readonly PartitionProcessor[]) {}

  /** The answer to the plan: the kept one while nothing has changed, else a new one. */
  async answer(plan: RollupPlan, context: AnswerContext): Promise<RollupPartial> {
    const key = keyOf(plan);
    const before = this.#version();
    const kept = this.#kept.get(key);
    if (kept?.version === before && hasBounds(kept.boundsMs, plan.boundsMs)) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      const completeUntilMs = this.#completeUntilMs(context);
      return { ...copyPartial(kept.partial, this.#memory), completeUntilMs };
    }
    const partial = await answerRollups(this.processors, plan, context, this.#memory);
    if (this.#wasAsked(key) && before !== null && this.#version() === before) {
      this.#keep(plan, key, before, copyPartial(partial, OWN_MEMORY));
    }
    return partial;
  }

  /** Whether the question was asked of late; it is now. */
  #wasAsked(key: string): boolean {
    const was = this.#asked.delete(key);
    this.#asked.add(key);
    for (const oldest of this.#asked) {
      if (this.#asked.size <= ASKED_MAX) break;
      this.#asked.delete(oldest);
    }
    return was;
  }

  /** What the answers follow from; null while events wait in memory. */
  #version(): string | null {
    const versions: string[] = [];
    for (const processor of this.processors) {
      if (processor.isCommitting || processor.openDeltas().some((delta) => !delta.isEmpty)) {
        return null;
      }
      // The same partition, opened anew, may hold what somebody else has put there meanwhile.
      versions.push(`${processor.serial}:${processor.cells.version}`);
    }
    return versions.join();
  }

  #completeUntilMs(context: AnswerContext): number {
    return this.processors.reduce(
      (least, processor) => Math.min(least, context.completeUntilMs(processor)),
      Infinity,
    );
  }

  #keep(plan: RollupPlan, key: string, version: string, partial: RollupPartial): void {
    const { boundsMs } = plan;
    const { events, users, sessions, amounts } = partial;
    const bytes = key.length + boundsMs.byteLength + 3 * events.byteLength +
      users.bytes.length + sessions.bytes.length + amounts.bytes.length;
    this.#drop(key);
    if (bytes > BYTES_MAX / 4) return;
    this.#kept.set(key, { version, boundsMs, partial, bytes });
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

/** All of a question but its bounds, of which there are many: a sum of them. */
function keyOf(plan: RollupPlan): string {
  const { project, types, boundsMs, wantTotal, wantByType, eventsOnly, groupsMax } = plan;
  let sum = 0;
  for (let i = 0; i < boundsMs.length; i++) sum = (Math.imul(sum, 31) + (boundsMs[i] | 0)) | 0;
  const rest = [wantTotal, wantByType, eventsOnly, String(groupsMax), sum];
  return JSON.stringify([project, types, ...rest]);
}

function hasBounds(boundsMs: Float64Array, others: Float64Array): boolean {
  return boundsMs.length === others.length && boundsMs.every((bound, i) => bound === others[i]);
}
