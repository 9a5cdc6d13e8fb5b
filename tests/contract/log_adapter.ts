/** What a log adapter shows the contract suite, and the programs that run beside it. */
import type { EventLogReader, EventLogWriter } from "../../lib/log/event_log.ts";

/** An adapter under test; its module exports it as `adapter`. */
export interface LogAdapter {
  readonly name: string;
  /** Its own module, which a child process imports to open the same log. */
  readonly moduleUrl: string;
  /** Whether trim() forgets records, or leaves that to the log's server. */
  readonly trims: boolean;
  /** What an offset of this log counts, without holes in these tests: events, or its records. */
  readonly offsetsCount: "events" | "records";
  /** Whether a reader knows of each append at once, or of the end of what it has read. */
  readonly readersHear: "appends" | "reads";
  /** Defines a test: skipped where the log's server cannot be had. */
  test(name: string, fn: () => Promise<void>): Deno.TestDefinition;
  /** A place for a new log: a folder, or a topic's name. */
  makeLocation(): Promise<string>;
  removeLocation(location: string): Promise<void>;
  openWriter(location: string, partitions: number): Promise<EventLogWriter>;
  openReader(location: string): Promise<EventLogReader>;
}
