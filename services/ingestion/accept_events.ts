/**
 * Ingest, without a transport: bytes in, verdicts out. The steps of both functions, in order:
 *
 *     refuse while shutting down -> scan and judge -> sort by partition -> make durable -> answer
 *
 * Bad events are values (Rejection); what ends a whole request is thrown as ProblemError with a code
 * of the closed list, which every transport maps to its own status.
 *
 * A request's lines are copied into the writer's ring before the first `await`, so requests share
 * one sorter. When the log takes only a part of a request, all of it is answered as failed: the
 * client sends it again with the same ids, and deduplication drops what was kept the first time.
 * (Events without an id of their own have new ids then, and may be stored twice.)
 */
import {
  EVENTS_PER_BATCH_MAX,
  EVENTS_PER_V1_BATCH_MAX,
  RETRY_AFTER_SECONDS,
} from "../../lib/config/limits.ts";
import type { Rejection } from "../../lib/event/event.ts";
import {
  EventScan,
  SCAN_COMPLETE,
  SCAN_DEFAULTS,
  SCAN_SLOW,
  scanEvent,
} from "../../lib/event/scan.ts";
import { splitJsonBatch, splitNdjson } from "../../lib/event/split_batch.ts";
import type { BatchMediaType } from "../../lib/http/media_type.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import { BATCH_SLOT } from "../../lib/telemetry/event_durations.ts";
import type { Metrics } from "../../lib/telemetry/metrics.ts";
import { type OpenSpan, tracing } from "../../lib/telemetry/tracing.ts";
import { type AppendFailure, type AppendPart, OverloadedError } from "./durable_producer.ts";
import { IngestionStats } from "./ingestion_stats.ts";
import type { DecodeEvent, ProtoPart } from "./proto_events.ts";
import { type EventForm, EventSorter, type IndexedRejection } from "./sort_events.ts";

export type { EventForm, IndexedRejection };

/** Where events go; DurableProducer is one. Lines are copied before a call returns. */
export interface EventProducer {
  /** Resolves when all is answered: by index null (durable), or why not. */
  appendAll(parts: readonly AppendPart[]): Promise<readonly (AppendFailure | null)[]>;
  /** @throws what appendAll would give */
  tryEnqueue(part: AppendPart): void;
}

/** `durable`: answered once on disk. `async`: before that. `check`: judged only, never stored. */
export type AcceptMode = "durable" | "async" | "check";

/** Counts what is about to be stored; throws ProblemError rate_limited when it is too much. */
export interface EventQuota {
  takeEvents(events: number, bytes: number): void;
}

/** What becomes of a request's events. */
export interface ModeOptions {
  readonly mode: AcceptMode;
  readonly project: string;
  /** How much may be stored; missing or null = any number of events. */
  readonly quota?: EventQuota | null;
  /** Of the request (W3C); missing or null = it is of no trace. */
  readonly traceparent?: string | null;
}

/** How a request is to be taken. */
export interface AcceptOptions extends ModeOptions {
  readonly form: EventForm;
}

/** How events that came as protobuf are to be taken. */
export interface ProtoOptions extends ModeOptions {
  /** Whether the answer is to tell the ids: reading them costs a string each. */
  readonly wantsIds: boolean;
}

/** The verdict on a single event. */
export type EventAnswer =
  | { readonly ok: true; readonly eventId: string }
  | { readonly ok: false; readonly rejection: Rejection };

/** The verdicts on a batch. */
export interface BatchAnswer {
  readonly accepted: number;
  readonly rejections: readonly IndexedRejection[];
}

/** The verdicts on events that came as protobuf. */
export interface ProtoAnswer extends BatchAnswer {
  /** Of all events, where they are wanted; "" where a refused one has none. */
  readonly ids: readonly string[];
}

export interface EventAcceptorOptions {
  readonly producer: EventProducer;
  readonly partitions: number;
  readonly metrics: Metrics;
  /** A clock, ms since the epoch. */
  readonly now?: () => number;
}

/** By part null, or why it is not known to be durable. */
type Outcomes = readonly (AppendFailure | null)[];

const SERVICE = "ingestion";
/** How long after the last refusal back-pressure is shown at the most, ms. */
const OVERLOAD_SHOWN_MS = 5_000;
const SPACES = new Set([0x20, 0x0a, 0x0d, 0x09]);

/** Takes events in. One per thread that serves requests. */
export class EventAcceptor {
  readonly stats: IngestionStats;
  readonly #producer: EventProducer;
  readonly #metrics: Metrics;
  readonly #now: () => number;
  readonly #sorter: EventSorter;
  readonly #scan = new EventScan();
  readonly #accepted: Float64Array;
  #isDraining = false;
  #isOverloaded = false;
  #overloadedAtMs = 0;

