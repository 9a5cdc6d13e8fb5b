/**
 * Live partials of every process, read from the topic metrics-data into this process's window. It
 * begins with what is published from now on: an answer says how far back it knows.
 */
import { decodeLivePartial } from "../lib/live/live_partial.ts";
import type { LiveWindow } from "../lib/live/live_window.ts";
import type { KafkaSettings } from "../lib/log/kafka/settings.ts";
import type { Logger } from "../lib/telemetry/logger.ts";

export interface LiveDeskOptions {
  readonly settings: KafkaSettings;
  readonly topic: string;
  readonly live: LiveWindow;
  readonly logger: Logger;
  /** The topic can't be read any more. */
  readonly onFailure: (error: Error) => void;
}

export class LiveDesk {
  readonly #options: LiveDeskOptions;
  readonly #abort = new AbortController();
  readonly #reading: Promise<void>;

  constructor(options: LiveDeskOptions) {
    this.#options = options;
    this.#reading = this.#read().catch(options.onFailure);
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { settings, topic, live, logger } = this.#options;
    const { tailTopic } = await import("../lib/log/kafka/topics_tail.ts");
    const records = tailTopic(settings, topic, {
      fromBeginning: false,
      isPatient: true,
      signal: this.#abort.signal,
      onTrouble: (message) => logger.warn({ detail: message }, "live answers wait for their topic"),
    });
    for await (const { value, partition, offset } of records) {
      if (value === null) continue;
      try {
        live.add(decodeLivePartial(value), Date.now());
      } catch (error) {
        // Another version's, or not ours: what it would have told shows as missing.
        if (!(error instanceof RangeError)) throw error;
        logger.warn({ topic, partition, offset, err: error }, "a record is no live partial");
      }
    }
  }
}
