/**
 * Produce, version 7 (Kafka 2.1 to 4.x; kafka.apache.org/protocol): hands a broker one record batch
 * for each of some partitions, and has it answer when all in-sync replicas have them.
 */
import type { WireRequest } from "./broker_link.ts";
import { encodeString, WireReader, writeInt16, writeInt32 } from "./wire_bytes.ts";

/** A sealed and stamped batch. */
export interface ProducedBatch {
  readonly partition: number;
  readonly bytes: Uint8Array;
}

/** What a broker says of one batch. */
export interface ProduceAnswer {
  readonly partition: number;
  /** Of protocol_errors.ts; 0 = none. */
  readonly error: number;
  /** The offset of the batch's first record; -1 = not said. */
  readonly baseOffset: number;
}

const API_KEY = 0;
const API_VERSION = 7;
const ALL_REPLICAS = -1;

/** The request; its answer names each partition that the broker dealt with. */
export function produceRequest(
  topic: string,
  batches: readonly ProducedBatch[],
  timeoutMs: number,
): WireRequest<ProduceAnswer[]> {
  const name = encodeString(topic);
  const length = batches.reduce((sum, { bytes }) => sum + 8 + bytes.length, 12 + name.length + 4);
  const body = new Uint8Array(length);
  writeInt16(body, 0, -1); // no transaction
  writeInt16(body, 2, ALL_REPLICAS);
  writeInt32(body, 4, timeoutMs);
  writeInt32(body, 8, 1); // topics
  body.set(name, 12);
  let at = 12 + name.length;
  writeInt32(body, at, batches.length);
  at += 4;
  for (const { partition, bytes } of batches) {
    writeInt32(body, at, partition);
    writeInt32(body, at + 4, bytes.length);
    body.set(bytes, at + 8);
    at += 8 + bytes.length;
  }
  return { apiKey: API_KEY, apiVersion: API_VERSION, apiName: "Produce", body, decode };
}

function decode(answer: Uint8Array): ProduceAnswer[] {
  const reader = new WireReader(answer);
  const answers: ProduceAnswer[] = [];
  for (let topics = reader.int32(); topics > 0; topics--) {
    reader.string();
    for (let left = reader.int32(); left > 0; left--) {
      answers.push({
        partition: reader.int32(),
        error: reader.int16(),
        baseOffset: reader.int64(),
      });
      reader.int64(); // append time
      reader.int64(); // log start
    }
  }
  return answers;
}
