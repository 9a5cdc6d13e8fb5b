/**
 * Kafka's own command line tools, from the same jars as the broker:
 *
 *     org.apache.kafka.tools.TopicCommand                           kafka-topics
 *     org.apache.kafka.tools.consumer.ConsoleConsumer               kafka-console-consumer
 *     org.apache.kafka.tools.consumer.group.ConsumerGroupCommand    kafka-consumer-groups
 *     org.apache.kafka.tools.ConsoleProducer                        kafka-console-producer
 *     org.apache.kafka.tools.ProducerPerformance, ConsumerPerformance
 */
import type { ProgramResult } from "./kafka_java.ts";
import { installKafka } from "./kafka_program.ts";

export interface KafkaToolOptions {
  /** Standard input. */
  readonly input?: string;
  /** When it is killed and the call throws, ms; 60 s when missing. */
  readonly deadlineMs?: number;
  /** Largest heap, MiB. */
  readonly heapMb?: number;
  /** Measure with `full`, which optimises; `quick` starts sooner. */
  readonly speed?: "quick" | "full";
}

/**
 * Runs the `main` of a class to its end. Standard output of the result is what the tool answers.
 *
 * @throws {Error} with what it said when it ends with another code than 0
 */
export async function runKafkaTool(
  className: string,
  args: readonly string[],
  options: KafkaToolOptions = {},
): Promise<ProgramResult> {
  const program = await installKafka();
  const result = await program.runClass(className, args, options);
  if (result.code === 0) return result;
  throw new Error(`${className} ended with ${result.code}:\n${result.output}`);
}
