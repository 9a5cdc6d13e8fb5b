/**
 * How a Kafka cluster is reached and how the log lies on it. Plain values only: settings go to
 * worker threads by postMessage. Where they come from is lib/config.
 */

/** A cluster, and who we are to it. */
export interface KafkaSettings {
  /** "host:port" of one or more brokers; the others are learnt from them. */
  readonly brokers: readonly string[];
  /** Our name in the brokers' logs and quotas. */
  readonly clientId: string;
  /** Null = plain text. Without caFile the system's certificates are trusted. PEM files. */
  readonly tls: null | {
    readonly caFile?: string;
    /** With keyFile: the certificate that we show (mutual TLS). */
    readonly certFile?: string;
    readonly keyFile?: string;
  };
  readonly sasl: null | {
    readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
    readonly username: string;
    readonly password: string;
  };
}

/** The log of events on a cluster. */
export interface KafkaLogSettings extends KafkaSettings {
  readonly topic: string;
  /** The consumer group of the shards. */
  readonly group: string;
  /** One event a record, keyed by its user, or many lines in one record without a key. */
  readonly records: "single" | "batched";
  readonly compression: "none" | "gzip" | "zstd";
  /** A member that the group has not heard of for so long loses its partitions, ms. */
  readonly sessionTimeoutMs: number;
}

/** Hears of what an operator should know; a thread's logger. */
export interface KafkaLogging {
  warn(message: string, detail: Readonly<Record<string, unknown>>): void;
}
