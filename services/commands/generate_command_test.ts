import assert from "node:assert/strict";
import { capturedIo } from "../../tests/support/captured_io.ts";
import { EXIT_DONE, EXIT_INTERRUPTED, EXIT_NOT_DONE, EXIT_SOME_REFUSED } from "./command_io.ts";
import { generateCommand, type GenerateCommandOptions } from "./generate_command.ts";

/** Runs against a platform that keeps every line, and refuses those that `refuses` names. */
async function withPlatform(
  use: (url: string, batches: string[][]) => Promise<void>,
  refuses: (line: string) => boolean = () => false,
): Promise<void> {
  const batches: string[][] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    if (request.method === "GET") return new Response("healthy");
    const lines = (await request.text()).trimEnd().split("\n");
    batches.push(lines);
    const errors = lines.flatMap((line, index) =>
      refuses(line) ? [{ index, code: "bad", field: "", message: "" }] : []
    );
    return Response.json({ errors });
  });
  try {
    await use(`http://127.0.0.1:${server.addr.port}`, batches);
  } finally {
    await server.shutdown();
  }
}

async function run(options: GenerateCommandOptions, signal?: AbortSignal) {
  const io = capturedIo({ signal });
  const code = await generateCommand(options, io);
  return { code, err: io.err() };
}

Deno.test("generateCommand() sends the whole load in order, in batches", async () => {
  await withPlatform(async (url, batches) => {
    const { code, err } = await run({ url, events: 250, batch: 100, seed: 7 });
    assert.equal(code, EXIT_DONE);
    assert.deepEqual(batches.map(({ length }) => length), [100, 100, 50]);
    const ids = batches.flat().map((line) => JSON.parse(line).id);
    assert.deepEqual(ids, ids.map((_, index) => `g7-${String(index).padStart(10, "0")}`));
    assert.match(err, /250 events in /);
  });
});

Deno.test("generateCommand() writes the same load to a file as it sends", async () => {
  await withPlatform(async (url, batches) => {
    const path = Deno.makeTempFileSync();
    try {
      const options = { events: 300, days: 3, endMs: Date.UTC(2026, 0, 9), sessionIds: true };
      assert.equal((await run({ ...options, url })).code, EXIT_DONE);
      assert.equal((await run({ ...options, out: path })).code, EXIT_DONE);
      assert.equal(Deno.readTextFileSync(path), `${batches.flat().join("\n")}\n`);
    } finally {
      Deno.removeSync(path);
    }
  });
});

Deno.test("generateCommand() keeps the rate and gives times of now when there are no days", async () => {
  await withPlatform(async (url, batches) => {
    const startedAtMs = Date.now();
    await run({ url, events: 100, days: 0, rate: 400 });
    const tookMs = Date.now() - startedAtMs;
    assert.ok(tookMs >= 195, `${tookMs} ms`);
    assert.equal(batches.length, 5);
    for (const line of batches.flat()) {
      const { timestamp } = JSON.parse(line);
      assert.ok(timestamp >= startedAtMs && timestamp < startedAtMs + 5_000);
    }
  });
});

Deno.test("generateCommand() counts what was refused by its code", async () => {
  await withPlatform(async (url) => {
    const { code, err } = await run({ url, events: 20 });
    assert.equal(code, EXIT_SOME_REFUSED);
    assert.match(err, /refused: 1 x bad/);
  }, (line) => line.includes("g1-0000000007"));
});

Deno.test("generateCommand() says what is wrong when an option is", async () => {
  const wrong: [GenerateCommandOptions, RegExp][] = [
    [{ events: 0.5 }, /events must be/],
    [{ days: -1 }, /--days/],
    [{ rate: -1 }, /--rate/],
    [{ batch: 0, url: "http://127.0.0.1:1" }, /--batch/],
    [{ url: "http://127.0.0.1:1" }, /nothing answers/],
    [{ out: "/nonexistent/a.ndjson" }, /can't be written/],
  ];
  for (const [options, message] of wrong) {
    const { code, err } = await run({ events: 10, ...options });
    assert.equal(code, EXIT_NOT_DONE);
    assert.match(err, message);
  }
});

Deno.test("generateCommand() is interrupted when the signal aborts", async () => {
  const controller = new AbortController();
  await withPlatform(async (url, batches) => {
    const { code } = await run({ url, events: 1_000, batch: 10, rate: 100 }, controller.signal);
    assert.equal(code, EXIT_INTERRUPTED);
    assert.ok(batches.length < 5);
  }, () => {
    controller.abort();
    return false;
  });
});
