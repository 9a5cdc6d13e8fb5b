/** TLS by configuration: our channel and curl over it, plain text refused, bad settings refused. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { EXIT_CONFIG } from "../../lib/config/exit_codes.ts";
import { GrpcChannel, GrpcError } from "../../lib/grpc/grpc_channel.ts";
import { grpcPortOf } from "../support/grpc_client.ts";
import { makeCertificates } from "../support/kafka_certificates.ts";
import { spawnRta, startServer } from "../support/server.ts";

const SERVICE = "analytics.v1.EventIngestionService";

async function curl(...args: string[]): Promise<string> {
  const command = new Deno.Command("curl", { args: ["-s", "--max-time", "10", ...args] });
  return new TextDecoder().decode((await command.output()).stdout);
}

Deno.test("TLS: gRPC, HTTP/2 and HTTP/1.1 over real ports, and nothing in plain text", async () => {
  const folder = await Deno.makeTempDir({ prefix: "rta-test-" });
  await makeCertificates(folder);
  const env = { RTA_TLS_CERT: join(folder, "server.pem"), RTA_TLS_KEY: join(folder, "server.key") };
  await using server = await startServer({ env });
  const place = { host: "127.0.0.1", port: grpcPortOf(server) };
  const caFile = join(folder, "ca.pem");
  using channel = await GrpcChannel.connect({
    ...place,
    caCertificate: await Deno.readTextFile(caFile),
  });
  for (let i = 0; i < 100; i++) {
    const event = {
      id: `tls-${i}`,
      user_id: "ada",
      event_type: "EVENT_TYPE_USER",
      timestamp: { seconds: Math.floor(Date.now() / 1_000), nanos: 0 },
      user_event: { action: "x".repeat(100) },
    };
    assert.equal((await channel.call(SERVICE, "IngestEvent", { event })).success, true);
  }
  const summary = `${server.urls.gateway}/v1/analytics/summary`;
  assert.match(summary, /^https:/);
  for (const version of ["--http1.1", "--http2"]) {
    const answer = JSON.parse(await curl(version, "--cacert", caFile, summary));
    assert.equal(answer.total_events, "100");
  }
  // Not trusted; not TLS; not h2.
  assert.equal(await curl(summary), "");
  assert.equal(await curl(summary.replace("https", "http")), "");
  using plain = await GrpcChannel.connect({ ...place, caCertificate: null });
  await assert.rejects(plain.call(SERVICE, "Health", {}), GrpcError);
  assert.equal((await channel.call(SERVICE, "Health", {})).healthy, true);
  assert.equal(await server.stop(), 0);
  await Deno.remove(folder, { recursive: true });
});

/** Certificates of one authority in a folder, and of another in one below it. */
async function twoAuthorities(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "rta-test-" });
  await Deno.mkdir(join(folder, "other"));
  await Promise.all([makeCertificates(folder), makeCertificates(join(folder, "other"))]);
  return folder;
}

