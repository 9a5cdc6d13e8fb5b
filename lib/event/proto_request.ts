/**
 * IngestEventRequest and IngestEventsRequest of `analytics.v1` on the wire, as far as to find the
 * events in them (field 1) and the options (field 2); the events stay bytes.
 */
import { EIGHT_BYTES, FOUR_BYTES, LENGTH, VARINT } from "./proto_fields.ts";

const EVENT = 1;
const OPTIONS = 2;

/** Where things lie in a request. */
export interface ProtoRequest {
  /** [start, end) of each event, in pairs. */
  readonly events: readonly number[];
  /** [start, end) of each occurrence of the options: they are to be merged; mostly none or one. */
  readonly options: readonly number[];
}

/** Splits a request; null = these bytes are no protobuf message. */
export function splitProtoRequest(bytes: Uint8Array): ProtoRequest | null {
  const events: number[] = [];
  const options: number[] = [];
  let at = 0;
  /** Sets `at` behind the varint; -1 = there is none. Beyond 2^53 only its length counts. */
  const varint = (): number => {
    let value = 0, scale = 1;
    for (let i = 0; i < 10 && at < bytes.length; i++) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    return -1;
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag < 8) return null;
    const field = Math.floor(tag / 8);
    switch (tag % 8) {
      case VARINT:
        if (varint() < 0) return null;
        break;
      case EIGHT_BYTES:
        at += 8;
        break;
      case FOUR_BYTES:
        at += 4;
        break;
      case LENGTH: {
        const length = varint();
        if (length < 0 || length > bytes.length - at) return null;
        if (field === EVENT) events.push(at, at + length);
        else if (field === OPTIONS) options.push(at, at + length);
        at += length;
        break;
      }
      default:
        return null;
    }
    if (at > bytes.length) return null;
  }
  return { events, options };
}
