/**
 * Follows a topic as it grows, record by record with key and headers, for people who look. No
 * consumer group: it leaves no trace on the cluster and takes nothing from those who process.
 */
import {
  KAFKA_FETCH_BYTES_MAX,
  KAFKA_FETCH_PARTITION_BYTES_MAX,
  KAFKA_FETCH_WAIT_MS_MAX,
  KAFKA_METADATA_MS_MAX,
  KAFKA_RETRY_MS_MAX,
} from "../../config/limits.ts";
import { waitUnlessAborted } from "../../wait/abortable_wait.ts";
import { LogError } from "../event_log.ts";
import { partitionNumbers } from "../partition_numbers.ts";
import { BrokerLink } from "./broker_link.ts";
import { fetchRequest, type FetchWish } from "./fetch_request.ts";
import { errorName, OFFSET_OUT_OF_RANGE } from "./protocol_errors.ts";
import { endOfBatches, RecordBatchReader } from "./record_batch_reader.ts";
import type { KafkaSettings } from "./settings.ts";

/** A record as it lies on the topic. */
export interface TailedRecord {
  readonly partition: number;
  readonly offset: number;
  /** When it was made, ms since the epoch; -1 = it says nothing. */
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  /** Null on a compacted topic: the records of this key are to go. */
  readonly value: Uint8Array | null;
  readonly headers: readonly (readonly [name: string, value: Uint8Array | null])[];
}

export interface TailOptions {
  /** The oldest kept record comes first; otherwise only those written from now on. */
  readonly fromBeginning: boolean;
  /** Where to begin instead, by partition. */
  readonly from?: ReadonlyMap<number, number>;
  /** Ends the iteration when it aborts. */
  readonly signal: AbortSignal;
  /** Also trouble at the very beginning passes: the topic is known to exist. Default: it is thrown. */
  readonly isPatient?: boolean;
  /** Told once why nothing comes for a while; it goes on by itself. */
  readonly onTrouble: (message: string) => void;
}

/** Where each partition is to be read on. */
type Places = Map<number, number>;

/**
 * The records of a topic, in order within each partition, until the signal aborts.
 *
 * @throws LogError RTA_LOG_UNAVAILABLE when there is no such topic or no broker at the beginning,
 *   unless the caller is patient; RTA_LOG_CORRUPT on a damaged batch
 */
export async function* tailTopic(
  settings: KafkaSettings,
  topic: string,
  options: TailOptions,
): AsyncGenerator<TailedRecord, void, void> {
  const { signal, onTrouble, fromBeginning, isPatient = false } = options;
  const places: Places = new Map(options.from);
  let isTold = false;
  for (let attempt = 0; !signal.aborted; attempt++) {
    let link: BrokerLink | null = null;
    // Waits inside the link end with its connections.
    const hangUp = () => void link?.close();
    signal.addEventListener("abort", hangUp);
    try {
      link = await BrokerLink.open(settings, topic, attempt);
      isTold = false;
      yield* follow(link, places, fromBeginning, signal);
    } catch (error) {
      if (signal.aborted) return;
      const isPassing = error instanceof LogError && error.code === "RTA_LOG_UNAVAILABLE";
      // A topic that was found is there: a broker that does not lead it yet will.
      if (!isPassing || (link === null && places.size === 0 && !isPatient)) throw error;
      if (!isTold) onTrouble(error.message);
      isTold = true;
    } finally {
      signal.removeEventListener("abort", hangUp);
      await link?.close();
    }
    await waitUnlessAborted(KAFKA_RETRY_MS_MAX, signal).catch(() => {});
  }
}

/** Reads by one set of connections until they fail. */
async function* follow(
  link: BrokerLink,
  places: Places,
  fromBeginning: boolean,
  signal: AbortSignal,
): AsyncGenerator<TailedRecord, void, void> {
  let refreshAt = performance.now() + KAFKA_METADATA_MS_MAX;
  while (!signal.aborted) {
    if (performance.now() > refreshAt) {
      await link.refresh();
      refreshAt = performance.now() + KAFKA_METADATA_MS_MAX;
    }
    await findPlaces(link, places, fromBeginning);
    for (const [node, wishes] of wishesByLeader(link, places)) {
      yield* fetchOnce(link, node, wishes, places);
    }
  }
}