Deno.test("mutual TLS lets in who shows a certificate of the authority, over gRPC and HTTP", async () => {
  const folder = await twoAuthorities();
  const text = (name: string) => Deno.readTextFileSync(join(folder, name));
  await using server = await startServer({
    env: {
      RTA_TLS_CERT: join(folder, "server.pem"),
      RTA_TLS_KEY: join(folder, "server.key"),
      RTA_TLS_CLIENT_CA: join(folder, "ca.pem"),
    },
  });
  const identityOf = (place: string) => ({
    certificate: text(`${place}client.pem`),
    key: text(`${place}client.key`),
  });
  const place = { host: "127.0.0.1", port: grpcPortOf(server), caCertificate: text("ca.pem") };
  using channel = await GrpcChannel.connect({ ...place, identity: identityOf("") });
  const timestamp = { seconds: Math.floor(Date.now() / 1_000), nanos: 0 };
  const user_event = { action: "click" };
  const properties = { page: "x".repeat(1_000) };
  const event = {
    user_id: "ada",
    event_type: "EVENT_TYPE_USER",
    timestamp,
    user_event,
    properties,
  };
  // More than one read of the socket takes, both ways.
  const events = Array.from({ length: 1_000 }, () => event);
  assert.equal((await channel.call(SERVICE, "IngestEvents", { events })).processed_count, 1_000);
  await Promise.all(Array.from({ length: 50 }, async () => {
    assert.equal((await channel.call(SERVICE, "IngestEvent", { event })).success, true);
  }));
  for (const identity of [undefined, identityOf("other/")]) {
    // With TLS 1.3 a client hears of it with its first read.
    const calling = GrpcChannel.connect({ ...place, identity }).then(async (refused) => {
      using _ = refused;
      await refused.call(SERVICE, "Health", {});
    });
    await assert.rejects(calling, GrpcError);
  }

  const summary = `${server.urls.gateway}/v1/analytics/summary`;
  const shown = (place: string) => {
    const files = ["client.pem", "client.key"].map((name) => join(folder, place, name));
    return ["--cacert", join(folder, "ca.pem"), "--cert", files[0], "--key", files[1]];
  };
  assert.equal(JSON.parse(await curl(...shown(""), summary)).total_events, "1050");
  const events_url = `${server.urls.ingestion}/events`;
  const body = ["-H", "content-type: application/json", "-d", '{"user_id":"a","event_type":"b"}'];
  assert.equal(JSON.parse(await curl(...shown(""), ...body, events_url)).success, true);
  assert.equal(await curl(...shown("other"), summary), "");
  assert.equal(await curl("--cacert", join(folder, "ca.pem"), summary), "");
  assert.equal(await curl(summary.replace("https", "http")), "");
  // The others are served all the same.
  assert.equal((await channel.call(SERVICE, "Health", {})).healthy, true);
  assert.equal(await server.stop(), 0);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("mutual TLS lets a gateway in that shows its certificate to the process it asks", async () => {
  const folder = await twoAuthorities();
  const file = (name: string) => join(folder, name);
  await using analytics = await startServer({
    env: {
      RTA_TLS_CERT: file("server.pem"),
      RTA_TLS_KEY: file("server.key"),
      RTA_TLS_CLIENT_CA: file("ca.pem"),
    },
  });
  const shown = (place: string) => ({
    RTA_ROLES: "gateway,ingestion",
    RTA_ANALYTICS_URL: analytics.urls.analytics,
    RTA_ANALYTICS_TLS_CA: file("ca.pem"),
    RTA_ANALYTICS_TLS_CERT: file(`${place}client.pem`),
    RTA_ANALYTICS_TLS_KEY: file(`${place}client.key`),
  });
  await using gateway = await startServer({ env: shown("") });
  await using stranger = await startServer({ env: shown("other/") });
  const ask = (server: typeof gateway, path: string) => fetch(`${server.urls.gateway}/v1/${path}`);
  const answer = await ask(gateway, "analytics/summary");
  assert.equal((await answer.json()).total_events, "0");
  const live = await ask(gateway, "live?window_seconds=5");
  assert.equal(live.headers.get("content-type")?.startsWith("text/event-stream"), true);
  await live.body!.cancel();
  for (const path of ["analytics/summary", "live?window_seconds=5"]) {
    const refused = await ask(stranger, path);
    assert.deepEqual([refused.status, (await refused.json()).code], [503, "store_unavailable"]);
  }
  for (const server of [gateway, stranger, analytics]) assert.equal(await server.stop(), 0);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("TLS settings that can't be served are refused at the start, with the reason", async () => {
  const folder = await Deno.makeTempDir({ prefix: "rta-test-" });
  await makeCertificates(folder);
  const file = (name: string) => join(folder, name);
  const begun = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  await Deno.writeTextFile(file("broken.pem"), begun);
  const good = { RTA_TLS_CERT: file("server.pem"), RTA_TLS_KEY: file("server.key") };
  const asks = {
    RTA_ROLES: "gateway,ingestion",
    RTA_ANALYTICS_URL: "https://127.0.0.1:1",
    RTA_ANALYTICS_TLS_CA: file("ca.pem"),
  };
  const cases: [Record<string, string>, RegExp][] = [
    [{ RTA_TLS_CLIENT_CA: file("ca.pem") }, /RTA_TLS_CLIENT_CA=.*give RTA_TLS_CERT/],
    [{ ...good, RTA_TLS_CLIENT_CA: file("ca.key") }, /RTA_TLS_CLIENT_CA=.*not such a file/],
    [{ ...good, RTA_TLS_CLIENT_CA: file("broken.pem") }, /RTA_TLS_CLIENT_CA=.*no certificate/],
    [{ RTA_TLS_CERT: good.RTA_TLS_CERT }, /RTA_TLS_KEY="": give .* together/],
    [{ ...good, RTA_TLS_KEY: file("client.key") }, /no certificate and its key/],
    [{ ...good, RTA_TLS_KEY: file("none.key") }, /RTA_TLS_KEY=.*can't be read/],
    [{ ...good, RTA_TLS_CERT: file("server.key") }, /RTA_TLS_CERT=.*not such a file/],
    [{ ...asks, RTA_ANALYTICS_TLS_CERT: file("client.pem") }, /TLS_KEY="": give .* together/],
    [{ ...asks, RTA_ANALYTICS_TLS_CA: file("ca.key") }, /TLS_CA=.*not such a file/],
    [{ ...asks, RTA_ANALYTICS_TLS_CA: file("broken.pem") }, /broken.pem can't be used/],
    [{ ...asks, RTA_ANALYTICS_URL: "http://127.0.0.1:1" }, /TLS_CA=.*begins with https/],
  ];
  for (const [env, reason] of cases) {
    await using server = spawnRta(["serve"], { env });
    assert.equal(await server.ended, EXIT_CONFIG);
    assert.match(server.output(), reason);
  }
  await Deno.remove(folder, { recursive: true });
});
