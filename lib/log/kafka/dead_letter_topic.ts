/** Dead letters on Kafka: shards put them on a topic (DeadLetterSink). */
import type { DeadLetter } from "../../dead_letter/dead_letter.ts";
import { encodeDeadLetter } from "../../dead_letter/dead_letter_records.ts";
import type { DeadLetterSink } from "../../dead_letter/dead_letter_sink.ts";
import { KAFKA_LETTERS_SEND_BYTES_MAX } from "../../config/limits.ts";
import type { KafkaLogging, KafkaSettings } from "./settings.ts";
import { TopicProducer } from "./topic_producer.ts";

export interface KafkaDeadLetterOptions {
  readonly settings: KafkaSettings;
  readonly topic: string;
  readonly logging: KafkaLogging;
}

/** Room for key and headers of one letter, but for its message. */
const HEADERS_BYTES = 1_024;

/** The sink of a shard; nothing is connected before the first letter. */
export function openKafkaDeadLetterSink(options: KafkaDeadLetterOptions): DeadLetterSink {
  const producer = new TopicProducer(options.settings, options.topic, options.logging);
  return {
    async put(letters: readonly DeadLetter[]): Promise<void> {
      for (let from = 0; from < letters.length;) {
        const to = endOfSend(letters, from);
        await producer.send(letters.slice(from, to).map(encodeDeadLetter));
        from = to;
      }
    },
    close: () => producer.close(),
  };
}

/** The letters from `from` on that one request holds: one at least, up to the limit. */
function endOfSend(letters: readonly DeadLetter[], from: number): number {
  let to = from;
  let bytes = 0;
  do {
    bytes += letterBytes(letters[to++]);
  } while (to < letters.length && bytes + letterBytes(letters[to]) <= KAFKA_LETTERS_SEND_BYTES_MAX);
  return to;
}

/** Near enough: names and headers are short beside this. */
function letterBytes({ payload, message }: DeadLetter): number {
  return payload.length + 3 * message.length + HEADERS_BYTES;
}