/** Partitions that appear later are read from their beginning. */
async function findPlaces(link: BrokerLink, places: Places, fromBeginning: boolean): Promise<void> {
  const partitions = partitionNumbers(link.partitions);
  const missing = partitions.filter((partition) => !places.has(partition));
  if (missing.length === 0) return;
  const end = fromBeginning || places.size > 0 ? "oldest" : "next";
  for (const [partition, offset] of await link.offsets(missing, end)) places.set(partition, offset);
}

function wishesByLeader(link: BrokerLink, places: Places): Map<number, FetchWish[]> {
  const byLeader = new Map<number, FetchWish[]>();
  for (const [partition, offset] of places) {
    const leader = link.leaderOf(partition);
    if (leader === null) throw unavailable(link, partition, "has no leader");
    const wish = { partition, offset, bytesMax: KAFKA_FETCH_PARTITION_BYTES_MAX };
    byLeader.set(leader, [...byLeader.get(leader) ?? [], wish]);
  }
  return byLeader;
}

async function* fetchOnce(
  link: BrokerLink,
  node: number,
  wishes: readonly FetchWish[],
  places: Places,
): AsyncGenerator<TailedRecord, void, void> {
  const bounds = { waitMs: KAFKA_FETCH_WAIT_MS_MAX, bytesMax: KAFKA_FETCH_BYTES_MAX };
  for (const answer of await link.send(node, fetchRequest(link.topic, wishes, bounds))) {
    const { partition, error, records } = answer;
    if (error === OFFSET_OUT_OF_RANGE) {
      // What was to come next has been deleted meanwhile.
      const oldest = await link.offsets([partition], "oldest");
      places.set(partition, oldest.get(partition) ?? 0);
      continue;
    }
    if (error !== 0) throw unavailable(link, partition, errorName(error));
    const place = places.get(partition)!;
    const reader = new RecordBatchReader(`partition ${partition} of ${link.topic}`);
    reader.push(records);
    while (reader.next(place)) {
      // Moved before it is given, so that a break in the connections gives no record twice.
      places.set(partition, reader.offset + 1);
      yield recordAt(reader, partition);
    }
    places.set(partition, Math.max(places.get(partition)!, endOfBatches(records.bytes)));
  }
}

/** The reader's current record, in memory of its own. */
function recordAt(reader: RecordBatchReader, partition: number): TailedRecord {
  const { bytes, offset, timestampMs, headersStart, headersEnd } = reader;
  const { keyStart, keyEnd, valueStart, valueEnd } = reader;
  return {
    partition,
    offset,
    timestampMs,
    key: keyStart < 0 ? null : bytes.slice(keyStart, keyEnd),
    value: valueStart < 0 ? null : bytes.slice(valueStart, valueEnd),
    headers: decodeHeaders(bytes.subarray(headersStart, headersEnd)),
  };
}

/** Their number, then name and value of each, with zigzag varints for the lengths. */
function decodeHeaders(bytes: Uint8Array): [string, Uint8Array | null][] {
  const decoder = new TextDecoder();
  let at = 0;
  const varint = () => {
    let zigzag = 0;
    for (let shift = 0;; shift += 7) {
      const byte = bytes[at++];
      zigzag |= (byte & 0x7f) << shift;
      if (!(byte >= 0x80)) return (zigzag >>> 1) ^ -(zigzag & 1);
    }
  };
  const take = () => {
    const length = varint();
    if (length < 0) return null;
    at += length;
    return bytes.slice(at - length, at);
  };
  const headers: [string, Uint8Array | null][] = [];
  for (let left = varint(); left > 0 && at < bytes.length; left--) {
    headers.push([decoder.decode(take() ?? new Uint8Array(0)), take()]);
  }
  return headers;
}

function unavailable(link: BrokerLink, partition: number, why: string): LogError {
  return new LogError("RTA_LOG_UNAVAILABLE", `partition ${partition} of ${link.topic}: ${why}`);
}