  constructor(options: EventAcceptorOptions) {
    const { metrics } = options;
    this.#producer = options.producer;
    this.#metrics = metrics;
    this.#now = options.now ?? Date.now;
    this.#sorter = new EventSorter(options.partitions, metrics.typeLabels);
    this.#accepted = metrics.eventCounts.slots(SERVICE, "success");
    this.stats = new IngestionStats(this.#now());
    metrics.backpressureActive.set(0);
  }

  /** From now on every request is refused with `shutting_down`. */
  startDraining(): void {
    this.#isDraining = true;
  }

  /**
   * Takes one event: all of `bytes`, white space around it allowed.
   * @throws {ProblemError} overloaded, log_unavailable, shutting_down
   */
  async acceptOne(bytes: Uint8Array, options: AcceptOptions): Promise<EventAnswer> {
    this.#refuseWhileDraining();
    const receivedAtMs = this.#now();
    const sorter = this.#sorter;
    sorter.begin(options.form, receivedAtMs, true);
    this.#judgeOne(bytes, receivedAtMs);
    if (sorter.accepted === 0) {
      sorter.release();
      this.#countRejections(sorter.rejections);
      return { ok: false, rejection: sorter.rejections[0] };
    }
    const eventId = sorter.lastId;
    const slot = sorter.lastSlot;
    const durable = this.#handOver(options, receivedAtMs);
    sorter.release();
    if (durable !== null) this.#settle(await durable, 1);
    if (options.mode !== "check") {
      this.#accepted[slot]++;
      this.#countAccepted(1, slot, receivedAtMs);
    }
    return { ok: true, eventId };
  }

  /**
   * Takes a batch; its good events are kept whatever the others are.
   * @throws {ProblemError} also invalid_json, empty_batch, too_many_events and what else is wrong
   *     with the batch as a whole; then nothing of it was kept
   */
  async acceptBatch(
    bytes: Uint8Array,
    mediaType: BatchMediaType,
    options: AcceptOptions,
  ): Promise<BatchAnswer> {
    this.#refuseWhileDraining();
    const receivedAtMs = this.#now();
    const sorter = this.#sorter;
    sorter.begin(options.form, receivedAtMs, false);
    const eventsMax = options.form === "v1" ? EVENTS_PER_V1_BATCH_MAX : EVENTS_PER_BATCH_MAX;
    const split = mediaType === "ndjson" ? splitNdjson : splitJsonBatch;
    const problem = split(bytes, receivedAtMs, this.#scan, sorter, eventsMax);
    if (problem !== null) {
      sorter.release();
      throw new ProblemError(problem.code, problem.message, { field: problem.field || undefined });
    }
    return await this.#finishBatch(options, receivedAtMs);
  }

  /**
   * The same for events of `analytics.v1` that came as protobuf.
   * @throws {ProblemError} empty_batch, too_many_events; then nothing was kept
   */
  async acceptProto(
    parts: readonly ProtoPart[],
    decode: DecodeEvent,
    options: ProtoOptions,
  ): Promise<ProtoAnswer> {
    this.#refuseWhileDraining();
    let count = 0;
    for (const { events } of parts) count += events.length / 2;
    if (count === 0) throw new ProblemError("empty_batch");
    if (count > EVENTS_PER_V1_BATCH_MAX) {
      const detail = `a batch holds at most ${EVENTS_PER_V1_BATCH_MAX} events; send it in parts`;
      throw new ProblemError("too_many_events", detail, { field: "events" });
    }
    const receivedAtMs = this.#now();
    const sorter = this.#sorter;
    sorter.begin("v1", receivedAtMs, options.wantsIds);
    for (const { bytes, events } of parts) {
      for (let i = 0; i < events.length; i += 2) {
        sorter.proto(bytes, events[i], events[i + 1], decode);
      }
    }
    const { ids } = sorter;
    return { ...await this.#finishBatch(options, receivedAtMs), ids };
  }

  async #finishBatch(options: ModeOptions, receivedAtMs: number): Promise<BatchAnswer> {
    const sorter = this.#sorter;
    const { accepted, rejections } = sorter;
    const counts = sorter.typeCounts();
    this.#countRejections(rejections);
    const durable = accepted > 0 ? this.#handOver(options, receivedAtMs) : null;
    sorter.release();
    if (durable !== null) this.#settle(await durable, accepted);
    if (accepted > 0 && options.mode !== "check") {
      for (let i = 0; i < counts.length; i += 2) this.#accepted[counts[i]] += counts[i + 1];
      this.#countAccepted(accepted, BATCH_SLOT, receivedAtMs);
    }
    return { accepted, rejections };
  }

  #refuseWhileDraining(): void {
    if (this.#isDraining) throw new ProblemError("shutting_down");
  }

  /** Gives the one event in `bytes` to the sorter. */
  #judgeOne(bytes: Uint8Array, receivedAtMs: number): void {
    const scan = this.#scan;
    const sorter = this.#sorter;
    let verdict = scanEvent(bytes, 0, bytes.length, receivedAtMs, scan);
    if (verdict !== SCAN_SLOW && !isBlank(bytes, scan.end)) verdict = SCAN_SLOW;
    if (verdict === SCAN_COMPLETE) sorter.complete(bytes, scan.start, scan.end, scan);
    else if (verdict === SCAN_DEFAULTS) sorter.defaults(bytes, scan.start, scan.end, scan);
    else sorter.slow(bytes, 0, bytes.length);
  }

  /**
   * Hands the sorted lines to the log: by part null, or why it is not durable; resolves at once
   * where nothing is to be waited for.
   */
  #handOver(options: ModeOptions, receivedAtMs: number): Promise<Outcomes> | Outcomes | null {
    const { mode, project, quota = null, traceparent = null } = options;
    if (mode === "check") return null;
    if (quota !== null) this.#charge(quota);
    const { accepted, lines } = this.#sorter;
    const span = tracing?.startAppend(traceparent, { "rta.events": accepted }) ?? null;
    const trace = span?.traceparent ?? traceparent;
    const parts: AppendPart[] = [];
    for (let partition = 0; partition < lines.length; partition++) {
      if (lines[partition].count === 0) continue;
      parts.push({ partition, project, receivedAtMs, traceparent: trace, lines: lines[partition] });
    }
    const outcomes = mode === "async" ? this.#enqueue(parts) : this.#producer.appendAll(parts);
    if (span !== null) void endAppend(span, outcomes);
    return outcomes;
  }

