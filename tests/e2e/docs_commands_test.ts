/**
 * The documents held to the truth: every command of them is run, in order, against a server on an
 * empty data folder, and sample answers are compared with the real ones. Tables of metrics and exit
 * codes are compared with the code.
 *
 * A command is a block of `sh` with curl, grpcurl or rta in it. It has to succeed, curl with a 2xx,
 * unless the comment before it says otherwise. A block of `json` or `text` right after it is its
 * answer:
 *
 *     <!-- answers 400 -->      curl: the command before which it stands has this status
 *     <!-- fails with X -->     grpcurl: the call ends with this status
 *     <!-- shortened -->        the answer below leaves members and elements out
 *     <!-- for example -->      what is below is not compared: it is different each time
 *
 * grpcurl with -cacert talks to a second server, that has certificates, and with -cert to a third one,
 * that asks for them.
 */
import assert from "node:assert/strict";
import * as exitCodes from "../../lib/config/exit_codes.ts";
import { createMetrics } from "../../lib/telemetry/metrics.ts";
import { waitUntil } from "../support/deadline.ts";
import { grpcPortOf } from "../support/grpc_client.ts";
import { grpcurl } from "../support/grpc_programs.ts";
import { makeCertificates } from "../support/kafka_certificates.ts";
import { type ServerUrls, startServer, type TestServer } from "../support/server.ts";

const ROOT = new URL("../../", import.meta.url);
const MAIN = new URL("services/main.ts", ROOT).pathname;
const GRPCURL = await grpcurl();

/** What stands in the documents in place of each role's address. */
const DOCUMENTED: Record<keyof ServerUrls, string> = {
  gateway: "http://127.0.0.1:8080",
  ingestion: "http://127.0.0.1:8081",
  consumer: "http://127.0.0.1:8082",
  analytics: "http://127.0.0.1:8083",
  metrics: "http://127.0.0.1:8084",
};

/** Longest wait until everything sent is stored, ms. */
const STORED_MS_MAX = 20_000;

/** By port that the documents name. */
const GRPC_ROLES = ["ingestion", "consumer", "analytics", "metrics"];
const GRPC_PORT_FIRST = 50_051;

/** Before every command: curl that tells the status, one a line, on standard error; rta. */
const PRELUDE = `curl() { command curl --write-out '%{stderr}status %{http_code}\\n' "$@"; }
rta() { "${Deno.execPath()}" run -A --no-check --quiet '${MAIN}' "$@"; }
`;
const PATH_WITH_GRPCURL = `${GRPCURL.folder}:${Deno.env.get("PATH")}`;
/** The id of a key that the documents rotate and revoke: stands for that of the last one made. */
const DOCUMENTED_KEY = "4fZk0QmT9aBc";

interface Command {
  readonly script: string;
  /** Line of the document. */
  readonly line: number;
  /** Of curl; null = any 2xx. */
  readonly status: number | null;
  /** How grpcurl calls the status of the call; null = OK. */
  readonly failure: string | null;
  /** The sample answer, or null. */
  readonly sample: string | null;
  readonly sampleIn: "json" | "text";
  readonly isShortened: boolean;
}

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

/** The commands of a Markdown text with their answers. */
function commandsOf(text: string): Command[] {
  const blocks = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
  return blocks.flatMap((block, index) => {
    if (block[1] !== "sh" || !/\b(curl|grpcurl|rta)\b/.test(block[2])) return [];
    const before = text.slice(0, block.index);
    const next = blocks[index + 1];
    const between = text.slice(block.index + block[0].length, next?.index).trim();
    const isAnswer = /^(json|text)$/.test(next?.[1]) && /^(<!-- shortened -->)?$/.test(between);
    return [{
      script: block[2],
      line: before.split("\n").length,
      status: Number(/<!-- answers (\d+) -->\s*$/.exec(before)?.[1] ?? NaN) || null,
      failure: /<!-- fails with (\w+) -->\s*$/.exec(before)?.[1] ?? null,
      sample: isAnswer ? next[2] : null,
      sampleIn: next?.[1] as "json" | "text",
      isShortened: between !== "",
    }];
  });
}

/** Servers that commands talk to. */
interface Servers {
  readonly plain: TestServer;
  /** With certificates in `folder`, where commands run; null = the document needs none. */
  readonly tls: TestServer | null;
  /** The same, and asks clients for theirs. */
  readonly mutualTls: TestServer | null;
  readonly folder: string;
}

