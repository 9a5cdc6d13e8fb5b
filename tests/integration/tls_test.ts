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

Deno.test("TLS settings that can't be served are refused at the start, with the reason", async () => {
  const folder = await Deno.makeTempDir({ prefix: "rta-test-" });
  await makeCertificates(folder);
  const file = (name: string) => join(folder, name);
  const good = { RTA_TLS_CERT: file("server.pem"), RTA_TLS_KEY: file("server.key") };
  const cases: [Record<string, string>, RegExp][] = [
    [{ ...good, RTA_TLS_CLIENT_CA: file("ca.pem") }, /RTA_TLS_CLIENT_CA=.*can't ask clients/],
    [{ RTA_TLS_CERT: good.RTA_TLS_CERT }, /RTA_TLS_KEY="": give .* together/],
    [{ ...good, RTA_TLS_KEY: file("client.key") }, /no certificate and its key/],
    [{ ...good, RTA_TLS_KEY: file("none.key") }, /RTA_TLS_KEY=.*can't be read/],
    [{ ...good, RTA_TLS_CERT: file("server.key") }, /RTA_TLS_CERT=.*not such a file/],
  ];
  for (const [env, reason] of cases) {
    await using server = spawnRta(["serve"], { env });
    assert.equal(await server.ended, EXIT_CONFIG);
    assert.match(server.output(), reason);
  }
  await Deno.remove(folder, { recursive: true });
});
