/**
 * Scans that need more memory than a partition's database usually has: a condition on a property
 * takes about 3 MiB while it runs, and a question may have dozens of them, at the same time as
 * others. One that did not fit is run again, one of them at a time, with a higher limit; the usual
 * one comes back when memory is trimmed.
 */
import { SCAN_MEMORY_MB } from "../../config/store_limits.ts";
import type { Connection } from "./native.ts";
import { runSql } from "./read_stream.ts";

export class HeavyScans {
  #lastTurn: Promise<unknown> = Promise.resolve();

  /**
   * Runs `scan` in its turn, with the higher limit in force.
   *
   * @param read runs work on a reading connection
   */
  run<T>(
    read: (work: (connection: Connection) => Promise<void>) => Promise<void>,
    scan: () => Promise<T>,
  ): Promise<T> {
    const turn = this.#lastTurn.then(async () => {
      await read((connection) => runSql(connection, `SET memory_limit = '${SCAN_MEMORY_MB}MiB'`));
      return await scan();
    });
    this.#lastTurn = turn.catch(() => {});
    return turn;
  }
}
