import assert from "node:assert/strict";
import { BODY_BYTES_MAX, DEAD_LETTER_PAYLOAD_BYTES_MAX } from "../../lib/config/limits.ts";
import {
  type DeadLetterScene,
  GOOD_PAYLOAD as GOOD,
  letterAt,
  letterId as idOf,
  withDeadLetters,
} from "../../tests/support/dead_letter_scene.ts";
import { NOW_MS } from "../../tests/support/ingest_handlers.ts";
import { DropSchema, LetterListSchema, LetterSchema, ReplaySchema } from "./letter_json.ts";

const HOUR_MS = 3_600_000;

interface Scene extends DeadLetterScene {
  get(path: string): Promise<unknown>;
  post(path: string, body: unknown): Promise<unknown>;
  /** Any answer: its status and body. */
  ask(path: string, init?: RequestInit): Promise<{ status: number; body: Problem }>;
}

interface Problem {
  readonly code: string;
  readonly field?: string;
  readonly detail: string;
}

function withScene(
  use: (scene: Scene) => Promise<void>,
  options?: { lettersMax: number },
): Promise<void> {
  return withDeadLetters((scene) => {
    const ask: Scene["ask"] = async (path, init) => {
      const request = new Request(`http://localhost/v1/dead-letters${path}`, init);
      const response = await scene.handler(request);
      return { status: response.status, body: await response.json() };
    };
    const well = async (path: string, init?: RequestInit) => {
      const { status, body } = await ask(path, init);
      assert.equal(status, 200, JSON.stringify(body));
      return body;
    };
    const get = (path: string) => well(path);
    const post = (path: string, body: unknown) => well(path, postInit(JSON.stringify(body)));
    return use({ ...scene, get, post, ask });
  }, options);
}

