/**
 * The writer worker as the main thread sees it: starts it on the data folder, gives out the
 * producer, trims the log behind the store, and reports when the worker died or hung.
 */
import { EXIT_WORKER_DIED, EXIT_WORKER_HUNG } from "../../lib/config/exit_codes.ts";
import { ACK_RING_BYTES, HANG_MS, HEARTBEAT_MS, RING_BYTES } from "../../lib/config/limits.ts";
import type { LogLevel } from "../../lib/config/variables.ts";
import { LogError } from "../../lib/log/event_log.ts";
import { HeartbeatWatch } from "../../lib/process/heartbeat_watch.ts";
import { createRing } from "../../lib/ring/ring.ts";
import type { WriterLog, WriterReply, WriterRequest } from "../../workers/writer_port.ts";
import { DurableProducer } from "./durable_producer.ts";
import { TickProducer } from "./tick_producer.ts";

export interface WriterHostOptions {
  readonly log: WriterLog;
  readonly logLevel: LogLevel;
  /** Events taken with 202 that did not become durable after all. */
  readonly onLost: (events: number, failure: LogError) => void;
  /** Appends began to fail, or (null) work again. */
  readonly onLogState: (failure: { code: string; message: string } | null) => void;
  readonly onTrimmed: (records: number) => void;
  /** The process has to end with this code. Called once. */
  readonly onFatal: (exitCode: number, reason: string) => void;
}

export class WriterHost {
  readonly producer: TickProducer;
  readonly #options: WriterHostOptions;
  readonly #ring = createRing(RING_BYTES);
  readonly #acks = createRing(ACK_RING_BYTES);
  readonly #health = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  #worker: Worker | null = null;
  #watch: ReturnType<typeof setInterval> | undefined;
  #stopped: () => void = () => {};
  #fatal = false;

  constructor(options: WriterHostOptions) {
    this.#options = options;
    const producer = new DurableProducer({
      ring: this.#ring,
      acks: this.#acks,
      partitions: options.log.partitions,
      onLost: options.onLost,
    });
    this.producer = new TickProducer(producer);
  }

  /** Resolves when the log is open. Throws LogError when it can't be opened. */
  start(): Promise<void> {
    const worker = new Worker(new URL("../../workers/writer.ts", import.meta.url), {
      type: "module",
      name: "writer",
    });
    this.#worker = worker;
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<WriterReply>) => {
        if (data.kind === "ready") {
          this.#watchHeartbeat();
          resolve();
        } else if (data.kind === "failed") {
          this.#worker = null;
          reject(new LogError(data.code, data.message));
        } else this.#heard(data);
      };
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new LogError("RTA_LOG_UNAVAILABLE", event.message));
        this.#die(EXIT_WORKER_DIED, `the log's writer died: ${event.message}`);
      };
      this.#send({
        kind: "start",
        log: this.#options.log,
        logLevel: this.#options.logLevel,
        ring: this.#ring,
        acks: this.#acks,
        health: this.#health,
        healthIndex: 0,
      });
    });
  }

  /** Forgets what is stored everywhere and older than the retention. */
  trim(storedOffsets: readonly number[], receivedBeforeMs: number): void {
    this.#send({ kind: "trim", storedOffsets, receivedBeforeMs });
  }

  /** Writes all that was taken, then closes the log. */
  async stop(): Promise<void> {
    if (this.#worker !== null && !this.#fatal) {
      const stopped = new Promise<void>((resolve) => this.#stopped = resolve);
      this.#send({ kind: "stop" });
      await stopped;
    }
    clearInterval(this.#watch);
    this.producer.close();
    this.#worker?.terminate();
    this.#worker = null;
  }

  #heard(data: WriterReply): void {
    if (data.kind === "stopped") this.#stopped();
    else if (data.kind === "append_failed") this.#options.onLogState(data);
    else if (data.kind === "append_recovered") this.#options.onLogState(null);
    else if (data.kind === "trimmed") this.#options.onTrimmed(data.records);
  }

  #watchHeartbeat(): void {
    const heartbeat = new HeartbeatWatch(this.#health, 0);
    this.#watch = setInterval(() => {
      if (!heartbeat.hangs(performance.now())) return;
      this.#die(EXIT_WORKER_HUNG, `the log's writer has not turned for ${HANG_MS} ms`);
    }, HEARTBEAT_MS);
  }

  #die(exitCode: number, reason: string): void {
    if (this.#fatal) return;
    this.#fatal = true;
    this.producer.markFailed("RTA_LOG_UNAVAILABLE");
    this.#stopped();
    this.#options.onFatal(exitCode, reason);
  }

  #send(message: WriterRequest): void {
    this.#worker?.postMessage(message);
  }
}
