import assert from "node:assert/strict";
import { capturedIo } from "../../tests/support/captured_io.ts";
import {
  type DeadLetterScene,
  GOOD_PAYLOAD,
  letterAt,
  letterId,
  withDeadLetters,
} from "../../tests/support/dead_letter_scene.ts";
import {
  type CommandIo,
  EXIT_DONE,
  EXIT_INTERRUPTED,
  EXIT_NOT_DONE,
  EXIT_SOME_REFUSED,
} from "./command_io.ts";
import {
  dlqDropCommand,
  dlqListCommand,
  type DlqOptions,
  dlqReplayCommand,
  dlqShowCommand,
} from "./dlq_command.ts";

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

type Run = (
  command: (where: DlqOptions, io: CommandIo) => Promise<number>,
  signal?: AbortSignal,
) => Promise<Ended>;

interface Served extends DeadLetterScene {
  readonly run: Run;
  /** Paths of the requests so far. */
  readonly asked: string[];
  /** Answers that are given before the real ones. */
  readonly first: Response[];
}

/** A platform with dead letters on a port. */
async function withPlatform(use: (served: Served) => Promise<void>): Promise<void> {
  await withDeadLetters(async (scene) => {
    const asked: string[] = [];
    const first: Response[] = [];
    const options = { port: 0, hostname: "127.0.0.1", onListen() {} };
    const server = Deno.serve(options, (request) => {
      asked.push(new URL(request.url).pathname);
      return first.shift() ?? scene.handler(request);
    });
    const url = `http://127.0.0.1:${server.addr.port}`;
    const run: Run = async (command, signal) => {
      const io = capturedIo({ signal });
      const code = await command({ url }, io);
      return { code, out: io.out(), err: io.err() };
    };
    try {
      await use({ ...scene, run, asked, first });
    } finally {
      await server.shutdown();
    }
  });
}

const lettersTo = (count: number) =>
  Array.from(
    { length: count },
    (_, n) => letterAt(n, GOOD_PAYLOAD.replace("a-1", `a-${n}`)),
  );

