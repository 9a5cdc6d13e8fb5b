/**
 * The statements on the table `letters`: what changes a row notes it in the tally of its
 * transaction. All of them run on an open database and throw what SQLite throws.
 */
import type { DatabaseSync } from "node:sqlite";
import {
  type DeadLetter,
  deadLetterId,
  type KeptDeadLetter,
  type LetterOrigin,
  parseDeadLetterId,
} from "./dead_letter.ts";
import { LETTER_OVERHEAD_BYTES } from "./dead_letter_tables.ts";
import type { LetterTally } from "./letter_tally.ts";

/** A letter whose event was accepted. */
export interface ReplayMark {
  readonly id: string;
  readonly eventId: string;
}

/** How much more is kept than may be. */
export interface Excess {
  letters: number;
  bytes: number;
}

/** A row of `letters`. */
interface LetterRow extends LetterOrigin {
  readonly project: string;
  readonly reason: string;
  readonly message: string;
  readonly time_ms: number;
  readonly received_at_ms: number;
  readonly replayed_at_ms: number | null;
  readonly event_id: string | null;
  readonly payload_bytes: number;
  readonly payload: Uint8Array;
}

/** What is told of a deleted row. */
interface DeletedRow {
  readonly project: string;
  readonly reason: string;
  readonly waiting: number;
  readonly size: number;
}

const BY_ORIGIN = `topic = ?1 AND partition = ?2 AND "offset" = ?3 AND line = ?4`;

/** Adds the letters; those whose id is known stay as they are. */
export function insertLetters(
  db: DatabaseSync,
  letters: readonly DeadLetter[],
  tally: LetterTally,
): void {
  const insert = db.prepare(
    `INSERT INTO letters (topic, partition, "offset", line, project, reason, message, time_ms,
       received_at_ms, size, payload_bytes, payload)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (topic, partition, "offset", line) DO NOTHING`,
  );
  for (const letter of letters) {
    const { project, reason, message, payload } = letter;
    // The topic stands in the unique index as well.
    const size = LETTER_OVERHEAD_BYTES + payload.length + 2 * letter.topic.length +
      project.length + message.length;
    const { changes } = insert.run(
      ...originValues(letter),
      project,
      reason,
      message,
      letter.timeMs,
      letter.receivedAtMs,
      size,
      letter.payloadBytes,
      payload,
    );
    if (changes === 1) tally.add(project, reason, 1, 1, size);
  }
}

/** The letter of an id, or null. */
export function letterById(db: DatabaseSync, id: string): KeptDeadLetter | null {
  const origin = parseDeadLetterId(id);
  if (origin === null) return null;
  return letterOf(
    db.prepare(`SELECT * FROM letters WHERE ${BY_ORIGIN}`).get(
      ...originValues(origin),
    ),
  );
}

/** The letter at a place of the search, or null when it is gone. */
export function letterBySeq(db: DatabaseSync, seq: number): KeptDeadLetter | null {
  return letterOf(db.prepare("SELECT * FROM letters WHERE seq = ?").get(seq));
}

/** Rows of the letters of these ids that there are; of one project, or of any (null). */
export function seqsOfIds(
  db: DatabaseSync,
  ids: readonly string[],
  project: string | null,
): number[] {
  const find = db.prepare(
    `SELECT seq FROM letters WHERE ${BY_ORIGIN} AND (?5 IS NULL OR project = ?5)`,
  );
  return ids.flatMap((id) => {
    const origin = parseDeadLetterId(id);
    const row = origin && find.get(...originValues(origin), project);
    return row ? [row.seq as number] : [];
  });
}

/** Marks letters that wait as replayed; gives how many. */
export function markLetters(
  db: DatabaseSync,
  marks: readonly ReplayMark[],
  atMs: number,
  tally: LetterTally,
): number {
  const update = db.prepare(
    `UPDATE letters SET replayed_at_ms = ?5, event_id = ?6
     WHERE ${BY_ORIGIN} AND replayed_at_ms IS NULL RETURNING project, reason`,
  );
  let marked = 0;
  for (const { id, eventId } of marks) {
    const origin = parseDeadLetterId(id);
    const row = origin && update.get(...originValues(origin), atMs, eventId);
    if (!row) continue;
    tally.add(row.project as string, row.reason as string, 0, -1, 0);
    marked++;
  }
  return marked;
}

/** Deletes rows; gives how many there were. */
export function deleteLetters(
  db: DatabaseSync,
  seqs: readonly number[],
  tally: LetterTally,
): number {
  const statement = db.prepare(
    `DELETE FROM letters WHERE seq IN (SELECT value FROM json_each(?))
     RETURNING project, reason, replayed_at_ms IS NULL AS waiting, size`,
  );
  const deleted = statement.all(JSON.stringify(seqs)) as unknown[] as DeletedRow[];
  for (const { project, reason, waiting, size } of deleted) {
    tally.add(project, reason, -1, -waiting, -size);
  }
  return deleted.length;
}

/** Deletes the oldest letters of a state until there is no excess, and takes them off that. */
export function deleteOldest(
  db: DatabaseSync,
  state: "waiting" | "replayed",
  excess: Excess,
  tally: LetterTally,
): number {
  const oldest = db.prepare(
    `SELECT seq, size FROM letters
     WHERE replayed_at_ms IS ${state === "waiting" ? "" : "NOT "}NULL ORDER BY time_ms, seq`,
  );
  const seqs: number[] = [];
  for (const row of oldest.iterate()) {
    if (excess.letters <= 0 && excess.bytes <= 0) break;
    seqs.push(row.seq as number);
    excess.letters--;
    excess.bytes -= row.size as number;
  }
  return deleteLetters(db, seqs, tally);
}

function letterOf(found: unknown): KeptDeadLetter | null {
  if (found === undefined) return null;
  const row = found as LetterRow;
  const { topic, partition, offset, line, project, reason, message, payload } = row;
  return {
    id: deadLetterId(row),
    topic,
    partition,
    offset,
    line,
    project,
    reason,
    message,
    timeMs: row.time_ms,
    receivedAtMs: row.received_at_ms,
    payload,
    payloadBytes: row.payload_bytes,
    replayedAtMs: row.replayed_at_ms,
    eventId: row.event_id,
  };
}

function originValues(origin: LetterOrigin): [string, number, number, number] {
  return [origin.topic, origin.partition, origin.offset, origin.line];
}
