/**
 * The broker for tests that only need some broker: the one that RTA_TEST_KAFKA names, which the
 * gate starts once for all its steps, else one of the test file's own. Nobody may stop or restart
 * it; a test that does takes startKafkaBroker() of kafka_broker.ts.
 *
 *     const kafka = await sharedKafka();   // at the top of the file, outside of tests
 *     Deno.test(kafka.test("name", async () => { … kafka.bootstrap … }));
 *
 * Other tests use it too, so every name of a topic and of a group comes from uniqueName().
 */
import { type KafkaBroker, startKafkaBroker } from "./kafka_broker.ts";
import { CannotRunHere } from "./kafka_java.ts";

/** `host:port` of a broker that tests may use. */
export const KAFKA_VARIABLE = "RTA_TEST_KAFKA";
/** Set instead, to the reason, when the gate could not have a broker: no test tries again. */
export const NO_KAFKA_VARIABLE = "RTA_TEST_NO_KAFKA";

/** A broker, or why there is none. */
export interface SharedKafka {
  /** `host:port`; throws when there is no broker. */
  readonly bootstrap: string;
  /** Defines a test that needs a broker: skipped, and counted as such, where none can be had. */
  test(name: string, fn: (t: Deno.TestContext) => void | Promise<void>): Deno.TestDefinition;
}

/**
 * Gives the shared broker. One that is started here ends after the file's last test.
 *
 * @throws {KafkaStartError} when a broker could run here but does not come up
 */
export async function sharedKafka(): Promise<SharedKafka> {
  const given = Deno.env.get(KAFKA_VARIABLE);
  if (given) return someKafka(given);
  const missing = Deno.env.get(NO_KAFKA_VARIABLE);
  if (missing) return noKafka(missing);
  let broker: KafkaBroker;
  try {
    broker = await startKafkaBroker();
  } catch (error) {
    if (error instanceof CannotRunHere) return noKafka(error.message);
    throw error;
  }
  Deno.test.afterAll(() => broker.dispose());
  return someKafka(broker.bootstrap);
}

/** A name that no other test has: of a topic, a group, a client. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${crypto.randomUUID().slice(0, 13)}`;
}

function someKafka(bootstrap: string): SharedKafka {
  return { bootstrap, test: (name, fn) => ({ name, fn }) };
}

function noKafka(reason: string): SharedKafka {
  console.error(`\nNO KAFKA BROKER, so tests are skipped: ${reason}\n`);
  return {
    get bootstrap(): never {
      throw new Error(`there is no Kafka broker: ${reason}`);
    },
    test: (name, fn) => ({ name, fn, ignore: true }),
  };
}
