/**
 * An EventLog against the simplest thing that does the same: an array of events per partition.
 * Any sequence of appends, reads, trims and reopenings must look alike.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { AppendBatch, EventLogReader, EventLogWriter } from "../../lib/log/event_log.ts";
import type { LogAdapter } from "./log_adapter.ts";

const PARTITIONS = 3;
const RUNS = 60;

type Step =
  | { readonly kind: "append"; readonly batches: readonly BatchPlan[] }
  | {
    readonly kind: "read";
    readonly partition: number;
    readonly at: number;
    readonly bytes: number;
  }
  | { readonly kind: "trim"; readonly stored: readonly number[]; readonly before: number }
  | { readonly kind: "reopen" };

interface BatchPlan {
  readonly partition: number;
  readonly project: string;
  readonly receivedAtMs: number;
  readonly lineBytes: readonly number[];
}

interface ModelEvent {
  readonly line: string;
  readonly project: string;
  readonly receivedAtMs: number;
}

const partition = fc.nat({ max: PARTITIONS - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      batches: fc.array(
        fc.record({
          partition,
          project: fc.constantFrom("p", "q", "projekt-ä"),
          receivedAtMs: fc.nat({ max: 20 }),
          lineBytes: fc.array(fc.oneof(fc.nat({ max: 30 }), fc.nat({ max: 20_000 })), {
            minLength: 1,
            maxLength: 4,
          }),
        }),
        { maxLength: 6 },
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      partition,
      at: fc.nat({ max: 1000 }),
      bytes: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 100_000 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("trim" as const),
      stored: fc.array(fc.nat({ max: 40 }), { minLength: PARTITIONS, maxLength: PARTITIONS }),
      before: fc.nat({ max: 20 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
);

/** Runs the property; throws with seed and path on the first sequence that differs. */
export async function appendModelProperty(adapter: LogAdapter): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const location = await adapter.makeLocation();
      const run = new ModelRun(adapter, location);
      try {
        await run.open();
        for (const next of steps) await run.apply(next);
      } finally {
        await run.close();
        await adapter.removeLocation(location);
      }
    }),
    { numRuns: RUNS },
  );
}

class ModelRun {
  readonly #partitions: ModelEvent[][] = Array.from({ length: PARTITIONS }, () => []);
  /** Offsets that records named, where reading may start. */
  readonly #boundaries: Set<number>[] = Array.from({ length: PARTITIONS }, () => new Set([0]));
  /** The offset of the oldest event that may be gone. */
  readonly #trimmable: number[] = new Array(PARTITIONS).fill(0);
  #writer: EventLogWriter | null = null;
  #reader: EventLogReader | null = null;
  #lines = 0;

  constructor(readonly adapter: LogAdapter, readonly location: string) {}

  async open(): Promise<void> {
    this.#writer = await this.adapter.openWriter(this.location, PARTITIONS);
    this.#reader = await this.adapter.openReader(this.location);
  }

  async close(): Promise<void> {
    await this.#reader?.close();
    await this.#writer?.close();
  }

  async apply(next: Step): Promise<void> {
    if (next.kind === "append") await this.#append(next.batches);
    else if (next.kind === "read") await this.#read(next.partition, next.at, next.bytes);
    else if (next.kind === "trim") await this.#trim(next.stored, next.before);
    else {
      await this.close();
      await this.open();
    }
    for (let p = 0; p < PARTITIONS; p++) {
      assert.equal(this.#writer!.highWater(p), this.#partitions[p].length);
      assert.equal(this.#reader!.highWater(p), this.#partitions[p].length);
    }
  }

  async #append(plans: readonly BatchPlan[]): Promise<void> {
    const batches: AppendBatch[] = [];
    for (const { partition, project, receivedAtMs, lineBytes } of plans) {
      const lines = lineBytes.map((bytes) => `${this.#lines++} ${"x".repeat(bytes)}\n`);
      const value = new TextEncoder().encode(lines.join(""));
      batches.push({ partition, project, receivedAtMs, events: lines.length, value });
      for (const line of lines) this.#partitions[partition].push({ line, project, receivedAtMs });
    }
    await this.#writer!.append(batches);
  }

  async #read(partition: number, at: number, maxBytes: number): Promise<void> {
    const boundaries = [...this.#boundaries[partition]];
    let from = boundaries[at % boundaries.length];
    const events = this.#partitions[partition];
    for (;;) {
      const records = await this.#reader!.read(partition, from, maxBytes);
      let bytes = 0;
      for (const record of records) {
        if (record.offset !== from) {
          assert.equal(record, records[0]);
          assert.ok(record.offset > from && record.offset <= this.#trimmable[partition]);
        }
        const expected = events.slice(record.offset, record.nextOffset);
        assert.equal(expected.length, record.events);
        const text = new TextDecoder().decode(record.value);
        assert.equal(text, expected.map((event) => event.line).join(""));
        assert.ok(expected.every((event) => event.project === record.project));
        const newest = Math.max(...expected.map((event) => event.receivedAtMs));
        assert.equal(record.receivedAtMs, newest);
        assert.ok(bytes < maxBytes, "a record after maxBytes was reached");
        bytes += record.value.length;
        from = record.nextOffset;
        this.#boundaries[partition].add(record.offset).add(record.nextOffset);
      }
      if (records.length > 0) continue;
      assert.ok(from === events.length || this.#trimmable[partition] === events.length);
      return;
    }
  }

  async #trim(stored: readonly number[], before: number): Promise<void> {
    await this.#writer!.trim(stored, before);
    for (let p = 0; p < PARTITIONS; p++) {
      const events = this.#partitions[p];
      let to = 0;
      // A record's arrival is its newest event's: a joined one may hold older events.
      while (to < Math.min(stored[p], events.length)) to++;
      this.#trimmable[p] = Math.max(this.#trimmable[p], before > 0 ? to : 0);
    }
  }
}
