/** The files beside a partition's that are made of its rows: opened when they are first asked for. */

import { EventBlocks, type ReadTurn } from "./event_blocks.ts";
import { PropertyColumns } from "./property_columns.ts";
import { SessionParts } from "./session_parts.ts";
import type { SideFileOptions, WriteTurn } from "./side_file.ts";

/** What the files need of their partition. */
export interface SidePartition {
  readonly read: ReadTurn;
  readonly write: WriteTurn;
  /** Called when something was made in a turn of writing. */
  readonly made: () => void;
}

export class SideFiles {
  readonly sessions: SessionParts;
  readonly columns: PropertyColumns;
  readonly blocks: EventBlocks;
  readonly #read: ReadTurn;
  readonly #write: WriteTurn;
  readonly #made: () => void;

  /** @param path of the partition's file */
  constructor(path: string, options: SideFileOptions, { read, write, made }: SidePartition) {
    this.sessions = new SessionParts(path, options);
    this.columns = new PropertyColumns(path, options);
    this.blocks = new EventBlocks(path, options);
    this.#read = read;
    this.#write = write;
    this.#made = made;
  }

  get paths(): string[] {
    return [this.sessions.path, this.columns.path, this.blocks.path];
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

  /** Columns of these properties are asked for: fill() is to follow when the question is answered. */
  async askColumns(keys: ReadonlySet<string>): Promise<void> {
    await this.columns.open(this.#write);
    this.columns.ask(keys);
  }

  /** The same of blocks of events. */
  async askBlocks(): Promise<void> {
    await this.blocks.ask(this.#read);
  }

  /** Makes of the open ones what can be made of the rows before `toSeq`, in the background. */
  async fill(toSeq: number): Promise<void> {
    const hasSessions = await this.sessions.fill(toSeq, this.#write);
    const hasColumns = await this.columns.fill(toSeq, this.#write);
    await this.blocks.fill(toSeq, this.#read);
    if (hasSessions || hasColumns) this.#made();
  }
}
