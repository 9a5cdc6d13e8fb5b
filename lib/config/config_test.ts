import assert from "node:assert/strict";
import { ConfigError, type Environment, readConfig } from "./config.ts";
import { VARIABLES } from "./variables.ts";

/** Problems as "VARIABLE value message"; fails when there are none. */
function problemsOf(environment: Environment): string[] {
  try {
    readConfig(environment, {}, 2);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.code, "RTA_CONFIG_INVALID");
    return error.problems.map((p) => `${p.variable} ${p.value} ${p.message}`);
  }
  assert.fail("the settings were taken");
}

Deno.test("readConfig() gives the documented defaults when nothing is set", () => {
  assert.deepEqual(readConfig({}, {}, 2), {
    host: "127.0.0.1",
    ports: { gateway: 8080, ingestion: 8081, consumer: 8082, analytics: 8083, metrics: 8084 },
    grpcPorts: { ingestion: 50051, consumer: 50052, analytics: 50053, metrics: 50054 },
    roles: new Set(["ingestion", "consumer", "analytics", "metrics", "gateway"]),
    dataFolder: "./data",
    log: "sqlite",
    store: "duckdb",
    keepsRows: true,
    kafka: null,
    analyticsUrl: null,
    analyticsTls: { caFile: null, certFile: null, keyFile: null },
    corsOrigins: null,
    shards: 2,
    partitions: 4,
    partitionsGiven: false,
    logLevel: "info",
    dedupWindowSeconds: 3600,
    dedupMemoryMb: 96,
    storeMemoryMb: 64,
    logRetentionHours: 24,
    commitIntervalMs: 500,
    sessionGapMinutes: 30,
    access: {
      mode: "optional",
      isExposed: false,
      keyFile: "./data/keys.json",
      tokens: null,
      projectLimits: {},
    },
    sqlOff: null,
    fault: null,
    tls: null,
    unknownVariables: [],
  });
});

Deno.test("readConfig() follows the number of cores when shards and partitions are missing", () => {
  const many = readConfig({}, {}, 16);
  assert.deepEqual([many.shards, many.partitions], [16, 16]);
  const huge = readConfig({}, {}, 300);
  assert.deepEqual([huge.shards, huge.partitions], [64, 256]);
  const shardsGiven = readConfig({ RTA_SHARDS: "8" }, {}, 2);
  assert.deepEqual([shardsGiven.shards, shardsGiven.partitions], [8, 8]);
  const partitionsGiven = readConfig({ RTA_PARTITIONS: "1" }, {}, 2);
  assert.deepEqual([partitionsGiven.shards, partitionsGiven.partitions], [1, 1]);
  assert.equal(partitionsGiven.partitionsGiven, true);
});

Deno.test("readConfig() prefers overrides when both they and the environment are given", () => {
  const environment = { RTA_GATEWAY_PORT: "1000", RTA_DATA: "/a" };
  const config = readConfig(environment, { RTA_GATEWAY_PORT: "0", RTA_DATA: undefined }, 2);
  assert.equal(config.ports.gateway, 0);
  assert.equal(config.dataFolder, "/a");
});

Deno.test("readConfig() takes an empty variable as missing when it is only spaces", () => {
  assert.equal(readConfig({ RTA_HOST: "  " }, {}, 2).host, "127.0.0.1");
});

