/**
 * All that a partition's rows say of one user, but for texts: totals, sessions, activity and
 * the newest rows over all time. It grows with the rows, in any order, so it can be kept and brought up to date.
 */

import { NewestRows } from "./newest_rows.ts";
import { SessionTable } from "./session_table.ts";
import { UserActivity } from "./user_activity.ts";
import type { UserRowChunk } from "./user_row.ts";

/** Bytes of a history beside its sessions and its activity. */
const HISTORY_BYTES = 512;

export class UserHistory {
  readonly sessions = new SessionTable();
  readonly activity = new UserActivity();
  readonly newest = new NewestRows();
  firstSeenMs = Infinity;
  lastSeenMs = -Infinity;
  /** Rows before this sequence number are in it. */
  nextSeq = 0;

  get events(): number {
    return this.activity.events;
  }

  /** Roughly what it takes of memory. */
  get byteSize(): number {
    return HISTORY_BYTES + this.sessions.byteSize + this.activity.byteSize +
      this.newest.byteSize;
  }

  /** Counts rows that are not in it yet. */
  addRows(rows: UserRowChunk): void {
    const { count, seq, series, timestampMs, sessionHash, sessionIdOf, types } = rows;
    for (let row = 0; row < count; row++) {
      const atMs = timestampMs[row];
      if (atMs < this.firstSeenMs) this.firstSeenMs = atMs;
      if (atMs > this.lastSeenMs) this.lastSeenMs = atMs;
      this.newest.add(atMs, seq[row]);
      const low = sessionHash[2 * row], high = sessionHash[2 * row + 1];
      const idOf = () => sessionIdOf(row);
      this.sessions.add(low, high, atMs, seq[row], types.get(series[row])!, idOf);
    }
    this.activity.addRows(rows);
  }
}
