/** Error codes of Kafka's protocol that change what we do (kafka.apache.org/protocol). */

export const OFFSET_OUT_OF_RANGE = 1;
export const UNKNOWN_TOPIC_OR_PARTITION = 3;
export const MESSAGE_TOO_LARGE = 10;
export const RECORD_LIST_TOO_LARGE = 18;
export const OUT_OF_ORDER_SEQUENCE_NUMBER = 45;
export const DUPLICATE_SEQUENCE_NUMBER = 46;
export const INVALID_PRODUCER_EPOCH = 47;
export const UNKNOWN_PRODUCER_ID = 59;

/** Names for messages; others are told by number. */
const NAMES: Readonly<Record<number, string>> = {
  1: "OFFSET_OUT_OF_RANGE",
  2: "CORRUPT_MESSAGE",
  3: "UNKNOWN_TOPIC_OR_PARTITION",
  5: "LEADER_NOT_AVAILABLE",
  6: "NOT_LEADER_OR_FOLLOWER",
  7: "REQUEST_TIMED_OUT",
  9: "REPLICA_NOT_AVAILABLE",
  10: "MESSAGE_TOO_LARGE",
  17: "INVALID_TOPIC_EXCEPTION",
  18: "RECORD_LIST_TOO_LARGE",
  19: "NOT_ENOUGH_REPLICAS",
  20: "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
  29: "TOPIC_AUTHORIZATION_FAILED",
  31: "CLUSTER_AUTHORIZATION_FAILED",
  32: "INVALID_TIMESTAMP",
  44: "POLICY_VIOLATION",
  45: "OUT_OF_ORDER_SEQUENCE_NUMBER",
  46: "DUPLICATE_SEQUENCE_NUMBER",
  47: "INVALID_PRODUCER_EPOCH",
  56: "KAFKA_STORAGE_ERROR",
  59: "UNKNOWN_PRODUCER_ID",
  74: "FENCED_LEADER_EPOCH",
  75: "UNKNOWN_LEADER_EPOCH",
  76: "UNSUPPORTED_COMPRESSION_TYPE",
  78: "OFFSET_NOT_AVAILABLE",
  87: "INVALID_RECORD",
};

/** "NOT_LEADER_OR_FOLLOWER", or "error 123". */
export function errorName(code: number): string {
  return NAMES[code] ?? `error ${code}`;
}

/** Errors that may be over when the same is asked again, perhaps of another broker. */
const RETRIABLE: ReadonlySet<number> = new Set([
  2, // CORRUPT_MESSAGE: damaged on its way
  3, // UNKNOWN_TOPIC_OR_PARTITION: not known there yet
  5,
  6,
  7,
  9,
  13, // NETWORK_EXCEPTION
  19,
  20,
  56,
  74,
  75,
  78,
]);

/** Whether it makes sense to ask again. */
export function isRetriable(code: number): boolean {
  return RETRIABLE.has(code);
}
