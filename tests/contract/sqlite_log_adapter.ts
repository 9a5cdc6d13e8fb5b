/** The embedded log for the contract suite. */
import {
  createLogSignal,
  openSqliteLogReader,
  openSqliteLogWriter,
} from "../../lib/log/sqlite/mod.ts";
import type { LogAdapter } from "./log_adapter.ts";

const PARTITIONS_DEFAULT = 4;
/** The signal is memory, so a location has one in every process. */
const signals = new Map<string, SharedArrayBuffer>();

export const adapter: LogAdapter = {
  name: "sqlite",
  moduleUrl: import.meta.url,
  trims: true,
  offsetsCount: "events",
  readersHear: "appends",
  test: (name, fn) => ({ name, fn }),
  makeLocation: () => Deno.makeTempDir({ prefix: "rta_log_" }),
  async removeLocation(location) {
    signals.delete(location);
    await Deno.remove(location, { recursive: true });
  },
  openWriter(location, partitions) {
    const signal = createLogSignal(partitions);
    signals.set(location, signal);
    return openSqliteLogWriter({ folder: location, partitions, signal });
  },
  openReader(location) {
    const signal = signals.get(location) ?? createLogSignal(PARTITIONS_DEFAULT);
    return openSqliteLogReader({ folder: location, signal });
  },
};
