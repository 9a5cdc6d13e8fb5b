/**
 * The dead letters of this process: the file that is searched, and with Kafka the reading of their
 * topic into it, from where the file says it was read to.
 */
import { LETTERS_INDEXED_AT_ONCE } from "../lib/config/limits.ts";
import { type DeadLetterFile, openDeadLetterFile } from "../lib/dead_letter/dead_letter_file.ts";
import { indexRecords } from "../lib/dead_letter/index_records.ts";
import type { KafkaSettings } from "../lib/log/kafka/settings.ts";
import type { TailedRecord } from "../lib/log/kafka/topics_tail.ts";
import type { Logger } from "../lib/telemetry/logger.ts";

export interface LetterDeskOptions {
  readonly storeFolder: string;
  /** Null: shards put letters into the file themselves. */
  readonly topic: { readonly settings: KafkaSettings; readonly name: string } | null;
  readonly logger: Logger;
  /** The topic can't be read into the file any more. */
  readonly onFailure: (error: Error) => void;
}

export class LetterDesk {
  readonly file: DeadLetterFile;
  readonly #options: LetterDeskOptions;
  readonly #abort = new AbortController();
  #reading: Promise<void> = Promise.resolve();

  private constructor(file: DeadLetterFile, options: LetterDeskOptions) {
    this.file = file;
    this.#options = options;
    if (options.topic === null) return;
    this.#reading = this.#read(options.topic).catch(options.onFailure);
  }

  /** Throws DeadLetterError when the file can't be opened. */
  static async open(options: LetterDeskOptions): Promise<LetterDesk> {
    const { storeFolder: folder, logger } = options;
    const onForgotten = (letters: number) => {
      logger.error({ letters }, "dead letters were forgotten to make room for new ones");
    };
    return new LetterDesk(await openDeadLetterFile({ folder, onForgotten }), options);
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#reading;
    await this.file.close();
  }

  /** Keeps what comes, many records in one transaction when many come. */
  async #read({ settings, name: topic }: NonNullable<LetterDeskOptions["topic"]>): Promise<void> {
    let waiting: TailedRecord[] = [];
    let keeping: Promise<void> | null = null;
    let failure: unknown = null;
    const keep = async () => {
      try {
        while (waiting.length > 0) {
          const records = waiting;
          waiting = [];
          await this.#keep(topic, records);
        }
      } catch (error) {
        failure = error;
        this.#abort.abort();
      }
      keeping = null;
    };
    const { tailTopic } = await import("../lib/log/kafka/topics_tail.ts");
    const records = tailTopic(settings, topic, {
      fromBeginning: true,
      from: await this.#places(topic),
      isPatient: true,
      signal: this.#abort.signal,
      onTrouble: (message) => this.#options.logger.warn({ detail: message }, "dead letters wait"),
    });
    for await (const record of records) {
      waiting.push(record);
      if (waiting.length >= LETTERS_INDEXED_AT_ONCE) await keeping;
      keeping ??= keep();
    }
    await keeping;
    if (failure !== null) throw failure;
  }

  async #keep(topic: string, records: readonly TailedRecord[]): Promise<void> {
    for (const [partition, own] of Map.groupBy(records, (record) => record.partition)) {
      const consumed = own.map(({ value, headers }) => ({
        value,
        headers: Object.fromEntries(headers.map(([name, value]) => [name, value ?? undefined])),
      }));
      const nextOffset = own[own.length - 1].offset + 1;
      const place = { topic, partition, nextOffset };
      for (const { index, why } of await indexRecords(this.file, consumed, place)) {
        const { offset } = own[index];
        this.#options.logger.warn({ topic, partition, offset, why }, "a record is no dead letter");
      }
    }
  }

  /** Where the file was read to, of as many partitions as it knows. */
  async #places(topic: string): Promise<Map<number, number>> {
    const places = new Map<number, number>();
    for (let partition = 0;; partition++) {
      const offset = await this.file.indexedOffset(topic, partition);
      // Made with one partition; of a topic made by others, those after a silent one begin anew.
      if (offset === null) return places;
      places.set(partition, offset);
    }
  }
}
