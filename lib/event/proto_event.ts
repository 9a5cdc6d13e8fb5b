/**
 * `analytics.v1.Event` from the wire of protobuf to its line in the log, without an object in
 * between: one pass over the message notes where its fields lie, a second writes them as JSON.
 *
 * Whatever is unusual is left to the slow path (the protobuf library, validateV1Value), which says
 * what is wrong, if anything: a field that comes twice, text that JSON must escape, an empty
 * required field, items and metrics of the oneof, an enum value that is not known. The rules of events
 * (UTF-8, lengths, keys, times) are the scanner's: a line is only trusted without a scan where it is
 * plainly far from breaking one (`needsScan`). Both paths give the same event: proto_events_test.ts.
 */
import {
  FUTURE_MS_MAX,
  ID_CHARS_MAX,
  PROPERTIES_BYTES_MAX,
  PROPERTIES_MAX,
  SESSION_ID_CHARS_MAX,
  SOURCE_CHARS_MAX,
  TYPE_CHARS_MAX,
  USER_ID_CHARS_MAX,
} from "../config/limits.ts";
import { asciiBytes } from "./ascii_text.ts";
import { CATEGORY_NAMES } from "./event.ts";
import { KeySet } from "./key_set.ts";
import { LineWriter } from "./line_writer.ts";
import { EIGHT_BYTES, LENGTH, ProtoFields, VARINT } from "./proto_fields.ts";
import { isProtoKey } from "./scan_text.ts";

const ID = 1;
const USER_ID = 2;
const SESSION_ID = 3;
const EVENT_TYPE = 4;
const TIMESTAMP = 5;
const SOURCE = 6;
const PROPERTIES = 7;
const USER_EVENT = 10;
const TRANSACTION_EVENT = 11;
const SYSTEM_EVENT = 12;
const CUSTOM_EVENT = 13;

/** A field that is a string or a map of strings, and what its properties are called. */
interface TextField {
  /** A map's name ends with a dot: the entry's key follows. */
  readonly name: Uint8Array;
  readonly isMap: boolean;
}

/** By number; null = none of those. */
type TextFields = readonly (TextField | null)[];

const textFields = (names: readonly (string | null)[]): TextFields =>
  names.map((name) => name && { name: asciiBytes(name), isMap: name.endsWith(".") } || null);

const USER_FIELDS = textFields([
  null,
  "action",
  "page_url",
  "referrer",
  "user_agent",
  "ip_address",
  "metadata.",
]);
const USER_CONTEXT = 7;
const CONTEXT_FIELDS = textFields([
  null,
  "user_context.device_type",
  "user_context.browser",
  "user_context.os",
  "user_context.country",
  "user_context.city",
]);
const IS_NEW_USER = 6;
const CUSTOM_FIELDS = textFields([null, "name", "category", "attributes."]);
const TRANSACTION_ID = 1;
const TRANSACTION_TYPE = 2;
const TRANSACTION_AMOUNT = 3;
const CURRENCY = 4;
const TRANSACTION_STATUS = 5;
const TRANSACTION_FIELDS = textFields([
  null,
  "transaction_id",
  null,
  null,
  "currency",
  null,
  "payment_method",
]);
const TRANSACTION_TYPES = ["", "purchase", "refund", "subscription", "transfer"];
const TRANSACTION_STATUSES = ["", "PENDING", "COMPLETED", "FAILED", "CANCELLED"];

