/**
 * The tables `counts` and `totals`, brought up to date once a transaction: measured, triggers that
 * do it row by row double the time of a put.
 */
import type { DatabaseSync } from "node:sqlite";

/** What came or went of one reason in one project. */
interface TallyEntry {
  readonly project: string;
  readonly reason: string;
  letters: number;
  waiting: number;
}

/** What one transaction changes: add() as it goes along, write() before it ends. */
export class LetterTally {
  readonly #entries = new Map<string, TallyEntry>();
  #bytes = 0;

  /** Adds up letters, waiting letters and bytes; what goes is below 0. */
  add(project: string, reason: string, letters: number, waiting: number, bytes: number): void {
    // Reasons are words, so a blank ends one.
    const key = `${reason} ${project}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { project, reason, letters: 0, waiting: 0 };
      this.#entries.set(key, entry);
    }
    entry.letters += letters;
    entry.waiting += waiting;
    this.#bytes += bytes;
  }

  /** Writes the changes to the tables and forgets them. */
  write(db: DatabaseSync): void {
    if (this.#entries.size === 0) return;
    const upsert = db.prepare(
      `INSERT INTO counts VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE
       SET letters = letters + excluded.letters, waiting = waiting + excluded.waiting`,
    );
    const sum = { letters: 0, waiting: 0 };
    for (const { project, reason, letters, waiting } of this.#entries.values()) {
      upsert.run(project, reason, letters, waiting);
      sum.letters += letters;
      sum.waiting += waiting;
    }
    db.prepare(
      "UPDATE totals SET letters = letters + ?, waiting = waiting + ?, bytes = bytes + ?",
    ).run(sum.letters, sum.waiting, this.#bytes);
    if (sum.letters < 0) db.exec("DELETE FROM counts WHERE letters = 0");
    this.#entries.clear();
    this.#bytes = 0;
  }
}
