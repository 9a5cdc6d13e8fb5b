/**
 * The one closed list of operating failures: what goes wrong in the process, its files and the
 * servers it talks to, as opposed to requests and events that are at fault (lib/event/reasons.ts).
 * A code is what logs say, so it never changes its meaning; add, never rename. The types of the
 * errors that carry the codes keep this list whole.
 */
import type { KeyFileError } from "../auth/key_file.ts";
import type { ConfigError } from "../config/config.ts";
import type { DataFolderError } from "../data_folder/data_folder.ts";
import type { DeadLetterErrorCode } from "../dead_letter/dead_letter_sink.ts";
import type { ReasonCode } from "../event/reasons.ts";
import type { ListenError } from "../http/listen.ts";
import type { TlsError } from "../http/tls_files.ts";
import type { ImportErrorCode } from "../import/import_error.ts";
import type { LogErrorCode } from "../log/event_log.ts";
import type { RingErrorCode } from "../ring/ring_layout.ts";
import type { SketchError } from "../sketch/sketch_error.ts";
import type { StoreErrorCode } from "../store/event_store.ts";

/** Of a shard that failed by something else, and of a question that made one fail. */
export type ShardErrorCode = "RTA_SHARD_FAILED" | "RTA_SHARD_FAULT";

/** Any code of the list. */
export type FailureCode =
  | ConfigError["code"]
  | DataFolderError["code"]
  | DeadLetterErrorCode
  | ImportErrorCode
  | KeyFileError["code"]
  | ListenError["code"]
  | LogErrorCode
  | RingErrorCode
  | ShardErrorCode
  | SketchError["code"]
  | StoreErrorCode
  | TlsError["code"];

/** What an operating failure means to whom. */
export interface OperatingFailure {
  /** What requests that meet it are refused with; null = it ends a start or a command. */
  readonly clients: ReasonCode | null;
  /** When it happens. */
  readonly when: string;
  /** What the process does. */
  readonly then: string;
  /** What the operator does. */
  readonly mend: string;
}

function failure(
  clients: ReasonCode | null,
  when: string,
  then: string,
  mend: string,
): OperatingFailure {
  return { clients, when, then, mend };
}

const noStart = "Exit code 78: starting again would not help";
const notYet = "At the start exit code 1; later";
const noHelp = "At the start exit code 78: starting again would not help; later";
const commandEnds = "The command ends with exit code 2; what was sent is stored";
const replaced = "the shard closes its files and is replaced, again and again: exit code 71";