function postInit(body: BodyInit, type = "application/json"): RequestInit {
  return { method: "POST", headers: { "content-type": type }, body };
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("GET /v1/dead-letters answers in the contract's form", async () => {
  await withScene(async ({ file, get }) => {
    await file.put([letterAt(1041, '{"event_type":"click"}')]);
    assert.deepEqual(await get(""), {
      dead_letters: [{
        id: "analytics-events-2-1041-0",
        topic: "analytics-events",
        partition: "2",
        offset: "1041",
        reason: "missing_field",
        message: "user_id is missing; send a string",
        time: "2026-01-31T11:00:01.041Z",
        payload: '{"event_type":"click"}',
        payload_encoding: "text",
        payload_bytes: 22,
        payload_truncated: false,
        line: 0,
        received_at: "2026-01-31T10:00:00Z",
        state: "waiting",
      }],
      next_page_token: "",
      waiting_by_reason: { missing_field: "1" },
    });
  });
});

Deno.test("GET /v1/dead-letters finds letters by every parameter, under both spellings", async () => {
  await withScene(async ({ file, get }) => {
    await file.put([
      letterAt(1, "one"),
      letterAt(2, "two", { topic: "other" }),
      letterAt(3, "three", { partition: 7 }),
      letterAt(4, "four", { reason: "poison" }),
      letterAt(5, "five", { project: "blog" }),
      letterAt(6, Uint8Array.of(0xff, 0x6f)),
    ]);
    await file.markReplayed([{ id: idOf(1), eventId: "e-1" }], NOW_MS);
    const found = async (query: string) =>
      LetterListSchema.parse(await get(query)).dead_letters.map(({ offset }) => Number(offset));
    assert.deepEqual(await found(""), [6, 4, 3, 2]);
    assert.deepEqual(await found("?state=all"), [6, 4, 3, 2, 1]);
    assert.deepEqual(await found("?state=replayed"), [1]);
    assert.deepEqual(await found("?topic=other"), [2]);
    assert.deepEqual(await found("?partition=7"), [3]);
    assert.deepEqual(await found("?reason=poison"), [4]);
    assert.deepEqual(await found("?q=o"), [6, 4, 2]);
    assert.deepEqual(await found("?q=&reason="), [6, 4, 3, 2]);
    const from = NOW_MS - HOUR_MS + 3;
    assert.deepEqual(await found(`?from=${from}&to=${from + 2}`), [4, 3]);
    assert.deepEqual(await found("?from=2026-01-31T12:00:00%2B01:00&limit=1"), [6]);
    const first = LetterListSchema.parse(await get("?limit=3&state=all"));
    const token = first.next_page_token;
    assert.deepEqual(await found(`?limit=3&state=all&pageToken=${token}`), [2, 1]);
  });
});

Deno.test("GET /v1/dead-letters/{id} shows bytes as base64 when they are no text", async () => {
  await withScene(async ({ file, get, ask }) => {
    const topic = "päge/views";
    await file.put([letterAt(9, Uint8Array.of(0xff, 0x00), { topic })]);
    const id = encodeURIComponent(`${topic}-2-9-0`);
    const letter = LetterSchema.parse(await get(`/${id}`));
    assert.deepEqual([letter.payload, letter.payload_encoding], ["/wA=", "base64"]);
    await file.put([letterAt(10, "x", { project: "blog" })]);
    for (const other of [idOf(10), idOf(11), "nonsense"]) {
      const { status, body } = await ask(`/${other}`);
      assert.deepEqual([status, body.code], [404, "not_found"]);
    }
  });
});

Deno.test("POST /v1/dead-letters/replay gives each letter its verdict", async () => {
  await withScene(async ({ file, ingest, get, post }) => {
    await file.put([letterAt(1, GOOD), letterAt(2, '{"user_id":1}'), letterAt(3, "x{")]);
    const ids = [idOf(1), idOf(2), idOf(3), idOf(4), "nonsense", idOf(1)];
    const answer = ReplaySchema.parse(await post("/replay", { ids }));
    assert.deepEqual(
      answer.results.map(({ id, verdict, code, field }) => [id, verdict, code, field]),
      [
        [idOf(1), "replayed", undefined, undefined],
        [idOf(2), "refused", "wrong_type", "user_id"],
        [idOf(3), "refused", "invalid_json", ""],
        [idOf(4), "not_found", undefined, undefined],
        ["nonsense", "not_found", undefined, undefined],
      ],
    );
    assert.match(answer.results[1].message ?? "", /user_id must be a string/);
    const { success, replayed_count, refused_count, not_found_count } = answer;
    assert.deepEqual([success, replayed_count, refused_count, not_found_count], [false, 1, 2, 2]);
    assert.deepEqual(ingest.producer.events(), [{
      id: "a-1",
      user_id: "ada",
      event_type: "click",
      timestamp: Date.parse("2026-01-31T09:00:00Z"),
    }]);
    const replayed = LetterSchema.parse(await get(`/${idOf(1)}`));
    assert.deepEqual([replayed.state, replayed.event_id], ["replayed", "a-1"]);
    assert.equal(replayed.replayed_at, "2026-01-31T12:00:00Z");
    assert.deepEqual(LetterListSchema.parse(await get("")).waiting_by_reason, {
      missing_field: "2",
    });
  });
});

Deno.test("POST /v1/dead-letters/replay gives an event without id and time those of its letter", async () => {
  await withScene(async ({ file, ingest, post }) => {
    const topic = "t".repeat(200);
    const bare = '{"user_id":"ada","event_type":"click","timestamp":0,"id":null}';
    await file.put([letterAt(1, bare), letterAt(2, bare, { topic })]);
    await post("/replay", { ids: [idOf(1), `${topic}-2-2-0`] });
    const events = ingest.producer.events();
    assert.deepEqual(events.map(({ timestamp }) => timestamp), Array(2).fill(NOW_MS - 2 * HOUR_MS));
    assert.equal(events[0].id, idOf(1));
    assert.match(String(events[1].id), /^[0-9a-f]{64}$/);
  });
});

Deno.test("POST /v1/dead-letters/replay sends a letter once, and after a crash the same event", async () => {
  await withScene(async ({ file, ingest, post }) => {
    const bare = '{"user_id":"ada","event_type":"click"}';
    await file.put([letterAt(1, bare)]);
    const ids = [idOf(1)];
    const first = ReplaySchema.parse(await post("/replay", { ids }));
    const second = ReplaySchema.parse(await post("/replay", { ids }));
    assert.deepEqual(second.results, first.results);
    assert.equal(ingest.producer.kept.length, 1);
    // As if the process had ended between the event's being durable and the mark.
    await file.dropIds(ids);
    await file.put([letterAt(1, bare)]);
    await post("/replay", { ids });
    const [event, again] = ingest.producer.events();
    assert.deepEqual(again, event);
  });
});

Deno.test("POST /v1/dead-letters/replay takes edited payloads, as they were listed or new", async () => {
  await withScene(async ({ file, ingest, get, post }) => {
    await file.put([
      letterAt(1, '{"event_type":"click"}'),
      letterAt(2, Uint8Array.of(...bytesOf(GOOD), 0xff)),
      letterAt(3, GOOD),
    ]);
    const listed = LetterListSchema.parse(await get("")).dead_letters;
    const letters = [
      { ...listed[2], payload: '{"event_type":"click","user_id":"bob"}' },
      { id: idOf(2), payload: btoa(GOOD.replace("a-1", "a-2")), payloadEncoding: "base64" },
      { id: idOf(9), payload: "{}" },
      { id: idOf(3), payload: '{"user_id":"ada"}' },
    ];
    const answer = ReplaySchema.parse(await post("/replay", { letters }));
    const verdicts = answer.results.map(({ verdict }) => verdict);
    assert.deepEqual(verdicts, ["replayed", "replayed", "not_found", "refused"]);
    const events = ingest.producer.events().map(({ id, user_id }) => [id, user_id]).sort();
    assert.deepEqual(events, [["a-2", "ada"], [idOf(1), "bob"]]);
    // The letter keeps the bytes it came with.
    const kept = LetterSchema.parse(await get(`/${idOf(1)}`));
    assert.equal(kept.payload, '{"event_type":"click"}');
  });
});

Deno.test("POST /v1/dead-letters/replay goes through what matches page by page", async () => {
  await withScene(async ({ file, ingest, post }) => {
    const payload = (n: number) => n % 10 === 0 ? "{}" : GOOD.replace("a-1", `a-${n}`);
    const letters = Array.from({ length: 150 }, (_, n) => letterAt(n, payload(n)));
    await file.put([...letters, letterAt(500, GOOD, { partition: 3 })]);
    const filter = { partition: 2, q: "" };
    const first = ReplaySchema.parse(await post("/replay", { filter, limit: 100 }));
    assert.deepEqual([first.replayed_count, first.refused_count], [90, 10]);
    const pageToken = first.next_page_token;
    const second = ReplaySchema.parse(await post("/replay", { filter, limit: 100, pageToken }));
    assert.deepEqual([second.replayed_count, second.refused_count], [45, 5]);
    assert.equal(second.next_page_token, "");
    const third = ReplaySchema.parse(await post("/replay", { filter: {} }));
    assert.deepEqual([third.replayed_count, third.refused_count], [1, 15]);
    assert.equal(ingest.producer.kept.length, 136);
  });
});

Deno.test("POST /v1/dead-letters/replay keeps what was accepted when the log fails half-way", async () => {
  await withScene(async ({ file, ingest, post, ask }) => {
    const letters = Array.from({ length: 8 }, (_, n) => letterAt(n, GOOD.replace("a-1", `a-${n}`)));
    await file.put(letters);
    const failure = Object.assign(new Error("disk full"), { code: "RTA_LOG_FULL" });
    let taken = 0;
    ingest.producer.failWith = () => ++taken > 5 ? failure as never : null;
    const { status, body } = await ask("/replay", postInit('{"filter":{}}'));
    assert.deepEqual([status, body.code], [503, "log_unavailable"]);
    assert.equal((await file.totals()).waiting, 3);
    ingest.producer.failWith = () => null;
    const answer = ReplaySchema.parse(await post("/replay", { filter: {} }));
    assert.deepEqual([answer.success, answer.replayed_count], [true, 3]);
    assert.equal(new Set(ingest.producer.events().map(({ id }) => id)).size, 8);
  });
});

Deno.test("POST /v1/dead-letters/replay refuses a line that was cut, but takes it edited", async () => {
  await withScene(async ({ file, post }) => {
    const payload = new Uint8Array(DEAD_LETTER_PAYLOAD_BYTES_MAX + 1).fill(0x20);
    await file.put([letterAt(1, payload)]);
    const ids = [idOf(1)];
    const [cut] = ReplaySchema.parse(await post("/replay", { ids })).results;
    assert.deepEqual([cut.verdict, cut.code], ["refused", "event_too_large"]);
    assert.match(cut.message ?? "", /only the first 524288 of 524289 bytes/);
    const letters = [{ id: idOf(1), payload: GOOD }];
    assert.equal(ReplaySchema.parse(await post("/replay", { letters })).success, true);
  });
});

Deno.test("POST /v1/dead-letters/drop forgets letters by id and by filter", async () => {
  await withScene(async ({ file, post }) => {
    await file.put([
      ...Array.from({ length: 6 }, (_, n) => letterAt(n, "x", { partition: n % 2 })),
      letterAt(6, "x", { project: "blog" }),
    ]);
    const drop = async (body: unknown) => DropSchema.parse(await post("/drop", body)).dropped_count;
    const ids = ["analytics-events-0-0-0", "analytics-events-0-2-0", idOf(6), "nonsense"];
    assert.equal(await drop({ ids }), 2);
    await file.markReplayed([{ id: "analytics-events-0-4-0", eventId: "e" }], NOW_MS);
    assert.equal(await drop({ filter: { partition: "1" } }), 3);
    assert.equal(await drop({ filter: {} }), 0);
    assert.equal(await drop({ filter: { state: "all" } }), 1);
    assert.equal((await file.totals()).letters, 1, "another project's letter stays");
  });
});

Deno.test("deadLetterRoutes() refuses a bad query by its name", async () => {
  await withScene(async ({ ask }) => {
    const cases: [string, string, RegExp][] = [
      ["?limit=0", "limit", /1 to 1000/],
      ["?limit=many", "limit", /1 to 1000/],
      ["?reason=odd", "reason", /must be one of invalid_json, .*poison/],
      ["?partition=-1", "partition", /whole number/],
      ["?from=yesterday", "from", /RFC 3339/],
      ["?from=20&to=10", "from", /not be after/],
      ["?state=lost", "state", /waiting, replayed or all/],
      ["?page_token=zz", "page_token", /next_page_token/],
      ["?topic=a&topic=b", "topic", /given once/],
      ["?constructor=1", "constructor", /unknown parameter; this takes reason, topic/],
    ];
    for (const [query, field, detail] of cases) {
      const { status, body } = await ask(query);
      assert.deepEqual([status, body.code, body.field], [400, "invalid_parameter", field], query);
      assert.match(body.detail, detail, query);
    }
  });
});

Deno.test("deadLetterRoutes() refuses a bad body by its name, and changes nothing", async () => {
  await withScene(async ({ file, ask }) => {
    await file.put([letterAt(1, GOOD)]);
    const letter = { id: idOf(1), payload: "x" };
    const cases: [string, unknown, string | undefined, RegExp][] = [
      ["/replay", {}, "ids", /one of ids, letters, filter/],
      ["/replay", { ids: [idOf(1)], filter: {} }, "filter", /one of ids/],
      ["/replay", [], undefined, /must be a JSON object/],
      ["/replay", { ids: [] }, "ids", /name a letter/],
      ["/replay", { ids: Array(1_001).fill("x") }, "ids", /1000/],
      ["/replay", { ids: [1] }, "ids[0]", /must be a text/],
      ["/replay", { ids: ["x"], limit: 5 }, "limit", /goes with filter/],
      ["/replay", { filter: { state: "all" } }, "filter.state", /not replayed again/],
      ["/replay", { filter: { partition: 1.5 } }, "filter.partition", /whole number/],
      ["/replay", { filter: { color: 1 } }, "filter.color", /takes reason, topic/],
      ["/replay", { letters: [letter, letter] }, "letters[1].id", /twice/],
      ["/replay", { letters: [{ id: idOf(1) }] }, "letters[0].payload", /must be a text/],
      [
        "/replay",
        {
          letters: [{ ...letter, payload_encoding: "base64" }],
        },
        "letters[0].payload",
        /not base64/,
      ],
      ["/drop", {}, "ids", /one of ids, filter/],
      ["/drop", { filter: null }, "ids", /one of ids, filter/],
      ["/drop", { all: true }, "all", /takes ids, filter/],
      ["/drop", { filter: [] }, "filter", /must be an object/],
    ];
    for (const [path, body, field, detail] of cases) {
      const text = JSON.stringify(body);
      const { status, body: problem } = await ask(path, postInit(text));
      assert.deepEqual(
        [status, problem.code, problem.field],
        [400, "invalid_parameter", field],
        text,
      );
      assert.match(problem.detail, detail, text);
    }
    assert.equal((await file.totals()).waiting, 1);
  });
});

Deno.test("deadLetterRoutes() refuses a body that is not JSON, not UTF-8 or too long", async () => {
  await withScene(async ({ ask }) => {
    const cases: [RequestInit, number, string][] = [
      [postInit("{"), 400, "invalid_json"],
      [postInit(Uint8Array.of(0x22, 0xff, 0x22)), 400, "invalid_utf8"],
      [postInit("{}", "text/plain"), 415, "unsupported_media_type"],
      [postInit(new Uint8Array(BODY_BYTES_MAX + 1)), 413, "body_too_large"],
      [{ method: "DELETE" }, 405, "method_not_allowed"],
    ];
    for (const [init, status, code] of cases) {
      const answer = await ask("/drop", init);
      assert.deepEqual([answer.status, answer.body.code], [status, code]);
    }
  });
});

Deno.test("deadLetterRoutes() answers 503 when the file fails", async () => {
  await withScene(async ({ file, ask }) => {
    await file.close();
    for (const path of ["", `/${idOf(1)}`]) {
      const { status, body } = await ask(path);
      assert.deepEqual([status, body.code], [503, "store_unavailable"]);
    }
  });
});

Deno.test("refresh() shows how many letters wait, and counts those that had to go", async () => {
  await withScene(async ({ file, metrics, deadLetters }) => {
    const value = async (name: string) => {
      const line = (await metrics.text()).split("\n").find((line) => line.startsWith(`${name} `));
      return Number(line?.split(" ")[1]);
    };
    const offsets = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, index) => letterAt(from + index, "x"));
    await file.put(offsets(0, 6));
    const shown = async () => {
      await deadLetters.refresh();
      const names = ["rta_dead_letters_kept", "rta_dead_letters_forgotten_total"];
      return await Promise.all(names.map(value));
    };
    // What had to go before the process started is no news.
    assert.deepEqual(await shown(), [5, 0]);
    await file.markReplayed([{ id: idOf(5), eventId: "e" }], NOW_MS);
    assert.deepEqual(await shown(), [4, 0]);
    await file.put(offsets(6, 10));
    assert.deepEqual(await shown(), [5, 3]);
  }, { lettersMax: 5 });
});
