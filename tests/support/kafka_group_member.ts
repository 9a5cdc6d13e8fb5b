/** One member of a consumer group, with a memory, for tests. */
import type { AssignedLogReader } from "../../lib/log/event_log.ts";
import { type KafkaLogSettings, openKafkaGroupReader } from "../../lib/log/kafka/mod.ts";
import { waitUntil, withDeadline } from "./deadline.ts";
import { numbersOf } from "./kafka_topic.ts";

const BYTES_ENOUGH = 1 << 20;

/** A member, and what it was told. */
export class GroupMember implements AsyncDisposable {
  readonly reader: AssignedLogReader;
  readonly generations: (readonly number[])[] = [];
  readonly gaps: [number, number, number][] = [];
  readonly warnings: string[] = [];
  readonly crashes: Error[] = [];
  /** Where each partition that read() read stands. */
  readonly places = new Map<number, number>();

  constructor(settings: KafkaLogSettings, partitions: number, metadataMaxAgeMs = 60_000) {
    this.reader = openKafkaGroupReader({
      settings,
      partitions,
      metadataMaxAgeMs,
      projectDefault: "default",
      logging: { warn: (message) => this.warnings.push(message) },
      onGap: (...gap) => this.gaps.push(gap),
      onCrash: (error) => this.crashes.push(error),
    });
  }

  get owned(): readonly number[] {
    return this.generations.at(-1) ?? [];
  }

  async join(): Promise<this> {
    const joined = this.reader.join((partitions) => this.generations.push(partitions));
    await withDeadline(joined, { what: "a generation", deadlineMs: 20_000 });
    return this;
  }

  /** Reads until `count` events of the partition came. */
  async read(partition: number, from: number, count: number): Promise<number[]> {
    const numbers: number[] = [];
    let offset = from;
    await waitUntil(async () => {
      const token = this.reader.token();
      const records = await this.reader.read(partition, offset, BYTES_ENOUGH);
      for (const record of records) {
        numbers.push(...numbersOf(record));
        offset = record.nextOffset;
      }
      if (records.length === 0 && numbers.length < count) await this.reader.appended(token);
      return numbers.length >= count;
    }, { what: `${count} events of partition ${partition}`, deadlineMs: 20_000 });
    this.places.set(partition, offset);
    return numbers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reader.close();
  }
}
