import assert from "node:assert/strict";
import { capturedIo } from "../../tests/support/captured_io.ts";
import { EXIT_DONE, EXIT_INTERRUPTED, EXIT_NOT_DONE, EXIT_SOME_REFUSED } from "./command_io.ts";
import { importCommand, type ImportCommandOptions } from "./import_command.ts";

const csv = "user,event_type,ts\nada,click,2024-03-13 10:21:14\nbob,bad,1710325274\n" +
  "cleo,click,1710325275\n";
const mapping = { map: ["user_id=user,timestamp=ts"] };

interface Scene {
  readonly folder: string;
  readonly file: string;
  /** Lines that the platform was sent. */
  readonly lines: string[];
  run(options?: Partial<ImportCommandOptions>, signal?: AbortSignal): Promise<Ended>;
}

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs against a platform that refuses events of the type `bad`. */
async function withScene(content: string, use: (scene: Scene) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const file = `${folder}/events.csv`;
  Deno.writeTextFileSync(file, content);
  const lines: string[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    if (request.method === "GET") return new Response("healthy");
    const sent = (await request.text()).trimEnd().split("\n");
    lines.push(...sent);
    const errors = sent.flatMap((line, index) =>
      line.includes('"bad"')
        ? [{ index, code: "bad_type", field: "event_type", message: "no" }]
        : []
    );
    return Response.json({ success: errors.length === 0, errors });
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  const run = async (options: Partial<ImportCommandOptions> = {}, signal?: AbortSignal) => {
    const io = capturedIo({ signal });
    const state = `${folder}/state`;
    const code = await importCommand({ ...mapping, file, url, state, ...options }, io);
    return { code, out: io.out(), err: io.err() };
  };
  try {
    await use({ folder, file, lines, run });
  } finally {
    await server.shutdown();
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("importCommand() sends the rows and says which were refused", async () => {
  await withScene(csv, async ({ file, lines, run }) => {
    const { code, out, err } = await run();
    assert.equal(code, EXIT_SOME_REFUSED);
    assert.equal(out, "");
    assert.match(err, /events\.csv: CSV, 90 bytes\n {2}user_id=user\n/);
    assert.match(err, /3 rows in /);
    assert.match(err, /refused rows: 1, kept with the reason in .*events\.csv\.rejected\.ndjson/);
    assert.equal(lines.length, 3);
    const refused = JSON.parse(Deno.readTextFileSync(`${file}.rejected.ndjson`));
    assert.deepEqual([refused.row, refused.code, refused.event.user_id], [2, "bad_type", "bob"]);
  });
});

Deno.test("importCommand() sends nothing and gives the same code when it runs again", async () => {
  await withScene(csv, async ({ lines, run }) => {
    await run();
    const { code, err } = await run();
    assert.equal(code, EXIT_SOME_REFUSED);
    assert.match(err, /3 rows were imported before\nnothing new in /);
    assert.equal(lines.length, 3);
    await run({ restart: true, batch: 2 });
    assert.equal(lines.length, 6);
    assert.deepEqual(lines.slice(3), lines.slice(0, 3));
  });
});

Deno.test("importCommand() sends nothing and shows events when it is a dry run", async () => {
  await withScene(csv, async ({ folder, lines, run }) => {
    const { code, out, err } = await run({ dryRun: true });
    assert.equal(code, EXIT_DONE);
    assert.deepEqual(out.trimEnd().split("\n").map((line) => JSON.parse(line).user_id), [
      "ada",
      "bob",
      "cleo",
    ]);
    assert.match(err, /3 rows: 3 events, 0 would be refused; nothing was sent/);
    assert.equal(lines.length, 0);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["events.csv"]);
  });
});

Deno.test("importCommand() says what a dry run would have refused", async () => {
  await withScene("user,event_type\nada,click\n,click\n", async ({ run }) => {
    const { code, err } = await run({ dryRun: true, map: ["user_id=user"] });
    assert.equal(code, EXIT_SOME_REFUSED);
    assert.match(err, /no column gives timestamp/);
    assert.match(err, /1 x missing_field user_id: .* \(first in row 2\)/);
  });
});

Deno.test("importCommand() says what is wrong when it can't begin", async () => {
  await withScene(csv, async ({ lines, run }) => {
    const wrong: [Partial<ImportCommandOptions>, RegExp][] = [
      [{ file: "/nonexistent.csv" }, /can't be read/],
      [{ map: ["user_id=nobody"] }, /no column nobody/],
      [{ batch: 10_001 }, /--batch takes/],
      [{ format: "xml" as "csv" }, /--format takes csv or ndjson, not xml/],
      [{ format: "ndjson" }, /a mapping is for CSV/],
      [{ delimiter: "" }, /--delimiter takes/],
      [{ url: "127.0.0.1" }, /not an address/],
      [{ url: "http://127.0.0.1:1" }, /nothing answers at .*make run/],
    ];
    for (const [options, message] of wrong) {
      const { code, err } = await run(options);
      assert.equal(code, EXIT_NOT_DONE);
      assert.match(err, message);
    }
    assert.equal(lines.length, 0);
  });
});

Deno.test("importCommand() is interrupted when the signal aborts", async () => {
  await withScene(csv, async ({ lines, run }) => {
    assert.equal((await run({}, AbortSignal.abort())).code, EXIT_INTERRUPTED);
    assert.equal((await run({ dryRun: true }, AbortSignal.abort())).code, EXIT_INTERRUPTED);
    assert.equal(lines.length, 0);
  });
});