const NO_NAME = asciiBytes("");
const TYPE_NAME = asciiBytes("type");
const STATUS_NAME = asciiBytes("status");
const IS_NEW_USER_NAME = asciiBytes("user_context.is_new_user");
const BEFORE_ID = asciiBytes('{"id":"');
const BEFORE_USER = asciiBytes('","user_id":"');
const BEFORE_TYPE = asciiBytes('","event_type":"');
const BEFORE_TIMESTAMP = asciiBytes('","timestamp":');
const BEFORE_SOURCE = asciiBytes(',"source":"');
const BEFORE_SESSION = asciiBytes(',"session_id":"');
const BEFORE_FIRST_NAME = asciiBytes(',"properties":{"');
const BEFORE_NAME = asciiBytes(',"');
const BEFORE_TEXT = asciiBytes('":"');
const QUOTE = asciiBytes('"');
/** A whole member, by category; and the type of an event that says nothing more. */
const CATEGORY_MEMBERS = CATEGORY_NAMES.map((name) => asciiBytes(`,"category":"${name}"`));
const CATEGORY_TYPES = CATEGORY_NAMES.map((name) =>
  asciiBytes(name.slice("EVENT_TYPE_".length).toLowerCase())
);

const KEY = 1;
const VALUE = 2;
/** Fields are remembered by number up to the last of the oneof. */
const FIELDS = CUSTOM_EVENT + 1;
/** Our additions to messages, which no client sends, are numbered up to here. */
const OWN_FIELD_MAX = 31;
/** Seconds whose ms are written as a number: from 1973 to 9999. */
const SECONDS_LEAST = 100_000_000;
const SECONDS_MOST = 253_402_300_799;

/** Writes an id of plain ASCII into `target` at `at`; gives the index after it. */
export type WriteId = (target: Uint8Array, at: number) => number;

/** Turns messages into lines, one at a time; made once. */
export class ProtoEventWriter {
  /** Where the user id lies in the message, after find(). */
  userStart = 0;
  userEnd = 0;
  /** Where its id, its type and the line's end lie in the target, after write(). */
  idStart = 0;
  idEnd = 0;
  typeStart = 0;
  typeEnd = 0;
  lineEnd = 0;
  /** After write(): whether only a scan of the line can tell that it keeps the rules of events. */
  needsScan = false;
  /** Where each field lies in the message; of the event type its value. */
  readonly #starts = new Int32Array(FIELDS);
  readonly #ends = new Int32Array(FIELDS);
  /** Where the event lies. */
  #start = 0;
  #end = 0;
  #category = 0;
  /** Which of the oneof is there; 0 = none. */
  #data = 0;
  readonly #wire = new ProtoFields();
  readonly #line = new LineWriter();
  /** Properties that were written. */
  #properties = 0;
  readonly #names = new KeySet(PROPERTIES_MAX);
  readonly #double = new DataView(new ArrayBuffer(8));

  /** Finds the fields of the event message[start, end). False = odd: leave it to the slow path. */
  find(message: Uint8Array, start: number, end: number): boolean {
    const wire = this.#wire, starts = this.#starts;
    wire.message = message;
    this.#start = start;
    this.#end = end;
    this.#data = 0;
    // So few that fill(), a call into the engine, would take longer.
    for (let field = 0; field < FIELDS; field++) starts[field] = -1;
    for (let at = start; at < end; at = wire.next) {
      if (!wire.read(at, end)) return false;
      const field = wire.field;
      if (field === PROPERTIES || field > OWN_FIELD_MAX) continue;
      if (field >= FIELDS) return false;
      if (starts[field] !== -1) return false;
      const isVarint = wire.wire === VARINT;
      if (isVarint !== (field === EVENT_TYPE) || (!isVarint && wire.wire !== LENGTH)) return false;
      starts[field] = isVarint ? wire.value : wire.start;
      this.#ends[field] = wire.next;
      if (field < USER_EVENT) continue;
      if (this.#data !== 0) return false;
      this.#data = field;
    }
    this.userStart = starts[USER_ID];
    this.userEnd = this.#ends[USER_ID];
    this.#category = starts[EVENT_TYPE];
    return this.#category >= 1 && this.#category <= 4 && this.#has(USER_ID) &&
      this.#has(TIMESTAMP) && this.#data !== SYSTEM_EVENT;
  }

  /**
   * Writes the event that find() found into `target` from `at` on, up to `lineEnd`, where there is
   * room for a newline. False = odd: leave it to the slow path. `writeId` is asked for an id where
   * the event has none.
   */
  write(target: Uint8Array, at: number, receivedAtMs: number, writeId: WriteId): boolean {
    const line = this.#line;
    line.begin(target, at);
    this.needsScan = false;
    const timestampMs = this.#timestampMs();
    if (timestampMs < 0 || !this.#writeFields(timestampMs, writeId)) return false;
    if (!this.#writeProperties() || !line.hasRoom) return false;
    const isSure = line.isAscii && line.at - at <= PROPERTIES_BYTES_MAX &&
      timestampMs <= receivedAtMs + FUTURE_MS_MAX && this.#data !== TRANSACTION_EVENT &&
      this.#areTextsInLimits();
    if (!isSure) this.needsScan = true;
    this.lineEnd = line.at;
    return true;
  }

  /** Whether the texts of the known fields, if they are ASCII, are no longer than they may be. */
  #areTextsInLimits(): boolean {
    const userChars = this.userEnd - this.userStart;
    return userChars > 0 && userChars <= USER_ID_CHARS_MAX &&
      this.idEnd - this.idStart <= ID_CHARS_MAX &&
      this.typeEnd - this.typeStart <= TYPE_CHARS_MAX &&
      this.#length(SOURCE) <= SOURCE_CHARS_MAX &&
      this.#length(SESSION_ID) <= SESSION_ID_CHARS_MAX;
  }

  /** Bytes of a field; 0 where it is missing. */
  #length(field: number): number {
    return this.#has(field) ? this.#ends[field] - this.#starts[field] : 0;
  }

  #has(field: number): boolean {
    return this.#starts[field] !== -1;
  }

