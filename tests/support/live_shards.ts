/**
 * Live streams over shards in this thread, on a clock that the test moves: real LivePulses over real
 * partition memory, real LiveStreams, and between them a ring that may be full. What was applied is
 * noted, so that every frame can be recounted.
 */
import { LiveWindow } from "../../lib/live/live_window.ts";
import { LivePulse } from "../../lib/live/live_pulse.ts";
import type { LogRecord } from "../../lib/log/event_log.ts";
import {
  applyRecord,
  newApplyCounts,
  type PartitionMemory,
} from "../../lib/process/apply_record.ts";
import { DedupIndex } from "../../lib/process/dedup_index.ts";
import { HourGrains } from "../../lib/process/hour_grains.ts";
import { SeriesTable } from "../../lib/process/series_table.ts";
import { SessionIndex } from "../../lib/process/session_index.ts";
import { RollupDelta } from "../../lib/rollup/rollup_delta.ts";
import { createRowBatch } from "../../lib/store/row_batch.ts";
import { macrotask } from "../../lib/process/macrotask.ts";
import { type LiveStreamReader, LiveStreams } from "../../services/analytics/live_streams.ts";
import type { LiveUpdate } from "../../services/analytics/live_reader.ts";
import type { LiveStreamJson } from "../../services/analytics/live_stream_json.ts";

export const T0_SECOND = 1_700_000_000;
const SECOND_MS = 1_000;
const RING_BYTES_MAX = 96 * 1024;
const encoder = new TextEncoder();

/** An event as a test writes it. */
export interface MadeEvent {
  readonly id: string;
  readonly user_id: string;
  readonly event_type: string;
  readonly properties?: Record<string, string | number | boolean>;
}

/** An event that was applied and was no duplicate. */
export interface AppliedNote {
  readonly event: MadeEvent;
  readonly project: string;
  readonly partition: number;
  readonly second: number;
}

interface MadePartition {
  readonly log: LogRecord[];
  memory: PartitionMemory;
  nextOffset: number;
}

class MadeShard {
  pulse!: LivePulse;
  readonly partitions: Map<number, MadePartition>;

  constructor(readonly scene: LiveShards, readonly index: number, numbers: readonly number[]) {
    this.partitions = new Map(
      numbers.map((number) => [number, { log: [], memory: newMemory(), nextOffset: 0 }]),
    );
    this.begin();
  }

  /** A new pulse over the partitions, as a shard that starts has it. */
  begin(): void {
    const { scene } = this;
    this.pulse = new LivePulse({
      write: (kind, payload) => {
        if (scene.isFull()) return false;
        scene.streams.take(this.index, kind, payload.slice());
        return true;
      },
      completeUntilMs: () => scene.nowMs,
      unpublished: () => [],
      partialBytesMax: RING_BYTES_MAX,
    });
    for (const [number, partition] of this.partitions) {
      this.pulse.open(number, () => partition.nextOffset);
    }
  }
}

export class LiveShards {
  nowMs = T0_SECOND * SECOND_MS;
  readonly published: LiveWindow;
  readonly streams: LiveStreams;
  readonly notes: AppliedNote[] = [];
  /** Whether the rings have no room now. */
  isFull: () => boolean = () => false;
  readonly #shards: MadeShard[];

