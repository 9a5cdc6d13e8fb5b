import assert from "node:assert/strict";
import {
  type KafkaLayout,
  logProperties,
  SASL_USER,
  scramArguments,
  serverProperties,
} from "./kafka_properties.ts";

const plain: KafkaLayout = {
  dataFolder: "data",
  controllerPort: 2,
  ports: { plaintext: 1 },
  certificates: null,
  properties: {},
};

function linesOf(layout: KafkaLayout): Map<string, string> {
  const lines = serverProperties(layout).trimEnd().split("\n");
  const pairs = lines.map((line) => [line.slice(0, line.indexOf("=")), line] as const);
  assert.equal(new Map(pairs).size, lines.length, "a property is named twice");
  return new Map(pairs.map(([name, line]) => [name, line.slice(name.length + 1)]));
}

Deno.test("serverProperties() has the plain listener alone when no other is asked for", () => {
  const lines = linesOf(plain);
  assert.equal(lines.get("listeners"), "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2");
  assert.equal(lines.get("advertised.listeners"), "PLAINTEXT://127.0.0.1:1");
  assert.equal(lines.get("auto.create.topics.enable"), "false");
  assert.equal([...lines.keys()].some((name) => /sasl|ssl/.test(name)), false);
});

Deno.test("serverProperties() adds users and certificates with their listeners", () => {
  const lines = linesOf({
    ...plain,
    ports: { plaintext: 1, sasl: 3, ssl: 4 },
    certificates: {
      caFile: "ca",
      serverFile: "server",
      clientCertFile: "cert",
      clientKeyFile: "key",
    },
  });
  const all = "PLAINTEXT://127.0.0.1:1,SASL://127.0.0.1:3,SSL://127.0.0.1:4";
  assert.equal(lines.get("advertised.listeners"), all);
  const user = lines.get("listener.name.sasl.plain.sasl.jaas.config")!;
  assert.ok(user.endsWith(`user_${SASL_USER.username}="${SASL_USER.password}";`), user);
  assert.equal(lines.get("listener.name.ssl.ssl.keystore.location"), "server");
  assert.equal(lines.get("listener.name.ssl.ssl.truststore.location"), "ca");
});

Deno.test("serverProperties() takes the caller's value in the place of its own", () => {
  const lines = linesOf({
    ...plain,
    properties: { "num.io.threads": "1", "message.max.bytes": "9" },
  });
  assert.equal(lines.get("num.io.threads"), "1");
  assert.equal(lines.get("message.max.bytes"), "9");
});

Deno.test("scramArguments() names a user for each mechanism, and none without the listener", () => {
  assert.deepEqual(scramArguments(plain), []);
  const { username, password } = SASL_USER;
  assert.deepEqual(scramArguments({ ...plain, ports: { plaintext: 1, sasl: 3 } }), [
    "--add-scram",
    `SCRAM-SHA-256=[name=${username},password=${password}]`,
    "--add-scram",
    `SCRAM-SHA-512=[name=${username},password=${password}]`,
  ]);
});

Deno.test("logProperties() logs from the level on", () => {
  assert.match(logProperties("WARN"), /^rootLogger\.level=WARN$/m);
});
