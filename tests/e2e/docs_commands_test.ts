/**
 * The documents held to the truth: every curl command of them is run, in order, against a server on
 * an empty data folder, and sample answers are compared with the real ones. Tables of
 * metrics and exit codes are compared with the code.
 *
 * A command is a block of `sh` that has the word curl. It has to succeed with a 2xx, unless the
 * comment before it says which status it answers. A block of `json` right after it is its answer:
 *
 *     <!-- answers 400 -->      the command before which it stands is refused with this status
 *     <!-- shortened -->        the answer below leaves members and elements out
 */
import assert from "node:assert/strict";
import * as exitCodes from "../../lib/config/exit_codes.ts";
import { createMetrics } from "../../lib/telemetry/metrics.ts";
import { waitUntil } from "../support/deadline.ts";
import { type ServerUrls, startServer } from "../support/server.ts";

const ROOT = new URL("../../", import.meta.url);

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

/** Before every command: curl that tells the status, one a line, on standard error. */
const PRELUDE = `curl() { command curl --write-out '%{stderr}status %{http_code}\\n' "$@"; }\n`;

interface Command {
  readonly script: string;
  /** Line of the document. */
  readonly line: number;
  /** Null = any 2xx. */
  readonly status: number | null;
  /** The sample answer, or null. */
  readonly sample: string | null;
  readonly isShortened: boolean;
}

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

/** The commands of a Markdown text with their answers. */
function commandsOf(text: string): Command[] {
  const blocks = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
  return blocks.flatMap((block, index) => {
    if (block[1] !== "sh" || !/\bcurl\b/.test(block[2])) return [];
    const before = text.slice(0, block.index).match(/<!-- answers (\d+) -->\s*$/);
    const next = blocks[index + 1];
    const between = text.slice(block.index + block[0].length, next?.index).trim();
    const isAnswer = next?.[1] === "json" && /^(<!-- shortened -->)?$/.test(between);
    return [{
      script: block[2],
      line: text.slice(0, block.index).split("\n").length,
      status: before === null ? null : Number(before[1]),
      sample: isAnswer ? next[2] : null,
      isShortened: between !== "",
    }];
  });
}

/** Runs a command; gives what it wrote and the status of each request. */
async function run(script: string, urls: ServerUrls) {
  let text = script;
  for (const [role, url] of Object.entries(DOCUMENTED)) {
    text = text.replaceAll(url, urls[role as keyof ServerUrls]);
  }
  const bash = new Deno.Command("bash", {
    args: ["-euo", "pipefail", "-c", PRELUDE + text],
    stdin: "null",
  });
  const { code, stdout, stderr } = await bash.output();
  const errors = new TextDecoder().decode(stderr);
  assert.equal(code, 0, errors);
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

for (const path of ["README.md", "docs/REST_API.md", "docs/OPERATIONS.md", "docs/AUTH.md"]) {
  Deno.test(`${path} has commands that work and answers that are true`, async () => {
    const commands = commandsOf(read(path));
    assert.ok(commands.length > 0);
    const server = await startServer({ env: { RTA_PARTITIONS: "4" } });
    try {
      for (const { script, line, status, sample, isShortened } of commands) {
        const where = `${path}:${line}`;
        const { answer, statuses } = await run(script, server.urls);
        assert.ok(statuses.length > 0, `${where}: no request was answered`);
        for (const each of statuses) {
          assert.ok(
            status === null ? each >= 200 && each < 300 : each === status,
            `${where}: ${each}`,
          );
        }
        await untilStored(server.urls);
        if (sample === null) continue;
        const found = differences(JSON.parse(sample), JSON.parse(answer), isShortened);
        assert.deepEqual(found, [], where);
      }
    } finally {
      assert.equal(await server.stop(), 0);
    }
  });
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