Deno.test("readConfig() names variable, value and what is valid when a value is not", () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["RTA_HOST", "a b", /IP address/],
    ["RTA_GATEWAY_PORT", "65536", /0 to 65535/],
    ["RTA_INGESTION_PORT", "-1", /0 to 65535/],
    ["RTA_CONSUMER_PORT", "1e3", /port number/],
    ["RTA_ANALYTICS_PORT", "http", /port number/],
    ["RTA_METRICS_PORT", "99999999999999999999", /port number/],
    ["RTA_ROLES", "ingestion,cook", /all, or a list of ingestion, consumer/],
    ["RTA_ROLES", ",", /all, or a list/],
    ["RTA_LOG", "redis", /one of sqlite, kafka/],
    ["RTA_KAFKA_BROKERS", "localhost", /host:port/],
    ["RTA_KAFKA_BROKERS", "a:1,,b:2", /host:port/],
    ["RTA_KAFKA_TOPIC", "a topic", /letters, digits/],
    ["RTA_KAFKA_RECORDS", "many", /single, batched/],
    ["RTA_KAFKA_COMPRESSION", "lz4", /none, gzip, zstd/],
    ["RTA_KAFKA_SESSION_TIMEOUT_MS", "10", /1000 to/],
    ["RTA_KAFKA_SASL", "gssapi", /scram-sha-256/],
    ["RTA_ANALYTICS_URL", "analytics:8083", /http/],
    ["RTA_CORS_ORIGINS", "https://app.example.com/", /no final slash/],
    ["RTA_CORS_ORIGINS", "https://app.example.com/path", /no path/],
    ["RTA_CORS_ORIGINS", "https://App.example.com", /lower case/],
    ["RTA_CORS_ORIGINS", "https://a.example.com:443", /as browsers write them/],
    ["RTA_CORS_ORIGINS", "app.example.com", /such as https/],
    ["RTA_CORS_ORIGINS", "https://*.example.com", /a list of origins/],
    ["RTA_CORS_ORIGINS", "https://a.example.com,*", /or \* for all/],
    ["RTA_CORS_ORIGINS", "https://a.example.com,", /with commas between/],
    ["RTA_CORS_ORIGINS", "null", /a list of origins/],
    ["RTA_STORE", "clickhouse", /duckdb \(clickhouse is not built yet\)/],
    ["RTA_SHARDS", "0", /1 to 64/],
    ["RTA_PARTITIONS", "257", /1 to 256/],
    ["RTA_LOG_LEVEL", "loud", /one of trace, debug/],
    ["RTA_DEDUP_WINDOW_SECONDS", "1h", /seconds/],
    ["RTA_DEDUP_MEMORY_MB", "0", /MiB/],
    ["RTA_STORE_MEMORY_MB", "16", /32 to/],
    ["RTA_LOG_RETENTION_HOURS", "1.5", /hours/],
    ["RTA_COMMIT_INTERVAL_MS", "1", /10 to 60000/],
    ["RTA_SESSION_GAP_MINUTES", "0", /minutes/],
  ];
  for (const [variable, value, valid] of cases) {
    const problems = problemsOf({ [variable]: value });
    assert.equal(problems.length, 1, `${variable}=${value}`);
    assert.ok(problems[0].startsWith(`${variable} ${value} give `), problems[0]);
    assert.match(problems[0], valid);
  }
});

Deno.test("readConfig() reads origins as all, or as a list", () => {
  assert.equal(readConfig({ RTA_CORS_ORIGINS: "*" }, {}, 2).corsOrigins, "*");
  const two = readConfig(
    { RTA_CORS_ORIGINS: "https://a.example.com, http://localhost:3000" },
    {},
    2,
  );
  assert.deepEqual(two.corsOrigins, new Set(["https://a.example.com", "http://localhost:3000"]));
});

Deno.test("readConfig() names every problem at once when there are several", () => {
  assert.equal(problemsOf({ RTA_SHARDS: "x", RTA_GATEWAY_PORT: "y" }).length, 2);
});

Deno.test("readConfig() refuses roles when the embedded log and store cannot split them", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["ingestion,consumer", /add analytics/],
    ["analytics", /add consumer/],
    ["consumer,analytics", /add ingestion/],
    ["ingestion,gateway", /RTA_ANALYTICS_URL/],
    ["consumer,analytics,gateway", /add ingestion/],
  ];
  for (const [roles, message] of cases) {
    assert.match(problemsOf({ RTA_ROLES: roles }).join(), message, roles);
  }
  for (const roles of ["ingestion", "metrics", "ingestion,consumer,analytics", "all", " all "]) {
    assert.ok(readConfig({ RTA_ROLES: roles }, {}, 2).roles.size > 0);
  }
});

