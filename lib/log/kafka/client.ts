/**
 * The one way to a kafkajs client: TLS and SASL from the settings, sockets without Nagle's delay,
 * codecs that kafkajs lacks, and a logger that says each thing once instead of at every attempt.
 *
 * kafkajs 2.2.4 sets a timer after every response to look for requests that throttling held back,
 * also when there are none, and then for a negative time: the runtime warns of it
 * (TimeoutNegativeWarning), and every response costs a timer. The queue's method is replaced by one
 * that does nothing when nothing waits.
 */
import { readFileSync } from "node:fs";
import net from "node:net";
import tls from "node:tls";
import { type ISocketFactory, Kafka, type KafkaConfig, logLevel, type RetryOptions } from "kafkajs";
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import { KAFKA_CONNECT_MS_MAX, KAFKA_LOG_REPEAT_MS } from "../../config/limits.ts";
import { LogError } from "../event_log.ts";
import { registerCodecs } from "./codecs.ts";
import type { KafkaLogging, KafkaSettings } from "./settings.ts";

/** What differs from client to client. */
export interface KafkaClientOptions {
  /** Null = say nothing: the caller sees every failure itself. */
  readonly logging: KafkaLogging | null;
  readonly retry: RetryOptions;
  /** Shortest time after which a request without an answer has failed, ms. */
  readonly requestTimeoutMs: number;
  /** Sees each socket that is opened. */
  readonly onSocket?: (socket: net.Socket) => void;
}

const KEEP_ALIVE_MS = 60_000;

interface PendingQueue {
  readonly pending: readonly unknown[];
}

type QueueMethod = (this: PendingQueue) => void;

const queue = (RequestQueue as unknown as { prototype: Record<string, QueueMethod> }).prototype;
const schedule = queue.scheduleCheckPendingRequests;
queue.scheduleCheckPendingRequests = function (this: PendingQueue): void {
  if (this.pending.length > 0) schedule.call(this);
};
registerCodecs();

/**
 * Makes a client; nothing is connected yet.
 * @throws LogError RTA_LOG_UNAVAILABLE when a file of the TLS settings cannot be read.
 */
export function createKafka(settings: KafkaSettings, options: KafkaClientOptions): Kafka {
  const { brokers, clientId, sasl } = settings;
  const config: KafkaConfig = {
    brokers: [...brokers],
    clientId,
    connectionTimeout: KAFKA_CONNECT_MS_MAX,
    authenticationTimeout: KAFKA_CONNECT_MS_MAX,
    requestTimeout: options.requestTimeoutMs,
    enforceRequestTimeout: true,
    retry: options.retry,
    socketFactory: socketFactory(options.onSocket ?? (() => {})),
    ...(settings.tls === null ? {} : { ssl: secureContext(settings.tls) }),
    ...(sasl === null ? {} : { sasl: { ...sasl } as KafkaConfig["sasl"] }),
  };
  const { logging } = options;
  return logging === null
    ? new Kafka({ ...config, logLevel: logLevel.NOTHING })
    : new Kafka({ ...config, logLevel: logLevel.WARN, logCreator: () => quietLog(logging) });
}

function secureContext(files: NonNullable<KafkaSettings["tls"]>): tls.ConnectionOptions {
  const { caFile, certFile, keyFile } = files;
  return {
    ...(caFile === undefined ? {} : { ca: [readPem(caFile)] }),
    ...(certFile === undefined ? {} : { cert: readPem(certFile) }),
    ...(keyFile === undefined ? {} : { key: readPem(keyFile) }),
  };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const message = `cannot read ${path} of the TLS settings`;
    throw new LogError("RTA_LOG_UNAVAILABLE", message, { cause: error });
  }
}

function socketFactory(onSocket: (socket: net.Socket) => void): ISocketFactory {
  return ({ host, port, ssl, onConnect }) => {
    // The name of the certificate is checked against the host, which only a name can be sent for.
    const servername = net.isIP(host) === 0 ? { servername: host } : {};
    const socket = ssl
      ? tls.connect({ host, port, ...servername, ...(ssl as tls.ConnectionOptions) }, onConnect)
      : net.connect({ host, port }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.setNoDelay(true);
    onSocket(socket);
    return socket;
  };
}

/** While brokers are away kafkajs says so several times a second; each text is passed on rarely. */
function quietLog(logging: KafkaLogging): (entry: LogEntry) => void {
  const saidAtMs = new Map<string, number>();
  return ({ namespace, log }) => {
    const { message, error, broker } = log;
    const text = `${namespace}: ${message}`;
    const now = performance.now();
    if (now - (saidAtMs.get(text) ?? -Infinity) < KAFKA_LOG_REPEAT_MS) return;
    if (saidAtMs.size >= TEXTS_MAX) saidAtMs.clear();
    saidAtMs.set(text, now);
    logging.warn(`kafka client: ${message}`, {
      part: namespace,
      ...(broker === undefined ? {} : { broker }),
      ...(error === undefined ? {} : { error: String(error) }),
    });
  };
}

/** Texts that are remembered as said. */
const TEXTS_MAX = 100;

interface LogEntry {
  readonly namespace: string;
  readonly log: { readonly message: string; readonly [key: string]: unknown };
}
