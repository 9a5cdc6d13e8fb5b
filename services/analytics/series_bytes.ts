/**
 * JSON of a series' answer, as the bytes that are sent. A month by the hour is 720 points of the same
 * shape: as objects, then as text, they were most of what the main thread's garbage collector had to
 * do. So each point is written where it will be sent from, straight from its group's values:
 *
 *     ,{"timestamp":"2026-01-01T05:00:00Z","value":347,"labels":{"event_type":"page_view"}}
 */
import type { SeriesGroup } from "../../lib/query/series.ts";
import type { SeriesAnswer } from "./answer_query.ts";
import { timestampJson } from "./proto_json.ts";

const DAY_MS = 86_400_000;
/** As many bytes are written at once; the last of a piece may overwrite what lies beyond it. */
const WORD_BYTES = 4;
/** Longest form of a UTF-16 code unit. */
const UTF8_BYTES_MAX = 3;
const encoder = new TextEncoder();

/** Text that is written again and again, four bytes at a time. */
interface Piece {
  /** Bytes, its own from `start` on; WORD_BYTES more than there is text. */
  readonly source: DataView;
  readonly start: number;
  readonly length: number;
}

const [POINT, ZONE, VALUE, END] = piecesOf([`,{"timestamp":"`, "Z", `","value":`, "]}"]);
const COLON = 0x3a;
const HYPHEN = 0x2d;
const LETTER_T = 0x54;
const DIGIT_0 = 0x30;
/** Later years have a sign and six digits. */
const YEAR_MAX = 9999;
/** Longest text of a finite number, and of the date and the time of a timestamp, bytes. */
const NUMBER_BYTES_MAX = 25;
const DATE_BYTES_MAX = 14;
const TIME_BYTES_MAX = 13;
const POINT_BYTES_MAX = POINT.length + DATE_BYTES_MAX + TIME_BYTES_MAX + VALUE.length +
  NUMBER_BYTES_MAX;
/** Whole numbers below are written digit by digit, by integer division. */
const DIGITWISE_MAX = 2 ** 31;

/** The same as JSON.stringify() of the answer with its points, but that `series` stands last. */
export function seriesBytes({ head, labelsMs, groups }: SeriesAnswer): Uint8Array<ArrayBuffer> {
  const start = encoder.encode(`${JSON.stringify(head).slice(0, -1)},"series":[`);
  const labels = piecesOf(
    groups.map((group) => `,"labels":${JSON.stringify(group.labels)}}`),
  );
  const pointsBytes = labels.reduce(
    (sum, { length }) => sum + labelsMs.length * (POINT_BYTES_MAX + length),
    0,
  );
  const bytes = new Uint8Array(start.length + pointsBytes + END.length + WORD_BYTES);
  bytes.set(start);
  const view = new DataView(bytes.buffer);
  let at = start.length;
  groups.forEach((group, index) => at = writePoints(view, at, labelsMs, group, labels[index]));
  if (at > start.length) {
    // The first point has nothing before it.
    bytes.copyWithin(start.length, start.length + 1, at);
    at--;
  }
  return bytes.subarray(0, writePiece(view, at, END));
}

/** Writes the points of a group, each with a comma before it; gives the place after them. */
function writePoints(
  view: DataView,
  start: number,
  labelsMs: Float64Array,
  { values }: SeriesGroup,
  labels: Piece,
): number {
  let at = start;
  let day = NaN;
  let dateAt = 0;
  let dateBytes = 0;
  for (let bucket = 0; bucket < labelsMs.length; bucket++) {
    const labelMs = labelsMs[bucket];
    const labelDay = Math.floor(labelMs / DAY_MS);
    at = writePiece(view, at, POINT);
    if (labelDay === day) {
      for (let i = 0; i < dateBytes; i++) view.setUint8(at + i, view.getUint8(dateAt + i));
    } else {
      day = labelDay;
      dateAt = at;
      dateBytes = writeDate(view, at, day * DAY_MS) - at;
    }
    at += dateBytes;
    at = writeTime(view, at, labelMs - day * DAY_MS);
    at = writePiece(view, at, VALUE);
    at = writeNumber(view, at, values[bucket]);
    at = writePiece(view, at, labels);
  }
  return at;
}

/** One array for all: twenty groups would have as many, each more memory than its text. */
function piecesOf(texts: readonly string[]): Piece[] {
  const bytesMax = texts.reduce((sum, { length }) => sum + UTF8_BYTES_MAX * length, WORD_BYTES);
  const bytes = new Uint8Array(bytesMax);
  const source = new DataView(bytes.buffer);
  let start = 0;
  return texts.map((text) => {
    const { written: length } = encoder.encodeInto(text, bytes.subarray(start));
    const piece = { source, start, length };
    start += length;
    return piece;
  });
}

function writePiece(view: DataView, at: number, { source, start, length }: Piece): number {
  for (let i = 0; i < length; i += WORD_BYTES) {
    view.setInt32(at + i, source.getInt32(start + i));
  }
  return at + length;
}

/** The date of a day as `2026-01-01T`. */
function writeDate(view: DataView, at: number, dayMs: number): number {
  const date = new Date(dayMs);
  const year = date.getUTCFullYear();
  if (!(year >= 0 && year <= YEAR_MAX)) {
    const text = timestampJson(dayMs);
    return writeText(view, at, text.slice(0, text.indexOf("T") + 1));
  }
  const century = Math.floor(year / 100);
  writeTwoDigits(view, at, century);
  writeTwoDigits(view, at + 2, year - 100 * century);
  view.setUint8(at + 4, HYPHEN);
  writeTwoDigits(view, at + 5, date.getUTCMonth() + 1);
  view.setUint8(at + 7, HYPHEN);
  writeTwoDigits(view, at + 8, date.getUTCDate());
  view.setUint8(at + 10, LETTER_T);
  return at + 11;
}

/** The time of a day as `05:00:00Z`, with a fraction only where there is one. */
function writeTime(view: DataView, at: number, timeMs: number): number {
  const seconds = Math.floor(timeMs / 1000);
  const fractionMs = timeMs - seconds * 1000;
  writeTwoDigits(view, at, (seconds / 3600) | 0);
  view.setUint8(at + 2, COLON);
  writeTwoDigits(view, at + 3, ((seconds / 60) | 0) % 60);
  view.setUint8(at + 5, COLON);
  writeTwoDigits(view, at + 6, seconds % 60);
  if (fractionMs === 0) return writePiece(view, at + 8, ZONE);
  return writeText(view, at + 8, `.${String(fractionMs).padStart(3, "0")}Z`);
}

function writeTwoDigits(view: DataView, at: number, value: number): void {
  const tens = (value / 10) | 0;
  view.setUint8(at, DIGIT_0 + tens);
  view.setUint8(at + 1, DIGIT_0 + value - 10 * tens);
}

/** A finite number as JSON has it. */
function writeNumber(view: DataView, at: number, value: number): number {
  if (!(value >= 0 && value < DIGITWISE_MAX && Number.isInteger(value))) {
    return writeText(view, at, String(value));
  }
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  let left = value | 0;
  for (let i = at + digits - 1; i >= at; i--) {
    const tenth = (left / 10) | 0;
    view.setUint8(i, DIGIT_0 + left - 10 * tenth);
    left = tenth;
  }
  return at + digits;
}

/** Text of ASCII characters. */
function writeText(view: DataView, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) view.setUint8(at + i, text.charCodeAt(i));
  return at + text.length;
}
