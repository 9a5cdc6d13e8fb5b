/**
 * The shard workers as the main thread sees them: starts one per core, gives each its partitions,
 * puts questions to them, replaces one that failed and closed its files, and reports one that hung
 * or died without closing, which only a new process can heal (DuckDB's handle would stay open).
 */
import { EXIT_WORKER_DIED, EXIT_WORKER_HUNG } from "../../lib/config/exit_codes.ts";
import {
  HANG_MS,
  HEARTBEAT_MS,
  PROGRESS_RING_BYTES,
  QUERIES_WAITING_MAX,
  QUERY_MS_MAX,
  SHARD_FAILURES_MAX,
  SHARD_FAILURES_WINDOW_MS,
} from "../../lib/config/limits.ts";
import type { LogLevel } from "../../lib/config/config.ts";
import type { ProcessorOptions } from "../../lib/process/partition_processor.ts";
import { decodeProgress, type Progress, PROGRESS_FRAME } from "../../lib/process/progress_frame.ts";
import type { RollupPartial } from "../../lib/query/partial.ts";
import type { RollupPlan } from "../../lib/query/plan.ts";
import { createRing, RingReader } from "../../lib/ring/ring.ts";
import { StoreError, type UserEventsQuery } from "../../lib/store/event_store.ts";
import type {
  AskRollups,
  AskUser,
  FromShard,
  ShardFault,
  ToShard,
  UserAnswer,
} from "../../workers/protocol.ts";

export interface ShardPoolOptions {
  readonly shards: number;
  readonly partitions: number;
  readonly folder: string;
  readonly signal: SharedArrayBuffer;
  readonly processor: ProcessorOptions;
  readonly storeMemoryMb: number;
  readonly commitIntervalMs: number;
  readonly logLevel: LogLevel;
  /** Played by the first shard, once. */
  readonly fault: ShardFault | null;
  readonly onProgress: (progress: Progress) => void;
  /** A shard was replaced: why. */
  readonly onReplaced: (shard: number, code: string, message: string) => void;
  /** The process has to end with this code. Called once. */
  readonly onFatal: (exitCode: number, reason: string) => void;
}

type Ask = AskRollups | AskUser;

interface Waiting {
  readonly ask: Ask;
  readonly resolve: (answer: FromShard) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

interface Slot {
  readonly index: number;
  readonly partitions: number[];
  worker: Worker | null;
  ready: boolean;
  /** Questions sent or to be sent, by id. */
  readonly waiting: Map<number, Waiting>;
  /** When it failed, ms since the epoch. */
  failures: number[];
  lastBeat: number;
  lastBeatAtMs: number;
  stopped: () => void;
}

export class ShardPool {
  readonly #options: ShardPoolOptions;
  readonly #slots: Slot[];
  readonly #health: SharedArrayBuffer;
  readonly #progress = new Map<number, Progress>();
  #watch: ReturnType<typeof setInterval> | undefined;
  #nextId = 1;
  #stopping = false;
  #fatal = false;

