/** The embedded log: SQLite in the data folder. The port is lib/log/event_log.ts. */
export { createLogSignal, LogSignal } from "./log_signal.ts";
export { openSqliteLogReader } from "./log_reader.ts";
export type { SqliteLogReaderOptions } from "./log_reader.ts";
export { openSqliteLogWriter } from "./log_writer.ts";
export type { SqliteLogWriterOptions } from "./log_writer.ts";
export { logPath, madePartitions } from "./log_file.ts";
