/**
 * The shard workers as the main thread sees them: starts one per core, gives each its partitions,
 * puts questions to them, replaces one that failed and closed its files, and reports one that hung
 * or died without closing, which only a new process can heal (DuckDB's handle would stay open).
 *
 *     failure of a shard              what follows
 *     throws, closes its files        replaced: at once, then after 250 ms doubling up to 5 s; its
 *                                     questions wait; more than 5 times in a minute ends the process
 *     the same, because the disk is   replaced in that manner until there is room: a new process
 *     full                            would find no more of it
 *     hangs, or dies with its files   ends the process; its questions are refused
 *     open
 */
import { EXIT_WORKER_DIED, EXIT_WORKER_HUNG } from "../../lib/config/exit_codes.ts";
import {
  HANG_MS,
  HEARTBEAT_MS,
  POISON_FAILURES,
  PROGRESS_RING_BYTES,
  QUERIES_WAITING_MAX,
  QUERY_MS_MAX,
  RESTART_WAIT_MS_MAX,
  SHARD_FAILURES_MAX,
  SHARD_FAILURES_WINDOW_MS,
} from "../../lib/config/limits.ts";
import type { LogLevel } from "../../lib/config/config.ts";
import { HeartbeatWatch } from "../../lib/process/heartbeat_watch.ts";
import { LogError } from "../../lib/log/event_log.ts";
import { partitionNumbers } from "../../lib/log/partition_numbers.ts";
import type { LiveOrder } from "../../lib/live/live_definition.ts";
import type { UserPart, UserQuestion } from "../../lib/process/user_question.ts";
import type { ProcessorOptions } from "../../lib/process/partition_processor.ts";
import type { RollupPartial } from "../../lib/query/partial.ts";
import type { RollupPlan } from "../../lib/query/plan.ts";
import type { RowAnswer, RowPartialOf, RowQuestion } from "../../lib/query/row_question.ts";
import { createRing, RingReader } from "../../lib/ring/ring.ts";
import { StoreError, type StoreErrorCode } from "../../lib/store/event_store.ts";
import type {
  AskRollups,
  AskRows,
  AskUser,
  FromShard,
  Intake,
  ShardFault,
  ShardLog,
  Suspect,
  SuspectPlace,
  ToShard,
} from "../../workers/protocol.ts";
import { dealFrames, type ShardFrameHandlers } from "./shard_frames.ts";

export interface ShardPoolOptions extends ShardFrameHandlers {
  readonly shards: number;
  /** Partitions of the log; on Kafka more may be added while this runs. */
  readonly partitions: number;
  /** The log as shard `index` is to read it. */
  readonly logOf: (index: number) => ShardLog;
  /** Topic by which dead letters and events without an id are named. */
  readonly topic: string;
  /** Of records that name no project. */
  readonly project: string;
  /** Folder of the partitions' stores. */
  readonly storeFolder: string;
  readonly processor: ProcessorOptions;
  readonly storeMemoryMb: number;
  /** Whether the stores keep events one by one. */
  readonly keepsRows: boolean;
  readonly commitIntervalMs: number;
  readonly logLevel: LogLevel;
  /** Played by the first shard, once; poison by all of them, always. */
  readonly fault: ShardFault | null;
  /** What live streams want to know now, for shards that begin. */
  readonly liveOrders: () => readonly LiveOrder[];
  /** Partitions began or ended to run here. */
  readonly onOwned: () => void;
  /** A shard failed and is replaced: why. */
  readonly onReplaced: (shard: number, code: string, message: string) => void;
  /** The process has to end with this code. Called once. */
  readonly onFatal: (exitCode: number, reason: string) => void;
}

/** The shards' parts of an answer. */
export interface RollupAnswers {
  readonly partials: readonly RollupPartial[];
  /** Partitions that are in none of them, ascending: they run elsewhere, or nowhere yet. */
  readonly missing: readonly number[];
}

