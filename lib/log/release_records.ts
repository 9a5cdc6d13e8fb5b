/**
 * Gives the memory of records back at once.
 *
 * Values come out of a native library as buffers outside the JavaScript heap, and the collector
 * hardly feels their weight: measured, a loop that reads 1 MiB records and drops them held 940 MB
 * before they were collected, and 67 MB when each was released after use.
 */
import type { LogRecord } from "./event_log.ts";

/** Nobody may touch the values of `records`, or views of them, after this. Calling twice is fine. */
export function releaseRecords(records: readonly LogRecord[]): void {
  for (const { value } of records) {
    const { buffer } = value;
    // A view into a larger buffer shares it with others: leave that one to the collector.
    const whole = value.byteLength === buffer.byteLength;
    if (whole && buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
  }
}