/** Every operating failure by its code. */
export const OPERATING_FAILURES: Readonly<Record<FailureCode, OperatingFailure>> = {
  RTA_CONFIG_INVALID: failure(
    null,
    "A setting is unknown to its kind, out of range, or does not go with another",
    noStart,
    "Each line of standard error names a setting and what it takes; see CONFIGURATION.md",
  ),
  RTA_DATA_UNUSABLE: failure(
    null,
    "The data folder can't be made, read or written",
    noStart,
    "Mend its rights, or name another one with `RTA_DATA`",
  ),
  RTA_DATA_IN_USE: failure(
    null,
    "Another process runs on the data folder",
    noStart,
    "`make stop`, or another folder",
  ),
  RTA_PORT_UNAVAILABLE: failure(
    null,
    "A port is taken, or may not be opened",
    noStart,
    "Stop what has it, or set the port that the message names",
  ),
  RTA_TLS_UNUSABLE: failure(
    null,
    "A file of certificates or of a key can't be read, is no PEM, or the two do not belong together",
    noStart,
    "Mend the file that the message names",
  ),
  RTA_KEY_FILE: failure(
    null,
    "The file of keys can't be read, or is not one",
    `${noStart}. A running process keeps the keys that it has, and says so in its log`,
    "Mend it or restore a copy; its rights must let the process read and write it",
  ),
  RTA_LOG_UNAVAILABLE: failure(
    "log_unavailable",
    "The log can't be read or written: a failing disk, or Kafka's brokers are away or refuse",
    `${notYet} each request is a new attempt, and readers go on when it is back`,
    "Mend the disk or the cluster; `kafka_connectivity_status` and `/health` tell when it is well",
  ),
  RTA_LOG_FULL: failure(
    "log_unavailable",
    "The disk of the embedded log is full",
    "Events are refused, questions answered; it heals by itself when there is room",
    "Make room, or lower `RTA_LOG_RETENTION_HOURS`",
  ),
  RTA_LOG_CORRUPT: failure(
    "log_unavailable",
    "The log's bytes are damaged, or it ends before what is stored: it was lost or replaced",
    "At the start exit code 78, later 71, rather than count wrong",
    "Restore log and store of the same moment, or start on a new data folder",
  ),
  RTA_LOG_PARTITIONS_CHANGED: failure(
    null,
    "`RTA_PARTITIONS`, or the topic, has another number of partitions than the data folder",
    noStart,
    "Take the number back; it is fixed when the folder is made",
  ),
  RTA_STORE_UNAVAILABLE: failure(
    "store_unavailable",
    "A partition's store can't be read or written, or its shard does not answer in time",
    `${notYet} ${replaced}`,
    "Look at the cause in the log: mostly the disk",
  ),
  RTA_STORE_LOCKED: failure(
    "store_unavailable",
    "Another process has a partition's file open",
    `${notYet} ${replaced}`,
    "End that process: a DuckDB shell, a copy of the platform",
  ),
  RTA_STORE_FULL: failure(
    "store_unavailable",
    "The disk of the store is full",
    "The shard is replaced for as long as it takes; events are taken in while the log has room",
    "Make room",
  ),
  RTA_STORE_FORMAT: failure(
    "store_unavailable",
    "A partition's file was written by a version that this one does not read, or with other rows",
    `${noHelp} ${replaced}`,
    "Run the version that wrote it, set RTA_ROWS back, or start on a new data folder",
  ),
  RTA_STORE_NO_ROWS: failure(
    "rows_not_kept",
    "A question needs single events, and `RTA_ROWS=off`",
    "Nothing: only that question is refused",
    "Ask for summaries and series, or keep rows from now on",
  ),
  RTA_STORE_MEMORY: failure(
    "resources_exceeded",
    "A question needs more memory than the store of a partition has",
    "Nothing: only that question is refused",
    "Ask for less, or raise `RTA_STORE_MEMORY_MB`",
  ),
  RTA_STORE_CORRUPT: failure(
    "store_unavailable",
    "A partition's file is damaged",
    `${noHelp} ${replaced}`,
    "Restore the data folder, or start on a new one",
  ),
  RTA_DEAD_LETTERS_UNAVAILABLE: failure(
    "store_unavailable",
    "Dead letters can't be read or written",
    "The partition waits and tries again each second; its events stay in the log",
    "Look at the cause in the log: mostly the disk, or Kafka",
  ),
  RTA_DEAD_LETTERS_FULL: failure(
    "store_unavailable",
    "The disk of the dead letters is full",
    "The partition waits and tries again each second; its events stay in the log",
    "Make room",
  ),
  RTA_DEAD_LETTERS_CORRUPT: failure(
    "store_unavailable",
    "The file of the dead letters is damaged",
    `${notYet} ${replaced}`,
    "Move the file away to begin a new one, or restore it",
  ),
  RTA_SHARD_FAILED: failure(
    "store_unavailable",
    "A shard threw something that has no code of its own",
    `${notYet} ${replaced}. A record that made it fail three times becomes a dead letter`,
    "Report it, with the stack in the log",
  ),
  RTA_SHARD_FAULT: failure(
    "internal",
    "A question made something throw in a shard",
    "Nothing: only that question fails",
    "Report it, with the stack in the log",
  ),
  RTA_RING_CORRUPT: failure(
    "internal",
    "The memory between two threads does not hold what it should",
    "The thread ends: exit code 71",
    "Report it, with the stack in the log",
  ),
  RTA_RING_MISUSE: failure(
    "internal",
    "A thread broke the rules of the memory between threads",
    "The thread ends: exit code 71",
    "Report it, with the stack in the log",
  ),
  RTA_SKETCH_CORRUPT: failure(
    "store_unavailable",
    "A stored sketch can't be read: the store is damaged, or of a later version",
    `${notYet} ${replaced}`,
    "Restore the data folder, or run the version that wrote it",
  ),
  RTA_IMPORT_SOURCE: failure(
    null,
    "`rta import`, `generate`, `example`: the file can't be read, or is not what it should be",
    commandEnds,
    "The message names file and place; see IMPORT.md",
  ),
  RTA_IMPORT_MAPPING: failure(
    null,
    "`rta import`: the mapping does not fit the columns",
    "The command ends with exit code 2 before anything is sent",
    "The message names the column; see IMPORT.md",
  ),
  RTA_IMPORT_SERVER: failure(
    null,
    "A command can't reach the platform, or gets an answer that it does not know",
    commandEnds,
    "Start it, or name it with `--url`; run the command again, what is stored counts once",
  ),
};
