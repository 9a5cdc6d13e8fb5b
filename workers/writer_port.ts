/**
 * The writer worker's side of its control messages: opens the log, runs the loop, keeps the
 * heartbeat, closes. Messages are few; everything that is per event goes through the rings.
 */
import { HEARTBEAT_MS } from "../lib/config/limits.ts";
import type { LogLevel } from "../lib/config/variables.ts";
import { type EventLogWriter, LogError, type LogErrorCode } from "../lib/log/event_log.ts";
import type { KafkaLogSettings } from "../lib/log/kafka/settings.ts";
import { openSqliteLogWriter } from "../lib/log/sqlite/mod.ts";
import { createThreadLogger } from "../lib/telemetry/thread_logger.ts";
import { kafkaLogging } from "./kafka_logging.ts";
import { WriterLoop } from "./writer_loop.ts";

/** The log that is written to. */
export type WriterLog =
  | {
    readonly kind: "sqlite";
    /** The data folder. */
    readonly folder: string;
    readonly partitions: number;
    /** From createLogSignal(partitions). */
    readonly signal: SharedArrayBuffer;
    /** Largest size of the log's file, bytes; default: no limit. */
    readonly fileBytesMax?: number;
  }
  | { readonly kind: "kafka"; readonly settings: KafkaLogSettings; readonly partitions: number };

/** main -> writer, first. */
export interface WriterStart {
  readonly kind: "start";
  readonly log: WriterLog;
  readonly logLevel: LogLevel;
  /** Ring of APPEND frames from main. */
  readonly ring: SharedArrayBuffer;
  /** Ring of ACK and NACK frames to main. */
  readonly acks: SharedArrayBuffer;
  /** Int32 words; the one at `healthIndex` grows by one each heartbeat. */
  readonly health: SharedArrayBuffer;
  readonly healthIndex: number;
}

/** main -> writer. */
export type WriterRequest =
  | WriterStart
  | {
    readonly kind: "trim";
    readonly storedOffsets: readonly number[];
    readonly receivedBeforeMs: number;
  }
  | { readonly kind: "stop" };

/** writer -> main. */
export type WriterReply =
  | { readonly kind: "ready"; readonly partitions: number }
  /** The log could not be opened; the worker has closed. */
  | { readonly kind: "failed"; readonly code: LogErrorCode; readonly message: string }
  /** Appends began to fail; said once, until they work again. Each is answered by a NACK too. */
  | { readonly kind: "append_failed"; readonly code: LogErrorCode; readonly message: string }
  | { readonly kind: "append_recovered" }
  /** Answers a trim that is done, given up (code) or overtaken by a later one. */
  | { readonly kind: "trimmed"; readonly records: number; readonly code: LogErrorCode | null }
  /** The ring is drained and the log closed. */
  | { readonly kind: "stopped" };

/** What serveWriter needs of a worker's global scope. */
export interface WriterPort {
  onmessage: ((event: MessageEvent<WriterRequest>) => void) | null;
  postMessage(reply: WriterReply): void;
  close(): void;
}

/** Serves control messages until stopped. A broken invariant is left uncaught: it ends the worker. */
export function serveWriter(port: WriterPort): void {
  let loop: WriterLoop | null = null;
  port.onmessage = async ({ data: request }) => {
    switch (request.kind) {
      case "start":
        await runWriter(port, request, (started) => loop = started);
        port.close();
        break;
      case "trim":
        loop?.trim(request.storedOffsets, request.receivedBeforeMs, (records, failure) => {
          port.postMessage({ kind: "trimmed", records, code: failure?.code ?? null });
        });
        break;
      case "stop":
        loop?.stop();
        break;
    }
  };
}

async function runWriter(
  port: WriterPort,
  start: WriterStart,
  started: (loop: WriterLoop) => void,
): Promise<void> {
  let log;
  try {
    log = await openLogWriter(start);
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    port.postMessage({ kind: "failed", code: error.code, message: error.message });
    return;
  }
  const { ring, acks } = start;
  const loop = new WriterLoop({ log, ring, acks, onLogState: (state) => tell(port, state) });
  started(loop);
  const health = new Int32Array(start.health);
  const heartbeat = setInterval(
    () => Atomics.add(health, start.healthIndex, 1),
    HEARTBEAT_MS,
  );
  try {
    port.postMessage({ kind: "ready", partitions: log.partitions });
    await loop.run();
  } finally {
    clearInterval(heartbeat);
    await log.close();
  }
  port.postMessage({ kind: "stopped" });
}

/** The Kafka client is loaded only where there is Kafka: it takes memory in each thread. */
async function openLogWriter({ log, logLevel }: WriterStart): Promise<EventLogWriter> {
  if (log.kind === "sqlite") return await openSqliteLogWriter(log);
  const { openKafkaLogWriter } = await import("../lib/log/kafka/mod.ts");
  const logger = createThreadLogger(logLevel, { stage: "log", service: "ingestion" });
  const logging = kafkaLogging(logger);
  return await openKafkaLogWriter({ settings: log.settings, partitions: log.partitions, logging });
}

function tell(port: WriterPort, failure: LogError | null): void {
  if (failure === null) port.postMessage({ kind: "append_recovered" });
  else port.postMessage({ kind: "append_failed", code: failure.code, message: failure.message });
}
