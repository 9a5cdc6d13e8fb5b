/**
 * `analytics.v1.Event` from the wire of protobuf to its line in the log, without an object in
 * between: one pass over the message notes where its fields lie, a second writes them as JSON.
 *
 *     field      tag (varint: number << 3 | wire type), then by wire type
 *                0 varint    2 length (varint) and bytes    1 eight bytes    5 four bytes
 *     map entry  a message {1 key, 2 value}
 *
 * Whatever is unusual is left to the slow path (the protobuf library, validateV1Value), which says
 * what is wrong, if anything: a field that comes twice, text that JSON must escape, an empty
 * required field, items and metrics of the oneof, an enum value that is not known. The line that
 * was written is scanned as any other by whoever calls this, so that UTF-8, lengths, keys and times
 * are judged in one place. Both paths give the same event: proto_event_test.ts.
 */
import { CATEGORY_NAMES } from "./event.ts";
import { PLAIN_BYTE } from "./check_json.ts";
import { isProtoKey } from "./scan_text.ts";

/** "Leave it to the slow path." */
export const PROTO_SLOW = -1;

/** Room in the target that a line may need, bytes: the longest event and its field names. */
export const PROTO_LINE_BYTES_MAX = 80 * 1024;

const VARINT = 0;
const EIGHT_BYTES = 1;
const LENGTH = 2;
const FOUR_BYTES = 5;

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

/** Fields of a message that are strings, by number; a map's name ends with a dot. */
type FieldNames = readonly (string | null)[];

const USER_FIELDS: FieldNames = [
  null,
  "action",
  "page_url",
  "referrer",
  "user_agent",
  "ip_address",
  "metadata.",
];
const USER_CONTEXT = 7;
const CONTEXT_FIELDS: FieldNames = [
  null,
  "user_context.device_type",
  "user_context.browser",
  "user_context.os",
  "user_context.country",
  "user_context.city",
];
const IS_NEW_USER = 6;
const CUSTOM_FIELDS: FieldNames = [null, "name", "category", "attributes."];
const TRANSACTION_FIELDS: FieldNames = [
  null,
  "transaction_id",
  null,
  null,
  "currency",
  null,
  "payment_method",
];
const TRANSACTION_TYPE = 2;
const TRANSACTION_AMOUNT = 3;
const TRANSACTION_STATUS = 5;
const TRANSACTION_TYPES = ["", "purchase", "refund", "subscription", "transfer"];
const TRANSACTION_STATUSES = ["", "PENDING", "COMPLETED", "FAILED", "CANCELLED"];

const KEY = 1;
const VALUE = 2;
/** Fields that are remembered by number. */
const FIELDS = 16;
/** Seconds whose ms are written as a number: from 1973 to 9999. */
const SECONDS_LEAST = 100_000_000;
const SECONDS_MOST = 253_402_300_799;

/** Turns messages into lines, one at a time; made once. */
export class ProtoEventWriter {
  /** Where the user id lies in the message, after a line was written. */
  userStart = 0;
  userEnd = 0;
  /** Where the event's type lies in the target. */
  typeStart = 0;
  typeEnd = 0;
  readonly #starts = new Int32Array(FIELDS);
  readonly #ends = new Int32Array(FIELDS);
  #message: Uint8Array = new Uint8Array(0);
  #target: Uint8Array = new Uint8Array(0);
  #at = 0;
  #limit = 0;
  /** Value of the last varint, and the index after it. */
  #value = 0;
  #next = 0;
  readonly #double = new DataView(new ArrayBuffer(8));

