/**
 * A link that is made when it is needed and made anew after it failed, for those who use one link for
 * one thing at a time and try again by themselves.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  KAFKA_READ_MS_MAX,
  KAFKA_RETRY_MS_FIRST,
  KAFKA_RETRY_MS_MAX,
} from "../../config/limits.ts";
import { LogError } from "../event_log.ts";
import { BrokerLink } from "./broker_link.ts";
import type { KafkaSettings } from "./settings.ts";

export class KeptLink {
  readonly #settings: KafkaSettings;
  readonly #topic: string;
  readonly #abort = new AbortController();
  #link: BrokerLink | null = null;
  #opened = 0;
  /** One user at a time: kafkajs would connect twice for two. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: KafkaSettings, topic: string) {
    this.#settings = settings;
    this.#topic = topic;
  }

  /** Whether the last use went well. */
  get isUp(): boolean {
    return this.#link !== null;
  }

  /** Runs `work` with a link, which is given up when that rejects with a LogError. */
  use<T>(work: (link: BrokerLink) => Promise<T>): Promise<T> {
    const used = this.#turn.then(() => this.#use(work));
    this.#turn = used.catch(() => {});
    return used;
  }

  /**
   * As use(), again and again until it goes well or `giveUpAtMs` (performance.now()) is past; then
   * it rejects with the last failure.
   */
  async useUntil<T>(giveUpAtMs: number, work: (link: BrokerLink) => Promise<T>): Promise<T> {
    for (let waitMs = KAFKA_RETRY_MS_FIRST;; waitMs = Math.min(2 * waitMs, KAFKA_RETRY_MS_MAX)) {
      try {
        return await this.use(work);
      } catch (error) {
        const retry = error instanceof LogError && error.code === "RTA_LOG_UNAVAILABLE";
        if (!retry || performance.now() + waitMs > giveUpAtMs || this.isClosed) throw error;
        await this.wait(waitMs);
      }
    }
  }

  /**
   * Opens a topic: at once or not at all, but for questions that a broker cannot answer before it has
   * settled who leads, as after the topic was made.
   */
  async open<T>(
    check: (link: BrokerLink) => void,
    ask: (link: BrokerLink) => Promise<T>,
  ): Promise<T> {
    try {
      await this.use((link) => Promise.resolve(check(link)));
      return await this.useUntil(performance.now() + KAFKA_READ_MS_MAX, ask);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Lets time pass; close() ends it early. */
  async wait(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#abort.signal }).catch(() => {});
  }

  get isClosed(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Gives the connections up; the next use makes new ones. */
  async drop(): Promise<void> {
    const link = this.#link;
    this.#link = null;
    await link?.close();
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.drop();
    await this.#turn;
  }

  async #use<T>(work: (link: BrokerLink) => Promise<T>): Promise<T> {
    this.#link ??= await this.#open();
    const link = this.#link;
    try {
      return await work(link);
    } catch (error) {
      if (error instanceof LogError && error.code === "RTA_LOG_UNAVAILABLE") await this.drop();
      throw error;
    }
  }

  async #open(): Promise<BrokerLink> {
    const closed = new LogError("RTA_LOG_UNAVAILABLE", "the log was closed");
    if (this.isClosed) throw closed;
    const link = await BrokerLink.open(this.#settings, this.#topic, this.#opened++);
    if (!this.isClosed) return link;
    await link.close();
    throw closed;
  }
}