Deno.test("dlqListCommand() prints a table, newest first, that can't steer the terminal", async () => {
  await withPlatform(async ({ file, run }) => {
    await file.put([
      letterAt(1, '{"a":"\u001b[2Jwiped\u202e"}'),
      letterAt(2, Uint8Array.of(0xff, 0xfe), { reason: "poison", message: "it\nfailed" }),
      letterAt(3, `{"long":"${"x".repeat(100)}"}`, { partition: 5 }),
    ]);
    const { code, out, err } = await run((where, io) => dlqListCommand(where, io));
    assert.equal(code, EXIT_DONE);
    const [titles, , ...rows] = out.trimEnd().split("\n");
    assert.deepEqual(titles.trim().split(/ {2,}/), ["id", "time", "reason", "message", "payload"]);
    assert.match(rows[0], /^ {2}analytics-events-5-3-0 .* \{"long":"x+…$/);
    assert.match(rows[1], /poison +it·failed +base64 \/\/4=$/);
    assert.match(rows[2], /missing_field +user_id is missing; .* \{"a":"·\[2Jwiped·"\}$/);
    assert.equal(err, "waiting: 2 missing_field, 1 poison\n");
    const filtered = await run((where, io) =>
      dlqListCommand({ ...where, partition: "5", search: "long", from: "0" }, io)
    );
    assert.equal(filtered.out.trimEnd().split("\n").length, 3);
    const none = await run((where, io) => dlqListCommand({ ...where, topic: "x" }, io));
    assert.equal(none.out, "no dead letters\n");
  });
});

Deno.test("dlqListCommand() goes over pages up to its limit and says when there are more", async () => {
  await withPlatform(async ({ file, run, asked }) => {
    await file.put(lettersTo(1_010));
    const ids = (out: string) => out.trimEnd().split("\n").map((line) => JSON.parse(line).id);
    const some = await run((where, io) =>
      dlqListCommand({ ...where, json: true, limit: 1_005 }, io)
    );
    assert.deepEqual(ids(some.out), lettersTo(1_010).map(({ id }) => id).reverse().slice(0, 1_005));
    assert.match(some.err, /there are more that match/);
    assert.equal(asked.length, 2);
    const all = await run((where, io) =>
      dlqListCommand({ ...where, json: true, limit: 5_000 }, io)
    );
    assert.deepEqual([ids(all.out).length, all.err], [1_010, "waiting: 1,010 missing_field\n"]);
  });
});

Deno.test("dlqShowCommand() prints all of a letter, or that there is none", async () => {
  await withPlatform(async ({ file, run }) => {
    await file.put([letterAt(7, '{"a":1,\n\u0007"b":2}')]);
    const show = (id: string, json = false) =>
      run((where, io) => dlqShowCommand(id, { ...where, json }, io));
    const { code, out } = await show(letterId(7));
    assert.equal(code, EXIT_DONE);
    assert.match(out, /^id +analytics-events-2-7-0\nplace +topic analytics-events, partition 2,/);
    assert.match(out, /payload +15 bytes:\n\n\{"a":1,\n·"b":2\}\n$/);
    const json = JSON.parse((await show(letterId(7), true)).out);
    assert.deepEqual([json.id, json.payload], [letterId(7), '{"a":1,\n\u0007"b":2}']);
    const none = await show("t-1-2-3");
    assert.deepEqual([none.code, none.out], [EXIT_NOT_DONE, ""]);
    assert.equal(none.err, "rta dlq: no dead letter has this id\n");
  });
});

Deno.test("dlqReplayCommand() replays by id, filter or all, and says what is still refused", async () => {
  await withPlatform(async ({ file, ingest, run }) => {
    await file.put([...lettersTo(4), letterAt(4, "{}"), letterAt(5, "x", { reason: "poison" })]);
    const named = await run((where, io) =>
      dlqReplayCommand({ ...where, id: [letterId(0), "t-1-1-1"] }, io)
    );
    assert.equal(named.code, EXIT_SOME_REFUSED);
    assert.deepEqual([named.out, named.err], ["t-1-1-1: not found\n", "1 replayed, 1 not found\n"]);
    const poison = await run((where, io) => dlqReplayCommand({ ...where, reason: "poison" }, io));
    assert.equal(poison.code, EXIT_SOME_REFUSED);
    assert.match(poison.out, /^analytics-events-2-5-0: invalid_json: the text is not valid JSON/);
    const all = await run((where, io) => dlqReplayCommand({ ...where, all: true, json: true }, io));
    const verdicts = all.out.trimEnd().split("\n").map((line) => JSON.parse(line).verdict);
    assert.deepEqual(verdicts, ["refused", "refused", "replayed", "replayed", "replayed"]);
    assert.equal(all.err, "3 replayed, 2 still refused\n");
    assert.equal(ingest.producer.kept.length, 4);
  });
});

Deno.test("dlqReplayCommand() goes through all pages when there are many", async () => {
  await withPlatform(async ({ file, ingest, run, asked }) => {
    await file.put(lettersTo(2_100));
    const { code, out, err } = await run((where, io) =>
      dlqReplayCommand({ ...where, all: true }, io)
    );
    assert.deepEqual([code, out, err], [EXIT_DONE, "", "2,100 replayed\n"]);
    assert.equal(asked.length, 3);
    assert.equal(new Set(ingest.producer.events().map(({ id }) => id)).size, 2_100);
  });
});

Deno.test("dlqReplayCommand() replays the edited letters that list wrote", async () => {
  await withPlatform(async ({ file, ingest, run }) => {
    await file.put([letterAt(1, '{"event_type":"click"}'), letterAt(2, '{"event_type":"buy"}')]);
    const listed = await run((where, io) => dlqListCommand({ ...where, json: true }, io));
    const edit = Deno.makeTempFileSync();
    try {
      const mended = listed.out.replaceAll('{\\"', '{\\"user_id\\":\\"ada\\",\\"');
      Deno.writeTextFileSync(edit, mended);
      const { code, err } = await run((where, io) => dlqReplayCommand({ ...where, edit }, io));
      assert.deepEqual([code, err], [EXIT_DONE, "2 replayed\n"]);
      assert.deepEqual(
        ingest.producer.events().map(({ id, user_id, event_type }) => [id, user_id, event_type]),
        [[letterId(2), "ada", "buy"], [letterId(1), "ada", "click"]],
      );
    } finally {
      Deno.removeSync(edit);
    }
  });
});

Deno.test("dlqReplayCommand() splits edited letters into requests that are not too large", async () => {
  await withPlatform(async ({ run, asked }) => {
    const edit = Deno.makeTempFileSync();
    try {
      const large = { id: "t-1-1-1", payload: "€".repeat(500_000) };
      const lines = Array.from({ length: 8 }, (_, n) => ({ ...large, id: `t-1-1-${n}` }));
      Deno.writeTextFileSync(edit, lines.map((line) => JSON.stringify(line)).join("\n"));
      const { code, err } = await run((where, io) => dlqReplayCommand({ ...where, edit }, io));
      assert.deepEqual([code, err], [EXIT_SOME_REFUSED, "0 replayed, 8 not found\n"]);
      assert.equal(asked.length, 4);
    } finally {
      Deno.removeSync(edit);
    }
  });
});

Deno.test("dlqDropCommand() drops by id, by filter, or replayed and waiting alike", async () => {
  await withPlatform(async ({ file, run }) => {
    await file.put([...lettersTo(5), letterAt(5, "x", { partition: 9 })]);
    await file.markReplayed([{ id: letterId(0), eventId: "e" }], 1);
    const left = async () => (await file.totals()).letters;
    const ended = await run((where, io) => dlqDropCommand({ ...where, id: [letterId(1)] }, io));
    assert.deepEqual([ended.code, ended.err, await left()], [EXIT_DONE, "1 dropped\n", 5]);
    await run((where, io) => dlqDropCommand({ ...where, partition: "9" }, io));
    assert.equal(await left(), 4);
    const all = await run((where, io) => dlqDropCommand({ ...where, all: true, json: true }, io));
    assert.deepEqual([all.out, await left()], ['{"dropped_count":4}\n', 0]);
  });
});

Deno.test("the dlq commands wait and ask again when the platform is overloaded", async () => {
  await withPlatform(async ({ file, run, first, asked }) => {
    await file.put(lettersTo(1));
    const busy = () =>
      Response.json({ detail: "more events arrive\u0007" }, {
        status: 429,
        headers: { "retry-after": "0" },
      });
    first.push(busy(), busy());
    const { code, err } = await run((where, io) => dlqReplayCommand({ ...where, all: true }, io));
    assert.equal(code, EXIT_DONE);
    assert.equal(err, "again: 429 more events arrive·\n".repeat(2) + "1 replayed\n");
    assert.equal(asked.length, 3);
  });
});

Deno.test("the dlq commands say what is wrong when they can't do their work", async () => {
  await withPlatform(async ({ file, run }) => {
    await file.put(lettersTo(3));
    const wrong: [Parameters<Run>[0], RegExp][] = [
      [(where, io) => dlqListCommand({ ...where, limit: 0 }, io), /--limit takes/],
      [(where, io) => dlqListCommand({ ...where, reason: "odd" }, io), /400: reason must be one/],
      [(_, io) => dlqListCommand({ url: "here" }, io), /not an address/],
      [(_, io) => dlqListCommand({ url: "http://127.0.0.1:1" }, io), /nothing answers at .*--url/],
      [(where, io) => dlqReplayCommand(where, io), /say which letters/],
      [(where, io) => dlqReplayCommand({ ...where, id: [] }, io), /say which letters/],
      [(where, io) => dlqDropCommand({ ...where, all: true, reason: "poison" }, io), /one of them/],
      [(where, io) => dlqDropCommand({ ...where, id: ["x"], topic: "t" }, io), /one of them/],
      [(where, io) => dlqReplayCommand({ ...where, edit: "f", all: true }, io), /goes alone/],
      [(where, io) => dlqReplayCommand({ ...where, edit: "/nonexistent" }, io), /can't be read/],
    ];
    for (const [command, message] of wrong) {
      const { code, out, err } = await run(command);
      assert.deepEqual([code, out], [EXIT_NOT_DONE, ""]);
      assert.match(err, message);
    }
    assert.equal((await file.totals()).waiting, 3);
    const stopped = await run((where, io) => dlqListCommand(where, io), AbortSignal.abort());
    assert.equal(stopped.code, EXIT_INTERRUPTED);
  });
});
