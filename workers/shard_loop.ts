/**
 * The loop of one shard: pull records of its partitions from the log, apply them to memory, commit
 * by load, answer questions in between, tell the main thread how far it has come. Partitions may be
 * added and removed while it runs.
 *
 * Commits follow the load. A caught-up partition commits when its last commit lies
 * COMMIT_PAUSE_FACTOR times its own duration back (so that committing takes a few percent of a core
 * at most), and after `commitIntervalMs` in any case. One that catches up commits full batches.
 *
 * Pulls follow the load too. An idle shard pulls what is appended at once; after that it gathers: it
 * looks again when GATHER_MS are over, not at each of hundreds of tiny appends a second, unless much
 * was left waiting. A question ends the gathering: what was appended before it came is pulled first,
 * unless that is a backlog, so no answer is older for it.
 *
 * What can't be an event is set aside as a dead letter before the commit that moves past it. Records
 * that made a shard fail before (suspects) are applied and committed alone, so that it becomes known
 * which one it is; one that has failed POISON_FAILURES times is set aside.
 */
import {
  GATHER_EVENTS_MAX,
  GATHER_MS,
  LAG_EVENTS_CATCHING_UP,
  LETTER_BYTES_PENDING_MAX,
  POISON_FAILURES,
  SHARD_READ_BYTES_MAX,
  SUSPECT_READ_BYTES_MAX,
} from "../lib/config/limits.ts";
import { POISON } from "../lib/dead_letter/dead_letter.ts";
import type { EventLogReader, LogRecord } from "../lib/log/event_log.ts";
import { releaseRecords } from "../lib/log/release_records.ts";
import type { Committed, PartitionProcessor } from "../lib/process/partition_processor.ts";
import { findPoison, linesOf, withoutLines } from "../lib/process/poison_lines.ts";
import { PROGRESS_FRAME } from "../lib/process/progress_frame.ts";
import type { RingWriter } from "../lib/ring/ring.ts";
import { StoreError } from "../lib/store/event_store.ts";
import { tracing } from "../lib/telemetry/tracing.ts";
import { Lane } from "./lane.ts";
import type { LiveFeed } from "./live_feed.ts";
import { macrotask } from "../lib/process/macrotask.ts";
import { Rest } from "./rest.ts";
import { SetAside, type SetAsideParts } from "./set_aside.ts";
import type { Suspect, SuspectPlace } from "./protocol.ts";

export interface ShardLoopParts {
  readonly reader: EventLogReader;
  /** Where lines go that can't be events, and by what names. */
  readonly aside: Omit<SetAsideParts, "now" | "warn">;
  readonly progress: RingWriter;
  readonly commitIntervalMs: number;
  /** Throws, or does worse, when a test wants the shard to fail at this record. */
  readonly playFault: (record: LogRecord, applied: number) => void;
  /** What was committed, for live answers. */
  readonly live: LiveFeed;
  readonly now: () => number;
  readonly warn: (message: string, detail: Record<string, unknown>) => void;
}

/** Events pulled before the event loop must have its turn. */
const TURN_EVENTS_MAX = 256;

export class ShardLoop {
  readonly #parts: ShardLoopParts;
  readonly #lanes: Lane[] = [];
  /** Of the lanes; whoever answers looks at the same list. */
  readonly #processors: PartitionProcessor[] = [];
  /** Questions being answered: a partition is closed after them. */
  readonly #answering = new Set<Promise<unknown>>();
  #stopping = false;
  #failure: Error | null = null;
  #failedAt: SuspectPlace | null = null;
  readonly #rest = new Rest();
  #applied = 0;
  #catchingUp: Lane | null = null;
  #appended: Promise<void> | null = null;
  /** The last commit of a full batch. */
  #fullCommit: Promise<void> = Promise.resolve();
  /** Events pulled since the event loop last turned. */
  #unyielded = 0;
  /** Set by questions: resolves when what was appended before them is pulled; this turn or next. */
  #answered: PromiseWithResolvers<void> | null = null;
  #asked: PromiseWithResolvers<void> | null = null;

  constructor(parts: ShardLoopParts) {
    this.#parts = parts;
  }

  /** Ends questions that take long: partitions are about to be closed. Set by who answers them. */
  endQuestions: () => void = () => {};

  /** Partitions that it runs: always the same list, whose members come and go. */
  get processors(): readonly PartitionProcessor[] {
    return this.#processors;
  }

  /** Whether the shard is broken: nothing more of it is committed. */
  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  /** The records that broke it, when it was records; else null. */
  get failedAt(): SuspectPlace | null {
    return this.#failedAt;
  }