  #writeFields(timestampMs: number, writeId: WriteId): boolean {
    const line = this.#line;
    line.bytes(BEFORE_ID);
    this.idStart = line.at;
    if (this.#length(ID) > 0) {
      if (!this.#text(ID)) return false;
    } else line.at = writeId(line.target, line.at);
    this.idEnd = line.at;
    line.bytes(BEFORE_USER);
    if (!this.#text(USER_ID)) return false;
    line.bytes(BEFORE_TYPE);
    this.typeStart = line.at;
    if (!this.#type()) return false;
    this.typeEnd = line.at;
    line.bytes(BEFORE_TIMESTAMP);
    line.wholeNumber(timestampMs);
    if (this.#length(SOURCE) > 0 && !this.#member(BEFORE_SOURCE, SOURCE)) return false;
    if (this.#length(SESSION_ID) > 0 && !this.#member(BEFORE_SESSION, SESSION_ID)) return false;
    line.bytes(CATEGORY_MEMBERS[this.#category]);
    return true;
  }

  #member(before: Uint8Array, field: number): boolean {
    this.#line.bytes(before);
    if (!this.#text(field)) return false;
    this.#line.bytes(QUOTE);
    return true;
  }

  #text(field: number): boolean {
    return this.#line.text(this.#wire.message, this.#starts[field], this.#ends[field]);
  }

  /** Ms of the Timestamp; -1 = odd. */
  #timestampMs(): number {
    const wire = this.#wire;
    let seconds = 0, nanos = 0;
    const end = this.#ends[TIMESTAMP];
    for (let at = this.#starts[TIMESTAMP]; at < end; at = wire.next) {
      if (!wire.read(at, end) || wire.wire !== VARINT) return -1;
      if (wire.field === 1) seconds = wire.value;
      else if (wire.field === 2) nanos = wire.value;
      else return -1;
    }
    if (seconds < SECONDS_LEAST || seconds > SECONDS_MOST || nanos >= 1e9) return -1;
    return 1_000 * seconds + Math.floor(nanos / 1e6);
  }

  /** What happened, in one word: contract, section 5. */
  #type(): boolean {
    const wire = this.#wire, data = this.#data;
    if (data === 0) {
      this.#line.bytes(CATEGORY_TYPES[this.#category]);
      return true;
    }
    const end = this.#ends[data];
    const wanted = data === TRANSACTION_EVENT ? TRANSACTION_TYPE : 1;
    for (let at = this.#starts[data]; at < end; at = wire.next) {
      if (!wire.read(at, end)) return false;
      if (wire.field !== wanted) continue;
      if (data !== TRANSACTION_EVENT) {
        return wire.wire === LENGTH && wire.next > wire.start &&
          this.#line.text(wire.message, wire.start, wire.next);
      }
      const type = TRANSACTION_TYPES[wire.value];
      if (wire.wire !== VARINT || !type) return false;
      this.#line.ascii(type);
      return true;
    }
    return false;
  }

  /** Properties of the map, then those of the oneof, then the closing braces. */
  #writeProperties(): boolean {
    const wire = this.#wire;
    this.#properties = 0;
    this.#names.clear();
    let amount = "";
    for (let at = this.#start; at < this.#end;) {
      wire.read(at, this.#end);
      at = wire.next;
      if (wire.field === PROPERTIES) {
        if (wire.wire !== LENGTH || !this.#entry(NO_NAME, wire.start, at)) return false;
      }
    }
    if (this.#data === USER_EVENT) {
      if (!this.#texts(USER_FIELDS, USER_CONTEXT)) return false;
    } else if (this.#data === CUSTOM_EVENT) {
      if (!this.#texts(CUSTOM_FIELDS, 0)) return false;
    } else if (this.#data === TRANSACTION_EVENT) {
      const read = this.#transaction();
      if (read === null) return false;
      amount = `,"amount":${read}`;
    }
    this.#line.ascii(this.#properties > 0 ? `}${amount}}` : `${amount}}`);
    return true;
  }

  /** The string fields of the oneof's message, each at most once, and its maps. */
  #texts(fields: TextFields, context: number): boolean {
    const wire = this.#wire, end = this.#ends[this.#data];
    let seen = 0;
    for (let at = this.#starts[this.#data]; at < end;) {
      if (!wire.read(at, end)) return false;
      const field = wire.field, start = wire.start;
      at = wire.next;
      if (field > OWN_FIELD_MAX) continue;
      const known = fields[field] ?? null;
      if (wire.wire !== LENGTH || (known === null && field !== context)) return false;
      if (known !== null && known.isMap) {
        if (!this.#entry(known.name, start, at)) return false;
        continue;
      }
      if ((seen & 1 << field) !== 0) return false;
      seen |= 1 << field;
      const isWritten = known === null
        ? this.#userContext(start, at)
        : this.#property(known.name, start, at);
      if (!isWritten) return false;
    }
    return (seen & 2) !== 0;
  }

  /** UserContext: `is_new_user` is there with the message that holds it. */
  #userContext(start: number, end: number): boolean {
    const wire = this.#wire;
    let seen = 0, isNew = 0;
    for (let at = start; at < end; at = wire.next) {
      if (!wire.read(at, end)) return false;
      const field = wire.field;
      if (field > OWN_FIELD_MAX) continue;
      if ((seen & 1 << field) !== 0) return false;
      seen |= 1 << field;
      if (field === IS_NEW_USER) {
        if (wire.wire !== VARINT || wire.value > 1) return false;
        isNew = wire.value;
      } else {
        const known = CONTEXT_FIELDS[field] ?? null;
        if (known === null || wire.wire !== LENGTH) return false;
        if (!this.#property(known.name, wire.start, wire.next)) return false;
      }
    }
    this.#name(IS_NEW_USER_NAME);
    this.#line.ascii(isNew === 1 ? '":true' : '":false');
    return true;
  }

  /** Writes a transaction's properties; gives its amount as JSON, null = odd. */
  #transaction(): string | null {
    const wire = this.#wire, end = this.#ends[TRANSACTION_EVENT];
    let seen = 0, amount = 0, type = 0, status = 0;
    for (let at = this.#starts[TRANSACTION_EVENT]; at < end; at = wire.next) {
      if (!wire.read(at, end)) return null;
      const field = wire.field, start = wire.start, next = wire.next;
      if (field > OWN_FIELD_MAX) continue;
      if ((seen & 1 << field) !== 0) return null;
      seen |= 1 << field;
      const known = TRANSACTION_FIELDS[field] ?? null;
      if (field === TRANSACTION_TYPE && wire.wire === VARINT) type = wire.value;
      else if (field === TRANSACTION_STATUS && wire.wire === VARINT) status = wire.value;
      else if (field === TRANSACTION_AMOUNT && wire.wire === EIGHT_BYTES) {
        amount = this.#doubleAt(start);
      } else if (known === null || wire.wire !== LENGTH) return null;
      else if (field === CURRENCY && !this.#isCurrency(start, next)) return null;
      else if (field === TRANSACTION_ID && next === start) return null;
      else if (!this.#property(known.name, start, next)) return null;
    }
    if ((seen & 1 << TRANSACTION_ID) === 0 || !(amount >= 0) || amount === Infinity) return null;
    if (type >= TRANSACTION_TYPES.length || status >= TRANSACTION_STATUSES.length) return null;
    if (type > 0) {
      this.#named(TYPE_NAME, `TRANSACTION_TYPE_${TRANSACTION_TYPES[type].toUpperCase()}`);
    }
    if (status > 0) this.#named(STATUS_NAME, `TRANSACTION_STATUS_${TRANSACTION_STATUSES[status]}`);
    return String(amount + 0);
  }

  #doubleAt(at: number): number {
    for (let i = 0; i < 8; i++) this.#double.setUint8(i, this.#wire.message[at + i]);
    return this.#double.getFloat64(0, true);
  }

  #isCurrency(start: number, end: number): boolean {
    if (end === start) return true;
    if (end - start !== 3) return false;
    for (let i = start; i < end; i++) {
      const letter = this.#wire.message[i] | 0x20;
      if (letter < 0x61 || letter > 0x7a) return false;
    }
    return true;
  }

  /** A map entry; a key or value that is missing is "". */
  #entry(prefix: Uint8Array, start: number, end: number): boolean {
    const wire = this.#wire, line = this.#line;
    let keyStart = 0, keyEnd = 0, valueStart = 0, valueEnd = 0;
    for (let at = start; at < end; at = wire.next) {
      if (!wire.read(at, end) || wire.wire !== LENGTH) return false;
      if (wire.field === KEY) {
        keyStart = wire.start;
        keyEnd = wire.next;
      } else if (wire.field === VALUE) {
        valueStart = wire.start;
        valueEnd = wire.next;
      } else return false;
    }
    // Behind a prefix the scanner would not know it.
    if (isProtoKey(wire.message, keyStart, keyEnd)) return false;
    this.#beginName();
    const nameStart = line.at;
    line.bytes(prefix);
    if (!line.text(wire.message, keyStart, keyEnd)) return false;
    this.#noteName(nameStart);
    line.bytes(BEFORE_TEXT);
    if (!line.text(wire.message, valueStart, valueEnd)) return false;
    line.bytes(QUOTE);
    return true;
  }

  /** A property from a string field: none where it is "". */
  #property(name: Uint8Array, start: number, end: number): boolean {
    if (start === end) return true;
    const line = this.#line;
    this.#name(name);
    line.bytes(BEFORE_TEXT);
    if (!line.text(this.#wire.message, start, end)) return false;
    line.bytes(QUOTE);
    return true;
  }

  #named(name: Uint8Array, value: string): void {
    this.#name(name);
    this.#line.ascii(`":"${value}"`);
  }

  #name(name: Uint8Array): void {
    this.#beginName();
    const start = this.#line.at;
    this.#line.bytes(name);
    this.#noteName(start);
  }

  #beginName(): void {
    this.#line.bytes(this.#properties++ === 0 ? BEFORE_FIRST_NAME : BEFORE_NAME);
  }

  /** Has a name that may be there twice, or too many of them, judged by the scanner. */
  #noteName(start: number): void {
    if (!this.#names.add(this.#line.target, start, this.#line.at)) this.needsScan = true;
  }
}