/** The script with the servers' addresses in place of the documented ones. */
function placed(script: string, { plain, tls, mutualTls }: Servers): string {
  let text = script;
  for (const [role, url] of Object.entries(DOCUMENTED)) {
    text = text.replaceAll(url, plain.urls[role as keyof ServerUrls]);
  }
  const isMutual = script.includes("-cert ");
  const server = isMutual ? mutualTls! : script.includes("-cacert") ? tls! : plain;
  GRPC_ROLES.forEach((role, i) => {
    const address = `127.0.0.1:${GRPC_PORT_FIRST + i}`;
    text = text.replaceAll(address, `127.0.0.1:${grpcPortOf(server, role)}`);
  });
  return text;
}

/** Runs a command; gives what it wrote and the status of each request by curl. */
async function run({ script, failure }: Command, servers: Servers, keyId: string) {
  const text = script.includes("rta ") ? script.replaceAll(DOCUMENTED_KEY, keyId) : script;
  const bash = new Deno.Command("bash", {
    args: ["-euo", "pipefail", "-c", PRELUDE + placed(text, servers)],
    cwd: servers.folder,
    env: { RTA_DATA: servers.plain.dataFolder, PATH: PATH_WITH_GRPCURL },
    stdin: "null",
  });
  const { code, stdout, stderr } = await bash.output();
  const errors = new TextDecoder().decode(stderr);
  if (failure === null) assert.equal(code, 0, errors);
  else assert.match(errors, new RegExp(`Code: ${failure}$`, "m"));
  const statuses = [...errors.matchAll(/^status (\d+)$/gm)].map((match) => Number(match[1]));
  return { answer: new TextDecoder().decode(stdout), statuses };
}

/** Waits until everything that was sent is stored: rows are asked for as well. */
async function untilStored(urls: ServerUrls): Promise<void> {
  await waitUntil(async () => {
    const response = await fetch(`${urls.consumer}/lag`);
    const { lag } = await response.json() as { lag: Record<string, Record<string, number>> };
    const waiting = Object.values(lag).flatMap((topic) => Object.values(topic));
    return waiting.every((events) => events === 0);
  }, { what: "everything sent is stored", deadlineMs: STORED_MS_MAX });
}

/** Members that are different each time, by name. */
const VOLATILE_KEYS = new Set([
  ...["uptime_seconds", "avg_latency_ms", "throughput_per_sec", "processing_rate"],
  ...["avg_processing_ms", "processing_time", "processing_node", "response_time"],
  ...["last_updated", "complete_until", "shards"],
]);

/** Texts and numbers that are different each time, by their form; sample events are of 2024. */
function isVolatile(value: unknown): boolean {
  const text = String(value);
  return /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(text) || // a request id, or an event's id made here
    /^[0-9a-f]{16}$/.test(text) || // a derived session
    (/\b20\d\d-\d\d-\d\dT/.test(text) && !text.startsWith("2024-")) ||
    (typeof value === "number" && value > 1_750_000_000); // Unix seconds of now
}

/** A text without its carriage returns and the parts that are different each time. */
function steadyText(text: string): string {
  return text.replaceAll("\r\n", "\n")
    .replace(/\b(?!2024)20\d\d-\d\d-\d\dT[\d:.]+Z/g, "(a time)")
    .replace(/\b[0-9a-f]{8}-[0-9a-f-]{27}\b/g, "(an id)")
    .replace(/\b[0-9a-f]{16}\b/g, "(a session)");
}

