/** What one commit writes, in the transaction of the writing connection. */

import type { CellFlush, PartitionCommit } from "../event_store.ts";
import { deleteCellsSql } from "./cell_appender.ts";
import type { Writer } from "./duckdb_file.ts";
import { runSql } from "./read_stream.ts";
import { deleteRecentSql } from "./recent_appender.ts";
import { appendDelta, appendSeries } from "./small_appends.ts";

/**
 * Rows, new series, the flushed cells or else the delta, and the next offset.
 *
 * @param deltaId what the delta is numbered by, where there is one to write
 */
export async function writeCommit(
  writer: Writer,
  commit: PartitionCommit,
  flush: CellFlush | null,
  deltaId: number,
  keepsRows: boolean,
): Promise<void> {
  const { connection } = writer;
  if (commit.rows.count > 0) await writer.rows.append(commit.rows);
  if (commit.newSeries.length > 0) appendSeries(connection, commit);
  if (flush !== null) {
    if (!keepsRows) await runSql(connection, deleteRecentSql(commit.recentSinceMs));
    for (const sql of deleteCellsSql(flush.cells)) await runSql(connection, sql);
    await writer.cells.append(flush.cells);
    await runSql(connection, "DELETE FROM deltas");
  } else if (commit.delta !== null) {
    appendDelta(connection, deltaId, commit.delta);
  }
  await runSql(
    connection,
    `UPDATE state SET next_offset = ${BigInt(commit.nextOffset)},
     next_seq = ${BigInt(commit.nextSeq)},
     last_received_at = make_timestamp_ms(${BigInt(commit.lastReceivedAtMs)})`,
  );
}