  constructor(options: ShardPoolOptions) {
    this.#options = options;
    this.#health = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT * options.shards);
    this.#slots = Array.from({ length: options.shards }, (_, index) => ({
      index,
      partitions: range(options.partitions).filter((p) => p % options.shards === index),
      worker: null,
      ready: false,
      waiting: new Map(),
      failures: [],
      lastBeat: 0,
      lastBeatAtMs: 0,
      stopped: () => {},
    }));
  }

  /** Resolves when every shard has opened its partitions; rejects with why one could not. */
  async start(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => this.#spawn(slot, this.#faultOf(slot))));
    this.#watch = setInterval(() => this.#checkHeartbeats(), HEARTBEAT_MS);
  }

  /** Commits and closes every shard that still turns. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#watch);
    await Promise.all(this.#slots.map((slot) => {
      if (slot.worker === null || this.#isHung(slot)) return;
      const stopped = new Promise<void>((resolve) => slot.stopped = resolve);
      this.#send(slot, { kind: "stop" });
      return stopped;
    }));
    for (const slot of this.#slots) this.#refuseAll(slot, "the shard was stopped");
  }

  get ready(): boolean {
    return this.#slots.every((slot) => slot.ready);
  }

  get shards(): number {
    return this.#slots.length;
  }

  /** Latest progress of a partition, if it has sent any. */
  progress(partition: number): Progress | undefined {
    return this.#progress.get(partition);
  }

  /** Every shard's part of the answer. */
  askRollups(plan: RollupPlan): Promise<RollupPartial[]> {
    return Promise.all(this.#slots.map(async (slot) => {
      const answer = await this.#ask(slot, { kind: "rollups", id: this.#nextId++, plan });
      return (answer as { partial: RollupPartial }).partial;
    }));
  }

  async askUser(partition: number, query: UserEventsQuery): Promise<UserAnswer> {
    const slot = this.#slots[partition % this.#slots.length];
    const answer = await this.#ask(slot, { kind: "user", id: this.#nextId++, partition, query });
    return (answer as { answer: UserAnswer }).answer;
  }

  #ask(slot: Slot, ask: Ask): Promise<FromShard> {
    if (slot.waiting.size >= QUERIES_WAITING_MAX) {
      throw new StoreError("RTA_STORE_UNAVAILABLE", "too many questions are waiting for a shard");
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        slot.waiting.delete(ask.id);
        reject(new StoreError("RTA_STORE_UNAVAILABLE", `no answer within ${QUERY_MS_MAX} ms`));
      }, QUERY_MS_MAX);
      slot.waiting.set(ask.id, { ask, resolve, reject, timer });
      if (slot.ready) this.#send(slot, ask);
    });
  }

  #faultOf(slot: Slot): ShardFault | null {
    return slot.index === 0 ? this.#options.fault : null;
  }

  #spawn(slot: Slot, fault: ShardFault | null): Promise<void> {
    const { folder, signal, processor, storeMemoryMb, commitIntervalMs, logLevel } = this.#options;
    const worker = new Worker(new URL("../../workers/shard.ts", import.meta.url), {
      type: "module",
      name: `shard-${slot.index}`,
    });
    const ring = createRing(PROGRESS_RING_BYTES);
    slot.worker = worker;
    void this.#readProgress(new RingReader(ring), slot, worker);
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<FromShard>) => {
        if (data.kind === "ready") {
          this.#becameReady(slot);
          resolve();
        } else if (data.kind === "failed") {
          const wasReady = slot.ready;
          this.#closed(slot);
          if (wasReady) this.#replace(slot, data.code, data.message);
          else reject(codedError(data.code, data.message));
        } else if (data.kind === "stopped") {
          this.#closed(slot);
          slot.stopped();
        } else this.#answered(slot, data);
      };
      worker.onerror = (event) => {
        event.preventDefault();
        this.#die(EXIT_WORKER_DIED, `shard ${slot.index} died: ${event.message}`);
        reject(new Error(event.message));
      };
      this.#send(slot, {
        kind: "start",
        partitions: slot.partitions,
        folder,
        signal,
        progress: ring,
        health: this.#health,
        healthIndex: slot.index,
        processor,
        storeMemoryMb,
        commitIntervalMs,
        fault,
        logLevel,
      });
    });
  }

  #becameReady(slot: Slot): void {
    slot.ready = true;
    slot.lastBeatAtMs = Date.now();
    for (const { ask } of slot.waiting.values()) this.#send(slot, ask);
  }

  #closed(slot: Slot): void {
    slot.worker?.terminate();
    slot.worker = null;
    slot.ready = false;
  }

  /** In place: its partitions go on from their stored offsets, the other shards never notice. */
  #replace(slot: Slot, code: string, message: string): void {
    if (this.#stopping) return slot.stopped();
    const now = Date.now();
    slot.failures = slot.failures.filter((at) => now - at < SHARD_FAILURES_WINDOW_MS);
    slot.failures.push(now);
    this.#options.onReplaced(slot.index, code, message);
    if (slot.failures.length > SHARD_FAILURES_MAX) {
      this.#die(EXIT_WORKER_DIED, `shard ${slot.index} failed again and again: ${message}`);
      return;
    }
    this.#spawn(slot, null).catch((error) => {
      this.#die(EXIT_WORKER_DIED, `shard ${slot.index} could not be replaced: ${error.message}`);
    });
  }

  #answered(slot: Slot, data: Extract<FromShard, { id: number }>): void {
    const waiting = slot.waiting.get(data.id);
    if (waiting === undefined) return;
    slot.waiting.delete(data.id);
    clearTimeout(waiting.timer);
    if (data.kind === "refused") {
      waiting.reject(new StoreError("RTA_STORE_UNAVAILABLE", data.message));
    } else waiting.resolve(data);
  }

  #refuseAll(slot: Slot, reason: string): void {
    for (const { reject, timer } of slot.waiting.values()) {
      clearTimeout(timer);
      reject(new StoreError("RTA_STORE_UNAVAILABLE", reason));
    }
    slot.waiting.clear();
  }

  async #readProgress(reader: RingReader, slot: Slot, worker: Worker): Promise<void> {
    while (slot.worker === worker) {
      await reader.waitReadable();
      while (reader.peek()) {
        if (reader.kind === PROGRESS_FRAME) {
          const progress = decodeProgress(reader.view);
          this.#progress.set(progress.partition, progress);
          this.#options.onProgress(progress);
        }
        reader.release();
      }
    }
  }

  #checkHeartbeats(): void {
    const beats = new Int32Array(this.#health);
    const now = Date.now();
    for (const slot of this.#slots) {
      const beat = Atomics.load(beats, slot.index);
      if (beat !== slot.lastBeat || !slot.ready) {
        slot.lastBeat = beat;
        slot.lastBeatAtMs = now;
      } else if (this.#isHung(slot)) {
        this.#die(EXIT_WORKER_HUNG, `shard ${slot.index} has not turned for ${HANG_MS} ms`);
      }
    }
  }

  #isHung(slot: Slot): boolean {
    return slot.ready && Date.now() - slot.lastBeatAtMs >= HANG_MS;
  }

  #die(exitCode: number, reason: string): void {
    if (this.#fatal) return;
    this.#fatal = true;
    this.#options.onFatal(exitCode, reason);
  }

  #send(slot: Slot, message: ToShard): void {
    slot.worker?.postMessage(message);
  }
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}

function codedError(code: string, message: string): Error {
  if (code.startsWith("RTA_STORE_")) return new StoreError(code as StoreError["code"], message);
  return Object.assign(new Error(message), { code });
}
