/**
 * All that a partition's rows say of one user, but for texts: totals, sessions and activity over
 * all time. It grows with the rows, in the order of the log, so it can be kept and brought up to date.
 */

import type { SessionPartChunk } from "./session_part.ts";
import { SessionTable } from "./session_table.ts";
import { UserActivity } from "./user_activity.ts";

/** Bytes of a history beside its sessions and its activity. */
const HISTORY_BYTES = 512;

export class UserHistory {
  readonly sessions = new SessionTable();
  readonly activity = new UserActivity();
  firstSeenMs = Infinity;
  lastSeenMs = -Infinity;
  /** Rows before this sequence number are in it. */
  nextSeq = 0;

  get events(): number {
    return this.activity.events;
  }

  /** Roughly what it takes of memory. */
  get byteSize(): number {
    return HISTORY_BYTES + this.sessions.byteSize + this.activity.byteSize;
  }

  /** Counts rows that are not in it yet. */
  addParts(parts: SessionPartChunk): void {
    const { count, firstMs, lastMs } = parts;
    for (let part = 0; part < count; part++) {
      if (firstMs[part] < this.firstSeenMs) this.firstSeenMs = firstMs[part];
      if (lastMs[part] > this.lastSeenMs) this.lastSeenMs = lastMs[part];
    }
    this.sessions.addParts(parts);
    this.activity.addParts(parts);
  }
}
