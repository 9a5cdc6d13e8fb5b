/**
 * The judging and sorting half of ingest: takes events one by one, decides what each is, and keeps
 * the good ones as lines by partition, the bad ones as rejections by index.
 *
 *     complete   the body's own bytes are the line               (no copy, no object)
 *     defaults   the bytes with id or timestamp put in           (copied into MadeLines)
 *     slow       parsed, checked by schema, written anew         (everything of analytics.v1)
 *
 * One EventSorter serves all requests of the thread, one after the other: it is filled and emptied
 * without giving way to another request in between.
 */
import { METRIC_EVENT_TYPES_MAX } from "../../lib/config/limits.ts";
import type { Rejection } from "../../lib/event/event.ts";
import { asciiText, isAscii } from "../../lib/event/ascii_text.ts";
import { ProtoEventWriter, type WriteId } from "../../lib/event/proto_event.ts";
import {
  EventScan,
  insertDefaults,
  INSERTED_BYTES_MAX,
  SCAN_COMPLETE,
  scanFast,
} from "../../lib/event/scan.ts";
import type { BatchSink } from "../../lib/event/split_batch.ts";
import {
  type SlowContext,
  type SlowVerdict,
  validatePlain,
  validateV1,
  writeCanonicalLine,
} from "../../lib/event/validate.ts";
import { LineRanges } from "../../lib/log/line_ranges.ts";
import { partitionOf } from "../../lib/log/murmur2.ts";
import type { EventTypeLabels } from "../../lib/telemetry/event_type_labels.ts";
import { MadeLines } from "./made_lines.ts";
import { type DecodeEvent, judgeProtoEvent } from "./proto_events.ts";
import { UuidV7Maker } from "./uuid_v7.ts";

/** `plain`: the REST event. `v1`: `analytics.v1.Event` as JSON, bare or wrapped in `event`. */
export type EventForm = "plain" | "v1";

/** A refused event and its place in the batch. */
export interface IndexedRejection extends Rejection {
  /** Counted from 0 over all events of the batch. */
  readonly index: number;
}

/** How many events of a type: slot of EventTypeLabels and count, in pairs. */
export type TypeCounts = readonly number[];

/**
 * Room for the line of a protobuf event, bytes for a byte of it and in all: more than the names of
 * its fields take. A line that needs more is left to the slow path.
 */
const PROTO_GROWTH = 4;
const PROTO_LINE_BYTES_MIN = 1_024;
const NEWLINE = 0x0a;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Sorts the events of one request at a time: begin(), then events, then the results. */
export class EventSorter implements BatchSink {
  /** Lines by partition. */
  readonly lines: readonly LineRanges[];
  rejections: IndexedRejection[] = [];
  /** Events seen so far, good and bad. */
  events = 0;
  /** Ids of all events, where the caller wants them; "" where a refused one has none. */
  ids: string[] = [];
  /** Id of the last good event, where the caller wants ids. */
  lastId = "";
  /** Slot of its type in EventTypeLabels. */
  lastSlot = 0;
  /** By partition. */
  readonly #made: readonly MadeLines[];
  readonly #ids = new UuidV7Maker();
  readonly #makeId = () => this.#ids.make(this.#receivedAtMs);
  readonly #writeId: WriteId = (target, at) => this.#ids.write(this.#receivedAtMs, target, at);
  readonly #protoWriter = new ProtoEventWriter();
  readonly #scan = new EventScan();
  readonly #labels: EventTypeLabels;
  readonly #typeCounts = new Int32Array(METRIC_EVENT_TYPES_MAX + 1);
  /** Slots whose count is above 0. */
  #countedSlots: number[] = [];
  #form: EventForm = "plain";
  #receivedAtMs = 0;
  /** Whether the caller wants ids: reading one makes a string, and batches don't need them. */
  #wantsId = false;

  constructor(partitions: number, labels: EventTypeLabels) {
    this.lines = Array.from({ length: partitions }, () => new LineRanges());
    this.#made = this.lines.map(() => new MadeLines());
    this.#labels = labels;
  }