  /** By partition: where the store would have the log read on. */
  get storedOffsets(): Map<number, number> {
    return new Map(this.#lanes.map((lane) => [lane.partition, lane.processor.storedOffset]));
  }

  /** Takes a partition in. `suspect`: a place in it that has failed shards before. */
  add(processor: PartitionProcessor, suspect: Suspect | null): void {
    const { aside, now, warn } = this.#parts;
    this.#lanes.push(new Lane(processor, suspect, new SetAside({ ...aside, now, warn })));
    this.#processors.push(processor);
    this.#parts.live.open(processor);
    this.#rest.wake();
  }

  /**
   * Commits a partition and lets it go; its store can be closed then, no question reads it any more.
   * Never rejects: a failure ends the loop.
   */
  async remove(partition: number): Promise<void> {
    const lane = this.#laneOf(partition);
    lane.leaving = true;
    // A loop that was stopped has committed everything.
    const isDue = !this.#stopping || lane.processor.hasUncommitted;
    if (this.#failure === null && isDue) await this.#startCommit(lane, true);
    await lane.commit;
    this.#parts.live.close(partition);
    this.#lanes.splice(this.#lanes.indexOf(lane), 1);
    this.#processors.splice(this.#processors.indexOf(lane.processor), 1);
    if (this.#catchingUp === lane) this.#catchingUp = null;
    await this.#endAnswering();
    this.#report(lane);
  }

  /** Runs until `stop`; ends with everything applied committed. Throws what breaks the shard. */
  async run(): Promise<void> {
    try {
      await this.#turn();
    } catch (error) {
      // Memory may hold half a record now: a question must not have it committed.
      this.#failure ??= asError(error);
      throw error;
    } finally {
      this.#letQuestionsGo();
    }
  }

  async #turn(): Promise<void> {
    while (!this.#stopping) {
      const token = this.#parts.reader.token();
      const startedMs = this.#parts.now();
      [this.#answered, this.#asked] = [this.#asked, null];
      let worked = false;
      for (const lane of [...this.#lanes]) {
        if (this.#mayPull(lane) && await this.#pull(lane)) worked = true;
        if (this.#failure) throw this.#failure;
        this.#commitIfDue(lane);
        if (lane.reportIsDue(this.#parts.now())) this.#report(lane);
      }
      this.#answered?.resolve();
      if (!this.#stopping) await this.#restAfter(worked, token, startedMs);
      if (this.#failure) throw this.#failure;
    }
    for (const lane of [...this.#lanes]) {
      await this.#startCommit(lane, true);
      if (this.#failure) throw this.#failure;
      this.#report(lane);
    }
  }

  stop(): void {
    this.#stopping = true;
    this.#letQuestionsGo();
    this.#rest.wake();
  }

  /** Ends the loop with a failure from elsewhere. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#rest.wake();
  }

  /** Waits for commits under way, so that files can be closed after a failure. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#lanes.map((lane) => lane.commit));
    await this.#endAnswering();
  }

  async #endAnswering(): Promise<void> {
    this.endQuestions();
    await Promise.allSettled(this.#answering);
  }

  /**
   * Runs a question: what was appended before it is pulled first, and partitions are not closed
   * before it has ended.
   */
  answering<T>(answer: () => Promise<T>): Promise<T> {
    return this.whileOpen(async () => {
      await this.#pullFirst();
      return await answer();
    });
  }

  /** Resolves when all that a partition had applied is committed. Throws what broke the shard. */
  async commitApplied(partition: number): Promise<void> {
    const lane = this.#laneOf(partition);
    if (lane.commit !== null || lane.processor.hasUncommitted) await this.#startCommit(lane);
    if (this.#failure) throw this.#failure;
  }

  /** Runs a question about what is committed already; partitions are not closed before it has ended. */
  async whileOpen<T>(answer: () => Promise<T>): Promise<T> {
    const answering = answer();
    this.#answering.add(answering);
    try {
      return await answering;
    } finally {
      this.#answering.delete(answering);
    }
  }

  #laneOf(partition: number): Lane {
    return this.#lanes.find((lane) => lane.partition === partition)!;
  }

  /** Everything received before this is in the partition's store, ms since the epoch. */
  storedUntilMs(partition: number): number {
    const { processor } = this.#laneOf(partition);
    return processor.hasUncommitted
      ? processor.storedReceivedAtMs
      : this.completeUntilMs(processor);
  }

  /** Everything received before this was applied, ms since the epoch. */
  completeUntilMs(processor: PartitionProcessor): number {
    const caughtUp = this.#parts.reader.highWater(processor.partition) <= processor.nextOffset;
    return caughtUp ? this.#parts.now() : processor.lastReceivedAtMs;
  }

  #lag(lane: Lane): number {
    return lane.lagEvents(this.#parts.reader);
  }

  /** A log that was lost or replaced is noticed here, not passed over as "nothing new". */
  async checkPlaces(): Promise<void> {
    for (const { processor } of this.#lanes) {
      releaseRecords(await this.#parts.reader.read(processor.partition, processor.nextOffset, 1));
    }
  }

  /**
   * Partitions that are far behind catch up one after the other, a full batch each, so that memory
   * holds few large batches at a time; the others go on meanwhile.
   */
  #mayPull(lane: Lane): boolean {
    if (lane.leaving) return false;
    if (this.#lag(lane) <= LAG_EVENTS_CATCHING_UP) return true;
    const current = this.#catchingUp;
    if (current === null || this.#lag(current) <= LAG_EVENTS_CATCHING_UP) this.#catchingUp = lane;
    return this.#catchingUp === lane;
  }

  /** Reads and applies the next records of a partition; false when there are none. */
  async #pull(lane: Lane): Promise<boolean> {
    const { processor } = lane;
    if (this.#lag(lane) <= 0) return false;
    if (processor.batchIsFull || lane.aside.bytes >= LETTER_BYTES_PENDING_MAX) {
      await this.#commitFull(lane);
      return true;
    }
    const { isNearSuspect } = lane;
    const records = await this.#parts.reader.read(
      processor.partition,
      processor.nextOffset,
      isNearSuspect ? SUSPECT_READ_BYTES_MAX : SHARD_READ_BYTES_MAX,
    );
    for (const record of records) {
      // It was taken away while its records were read: whoever has it next reads them again.
      if (lane.leaving) break;
      if (!processor.hasRoomFor(record)) await this.#commitFull(lane);
      if (this.#failure) throw this.#failure;
      if (isNearSuspect) await this.#applyAlone(lane, record);
      else this.#apply(lane, record);
      if (this.#failure) throw this.#failure;
    }
    const processed = lane.collect();
    this.#applied += processed;
    this.#unyielded += processed;
    if (this.#unyielded >= TURN_EVENTS_MAX) await this.#yield();
    return records.length > 0;
  }

  /**
   * Commits a full batch and goes on while it runs; a second one waits for it, so that memory holds
   * no more than one that is committed and one that fills. Another partition may catch up now.
   */
  async #commitFull(lane: Lane): Promise<void> {
    this.#letQuestionsGo();
    await this.#fullCommit;
    await lane.commit;
    this.#fullCommit = this.#startCommit(lane);
    this.#catchingUp = null;
    // Dead letters are put before it takes the batch: nothing may be added to that meanwhile.
    if (!lane.aside.isEmpty) await this.#fullCommit;
    else await this.#yield();
  }

  /** Lets questions and what else waits for the event loop have their turn. */
  async #yield(): Promise<void> {
    this.#unyielded = 0;
    await macrotask();
  }

  #apply(lane: Lane, record: LogRecord): void {
    const { partition, offset, nextOffset } = record;
    try {
      lane.processor.apply(record, this.#parts.now(), (code, message, line, index) => {
        lane.aside.add(record, index, line, code, message);
      });
      this.#parts.playFault(record, this.#applied + lane.processor.counts.processed);
    } catch (error) {
      this.#failedAt ??= { partition, offset, nextOffset };
      throw error;
    }
    lane.measure(record);
    if (tracing !== null && record.traceparent) lane.traces.note(record.traceparent);
  }

  /** Commits what was before it, then the record by itself; sets it aside if it failed too often. */
  async #applyAlone(lane: Lane, record: LogRecord): Promise<void> {
    this.#letQuestionsGo();
    const { processor } = lane;
    const suspect = lane.suspect!;
    const isSuspect = record.nextOffset > suspect.offset && record.offset < suspect.nextOffset;
    if (isSuspect && processor.hasUncommitted) await this.#startCommit(lane);
    if (this.#failure) return;
    const isPoison = isSuspect && suspect.failures >= POISON_FAILURES;
    this.#apply(lane, isPoison ? this.#withoutPoison(lane, record, suspect) : record);
    if (isSuspect) await this.#startCommit(lane);
  }

  /** Sets the lines aside that throw by themselves, or all, and gives the record without them. */
  #withoutPoison(lane: Lane, record: LogRecord, suspect: Suspect): LogRecord {
    const found = findPoison(record, (line) => this.#parts.playFault(line, 0));
    const lines = found.length > 0 ? found : linesOf(record);
    const message = `processing it failed ${suspect.failures} times`;
    for (const { index, bytes } of lines) {
      lane.aside.add(record, index, bytes, POISON, message);
    }
    return withoutLines(record, lines);
  }

  #commitIfDue(lane: Lane): void {
    const { processor } = lane;
    if (lane.commit !== null || !processor.hasUncommitted || this.#stopping) return;
    if (this.#lag(lane) > LAG_EVENTS_CATCHING_UP) return;
    if (this.#dueInMs(lane) <= 0) void this.#startCommit(lane);
  }

  #dueInMs(lane: Lane): number {
    return lane.commitDueInMs(this.#parts.now(), this.#parts.commitIntervalMs);
  }

  /**
   * Commits once the commit under way has ended: one at a time per partition. Applying and answering
   * go on meanwhile. Never rejects: a failure ends the loop's next step.
   */
  #startCommit(lane: Lane, flush = false): Promise<void> {
    const before = lane.commit ?? Promise.resolve();
    const commit: Promise<void> = before
      .then(() => this.#failure ? undefined : this.#commit(lane, flush))
      .catch((error) => {
        this.#failure ??= asError(error);
      })
      .finally(() => {
        if (lane.commit === commit) lane.commit = null;
        this.#rest.wake();
      });
    lane.commit = commit;
    return commit;
  }

  async #commit(lane: Lane, flush: boolean): Promise<void> {
    const givesUp = () => this.#stopping || this.#failure !== null;
    // Looked at once more after the wait: a line met in between must not be committed past.
    while (!lane.aside.isEmpty) await lane.aside.put(givesUp);
    const startedMs = performance.now();
    const { storedOffset: offset, nextOffset } = lane.processor;
    const traces = lane.traces.take();
    const span = tracing?.startCommit(traces, { "rta.partition": lane.partition }) ?? null;
    let committed: Committed;
    try {
      committed = await lane.processor.commit(this.#parts.now(), flush);
      span?.end();
    } catch (error) {
      span?.end(error);
      if (!(error instanceof StoreError)) {
        this.#failedAt ??= { partition: lane.partition, offset, nextOffset };
      }
      throw error;
    }
    const tookMs = performance.now() - startedMs;
    lane.committed(committed.rows, tookMs, this.#parts.now());
    this.#parts.live.note(lane.partition, committed);
  }

  /** Events appended but not pulled, of all partitions. */
  #waiting(): number {
    return this.#lanes.reduce((sum, lane) => sum + Math.max(0, this.#lag(lane)), 0);
  }

  /** What the loop does until its next turn. */
  async #restAfter(worked: boolean, token: number, startedMs: number): Promise<void> {
    if (!worked) {
      for (const lane of this.#lanes) this.#report(lane);
      await this.#sleep(token);
    } else if (this.#waiting() < GATHER_EVENTS_MAX) await this.#gather(startedMs + GATHER_MS);
    else await this.#yield();
  }

  /** Until the log has more, a commit is due or has ended, or the shard is to stop. */
  async #sleep(token: number): Promise<void> {
    // One wait for the log at a time: a new one per turn would pile up while nothing is appended.
    this.#appended ??= this.#parts.reader.appended(token).finally(() => this.#appended = null);
    await this.#restUntil(this.#commitDueInMs(), this.#appended);
  }

  /** Until this time, or as soon as a question, a commit or the end wants a turn of the loop. */
  async #gather(untilMs: number): Promise<void> {
    const restMs = untilMs - this.#parts.now();
    // A clock that was set back must not make the rest longer.
    if (restMs <= 0 || restMs > GATHER_MS) return await this.#yield();
    this.#unyielded = 0;
    await this.#restUntil(Math.min(restMs, this.#commitDueInMs()), null);
  }

  /** Questions do not wait for a commit. */
  #letQuestionsGo(): void {
    this.#answered?.resolve();
    this.#asked?.resolve();
    this.#asked = null;
  }

  /** For a question: has what was appended before it pulled, unless that is a backlog. */
  async #pullFirst(): Promise<void> {
    const waiting = this.#waiting();
    if (waiting > 0 && waiting < GATHER_EVENTS_MAX && !this.#stopping && this.#failure === null) {
      this.#asked ??= Promise.withResolvers();
      this.#rest.wake();
      await this.#asked.promise;
    }
    if (this.#failure) throw this.#failure;
  }

  /** Time until the next commit is due, ms; Infinity = there is nothing to commit. */
  #commitDueInMs(): number {
    let due = Infinity;
    for (const lane of this.#lanes) {
      if (lane.commit === null && lane.processor.hasUncommitted) {
        due = Math.min(due, Math.max(1, this.#dueInMs(lane)));
      }
    }
    return due;
  }

  async #restUntil(ms: number, event: Promise<void> | null): Promise<void> {
    if (this.#failure === null && this.#asked === null) await this.#rest.until(ms, event);
  }

  /** Sends a progress frame when there is news; keeps it for the next turn when the ring is full. */
  #report(lane: Lane): void {
    const { reader, progress } = this.#parts;
    const nowMs = this.#parts.now();
    const frame = lane.progress(reader, nowMs);
    if (frame !== null && progress.tryWrite(PROGRESS_FRAME, frame)) lane.reported(reader, nowMs);
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
