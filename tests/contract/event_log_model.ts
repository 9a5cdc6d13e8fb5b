/**
 * An EventLog against the simplest thing that does the same: an array of events per partition.
 * Any sequence of appends, reads, trims and reopenings must look alike.
 *
 * Where offsets count events, the event at index i stands at offset i. Where they count records, the
 * model learns from the records which event an offset stands for, and holds the log to it.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type {
  AppendBatch,
  EventLogReader,
  EventLogWriter,
  LogRecord,
} from "../../lib/log/event_log.ts";
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
  /** The newest of the batches that its own may be joined with; the log says it of all of them. */
  receivedAtMs: number;
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
  /** Offsets that records named, where reading may start, and the index of the event there. */
  readonly #places: Map<number, number>[] = Array.from(
    { length: PARTITIONS },
    () => new Map([[0, 0]]),
  );
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
    const { offsetsCount, readersHear } = this.adapter;
    for (let p = 0; p < PARTITIONS && offsetsCount === "events"; p++) {
      assert.equal(this.#writer!.highWater(p), this.#partitions[p].length);
      if (readersHear === "reads") continue;
      assert.equal(this.#reader!.highWater(p), this.#partitions[p].length);
    }
  }

  async #append(plans: readonly BatchPlan[]): Promise<void> {
    const batches: AppendBatch[] = [];
    /** Events of the neighbours of one project that each partition's last batch belongs to. */
    const runs = new Map<number, ModelEvent[]>();
    for (const { partition, project, receivedAtMs, lineBytes } of plans) {
      const lines = lineBytes.map((bytes) => `${this.#lines++} ${"x".repeat(bytes)}\n`);
      const value = new TextEncoder().encode(lines.join(""));
      batches.push({ partition, project, receivedAtMs, events: lines.length, value });
      const events = lines.map((line): ModelEvent => ({ line, project, receivedAtMs }));
      this.#partitions[partition].push(...events);
      const before = runs.get(partition) ?? [];
      const run = before[0]?.project === project ? [...before, ...events] : events;
      const newest = Math.max(...run.map((event) => event.receivedAtMs));
      for (const event of run) event.receivedAtMs = newest;
      runs.set(partition, run);
    }
    await this.#writer!.append(batches);
  }

  async #read(partition: number, at: number, maxBytes: number): Promise<void> {
    const places = [...this.#places[partition].keys()];
    let from = places[at % places.length];
    for (;;) {
      const records = await this.#reader!.read(partition, from, maxBytes);
      let bytes = 0;
      for (const record of records) {
        this.#check(record, from, record === records[0]);
        assert.ok(bytes < maxBytes, "a record after maxBytes was reached");
        bytes += record.value.length;
        from = record.nextOffset;
      }
      if (records.length > 0) continue;
      this.#checkEnd(partition, from);
      return;
    }
  }

  /** Holds a record that was read from `from` on to the events that should stand there. */
  #check(record: LogRecord, from: number, isFirst: boolean): void {
    const { partition, offset, nextOffset } = record;
    const counts = this.adapter.offsetsCount;
    if (offset !== from) {
      assert.ok(isFirst && offset > from && offset <= this.#trimmable[partition]);
    }
    assert.equal(nextOffset, offset + (counts === "events" ? record.events : 1));
    const first = counts === "events" ? offset : this.#places[partition].get(offset)!;
    const expected = this.#partitions[partition].slice(first, first + record.events);
    assert.equal(expected.length, record.events);
    const text = new TextDecoder().decode(record.value);
    assert.equal(text, expected.map((event) => event.line).join(""));
    assert.ok(expected.every((event) => event.project === record.project));
    assert.ok(expected.every((event) => event.receivedAtMs === record.receivedAtMs));
    this.#learn(partition, offset, first);
    this.#learn(partition, nextOffset, first + record.events);
  }

  #learn(partition: number, offset: number, index: number): void {
    const known = this.#places[partition].get(offset);
    assert.ok(known === undefined || known === index, `offset ${offset} moved`);
    this.#places[partition].set(offset, index);
  }

  /** Nothing more was read from `from` on. */
  #checkEnd(partition: number, from: number): void {
    const end = this.#partitions[partition].length;
    const ended = this.#places[partition].get(from) === end;
    assert.ok(ended || this.#trimmable[partition] === end);
    if (!ended) return;
    assert.equal(this.#reader!.highWater(partition), from);
    assert.equal(this.#writer!.highWater(partition), from);
  }

  async #trim(stored: readonly number[], before: number): Promise<void> {
    const trimmed = await this.#writer!.trim(stored, before);
    if (!this.adapter.trims) return assert.equal(trimmed, 0);
    for (let p = 0; p < PARTITIONS; p++) {
      const events = this.#partitions[p];
      let to = 0;
      // A record's arrival is its newest event's: a joined one may hold older events.
      while (to < Math.min(stored[p], events.length)) to++;
      this.#trimmable[p] = Math.max(this.#trimmable[p], before > 0 ? to : 0);
    }
  }
}
