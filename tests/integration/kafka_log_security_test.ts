/** TLS and SASL, against a broker that asks for them. */
import assert from "node:assert/strict";
import { LogError } from "../../lib/log/event_log.ts";
import {
  type KafkaLogSettings,
  openKafkaGroupReader,
  openKafkaLogReader,
  openKafkaLogWriter,
} from "../../lib/log/kafka/mod.ts";
import { waitUntil, withDeadline } from "../support/deadline.ts";
import { type KafkaBroker, startKafkaBroker } from "../support/kafka_broker.ts";
import { type KafkaListener, SASL_USER } from "../support/kafka_properties.ts";
import { sharedKafka } from "../support/kafka_shared.ts";
import { kafkaSettings, linesOf, makeTopic, numbered, silent } from "../support/kafka_topic.ts";

const BYTES_ENOUGH = 1 << 20;
type Security = Pick<KafkaLogSettings, "tls" | "sasl">;

const kafka = await sharedKafka();

/** Writes, reads back, and joins a group. */
async function roundTrip(
  broker: KafkaBroker,
  listener: KafkaListener,
  security: Security,
): Promise<void> {
  const plain = kafkaSettings(broker.bootstrap);
  await makeTopic(plain, 2);
  const settings = { ...plain, ...security, brokers: [broker.address(listener)] };
  const logging = silent;
  const writer = await waitUntil(
    () => openKafkaLogWriter({ settings, partitions: 2, logging }).catch(() => null),
    { what: "the writer" },
  );
  await writer.append([numbered(1, 0, 3)]);
  await writer.close();
  const { topic } = settings;
  const options = { settings, topic, projectDefault: "default", logging };
  const reader = await openKafkaLogReader(options);
  const [record] = await reader.read(1, 0, BYTES_ENOUGH);
  assert.deepEqual(linesOf(record.value).length, 3);
  await reader.close();
  const member = openKafkaGroupReader({ ...options, partitions: 2, onGap: () => {} });
  const owned = await withDeadline(
    new Promise<readonly number[]>((resolve) => void member.join(resolve)),
    { what: "a generation" },
  );
  assert.deepEqual(owned, [0, 1]);
  await member.close();
}

async function refuses(settings: KafkaLogSettings): Promise<void> {
  const opened = openKafkaLogWriter({ settings, partitions: 2, logging: silent });
  await assert.rejects(opened, isUnavailable);
}

Deno.test(kafka.test("the log works with SASL, and not with a wrong password", async (t) => {
  await using broker = await startKafkaBroker({ listeners: ["sasl"] });
  for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"] as const) {
    await t.step(mechanism, async () => {
      const sasl = { mechanism, ...SASL_USER };
      await roundTrip(broker, "sasl", { tls: null, sasl });
      const wrong = { ...sasl, password: "wrong" };
      await refuses(kafkaSettings(broker.address("sasl"), { sasl: wrong }));
    });
  }
}));

Deno.test(kafka.test("the log works with TLS, and not without trust on both sides", async (t) => {
  await using broker = await startKafkaBroker({
    listeners: ["ssl"],
    // Clients must show a certificate.
    properties: { "listener.name.ssl.ssl.client.auth": "required" },
  });
  const { caFile, clientCertFile: certFile, clientKeyFile: keyFile } = broker.certificates!;
  const address = broker.address("ssl");
  await t.step("a certificate of ours", () => {
    return roundTrip(broker, "ssl", { tls: { caFile, certFile, keyFile }, sasl: null });
  });
  await t.step("none of ours, though one is asked for", () => {
    return refuses(kafkaSettings(address, { tls: { caFile } }));
  });
  await t.step("the broker's is not trusted", () => {
    return refuses(kafkaSettings(address, { tls: { certFile, keyFile } }));
  });
  await t.step("plain text", () => refuses(kafkaSettings(address)));
}));

function isUnavailable(error: unknown): boolean {
  return error instanceof LogError && error.code === "RTA_LOG_UNAVAILABLE";
}