/** What the partitions answer, one by one. */
export interface PartitionAnswers<Answer> {
  readonly answers: readonly Answer[];
  readonly missing: readonly number[];
}

type Ask = AskRollups | AskUser | AskRows;

interface Waiting {
  readonly ask: Ask;
  /** When it is given up, by performance.now(); Infinity = by its signal. */
  readonly untilMs: number;
  readonly resolve: (answer: FromShard) => void;
  readonly reject: (error: Error) => void;
  /** Ends what watches over the time. */
  readonly stopWaiting: () => void;
}

interface Slot {
  readonly index: number;
  /** Partitions that it runs, as far as it has said. */
  partitions: readonly number[];
  /** Partitions assigned to it whose files somebody else has open. */
  awaited: readonly number[];
  intake: Intake;
  readonly heartbeat: HeartbeatWatch;
  worker: Worker | null;
  /** Of the worker's progress frames. */
  progress: RingReader | null;
  ready: boolean;
  /** It has been ready before: from then on a failure is not one of the start. */
  wasReady: boolean;
  /** It hung or died: nothing is sent to it any more. */
  lost: boolean;
  /** Questions sent or to be sent, by id. */
  readonly waiting: Map<number, Waiting>;
  /** When it failed, ms since the epoch. */
  failures: number[];
  /** Replaces it after a wait. */
  replacement: ReturnType<typeof setTimeout> | undefined;
  stopped: () => void;
}

/** Wait before a shard that failed a second time in a short while is replaced, ms. */
const SECOND_REPLACEMENT_MS = 250;
/** Of the embedded log, and of a shard that has not said. */
const NO_INTAKE: Intake = { connected: true, bufferedBytes: 0, paused: [] };
const FULL: StoreErrorCode = "RTA_STORE_FULL";

export class ShardPool {
  readonly #options: ShardPoolOptions;
  readonly #slots: Slot[];
  readonly #health: SharedArrayBuffer;
  #watch: ReturnType<typeof setInterval> | undefined;
  /** Places that made shards fail, by partition. */
  readonly #suspects = new Map<number, Suspect>();
  #nextId = 1;
  #stopping = false;
  #fatal = false;

