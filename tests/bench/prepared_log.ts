/**
 * Writes a load into a log as ingest would have, without a server: requests of 1000 events, a few of
 * them to one commit, all received when the last of their events happened.
 */
import { LOG_RECORD_BYTES_MAX } from "../../lib/config/limits.ts";
import { EventScan, SCAN_COMPLETE, scanEvent } from "../../lib/event/scan.ts";
import type { EventGenerator } from "../../lib/import/event_generator.ts";
import type { AppendBatch, EventLogWriter } from "../../lib/log/event_log.ts";
import { LineRanges } from "../../lib/log/line_ranges.ts";
import { partitionOf } from "../../lib/log/murmur2.ts";
import { createLogSignal, openSqliteLogWriter } from "../../lib/log/sqlite/mod.ts";

/** Events of one request, and requests of one commit. */
const requestEvents = 1_000;
const requestsPerCommit = 5;
const requestBytesMax = LOG_RECORD_BYTES_MAX;

const scan = new EventScan();

/** Fills the embedded log of `folder`. With `linesFile` the same lines also go there, in order. */
export async function prepareLog(
  folder: string,
  partitions: number,
  load: EventGenerator,
  linesFile?: string,
): Promise<void> {
  const writer = await openSqliteLogWriter({
    folder,
    partitions,
    signal: createLogSignal(partitions),
  });
  try {
    await fillLog(writer, load, linesFile);
  } finally {
    await writer.close();
  }
}

/** Appends a load to any log; `linesFile` as above. */
export async function fillLog(
  writer: EventLogWriter,
  load: EventGenerator,
  linesFile?: string,
): Promise<void> {
  const lines = linesFile === undefined
    ? null
    : await Deno.open(linesFile, { create: true, write: true, truncate: true });
  try {
    while (load.remaining > 0) {
      const batches: Omit<AppendBatch, "receivedAtMs">[] = [];
      for (let request = 0; request < requestsPerCommit && load.remaining > 0; request++) {
        const bytes = nextRequest(load);
        if (lines !== null) await writeAll(lines, bytes);
        batches.push(...batchesOf(bytes, writer.partitions));
      }
      // Received when the last of them happened: none may lie in the future of its arrival.
      const receivedAtMs = scan.timestampMs;
      await writer.append(batches.map((batch) => ({ ...batch, receivedAtMs })));
    }
  } finally {
    lines?.close();
  }
}

function nextRequest(load: EventGenerator): Uint8Array {
  const bytes = new Uint8Array(requestBytesMax);
  return bytes.subarray(0, load.fill(bytes, requestEvents).bytes);
}

/** The lines of one request by partition; `scan` holds its last event afterwards. */
function batchesOf(bytes: Uint8Array, partitions: number): Omit<AppendBatch, "receivedAtMs">[] {
  const lists = Array.from({ length: partitions }, () => new LineRanges());
  for (let at = 0; at < bytes.length; at = scan.end + 1) {
    if (scanEvent(bytes, at, bytes.length, Infinity, scan) !== SCAN_COMPLETE) {
      throw new Error("the generator made a line that is no complete event");
    }
    lists[partitionOf(bytes, scan.userStart, scan.userEnd, partitions)].add(bytes, at, scan.end);
  }
  return lists.flatMap((list, partition) => {
    if (list.count === 0) return [];
    const value = new Uint8Array(list.byteLength);
    list.copyInto(0, list.count, value, 0);
    return [{ partition, project: "default", events: list.count, value }];
  });
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}