  /**
   * Writes the event message[start, end) into `target` from `at` on; gives the index after the line,
   * or PROTO_SLOW. `makeId` is asked for an id of plain ASCII where the event has none.
   */
  write(
    message: Uint8Array,
    start: number,
    end: number,
    target: Uint8Array,
    at: number,
    makeId: () => string,
  ): number {
    this.#message = message;
    this.#target = target;
    this.#at = at;
    this.#limit = Math.min(target.length, at + PROTO_LINE_BYTES_MAX);
    if (!this.#findFields(start, end)) return PROTO_SLOW;
    const category = this.#has(EVENT_TYPE) ? this.#starts[EVENT_TYPE] : 0;
    const written = category >= 1 && category <= 4 && this.#has(USER_ID) &&
      this.#has(TIMESTAMP) && !this.#has(SYSTEM_EVENT) &&
      this.#writeFields(category, makeId) && this.#writeProperties(start, end);
    return written && this.#at < this.#limit ? this.#at : PROTO_SLOW;
  }

  /** Notes where the fields lie; of varints their value. False = odd. */
  #findFields(start: number, end: number): boolean {
    this.#starts.fill(-1);
    let oneofs = 0;
    for (let at = start; at < end; at = this.#next) {
      if (!this.#readField(at, end)) return false;
      const field = this.#field;
      if (field === PROPERTIES || field >= FIELDS) continue;
      if (this.#starts[field] !== -1) return false;
      const isVarint = this.#wire === VARINT;
      if (isVarint !== (field === EVENT_TYPE) || (!isVarint && this.#wire !== LENGTH)) return false;
      this.#starts[field] = isVarint ? this.#value : this.#start;
      this.#ends[field] = this.#next;
      if (field >= USER_EVENT) oneofs++;
    }
    if (oneofs > 1) return false;
    this.userStart = this.#starts[USER_ID];
    this.userEnd = this.#ends[USER_ID];
    return true;
  }

  #field = 0;
  #wire = 0;
  /** Where the value of the field lies: up to `#next`. */
  #start = 0;

  /** Reads a field's tag and where its value is; of a varint its value. False = odd. */
  #readField(at: number, end: number): boolean {
    if (!this.#readVarint(at, end)) return false;
    this.#wire = this.#value % 8;
    this.#field = Math.floor(this.#value / 8);
    if (this.#field === 0) return false;
    switch (this.#wire) {
      case VARINT:
        return this.#readVarint(this.#next, end);
      case LENGTH: {
        if (!this.#readVarint(this.#next, end) || this.#value > end - this.#next) return false;
        this.#start = this.#next;
        this.#next += this.#value;
        return true;
      }
      case EIGHT_BYTES:
      case FOUR_BYTES:
        this.#start = this.#next;
        this.#next += this.#wire === EIGHT_BYTES ? 8 : 4;
        return this.#next <= end;
      default:
        return false;
    }
  }

  /** Up to seven bytes: 49 bits. A longer one, as negative numbers have, is odd. */
  #readVarint(at: number, end: number): boolean {
    const message = this.#message;
    let value = 0, scale = 1;
    for (let i = 0; i < 7 && at < end; i++) {
      const byte = message[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.#value = value;
        this.#next = at;
        return true;
      }
      scale *= 128;
    }
    return false;
  }

  #has(field: number): boolean {
    return this.#starts[field] !== -1;
  }

  #writeFields(category: number, makeId: () => string): boolean {
    const timestampMs = this.#timestampMs();
    if (timestampMs < 0) return false;
    const starts = this.#starts, ends = this.#ends;
    this.#ascii('{"id":"');
    if (this.#isFilled(ID)) {
      if (!this.#text(starts[ID], ends[ID])) return false;
    } else this.#ascii(makeId());
    this.#ascii('","user_id":"');
    if (!this.#text(starts[USER_ID], ends[USER_ID])) return false;
    this.#ascii('","event_type":"');
    this.typeStart = this.#at;
    if (!this.#type(category)) return false;
    this.typeEnd = this.#at;
    this.#ascii(`","timestamp":${timestampMs}`);
    if (this.#isFilled(SOURCE) && !this.#member(',"source":"', SOURCE)) return false;
    if (this.#isFilled(SESSION_ID) && !this.#member(',"session_id":"', SESSION_ID)) return false;
    this.#ascii(`,"category":"${CATEGORY_NAMES[category]}"`);
    return true;
  }

  #isFilled(field: number): boolean {
    return this.#has(field) && this.#ends[field] > this.#starts[field];
  }

  #member(name: string, field: number): boolean {
    this.#ascii(name);
    if (!this.#text(this.#starts[field], this.#ends[field])) return false;
    this.#ascii('"');
    return true;
  }

  /** Ms of the Timestamp; -1 = odd. */
  #timestampMs(): number {
    let seconds = 0, nanos = 0;
    const end = this.#ends[TIMESTAMP];
    for (let at = this.#starts[TIMESTAMP]; at < end; at = this.#next) {
      if (!this.#readField(at, end) || this.#wire !== VARINT) return -1;
      if (this.#field === 1) seconds = this.#value;
      else if (this.#field === 2) nanos = this.#value;
      else return -1;
    }
    if (seconds < SECONDS_LEAST || seconds > SECONDS_MOST || nanos >= 1e9) return -1;
    return 1_000 * seconds + Math.floor(nanos / 1e6);
  }

  /** What happened, in one word: contract, section 5. */
  #type(category: number): boolean {
    const field = this.#has(USER_EVENT)
      ? USER_EVENT
      : this.#has(CUSTOM_EVENT)
      ? CUSTOM_EVENT
      : this.#has(TRANSACTION_EVENT)
      ? TRANSACTION_EVENT
      : 0;
    if (field === 0) {
      this.#ascii(CATEGORY_NAMES[category].slice("EVENT_TYPE_".length).toLowerCase());
      return true;
    }
    const end = this.#ends[field];
    const wanted = field === TRANSACTION_EVENT ? TRANSACTION_TYPE : 1;
    for (let at = this.#starts[field]; at < end; at = this.#next) {
      if (!this.#readField(at, end)) return false;
      if (this.#field !== wanted) continue;
      if (field !== TRANSACTION_EVENT) {
        return this.#wire === LENGTH && this.#next > this.#start &&
          this.#text(this.#start, this.#next);
      }
      const type = TRANSACTION_TYPES[this.#value];
      if (this.#wire !== VARINT || !type) return false;
      this.#ascii(type);
      return true;
    }
    return false;
  }

  #properties = 0;

  /** Properties of the map, then those of the oneof, then the closing braces. */
  #writeProperties(start: number, end: number): boolean {
    this.#properties = 0;
    let amount = "";
    for (let at = start; at < end; at = this.#next) {
      this.#readField(at, end);
      const next = this.#next;
      if (this.#field === PROPERTIES && !this.#entry("", this.#start, next)) return false;
      this.#next = next;
    }
    if (this.#has(USER_EVENT)) {
      if (!this.#strings(USER_EVENT, USER_FIELDS, USER_CONTEXT)) return false;
    } else if (this.#has(CUSTOM_EVENT)) {
      if (!this.#strings(CUSTOM_EVENT, CUSTOM_FIELDS, 0)) return false;
    } else if (this.#has(TRANSACTION_EVENT)) {
      const read = this.#transaction();
      if (read === null) return false;
      amount = `,"amount":${read}`;
    }
    this.#ascii(this.#properties > 0 ? `}${amount}}` : `${amount}}`);
    return true;
  }

  /** The string fields of a message, each at most once, and its maps. */
  #strings(field: number, names: FieldNames, context: number): boolean {
    const end = this.#ends[field];
    let seen = 0;
    for (let at = this.#starts[field]; at < end; at = this.#next) {
      if (!this.#readField(at, end)) return false;
      const inner = this.#field, next = this.#next, start = this.#start;
      const name = names[inner] ?? null;
      const isMap = name !== null && name.endsWith(".");
      if (inner < FIELDS && !isMap && (seen & 1 << inner) !== 0) return false;
      if (inner < FIELDS) seen |= 1 << inner;
      if (inner === context) {
        if (this.#wire !== LENGTH || !this.#userContext(start, next)) return false;
      } else if (name === null) {
        if (inner < FIELDS) return false;
      } else if (this.#wire !== LENGTH) return false;
      else if (isMap ? !this.#entry(name, start, next) : !this.#property(name, start, next)) {
        return false;
      }
      this.#next = next;
    }
    return (seen & 2) !== 0;
  }

  /** UserContext: `is_new_user` is there with the message that holds it. */
  #userContext(start: number, end: number): boolean {
    let seen = 0, isNew = 0;
    for (let at = start; at < end; at = this.#next) {
      if (!this.#readField(at, end)) return false;
      const field = this.#field, next = this.#next;
      if (field >= FIELDS) continue;
      if ((seen & 1 << field) !== 0) return false;
      seen |= 1 << field;
      if (field === IS_NEW_USER) {
        if (this.#wire !== VARINT || this.#value > 1) return false;
        isNew = this.#value;
      } else {
        const name = CONTEXT_FIELDS[field] ?? null;
        if (name === null || this.#wire !== LENGTH) return false;
        if (!this.#property(name, this.#start, next)) return false;
      }
      this.#next = next;
    }
    this.#name("user_context.is_new_user");
    this.#ascii(isNew === 1 ? "true" : "false");
    return true;
  }

  /** Writes a transaction's properties; gives its amount as JSON, null = odd. */
  #transaction(): string | null {
    const end = this.#ends[TRANSACTION_EVENT];
    let seen = 0, amount = 0, type = 0, status = 0;
    for (let at = this.#starts[TRANSACTION_EVENT]; at < end; at = this.#next) {
      if (!this.#readField(at, end)) return null;
      const field = this.#field, next = this.#next;
      if (field >= FIELDS) continue;
      if ((seen & 1 << field) !== 0) return null;
      seen |= 1 << field;
      const name = TRANSACTION_FIELDS[field] ?? null;
      if (field === TRANSACTION_TYPE && this.#wire === VARINT) type = this.#value;
      else if (field === TRANSACTION_STATUS && this.#wire === VARINT) status = this.#value;
      else if (field === TRANSACTION_AMOUNT && this.#wire === EIGHT_BYTES) {
        amount = this.#doubleAt(this.#start);
      } else if (name === null || this.#wire !== LENGTH) return null;
      else if (name === "currency" && !this.#isCurrency(this.#start, next)) return null;
      else if (name === "transaction_id" && next === this.#start) return null;
      else if (!this.#property(name, this.#start, next)) return null;
      this.#next = next;
    }
    if ((seen & 2) === 0 || !(amount >= 0) || amount === Infinity) return null;
    if (type >= TRANSACTION_TYPES.length || status >= TRANSACTION_STATUSES.length) return null;
    if (type > 0) this.#named("type", `TRANSACTION_TYPE_${TRANSACTION_TYPES[type].toUpperCase()}`);
    if (status > 0) this.#named("status", `TRANSACTION_STATUS_${TRANSACTION_STATUSES[status]}`);
    return String(amount + 0);
  }

  #doubleAt(at: number): number {
    for (let i = 0; i < 8; i++) this.#double.setUint8(i, this.#message[at + i]);
    return this.#double.getFloat64(0, true);
  }

  #isCurrency(start: number, end: number): boolean {
    if (end === start) return true;
    if (end - start !== 3) return false;
    for (let i = start; i < end; i++) {
      const letter = this.#message[i] | 0x20;
      if (letter < 0x61 || letter > 0x7a) return false;
    }
    return true;
  }

  /** A map entry; a value that is missing is "". */
  #entry(prefix: string, start: number, end: number): boolean {
    let keyStart = 0, keyEnd = 0, valueStart = 0, valueEnd = 0;
    for (let at = start; at < end; at = this.#next) {
      if (!this.#readField(at, end)) return false;
      if (this.#wire !== LENGTH) return false;
      if (this.#field === KEY) [keyStart, keyEnd] = [this.#start, this.#next];
      else if (this.#field === VALUE) [valueStart, valueEnd] = [this.#start, this.#next];
      else return false;
    }
    // Behind a prefix the scanner would not know it.
    if (prefix !== "" && isProtoKey(this.#message, keyStart, keyEnd)) return false;
    this.#ascii(this.#properties++ === 0 ? ',"properties":{"' : ',"');
    this.#ascii(prefix);
    if (!this.#text(keyStart, keyEnd)) return false;
    this.#ascii('":"');
    if (!this.#text(valueStart, valueEnd)) return false;
    this.#ascii('"');
    return true;
  }

  /** A property from a string field: none where it is "". */
  #property(name: string, start: number, end: number): boolean {
    if (start === end) return true;
    this.#name(name);
    this.#ascii('"');
    if (!this.#text(start, end)) return false;
    this.#ascii('"');
    return true;
  }

  #named(name: string, value: string): void {
    this.#name(name);
    this.#ascii(`"${value}"`);
  }

  #name(name: string): void {
    this.#ascii(this.#properties++ === 0 ? ',"properties":{"' : ',"');
    this.#ascii(name);
    this.#ascii('":');
  }

  /** Bytes of the message as they are; false where JSON must escape one, or there is no room. */
  #text(start: number, end: number): boolean {
    const message = this.#message, target = this.#target;
    let at = this.#at;
    if (at + end - start >= this.#limit) return false;
    for (let i = start; i < end; i++) {
      const byte = message[i];
      if (PLAIN_BYTE[byte] !== 1 && byte < 0x80) return false;
      target[at++] = byte;
    }
    this.#at = at;
    return true;
  }

  /** Past the end of the target nothing is written: the line is odd then. */
  #ascii(text: string): void {
    const target = this.#target;
    let at = this.#at;
    for (let i = 0; i < text.length; i++) target[at++] = text.charCodeAt(i);
    this.#at = at;
  }
}
