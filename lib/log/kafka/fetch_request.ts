/**
 * Fetch, version 11 (Kafka 2.3 to 4.x; kafka.apache.org/protocol): asks a broker for records of
 * partitions from given offsets on. No fetch session: each request names all that it wants. Aborted
 * transactions are named by the broker and left out by the reader of the records.
 */
import type { WireRequest } from "./broker_link.ts";
import type { AbortedTransaction, RecordSet } from "./record_batch_reader.ts";
import { encodeString, WireReader, writeInt32, writeInt64 } from "./wire_bytes.ts";

/** What is wanted of one partition. */
export interface FetchWish {
  readonly partition: number;
  readonly offset: number;
  readonly bytesMax: number;
}

export interface FetchBounds {
  /** Longest the broker waits for one byte, ms. */
  readonly waitMs: number;
  /** Of all partitions together; the first one's first batch comes whole in any case. */
  readonly bytesMax: number;
}

/** What a broker says of one partition. */
export interface FetchedPartition {
  readonly partition: number;
  /** Of protocol_errors.ts; 0 = none. */
  readonly error: number;
  /** End of what is committed and may be read. */
  readonly endOffset: number;
  readonly records: RecordSet;
}

const API_KEY = 1;
const API_VERSION = 11;
const READ_COMMITTED = 1;
const HEADER_BYTES = 4 + 4 + 4 + 4 + 1 + 4 + 4 + 4;
const PARTITION_BYTES = 4 + 4 + 8 + 8 + 4;

/** The request; its answer names each partition that was asked for. */
export function fetchRequest(
  topic: string,
  wishes: readonly FetchWish[],
  bounds: FetchBounds,
): WireRequest<FetchedPartition[]> {
  const name = encodeString(topic);
  const length = HEADER_BYTES + name.length + 4 + wishes.length * PARTITION_BYTES + 4 + 2;
  const body = new Uint8Array(length);
  writeInt32(body, 0, -1); // replica: a client
  writeInt32(body, 4, bounds.waitMs);
  writeInt32(body, 8, 1); // bytes at least
  writeInt32(body, 12, bounds.bytesMax);
  body[16] = READ_COMMITTED;
  writeInt32(body, 17, 0); // session: none
  writeInt32(body, 21, -1); // session epoch
  writeInt32(body, 25, 1); // topics
  body.set(name, HEADER_BYTES);
  let at = HEADER_BYTES + name.length;
  writeInt32(body, at, wishes.length);
  at += 4;
  for (const { partition, offset, bytesMax } of wishes) {
    writeInt32(body, at, partition);
    writeInt32(body, at + 4, -1); // leader epoch: unknown
    writeInt64(body, at + 8, offset);
    writeInt64(body, at + 16, -1); // log start: for replicas
    writeInt32(body, at + 24, bytesMax);
    at += PARTITION_BYTES;
  }
  // No forgotten topics, and an empty rack: both are zeros.
  return { apiKey: API_KEY, apiVersion: API_VERSION, apiName: "Fetch", body, decode };
}

function decode(answer: Uint8Array): FetchedPartition[] {
  const reader = new WireReader(answer);
  reader.int32(); // throttled, ms: the broker holds the next answer back itself
  const error = reader.int16();
  if (error !== 0) throw new Error(`the broker refused a fetch with error ${error}`);
  reader.int32(); // session
  const fetched: FetchedPartition[] = [];
  for (let topics = reader.int32(); topics > 0; topics--) {
    reader.string();
    for (let left = reader.int32(); left > 0; left--) fetched.push(decodePartition(reader));
  }
  return fetched;
}

function decodePartition(reader: WireReader): FetchedPartition {
  const partition = reader.int32();
  const error = reader.int16();
  reader.int64(); // high watermark; readers of committed records go to the last stable offset
  const endOffset = reader.int64();
  reader.int64(); // log start
  const aborted: AbortedTransaction[] = [];
  for (let left = reader.int32(); left > 0; left--) {
    aborted.push({ producerId: reader.int64(), firstOffset: reader.int64() });
  }
  aborted.sort((a, b) => a.firstOffset - b.firstOffset);
  reader.int32(); // preferred replica: only asked for with a rack
  const bytes = reader.view(Math.max(0, reader.int32()));
  return { partition, error, endOffset, records: { bytes, aborted } };
}
