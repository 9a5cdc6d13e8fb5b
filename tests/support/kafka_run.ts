/**
 * A broker to try things with, until Ctrl-C; its topics and records end with it.
 *
 *     deno run -A tests/support/kafka_run.ts
 */
import { startKafkaBroker } from "./kafka_broker.ts";

if (import.meta.main) {
  const interrupted = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupted.resolve());
  }
  await using broker = await startKafkaBroker();
  console.log(`export RTA_LOG=kafka RTA_KAFKA_BROKERS=${broker.bootstrap}`);
  console.error(`Kafka runs; its log is ${broker.logFile}. Ctrl-C ends it.`);
  await interrupted.promise;
}