/** Where a sample differs from the real answer; a shortened one may leave out, never make up. */
function differences(
  sample: unknown,
  real: unknown,
  isShortened: boolean,
  path = "answer",
): string[] {
  if (Array.isArray(sample) && Array.isArray(real)) {
    const found = sample.flatMap((element, index) =>
      differences(element, real[index], isShortened, `${path}[${index}]`)
    );
    const isSameLength = isShortened || sample.length === real.length;
    return isSameLength ? found : [...found, `${path} has ${real.length} elements`];
  }
  if (isObject(sample) && isObject(real)) {
    const missing = isShortened ? [] : Object.keys(real).filter((key) => !(key in sample));
    return [
      ...missing.map((key) => `${path}.${key} is not in the sample`),
      ...Object.entries(sample).flatMap(([key, value]) => {
        if (!(key in real)) return [`${path}.${key} is not in the answer`];
        const isFree = VOLATILE_KEYS.has(key) && typeof value === typeof real[key];
        return isFree ? [] : differences(value, real[key], isShortened, `${path}.${key}`);
      }),
    ];
  }
  if (sample === real || (typeof sample === typeof real && isVolatile(sample))) return [];
  return [`${path} is ${JSON.stringify(real)}, not ${JSON.stringify(sample)}`];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

Deno.test("differences() finds what a sample makes up, leaves out or has wrong", () => {
  const real = { a: 1, b: { c: "x" }, list: [1, 2], uptime_seconds: 5 };
  assert.deepEqual(differences({ ...real, uptime_seconds: 7 }, real, false), []);
  assert.deepEqual(differences({ b: {}, list: [1] }, real, true), []);
  assert.equal(differences({ ...real, d: 1 }, real, true).length, 1);
  assert.equal(differences({ ...real, b: {} }, real, false).length, 1);
  assert.equal(differences({ ...real, list: [1] }, real, false).length, 1);
  assert.equal(differences({ ...real, list: [1, 3] }, real, false).length, 1);
  assert.equal(differences({ ...real, uptime_seconds: "7" }, real, false).length, 1);
});

/** Starts what the commands talk to, and stops it after `use`. */
async function withServers(
  commands: readonly Command[],
  use: (servers: Servers) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "rta-docs-" });
  const tls: TestServer[] = [];
  const plain = await startServer({ env: { RTA_PARTITIONS: "4" } });
  try {
    if (commands.some(({ script }) => script.includes("-cacert"))) {
      await makeCertificates(folder);
      const [RTA_TLS_CERT, RTA_TLS_KEY] = [`${folder}/server.pem`, `${folder}/server.key`];
      const env = { RTA_TLS_CERT, RTA_TLS_KEY };
      tls.push(await startServer({ env }));
      tls.push(await startServer({ env: { ...env, RTA_TLS_CLIENT_CA: `${folder}/ca.pem` } }));
    }
    await use({ plain, tls: tls[0] ?? null, mutualTls: tls[1] ?? null, folder });
  } finally {
    for (const server of [plain, ...tls]) assert.equal(await server.stop(), 0);
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Runs a document's commands, and compares what they say with what it says. */
async function assertTrue(path: string): Promise<void> {
  const commands = commandsOf(read(path));
  assert.ok(commands.length > 0);
  await withServers(commands, async (servers) => {
    let keyId = "";
    for (const command of commands) {
      const { script, line, status, sample, sampleIn, isShortened } = command;
      const where = `${path}:${line}`;
      const { answer, statuses } = await run(command, servers, keyId);
      keyId = /\brta_(\w{12})_/.exec(answer)?.[1] ?? keyId;
      if (/\bcurl /.test(script)) assert.ok(statuses.length > 0, `${where}: nothing was answered`);
      for (const each of statuses) {
        const isAsSaid = status === null ? each >= 200 && each < 300 : each === status;
        assert.ok(isAsSaid, `${where}: ${each}`);
      }
      await untilStored(servers.plain.urls);
      if (sample === null) continue;
      if (sampleIn === "text") assert.equal(steadyText(answer), steadyText(sample), where);
      else {
        const found = differences(JSON.parse(sample), JSON.parse(answer), isShortened);
        assert.deepEqual(found, [], where);
      }
    }
  });
}

for (
  const path of [
    ...["README.md", "docs/REST_API.md", "docs/OPERATIONS.md", "docs/AUTH.md"],
    ...["docs/GRPC_API.md", "docs/GRPC_QUICKSTART.md"],
  ]
) {
  const name = `${path} has commands that work and answers that are true`;
  const needsGrpcurl = commandsOf(read(path)).some(({ script }) => script.includes("grpcurl"));
  Deno.test(
    needsGrpcurl ? GRPCURL.test(name, () => assertTrue(path)) : {
      name,
      fn: () => assertTrue(path),
    },
  );
}

/** First cells in code, and the cells after them, of every table row of a Markdown text. */
function rowsOf(text: string): [string, string][] {
  return [...text.matchAll(/^\| *`([^`|]+)` *\| *([^|]*?) *\|/gm)].map((
    [, key, cell],
  ) => [key, cell]);
}

Deno.test("docs/OPERATIONS.md lists every metric, and no other", () => {
  const section = read("docs/OPERATIONS.md").split(/^## /m)
    .find((part) => part.startsWith("Metrics"));
  const documented = rowsOf(section ?? "").map(([name]) => name).sort();
  const real = createMetrics(0).registry.getMetricsAsArray().map(({ name }) => name).sort();
  assert.deepEqual(documented, real);
});

Deno.test("docs/OPERATIONS.md lists every exit code, and no other", () => {
  const rows = [...read("docs/OPERATIONS.md").matchAll(/^\| (\d+) +\|/gm)];
  const documented = rows.map((row) => Number(row[1])).sort((a, b) => a - b);
  const real = Object.values(exitCodes).sort((a, b) => a - b);
  assert.deepEqual(documented, real);
});