  /** Forgets the last request and gets ready for the next. */
  begin(form: EventForm, receivedAtMs: number, wantsId: boolean): void {
    this.release();
    for (const slot of this.#countedSlots) this.#typeCounts[slot] = 0;
    this.#countedSlots.length = 0;
    // New ones also in place of empty ones: the last request may still hold those, waiting for the
    // disk, and its answer is not to tell of this one's events.
    this.rejections = [];
    this.ids = [];
    this.events = 0;
    this.lastId = "";
    this.#form = form;
    this.#receivedAtMs = receivedAtMs;
    this.#wantsId = wantsId;
  }

  /** Lets go of the request's bytes, once its lines are copied. The results stay. */
  release(): void {
    for (let partition = 0; partition < this.lines.length; partition++) {
      if (this.lines[partition].count > 0) this.lines[partition].clear();
      this.#made[partition].clear();
    }
  }

  /** Good events so far. */
  get accepted(): number {
    return this.events - this.rejections.length;
  }

  /** Good events by type. */
  typeCounts(): TypeCounts {
    return this.#countedSlots.flatMap((slot) => [slot, this.#typeCounts[slot]]);
  }

  complete(bytes: Uint8Array, start: number, end: number, scan: EventScan): void {
    if (this.#form === "v1") return this.slow(bytes, start, end);
    if (this.#wantsId) this.#nameIt(textOf(bytes, scan.idStart, scan.idEnd));
    this.#count(this.#labels.slotOf(bytes, scan.typeStart, scan.typeEnd));
    this.#keep(bytes, start, end, bytes, scan.userStart, scan.userEnd);
  }

  defaults(bytes: Uint8Array, start: number, end: number, scan: EventScan): void {
    if (this.#form === "v1") return this.slow(bytes, start, end);
    const id = scan.idStart < 0 ? this.#ids.make(this.#receivedAtMs) : "";
    if (this.#wantsId) this.#nameIt(id || textOf(bytes, scan.idStart, scan.idEnd));
    const partition = partitionOf(bytes, scan.userStart, scan.userEnd, this.lines.length);
    const made = this.#made[partition];
    made.reserve(end - start + INSERTED_BYTES_MAX + 1);
    const { block, at } = made;
    const lineEnd = insertDefaults(bytes, start, end, scan, id, this.#receivedAtMs, block, at);
    this.#count(this.#labels.slotOf(bytes, scan.typeStart, scan.typeEnd));
    this.#keepMade(partition, lineEnd);
  }

  slow(bytes: Uint8Array, start: number, end: number): void {
    this.#take(this.#judge(bytes.subarray(start, end)));
  }

  /** An event of `analytics.v1` that came as protobuf: message[start, end). */
  proto(message: Uint8Array, start: number, end: number, decode: DecodeEvent): void {
    const partition = this.#writeProto(message, start, end);
    if (partition < 0) {
      return this.#take(judgeProtoEvent(message.subarray(start, end), decode, this.#context()));
    }
    const { idStart, idEnd, typeStart, typeEnd, lineEnd } = this.#protoWriter;
    const { block } = this.#made[partition];
    if (this.#wantsId) this.#nameIt(textOf(block, idStart, idEnd));
    this.#count(this.#labels.slotOf(block, typeStart, typeEnd));
    this.#keepMade(partition, lineEnd);
  }

  /** Writes the line of such an event; gives its partition, -1 = the slow path's. */
  #writeProto(message: Uint8Array, start: number, end: number): number {
    const writer = this.#protoWriter;
    if (!writer.find(message, start, end)) return -1;
    const { userStart, userEnd } = writer;
    const partition = partitionOf(message, userStart, userEnd, this.lines.length);
    const made = this.#made[partition];
    made.reserve(PROTO_LINE_BYTES_MIN + PROTO_GROWTH * (end - start));
    const { block, at } = made;
    if (!writer.write(block, at, this.#receivedAtMs, this.#writeId)) return -1;
    if (!writer.needsScan) return partition;
    const verdict = scanFast(block, at, writer.lineEnd, this.#receivedAtMs, this.#scan);
    return verdict === SCAN_COMPLETE ? partition : -1;
  }

  #nameIt(id: string): void {
    this.lastId = id;
    this.ids.push(id);
  }

  #take(verdict: SlowVerdict): void {
    if (!verdict.ok) {
      this.rejections.push({ ...verdict.rejection, index: this.events++ });
      if (this.#wantsId) this.ids.push(verdict.rejection.id ?? "");
      return;
    }
    const { event } = verdict;
    const line = writeCanonicalLine(event);
    const user = encoder.encode(event.userId);
    if (this.#wantsId) this.#nameIt(event.id);
    this.#count(this.#labels.slotOfName(event.type));
    this.#keep(line, 0, line.length, user, 0, user.length);
  }

  invalid(bytes: Uint8Array, start: number, end: number): void {
    this.slow(bytes, start, end);
  }

  #judge(bytes: Uint8Array): SlowVerdict {
    const context = this.#context();
    return this.#form === "v1" ? validateV1(bytes, context) : validatePlain(bytes, context);
  }

  #context(): SlowContext {
    return { receivedAtMs: this.#receivedAtMs, makeId: this.#makeId };
  }

  #count(slot: number): void {
    this.lastSlot = slot;
    if (this.#typeCounts[slot]++ === 0) this.#countedSlots.push(slot);
  }

  /** Keeps a line in the partition of its user. */
  #keep(
    line: Uint8Array,
    start: number,
    end: number,
    user: Uint8Array,
    userStart: number,
    userEnd: number,
  ): void {
    const partition = partitionOf(user, userStart, userEnd, this.lines.length);
    this.lines[partition].add(line, start, end);
    this.events++;
  }

  /** Keeps the line that was made for a partition, up to `end`. */
  #keepMade(partition: number, end: number): void {
    const made = this.#made[partition];
    this.lines[partition].add(made.block, made.at, end);
    made.block[end] = NEWLINE;
    made.at = end + 1;
    this.events++;
  }
}

/** UTF-8 text as a string. */
function textOf(bytes: Uint8Array, start: number, end: number): string {
  if (isAscii(bytes, start, end)) return asciiText(bytes, start, end);
  return decoder.decode(bytes.subarray(start, end));
}
