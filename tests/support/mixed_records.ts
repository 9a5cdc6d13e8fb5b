/**
 * Records as many producers put them on one topic: events in every form that is taken, and garbage
 * of every kind among them, each with what is to become of it. All from a seed.
 */
import { Buffer } from "node:buffer";
import type { SeededRandom } from "../../lib/import/seeded_random.ts";
import type { ForeignRecord } from "./kafka_platform.ts";

/** A line that has to become a dead letter. */
export interface BadLine {
  readonly reason: string;
  readonly payload: Uint8Array;
  /** Which line of its record. */
  readonly line: number;
}

/** A record and what is to become of it. */
export interface MixedRecord {
  readonly record: ForeignRecord;
  /** Ids of its events; null = one that has none, and is named by its place. */
  readonly ids: readonly (string | null)[];
  readonly bad: readonly BadLine[];
}

type Key = ForeignRecord["key"];

const encoder = new TextEncoder();
const USERS = 100;
const TYPES = ["page_view", "click", "search", "purchase"];

/** Values that are no events, and why. */
const GARBAGE: readonly [reason: string, value: string | Buffer | null][] = [
  ["invalid_json", '{"id":"half","user_id":'],
  ["invalid_json", "user-7,click,1700000000"],
  ["invalid_json", "{'id':'single quotes','user_id':'u'}"],
  ["invalid_json", '{"id":"a","user_id":"u","event_type":"t"}{"id":"b"}'],
  ["invalid_json", ""],
  ["invalid_json", null],
  ["invalid_json", "\n"],
  ["invalid_json", "  "],
  ["invalid_json", "\t\r"],
  ["invalid_json", Buffer.from([0, 1, 2, 0xde, 0xad])],
  ["invalid_utf8", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
  ["not_an_object", '["an","array"]'],
  ["not_an_object", "42"],
  ["missing_field", '{"id":"nobody","event_type":"click"}'],
  ["missing_field", '{\n  "user_id": "u-1"\n}'],
  ["wrong_type", '{"id":"w","user_id":7,"event_type":"click"}'],
  ["empty_field", '{"id":"e","user_id":"","event_type":"click"}'],
  ["invalid_timestamp", '{"id":"t","user_id":"u","event_type":"click","timestamp":"noon"}'],
  ["timestamp_in_future", '{"id":"f","user_id":"u","event_type":"click","timestamp":99999999999}'],
  ["duplicate_key", '{"id":"k","id":"k","user_id":"u","event_type":"click"}'],
];

/** The `n`th of many records, all in [0, partitions). */
export function mixedRecord(
  random: SeededRandom,
  n: number,
  partitions: number,
  endMs: number,
): MixedRecord {
  const partition = random.below(partitions);
  // Any key: other producers place records as they like.
  const key = [null, "", `key-${n}`, Buffer.from([0, 0xff])][random.below(4)];
  const made = random.below(1000);
  if (made < 25) return garbage(random, partition, key);
  if (made === 25) return tooLarge(random, partition, key, n);
  if (made < 50) return ofLines(random, partition, n, endMs);
  const id = made < 300 ? null : `mixed-${n}`;
  const event = eventOf(random, id, endMs);
  const value = made < 450 ? JSON.stringify(event, null, 2) : JSON.stringify(event);
  const headers = made < 700 ? undefined : made < 800 ? { traceparent: `00-${n}` } : ownHeaders();
  return { record: { partition, key, value, headers }, ids: [id], bad: [] };
}

function garbage(
  random: SeededRandom,
  partition: number,
  key: Key,
): MixedRecord {
  const [reason, value] = GARBAGE[random.below(GARBAGE.length)];
  const record = { partition, key, value };
  return { record, ids: [], bad: [{ reason, payload: bytesOf(value), line: 0 }] };
}

/** Valid but for its size; now and then more than a dead letter keeps. */
function tooLarge(
  random: SeededRandom,
  partition: number,
  key: Key,
  n: number,
): MixedRecord {
  const length = random.below(4) === 0 ? 700_000 : 70_000;
  const note = "x".repeat(length);
  const value = JSON.stringify({ id: `large-${n}`, user_id: "u", event_type: "t", source: note });
  const bad = [{ reason: "event_too_large", payload: bytesOf(value), line: 0 }];
  return { record: { partition, key, value }, ids: [], bad };
}

/** Many lines in one record, as `RTA_KAFKA_RECORDS=batched` writes them; some of them bad. */
function ofLines(random: SeededRandom, partition: number, n: number, endMs: number): MixedRecord {
  const ids: (string | null)[] = [];
  const bad: BadLine[] = [];
  const lines: string[] = [];
  for (let line = 0; line < 5; line++) {
    if (random.below(4) === 0) {
      const text = '{"user_id":"u","event_type":';
      bad.push({ reason: "invalid_json", payload: bytesOf(text), line });
      lines.push(text);
    } else {
      const id = `lines-${n}-${line}`;
      ids.push(id);
      lines.push(JSON.stringify(eventOf(random, id, endMs)));
    }
  }
  const headers = { ...ownHeaders(), format: "ndjson", events: "5" };
  const value = lines.map((line) => `${line}\n`).join("");
  return { record: { partition, key: null, value, headers }, ids, bad };
}

/** An event; one without an id has no timestamp either. */
function eventOf(random: SeededRandom, id: string | null, endMs: number) {
  return {
    ...(id === null ? {} : { id, timestamp: endMs - 1 - random.below(60 * 60_000) }),
    user_id: `user-${random.below(USERS)}`,
    event_type: TYPES[random.below(TYPES.length)],
    properties: { page: `/${random.below(50)}`, nth: 3 },
    ...(random.below(3) === 0 ? { amount: random.below(400) / 4 } : {}),
  };
}

function ownHeaders(): Record<string, string> {
  return { project: "default", received_at: String(Date.now()), format: "json" };
}

function bytesOf(value: string | Buffer | null): Uint8Array {
  return typeof value === "string" ? encoder.encode(value) : new Uint8Array(value ?? []);
}