Deno.test("readConfig() takes each role alone when the log is Kafka, but for the store's two", () => {
  const kafka = { RTA_LOG: "kafka", RTA_KAFKA_BROKERS: "a:9092, b:9093" };
  for (const roles of ["ingestion", "consumer,analytics", "metrics", "all"]) {
    const config = readConfig({ ...kafka, RTA_ROLES: roles }, {}, 2);
    assert.deepEqual(config.kafka?.brokers, ["a:9092", "b:9093"]);
    assert.equal(config.partitions, 8);
  }
  const url = { RTA_ANALYTICS_URL: "http://analytics:8083/" };
  const gateway = readConfig({ ...kafka, ...url, RTA_ROLES: "gateway" }, {}, 2);
  assert.equal(gateway.analyticsUrl, "http://analytics:8083");
  assert.match(problemsOf({ ...kafka, RTA_ROLES: "gateway" }).join(), /RTA_ANALYTICS_URL/);
  assert.match(problemsOf({ ...kafka, RTA_ROLES: "consumer" }).join(), /add analytics/);
});

Deno.test("readConfig() refuses Kafka settings when they lack each other", () => {
  const kafka = { RTA_LOG: "kafka", RTA_KAFKA_BROKERS: "a:9092" };
  const cases: readonly (readonly [Environment, RegExp])[] = [
    [{ RTA_LOG: "kafka" }, /RTA_KAFKA_BROKERS .*host:port/],
    [{ ...kafka, RTA_KAFKA_SASL: "plain" }, /RTA_KAFKA_USERNAME.*RTA_KAFKA_PASSWORD/],
    [{ ...kafka, RTA_KAFKA_TLS_CA: "/ca.pem" }, /RTA_KAFKA_TLS=on/],
    [{ ...kafka, RTA_KAFKA_TLS: "on", RTA_KAFKA_TLS_CERT: "/c.pem" }, /TLS_KEY together/],
  ];
  for (const [environment, message] of cases) {
    assert.match(problemsOf(environment).join(), message);
  }
  const sasl = { RTA_KAFKA_SASL: "plain", RTA_KAFKA_USERNAME: "u", RTA_KAFKA_PASSWORD: "p" };
  const config = readConfig({ ...kafka, ...sasl, RTA_KAFKA_TLS: "on" }, {}, 2);
  assert.deepEqual(config.kafka?.sasl, { mechanism: "plain", username: "u", password: "p" });
  assert.deepEqual(config.kafka?.tls, {});
});

Deno.test("readConfig() refuses one port for two roles when both run here", () => {
  const ports = { RTA_GATEWAY_PORT: "8081" };
  assert.match(problemsOf(ports).join(), /RTA_GATEWAY_PORT 8081 give another port: ingestion/);
  readConfig({ ...ports, RTA_ROLES: "ingestion" }, {}, 2);
  readConfig({ RTA_GATEWAY_PORT: "0", RTA_INGESTION_PORT: "0" }, {}, 2);
});

Deno.test("readConfig() refuses more shards than partitions when both are given", () => {
  const problems = problemsOf({ RTA_SHARDS: "5", RTA_PARTITIONS: "4" });
  assert.match(problems.join(), /RTA_SHARDS 5 give at most 4/);
});

Deno.test("readConfig() has SQL off where other machines come in, unless RTA_SQL says otherwise", () => {
  const whyOff = (environment: Record<string, string>) => readConfig(environment, {}, 2).sqlOff;
  for (const host of ["127.0.0.1", "localhost", "::1", "127.1.2.3"]) {
    assert.equal(whyOff({ RTA_HOST: host }), null, host);
  }
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "analytics", "127.evil.example"]) {
    assert.match(whyOff({ RTA_HOST: host, RTA_AUTH: "off" })!, /RTA_SQL=on/, host);
    // Admins have keys there.
    assert.equal(whyOff({ RTA_HOST: host }), null, host);
  }
  assert.match(whyOff({ RTA_SQL: "off" })!, /RTA_SQL=off/);
  assert.equal(whyOff({ RTA_SQL: "on", RTA_HOST: "0.0.0.0" }), null);
});