  /** All of a request's good events, or none. What they are sorted into is cleared by the next. */
  #charge(quota: EventQuota): void {
    const { accepted, lines } = this.#sorter;
    quota.takeEvents(accepted, lines.reduce((bytes, { byteLength }) => bytes + byteLength, 0));
  }

  #enqueue(parts: readonly AppendPart[]): Outcomes {
    try {
      for (const part of parts) this.#producer.tryEnqueue(part);
      return [];
    } catch (error) {
      return [error as AppendFailure];
    }
  }

  /** Ends a request whose lines are not all durable. */
  #settle(outcomes: Outcomes, events: number): void {
    const failure = outcomes.find((outcome) => outcome !== null) ?? null;
    this.#noteOverload(failure instanceof OverloadedError);
    if (failure === null) return;
    this.stats.failed(events);
    throw problemOf(failure);
  }

  /** Back-pressure is over when nothing was refused for a while, even if nobody sends any more. */
  refreshGauges(): void {
    if (this.#now() - this.#overloadedAtMs > OVERLOAD_SHOWN_MS) this.#noteOverload(false);
  }

  #noteOverload(isOverloaded: boolean): void {
    if (isOverloaded) this.#overloadedAtMs = this.#now();
    if (isOverloaded === this.#isOverloaded) return;
    this.#isOverloaded = isOverloaded;
    this.#metrics.backpressureActive.set(isOverloaded ? 1 : 0);
  }

  #countAccepted(events: number, slot: number, receivedAtMs: number): void {
    const nowMs = this.#now();
    const tookMs = nowMs - receivedAtMs;
    this.#metrics.eventDuration.observeSlot(SERVICE, slot, tookMs / 1000);
    this.stats.accepted(events, tookMs, nowMs);
  }

  #countRejections(rejections: readonly Rejection[]): void {
    if (rejections.length === 0) return;
    this.#metrics.eventCounts.addRejected(SERVICE, rejections.length);
    this.stats.failed(rejections.length);
    for (const { code } of rejections) {
      this.#metrics.errors.inc({ service: SERVICE, error_type: code });
    }
  }
}

async function endAppend(span: OpenSpan, outcomes: Promise<Outcomes> | Outcomes): Promise<void> {
  span.end((await outcomes).find((outcome) => outcome !== null)?.code);
}

/** Whether nothing but white space follows. */
function isBlank(bytes: Uint8Array, from: number): boolean {
  for (let i = from; i < bytes.length; i++) {
    if (!SPACES.has(bytes[i])) return false;
  }
  return true;
}

function problemOf(failure: AppendFailure): ProblemError {
  const isOverload = failure instanceof OverloadedError;
  return new ProblemError(isOverload ? "overloaded" : "log_unavailable", undefined, {
    retryAfterSeconds: isOverload ? failure.retryAfterSeconds : RETRY_AFTER_SECONDS,
    cause: failure,
  });
}
