/**
 * What may watch the events of a partition as they are applied, such as live streams: told of every
 * record, and, if it wants to, of each event in it that is new. Without a watcher the hot path pays
 * one comparison an event.
 */
import type { EventScan } from "../event/scan.ts";
import type { LogRecord } from "../log/event_log.ts";
import type { SeriesEntry } from "./series_table.ts";

export interface RecordTap {
  /** A record is about to be applied. Gives who is to be told of its events; null = nobody. */
  begin(record: LogRecord, nowMs: number): EventTap | null;
  /** All of it was applied; not called when that threw. */
  end(record: LogRecord): void;
}

export interface EventTap {
  /** An event that is no duplicate. All arguments are good for the time of the call only. */
  take(event: AppliedEvent): void;
}

/** Made once and filled again for each event, as EventScan is. */
export interface AppliedEvent {
  /** Where its fields lie in `bytes`. */
  scan: EventScan;
  bytes: Uint8Array;
  series: SeriesEntry;
  receivedAtMs: number;
  userLo: number;
  userHi: number;
  sessionLo: number;
  sessionHi: number;
}
