/** The files beside a partition's that are made of its rows: opened when they are first asked for. */

import { PropertyColumns } from "./property_columns.ts";
import { SessionParts } from "./session_parts.ts";
import type { SideFileOptions, WriteTurn } from "./side_file.ts";

export class SideFiles {
  readonly sessions: SessionParts;
  readonly columns: PropertyColumns;
  readonly #write: WriteTurn;
  readonly #made: () => void;

  /**
   * @param path of the partition's file
   * @param made called when runs were made
   */
  constructor(path: string, options: SideFileOptions, write: WriteTurn, made: () => void) {
    this.sessions = new SessionParts(path, options);
    this.columns = new PropertyColumns(path, options);
    this.#write = write;
    this.#made = made;
  }

  get paths(): string[] {
    return [this.sessions.path, this.columns.path];
  }

  /** The partition's file was opened anew. */
  detached(): void {
    this.sessions.detached();
    this.columns.detached();
  }

  /** Sums of sessions are asked for; those of rows before `toSeq` are made meanwhile. */
  async askSessions(toSeq: number): Promise<SessionParts> {
    await this.sessions.open(this.#write);
    void this.fill(toSeq);
    return this.sessions;
  }

  /** Columns of these properties are asked for; what is lacking before `toSeq` is made meanwhile. */
  async askColumns(keys: ReadonlySet<string>, toSeq: number): Promise<void> {
    await this.columns.open(this.#write);
    this.columns.ask(keys);
    void this.fill(toSeq);
  }

  /** Makes of the open ones what can be made of the rows before `toSeq`, in the background. */
  async fill(toSeq: number): Promise<void> {
    const hasSessions = await this.sessions.fill(toSeq, this.#write);
    const hasColumns = await this.columns.fill(toSeq, this.#write);
    if (hasSessions || hasColumns) this.#made();
  }
}