Deno.test("readConfig() asks for keys where other machines come in, unless RTA_AUTH says otherwise", () => {
  const modeOf = (environment: Record<string, string>) => {
    const { mode, isExposed } = readConfig(environment, {}, 2).access;
    return `${mode}${isExposed ? " exposed" : ""}`;
  };
  assert.equal(modeOf({}), "optional");
  assert.equal(modeOf({ RTA_HOST: "::1" }), "optional");
  assert.equal(modeOf({ RTA_AUTH: "required" }), "required");
  assert.equal(modeOf({ RTA_AUTH: "off" }), "off");
  assert.equal(modeOf({ RTA_HOST: "0.0.0.0" }), "required");
  assert.equal(modeOf({ RTA_HOST: "0.0.0.0", RTA_AUTH: "off" }), "off exposed");
  const problems = problemsOf({ RTA_HOST: "10.0.0.1", RTA_AUTH: "optional" });
  assert.match(problems.join(), /RTA_AUTH optional give required or off/);
});

Deno.test("readConfig() takes tokens only with all that tells them from others'", () => {
  const secret = "x".repeat(32);
  const names = { RTA_JWT_ISSUER: "i", RTA_JWT_AUDIENCE: "a" };
  const tokens = (environment: Record<string, string>) =>
    readConfig({ ...names, ...environment }, {}, 2).access.tokens;
  assert.deepEqual(tokens({ RTA_JWT_SECRET: secret }), {
    algorithms: ["HS256"],
    issuer: "i",
    audience: "a",
    keys: { kind: "secret", secret },
  });
  assert.deepEqual(tokens({ RTA_JWT_JWKS: "keys.json", RTA_JWT_ALGORITHMS: "ES256, EdDSA" }), {
    algorithms: ["ES256", "EdDSA"],
    issuer: "i",
    audience: "a",
    keys: { kind: "file", path: "keys.json" },
  });
  assert.equal(tokens({ RTA_JWT_JWKS: "https://id.example/keys" })!.keys.kind, "url");
  const refused: [Record<string, string>, RegExp][] = [
    [{ RTA_JWT_SECRET: secret }, /RTA_JWT_ISSUER.*RTA_JWT_AUDIENCE/],
    [names, /RTA_JWT_ISSUER i give RTA_JWT_JWKS or RTA_JWT_SECRET too/],
    [{ ...names, RTA_JWT_SECRET: "short-secret" }, /at least 32 bytes/],
    [{ ...names, RTA_JWT_SECRET: secret, RTA_JWT_JWKS: "k" }, /not both/],
    [{ ...names, RTA_JWT_SECRET: secret, RTA_JWT_ALGORITHMS: "HS256,RS256" }, /HS256 only/],
    [{ ...names, RTA_JWT_JWKS: "k", RTA_JWT_ALGORITHMS: "HS256" }, /RS256, ES256 and EdDSA only/],
    [{ ...names, RTA_JWT_JWKS: "k", RTA_JWT_ALGORITHMS: "none" }, /a list of RS256/],
  ];
  for (const [environment, expected] of refused) {
    const problems = problemsOf(environment).join();
    assert.match(problems, expected);
    assert.ok(!problems.includes("short-secret"));
  }
});

Deno.test("readConfig() lists variables it does not know when they begin with RTA_", () => {
  const config = readConfig({ RTA_SHARD: "2", PATH: "x" }, {}, 2);
  assert.deepEqual(config.unknownVariables, ["RTA_SHARD"]);
});

Deno.test("docs/CONFIGURATION.md lists every variable, and no other, when read as a table", () => {
  const text = Deno.readTextFileSync(new URL("../../docs/CONFIGURATION.md", import.meta.url));
  const rows = text.split("\n").filter((line) => line.startsWith("| `RTA_"))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  const expected = Object.entries(VARIABLES).map(([name, variable]) => [
    "`" + name + "`",
    variable.preset === "" ? "-" : "`" + variable.preset + "`",
    variable.about,
    variable.valid,
  ]);
  assert.deepEqual(rows, expected);
});