  constructor(readonly shards: number, readonly partitions: number) {
    this.published = new LiveWindow(partitions);
    this.streams = new LiveStreams({
      published: this.published,
      shards: () => shards,
      partitions: () => partitions,
      hasAll: () => true,
      tellShards: () => this.#tell(),
      now: () => this.nowMs,
    });
    this.#shards = Array.from({ length: shards }, (_, index) => {
      const all = Array.from({ length: partitions }, (_, partition) => partition);
      return new MadeShard(this, index, all.filter((each) => each % shards === index));
    });
  }

  #tell(): void {
    const orders = structuredClone(this.streams.orders());
    for (const { pulse } of this.#shards) pulse.order(orders, this.nowMs);
  }

  /** Time goes on; every shard ends its second in time, one after the other. */
  advance(ms: number): void {
    for (let left = ms; left > 0;) {
      const step = Math.min(left, SECOND_MS - this.nowMs % SECOND_MS);
      this.nowMs += step;
      left -= step;
      for (const { pulse } of this.#shards) {
        pulse.advance(this.nowMs);
        pulse.flush();
      }
      this.streams.beat();
    }
  }

  /** To the beginning of the next second, all shards having told. */
  nextSecond(): void {
    this.advance(SECOND_MS - this.nowMs % SECOND_MS);
  }

  /** Appends a record of these events to a partition, and has it applied. */
  apply(partition: number, events: readonly MadeEvent[], project = "shop"): void {
    const shard = this.#shards[partition % this.shards];
    const { log } = shard.partitions.get(partition)!;
    const offset = log.at(-1)?.nextOffset ?? 0;
    const text = events.map((event) =>
      JSON.stringify({ ...event, timestamp: T0_SECOND * SECOND_MS }) + "\n"
    ).join("");
    log.push({
      partition,
      offset,
      nextOffset: offset + events.length,
      events: events.length,
      project,
      receivedAtMs: this.nowMs,
      value: encoder.encode(text),
    });
    const known = new Set(
      this.notes.filter((note) => note.project === project && note.partition === partition)
        .map(({ event }) => event.id),
    );
    const second = Math.floor(this.nowMs / SECOND_MS);
    for (const event of events) {
      if (known.has(event.id)) continue;
      known.add(event.id);
      this.notes.push({ event, project, partition, second });
    }
    this.#applyNext(shard, partition);
  }

  /**
   * A shard fails, having told what it had counted or not, and another one takes over at an earlier
   * offset of each partition: all that is not in the store is applied again.
   */
  replace(index: number, storedShare: number, tells: boolean): void {
    const shard = this.#shards[index];
    if (tells) shard.pulse.stop(this.nowMs);
    for (const partition of shard.partitions.values()) {
      const stored = Math.floor(partition.log.length * storedShare);
      partition.memory = newMemory();
      // Its duplicates are known again from the store.
      for (const record of partition.log.slice(0, stored)) applyTo(partition.memory, record);
      partition.nextOffset = partition.log[stored - 1]?.nextOffset ?? 0;
    }
    shard.begin();
    shard.pulse.order(structuredClone(this.streams.orders()), this.nowMs);
    for (const number of shard.partitions.keys()) this.#applyNext(shard, number);
  }

  #applyNext(shard: MadeShard, number: number): void {
    const partition = shard.partitions.get(number)!;
    for (const record of partition.log) {
      if (record.offset < partition.nextOffset) continue;
      partition.memory.tap = shard.pulse.begin(record, this.nowMs);
      applyTo(partition.memory, record);
      partition.nextOffset = record.nextOffset;
      if (partition.memory.tap !== null) shard.pulse.end();
    }
  }
}

function applyTo(memory: PartitionMemory, record: LogRecord): void {
  applyRecord(memory, record, newApplyCounts(), (code, message) => {
    throw new Error(`${code}: ${message}`);
  });
}

function newMemory(): PartitionMemory {
  return {
    topic: "events",
    series: new SeriesTable(),
    dedup: new DedupIndex(3_600, 1 << 20),
    sessions: new SessionIndex(1_800_000, 1 << 20),
    grains: new HourGrains(),
    keepsRows: true,
    rows: createRowBatch(4),
    delta: new RollupDelta(),
    tap: null,
  };
}

/** A reader that always keeps up. */
export class LiveReading {
  readonly #reader: LiveStreamReader;
  readonly #ended: Promise<void>;
  #updates: LiveUpdate<LiveStreamJson>[] = [];

  constructor(reader: LiveStreamReader) {
    this.#reader = reader;
    this.#ended = this.#read();
  }

  /** What it was given since the last call. */
  async updates(): Promise<LiveUpdate<LiveStreamJson>[]> {
    // What is there comes within this turn of the event loop.
    await macrotask();
    const updates = this.#updates;
    this.#updates = [];
    return updates;
  }

  /** The frames among them. */
  async frames(): Promise<LiveStreamJson[]> {
    const updates = await this.updates();
    return updates.flatMap((each) => each.kind === "window" ? [each.answer] : []);
  }

  async close(): Promise<void> {
    this.#reader.close();
    await this.#ended;
  }

  async #read(): Promise<void> {
    for await (const update of this.#reader) this.#updates.push(update);
  }
}
