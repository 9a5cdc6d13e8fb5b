/** The small parts of a commit, appended value by value: new series, and the delta. */
import type { PartitionCommit } from "../event_store.ts";
import { type Connection, native } from "./native.ts";
import { createAppender } from "./table_appender.ts";

/** Appends the series that are new in a commit. */
export function appendSeries(connection: Connection, commit: PartitionCommit): void {
  const appender = createAppender(connection, "series");
  for (const series of commit.newSeries) {
    native.append_int32(appender, series.id);
    native.append_varchar(appender, series.project);
    if (series.type === null) native.append_null(appender);
    else native.append_varchar(appender, series.type);
    native.appender_end_row(appender);
  }
  native.appender_close_sync(appender);
}

/** Appends the rollup change of a commit. */
export function appendDelta(connection: Connection, id: number, bytes: Uint8Array): void {
  const appender = createAppender(connection, "deltas");
  native.append_int64(appender, BigInt(id));
  native.append_blob(appender, bytes);
  native.appender_end_row(appender);
  native.appender_close_sync(appender);
}