  constructor(options: ShardPoolOptions) {
    this.#options = options;
    this.#health = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT * options.shards);
    this.#slots = Array.from({ length: options.shards }, (_, index) => ({
      index,
      partitions: [],
      awaited: [],
      intake: NO_INTAKE,
      heartbeat: new HeartbeatWatch(this.#health, index),
      worker: null,
      progress: null,
      ready: false,
      wasReady: false,
      lost: false,
      waiting: new Map(),
      failures: [],
      replacement: undefined,
      stopped: () => {},
    }));
  }

  /** Resolves when every shard has opened its partitions; rejects with why one could not. */
  async start(): Promise<void> {
    this.#watch = setInterval(() => {
      this.#checkHeartbeats();
      this.#giveUpOverdue();
    }, HEARTBEAT_MS);
    await Promise.all(this.#slots.map((slot) => this.#spawn(slot, true)));
  }

  /** Commits and closes every shard that still turns; one that hangs now is given up as ever. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#slots.map((slot) => {
      clearTimeout(slot.replacement);
      if (slot.worker === null || slot.lost) return;
      const stopped = new Promise<void>((resolve) => slot.stopped = resolve);
      this.#send(slot, { kind: "stop" });
      return stopped;
    }));
    clearInterval(this.#watch);
    for (const slot of this.#slots) this.#refuseAll(slot, "the shard was stopped");
  }

  get ready(): boolean {
    return this.#slots.every((slot) => slot.ready);
  }

  get shards(): number {
    return this.#slots.length;
  }

  /** Partitions that run in this process, ascending. */
  get owned(): number[] {
    return this.#slots.flatMap((slot) => slot.partitions).sort((a, b) => a - b);
  }

  /** Partitions assigned to this process whose files another one still has open, ascending. */
  get awaited(): number[] {
    return this.#slots.flatMap((slot) => slot.awaited).sort((a, b) => a - b);
  }

  /** How all shards get on with what they read from Kafka. */
  get intake(): Intake {
    const intakes = this.#slots.map((slot) => slot.intake);
    return {
      connected: intakes.every(({ connected }) => connected),
      bufferedBytes: intakes.reduce((sum, { bufferedBytes }) => sum + bufferedBytes, 0),
      paused: intakes.flatMap(({ paused }) => paused).sort((a, b) => a - b),
    };
  }

  /** Tells all shards what live streams want to know now. */
  watchLive(): void {
    const orders = this.#options.liveOrders();
    for (const slot of this.#slots) this.#send(slot, { kind: "live", orders });
  }

  /** Every shard's part of the answer, and the partitions that no shard here could answer for. */
  async askRollups(plan: RollupPlan): Promise<RollupAnswers> {
    const answers = await Promise.all(this.#slots.map(async (slot) => {
      const answer = await this.#ask(slot, { kind: "rollups", id: this.#nextId++, plan });
      return (answer as Extract<FromShard, { kind: "rollups" }>).answer;
    }));
    return {
      partials: answers.map(({ partial }) => partial),
      missing: this.#missing(answers.flatMap(({ partitions }) => partitions)),
    };
  }

  /**
   * What the partitions know of a user: all of them, or the one named of the embedded log. Rejects
   * with the signal's reason once that is aborted; the shards then end their reading.
   */
  askUser(partition: number | null, question: UserQuestion, signal: AbortSignal) {
    const askOf = (id: number) => ({ kind: "user", id, partition, question }) as const;
    return this.#askPartitions<UserPart>(partition, askOf, signal);
  }

  /** What the rows of all partitions say, or of the one named; otherwise as `askUser`. */
  askRows<Q extends RowQuestion>(partition: number | null, question: Q, signal: AbortSignal) {
    const askOf = (id: number) => ({ kind: "rows", id, partition, question }) as const;
    // The shard answers with the partial that goes with the question's kind.
    return this.#askPartitions<RowAnswer<RowPartialOf<Q>>>(partition, askOf, signal);
  }

  /** Puts a question that can be cancelled to the shards of all partitions, or of the one named. */
  async #askPartitions<Answer extends { readonly partition: number }>(
    partition: number | null,
    askOf: (id: number) => AskRows | AskUser,
    signal: AbortSignal,
  ): Promise<PartitionAnswers<Answer>> {
    signal.throwIfAborted();
    // A shard that is being replaced keeps only questions about its own partitions waiting.
    const slots = partition === null ? this.#slots : [this.#slotOf(partition)];
    const failed = new AbortController();
    const end = AbortSignal.any([signal, failed.signal]);
    const asking = slots.map(async (slot) => {
      const answer = await this.#ask(slot, askOf(this.#nextId++), end);
      return (answer as Extract<FromShard, { kind: "rows" | "user" }>).answers;
    });
    const answers = (await Promise.all(asking).catch((error) => {
      // Without this shard's part the others would read for nobody.
      failed.abort(error);
      throw error;
    })).flat() as unknown[] as Answer[];
    const missing = this.#missing(answers.map((answer) => answer.partition));
    return {
      answers,
      missing: partition === null ? missing : missing.filter((each) => each === partition),
    };
  }

  /** Who runs a partition; while nobody does, who is to, as the embedded log deals them out. */
  #slotOf(partition: number): Slot {
    return this.#slots.find((slot) => slot.partitions.includes(partition)) ??
      this.#slots[partition % this.#slots.length];
  }

  #missing(answered: readonly number[]): number[] {
    const partitions = Math.max(this.#options.partitions, ...answered.map((each) => each + 1));
    return partitionNumbers(partitions).filter((partition) => !answered.includes(partition));
  }

  /** @param signal ends the waiting in place of QUERY_MS_MAX, which is told within HEARTBEAT_MS */
  #ask(slot: Slot, ask: Ask, signal?: AbortSignal): Promise<FromShard> {
    if (slot.lost) throw new StoreError("RTA_STORE_UNAVAILABLE", "the process is about to end");
    if (slot.waiting.size >= QUERIES_WAITING_MAX) {
      throw new StoreError("RTA_STORE_UNAVAILABLE", "too many questions are waiting for a shard");
    }
    return new Promise((resolve, reject) => {
      const cancel = () => {
        slot.waiting.delete(ask.id);
        if (slot.ready) this.#send(slot, { kind: "cancel", id: ask.id });
        stopWaiting();
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", cancel);
      const stopWaiting = () => signal?.removeEventListener("abort", cancel);
      const untilMs = signal === undefined ? performance.now() + QUERY_MS_MAX : Infinity;
      slot.waiting.set(ask.id, { ask, untilMs, resolve, reject, stopWaiting });
      if (slot.ready) this.#send(slot, ask);
    });
  }

  #faultOf(slot: Slot, isFirstStart: boolean): ShardFault | null {
    const { fault } = this.#options;
    if (fault?.kind === "poison") return fault;
    return slot.index === 0 && isFirstStart ? fault : null;
  }

  #spawn(slot: Slot, isFirstStart: boolean): Promise<void> {
    const { partitions, topic, project, storeFolder, processor, ...options } = this.#options;
    const worker = new Worker(new URL("../../workers/shard.ts", import.meta.url), {
      type: "module",
      name: `shard-${slot.index}`,
    });
    const ring = createRing(PROGRESS_RING_BYTES);
    slot.worker = worker;
    slot.progress = new RingReader(ring);
    void this.#readProgress(slot.progress, slot, worker);
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<FromShard>) => {
        if (data.kind === "ready") {
          this.#becameReady(slot);
          resolve();
        } else if (data.kind === "suspect") this.#suspect(slot, data.at);
        else if (data.kind === "failed") {
          this.#closed(slot);
          // On Kafka its partitions may go to another shard, which has to know what was counted.
          this.watchLive();
          if (slot.wasReady) this.#replace(slot, data.code, data.message);
          else reject(codedError(data.code, data.message));
        } else if (data.kind === "stopped") {
          this.#closed(slot);
          slot.stopped();
        } else if (data.kind === "intake") slot.intake = data.intake;
        else if (data.kind === "owned") {
          slot.partitions = data.partitions;
          slot.awaited = data.awaited;
          this.#options.onOwned();
        } else this.#answered(slot, data);
      };
      worker.onerror = (event) => {
        event.preventDefault();
        this.#lose(slot, EXIT_WORKER_DIED, `shard ${slot.index} died: ${event.message}`);
        reject(new Error(event.message));
      };
      this.#send(slot, {
        kind: "start",
        log: this.#options.logOf(slot.index),
        partitions,
        topic,
        project,
        storeFolder,
        suspects: [...this.#suspects.values()],
        progress: ring,
        health: this.#health,
        healthIndex: slot.index,
        processor,
        storeMemoryMb: options.storeMemoryMb,
        keepsRows: options.keepsRows,
        commitIntervalMs: options.commitIntervalMs,
        fault: this.#faultOf(slot, isFirstStart),
        logLevel: options.logLevel,
      });
      this.#send(slot, { kind: "live", orders: options.liveOrders() });
    });
  }

  #becameReady(slot: Slot): void {
    slot.ready = slot.wasReady = true;
    slot.heartbeat.startAnew(performance.now());
    for (const { ask } of slot.waiting.values()) this.#send(slot, ask);
  }

  #closed(slot: Slot): void {
    slot.worker?.terminate();
    slot.worker = null;
    slot.ready = false;
    slot.partitions = [];
    slot.awaited = [];
    slot.intake = NO_INTAKE;
    // What it still had to say is read, then the reading ends.
    if (slot.progress !== null) dealFrames(slot.progress, slot.index, this.#options);
    slot.progress?.interrupt();
  }

  /** Remembers which records made a shard fail; again and again the same ones are poison. */
  #suspect(slot: Slot, at: SuspectPlace): void {
    const before = this.#suspects.get(at.partition);
    const isSame = before !== undefined && at.offset < before.nextOffset &&
      before.offset < at.nextOffset;
    const failures = isSame ? before.failures + 1 : 1;
    this.#suspects.set(at.partition, { ...at, failures });
    // It is set aside now: the next poison is no sign that the shard fails for ever.
    if (failures === POISON_FAILURES) slot.failures = [];
    const suspects = [...this.#suspects.values()];
    // On Kafka the partition may go to another shard, which has to know.
    for (const other of this.#slots) this.#send(other, { kind: "suspects", suspects });
  }

  /** In place: its partitions go on from their stored offsets, the other shards never notice. */
  #replace(slot: Slot, code: string, message: string): void {
    if (this.#stopping) return slot.stopped();
    const now = Date.now();
    slot.failures = slot.failures.filter((at) => now - at < SHARD_FAILURES_WINDOW_MS);
    slot.failures.push(now);
    this.#options.onReplaced(slot.index, code, message);
    const failures = slot.failures.length;
    if (failures > SHARD_FAILURES_MAX && code !== FULL) {
      return this.#die(EXIT_WORKER_DIED, `shard ${slot.index} failed again and again: ${message}`);
    }
    const waitMs = failures === 1 ? 0 : SECOND_REPLACEMENT_MS * 2 ** (failures - 2);
    slot.replacement = setTimeout(() => {
      // It never rejects for a shard that was ready before.
      void this.#spawn(slot, false);
    }, Math.min(waitMs, RESTART_WAIT_MS_MAX));
  }

  /** It cannot be closed and so not be replaced: the process has to end, without waiting for it. */
  #lose(slot: Slot, exitCode: number, reason: string): void {
    slot.lost = true;
    slot.ready = false;
    this.#refuseAll(slot, reason);
    slot.stopped();
    this.#die(exitCode, reason);
  }

  #answered(slot: Slot, data: Extract<FromShard, { id: number }>): void {
    const waiting = slot.waiting.get(data.id);
    if (waiting === undefined) return;
    slot.waiting.delete(data.id);
    waiting.stopWaiting();
    if (data.kind === "refused") {
      waiting.reject(codedError(data.code, data.message));
    } else waiting.resolve(data);
  }

  #refuseAll(slot: Slot, reason: string): void {
    for (const { reject, stopWaiting } of slot.waiting.values()) {
      stopWaiting();
      reject(new StoreError("RTA_STORE_UNAVAILABLE", reason));
    }
    slot.waiting.clear();
  }

  async #readProgress(reader: RingReader, slot: Slot, worker: Worker): Promise<void> {
    while (slot.worker === worker) {
      await reader.waitReadable();
      dealFrames(reader, slot.index, this.#options);
    }
  }

  /** One look at all of them now and then: a timer for each cost more than sending it. */
  #giveUpOverdue(): void {
    const nowMs = performance.now();
    for (const { waiting } of this.#slots) {
      for (const [id, { untilMs, reject }] of waiting) {
        if (untilMs > nowMs) continue;
        waiting.delete(id);
        reject(new StoreError("RTA_STORE_UNAVAILABLE", `no answer within ${QUERY_MS_MAX} ms`));
      }
    }
  }

  #checkHeartbeats(): void {
    for (const slot of this.#slots) {
      if (!slot.ready || !slot.heartbeat.hangs(performance.now())) continue;
      this.#lose(slot, EXIT_WORKER_HUNG, `shard ${slot.index} has not turned for ${HANG_MS} ms`);
    }
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

function codedError(code: string, message: string): Error {
  if (code.startsWith("RTA_STORE_")) return new StoreError(code as StoreError["code"], message);
  if (code.startsWith("RTA_LOG_")) return new LogError(code as LogError["code"], message);
  return Object.assign(new Error(message), { code });
}
