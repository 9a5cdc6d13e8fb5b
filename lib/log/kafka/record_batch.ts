/**
 * Record batches of Kafka's message format 2 (kafka.apache.org/documentation, "Message Format"),
 * what is produced, stored and fetched:
 *
 *      0 i64 base offset          17 u32 CRC-32C of all after it   43 i64 producer id, -1 = none
 *      8 i32 bytes after this     21 i16 attributes                51 i16 producer epoch
 *     12 i32 leader epoch         23 i32 last offset - base        53 i32 base sequence
 *     16 i8  magic, 2             27 i64 base timestamp            57 i32 records
 *                                 35 i64 newest timestamp          61 records, or their packed bytes
 *
 *     record:  length | i8 attributes, 0 | timestamp - base | offset - base
 *              | key length, -1 = null | key | value length, -1 = null | value
 *              | headers | headers times: name length | name | value length | value
 *
 * Numbers of a record are zigzag varints. In the attributes: bits 0-2 the codec, bit 3 timestamps
 * are the broker's, bit 4 part of a transaction, bit 5 a control batch (end of a transaction).
 */

export const BASE_OFFSET_AT = 0;
export const BATCH_LENGTH_AT = 8;
export const LEADER_EPOCH_AT = 12;
export const MAGIC_AT = 16;
export const CRC_AT = 17;
export const ATTRIBUTES_AT = 21;
export const LAST_OFFSET_DELTA_AT = 23;
export const BASE_TIMESTAMP_AT = 27;
export const MAX_TIMESTAMP_AT = 35;
export const PRODUCER_ID_AT = 43;
export const PRODUCER_EPOCH_AT = 51;
export const BASE_SEQUENCE_AT = 53;
export const RECORDS_AT = 57;

/** Bytes of a batch before its records. */
export const BATCH_HEADER_BYTES = 61;
/** Bytes of a batch up to where its length counts from. */
export const BATCH_PREFIX_BYTES = 12;
export const MAGIC = 2;

export const CODEC_MASK = 0x07;
export const BROKER_TIME_FLAG = 0x08;
export const TRANSACTION_FLAG = 0x10;
export const CONTROL_FLAG = 0x20;
