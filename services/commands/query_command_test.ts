import assert from "node:assert/strict";
import { AnswerScene } from "../../tests/support/answer_scene.ts";
import { capturedIo } from "../../tests/support/captured_io.ts";
import { sceneHandler } from "../../tests/support/scene_handler.ts";
import { EXIT_DONE, EXIT_INTERRUPTED, EXIT_NOT_DONE } from "./command_io.ts";
import { qualityText, queryCommand } from "./query_command.ts";
import { seriesKind, summaryKind } from "./query_counts.ts";
import { breakdownKind } from "./query_breakdown.ts";
import { funnelKind } from "./query_funnel.ts";
import type { QueryKind, QueryOptions } from "./query_kind.ts";
import { pathsKind } from "./query_paths.ts";
import { retentionKind, stickinessKind } from "./query_retention.ts";
import { userKind, usersKind } from "./query_users.ts";

const HOUR_MS = 3_600_000;
const START_MS = Date.parse("2026-01-05T00:00:00Z");
const NOW_MS = START_MS + 24 * HOUR_MS;
const DAY = { from: "2026-01-05T00:00:00Z", to: "2026-01-06T00:00:00Z" };

/** A shop's day: three users look, two of them buy. */
const EVENTS = ["ada", "bob", "cyd"].flatMap((user, index) => [
  { id: `${user}-1`, user_id: user, event_type: "view", timestamp: START_MS + HOUR_MS },
  ...(user === "cyd" ? [] : [{
    id: `${user}-2`,
    user_id: user,
    event_type: "buy",
    timestamp: START_MS + (2 + index) * HOUR_MS,
    amount: 1_200.5,
    properties: { country: index === 0 ? "DE" : "FR" },
  }]),
]);

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

type Run = (kind: QueryKind, options?: QueryOptions, subject?: string) => Promise<Ended>;

/** The shop on a port. `first`: answers that are given before the real ones. */
async function withShop(use: (run: Run, first: Response[]) => Promise<void>): Promise<void> {
  await using scene = await AnswerScene.open({ partitions: 2, now: () => NOW_MS });
  const body = EVENTS.map((event) => JSON.stringify(event)).join("\n");
  assert.deepEqual((await scene.accept("shop", body, NOW_MS)).rejections, []);
  await scene.settle();
  const handler = sceneHandler(scene, () => "shop");
  const first: Response[] = [];
  const listen = { port: 0, hostname: "127.0.0.1", onListen() {} };
  const server = Deno.serve(listen, (request) => first.shift() ?? handler(request));
  const url = `http://127.0.0.1:${server.addr.port}`;
  try {
    await use(async (kind, options = {}, subject = "") => {
      const io = capturedIo();
      const code = await queryCommand(kind, subject, { url, ...options }, io);
      return { code, out: io.out(), err: io.err() };
    }, first);
  } finally {
    await server.shutdown();
  }
}

Deno.test("queryCommand() prints tables, CSV or the answer as it came", async () => {
  await withShop(async (run) => {
    const people = await run(summaryKind, DAY);
    assert.deepEqual([people.code, people.err], [EXIT_DONE, ""]);
    assert.match(people.out, /^Summary, 2026-01-05T00:00:00Z to 2026-01-06T00:00:00Z\n/);
    assert.match(people.out, /^ {2}revenue +2,401 +100\.0 % +exact$/m);
    assert.match(people.out, /^ {2}view +3 +60\.0 %$/m);

    const csv = await run(summaryKind, { ...DAY, csv: true });
    assert.match(csv.out, /^field,name,value,unit,change_percentage\r\ntotal_events,,5,,\r\n/);
    assert.match(csv.out, /^events_by_type,view,3,,\r$/m);

    const json = await run(summaryKind, { ...DAY, json: true });
    assert.equal(JSON.parse(json.out).total_events, "5");
  });
});

Deno.test("seriesKind puts a column for each event type beside the times", async () => {
  await withShop(async (run) => {
    const options = { ...DAY, granularity: "day", by: ["type"], tz: "Europe/Berlin" };
    const { out } = await run(seriesKind, options);
    assert.match(out, /, Europe\/Berlin\n\n +time +buy +view\n/);
    assert.match(out, /^ {2}2026-01-04T23:00:00Z +2 +3$/m);
    const two = { ...DAY, granularity: "day", by: ["type", "country"], type: ["buy"] };
    assert.match((await run(seriesKind, two)).out, / buy \/ DE +buy \/ FR\n/);
  });
});

Deno.test("queryCommand() tells a refusal with its code and place", async () => {
  await withShop(async (run) => {
    const { code, out, err } = await run(seriesKind, { metric: "p75:amount" });
    assert.deepEqual([code, out], [EXIT_NOT_DONE, ""]);
    assert.match(err, /^rta query: invalid_parameter at metric: /);
    const later = await run(summaryKind, { from: "yesterday" });
    assert.match(later.err, /^rta query: --from takes an RFC 3339 time/);
    const both = await run(summaryKind, { json: true, csv: true });
    assert.match(both.err, /not both/);
  });
});

Deno.test("queryCommand() asks again after 503 and says so", async () => {
  await withShop(async (run, first) => {
    const body = JSON.stringify({ code: "store_unavailable", detail: "a shard is starting" });
    first.push(new Response(body, { status: 503, headers: { "retry-after": "0" } }));
    const { code, err } = await run(summaryKind, DAY);
    assert.equal(code, EXIT_DONE);
    assert.equal(err, "again: store_unavailable: a shard is starting\n");
  });
});

Deno.test("queryCommand() says so when nothing answers, and ends when interrupted", async () => {
  const closed = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const url = `http://127.0.0.1:${closed.addr.port}`;
  closed.close();
  const io = capturedIo();
  assert.equal(await queryCommand(summaryKind, "", { url }, io), EXIT_NOT_DONE);
  assert.match(io.err(), /nothing answers at .*make run/);
  const ended = capturedIo({ signal: AbortSignal.abort() });
  assert.equal(await queryCommand(summaryKind, "", { url }, ended), EXIT_INTERRUPTED);
});

Deno.test("qualityText() tells notes, what is missing and what is not exact", () => {
  const answer = {
    notes: ['no event in the range has the property "plam"'],
    complete: false,
    complete_until: "2026-01-05T00:00:00Z",
    missing_partitions: [1, 3],
    accuracy: { users: "approximate, error 0.81 %", events: "exact" },
  };
  assert.equal(
    qualityText(answer),
    'note: no event in the range has the property "plam"\n' +
      "not complete: counted is what was received until 2026-01-05T00:00:00Z, without partitions " +
      "1, 3\napproximate, error 0.81 %: users\n",
  );
  assert.equal(qualityText({ complete: true, accuracy: { events: "exact" } }), "");
});

Deno.test("funnelKind shows steps, values of the first step, and users", async () => {
  await withShop(async (run) => {
    const steps = { ...DAY, step: ["view", "buy:amount>=100"] };
    const { code, out, err } = await run(funnelKind, steps);
    assert.deepEqual([code, err], [
      EXIT_DONE,
      "approximate, error 1 %: steps.median_time_to_convert\n",
    ]);
    assert.match(out, /^Funnel, 2026-01-05T00:00:00Z to /);
    assert.match(out, /^ {2}1 view +3 +100\.0 % +100\.0 % +1 +- +-$/m);
    assert.match(out, /^ {2}2 buy +2 +66\.7 % +66\.7 % +0 +1\.5 h +\S+ h$/m);

    const { out: parts } = await run(funnelKind, { ...DAY, step: ["buy", "view"], by: "country" });
    assert.match(parts, /^ {2}DE +1 +0 +0\.0 %$/m);
    const { out: optional } = await run(funnelKind, { ...DAY, step: ["view", "cart?", "buy"] });
    assert.match(optional, /^ {2}2 cart \(optional\) +0 /m);

    const { out: users } = await run(funnelKind, { ...steps, users: "1:dropped" });
    assert.match(users, /^ {2}cyd +2026-01-05T01:00:00Z +2026-01-05T01:00:00Z +1$/m);
    const one = await run(funnelKind, { ...steps, users: "2:converted", limit: 1 });
    assert.match(one.err, /^there are more: --page-token \S+$/m);
  });
});

Deno.test("funnelKind tells the place of a step that is refused", async () => {
  await withShop(async (run) => {
    const few = await run(funnelKind, { ...DAY, step: ["view"] });
    assert.match(few.err, /^rta query: invalid_parameter at steps: a funnel has 2 to 20 steps/);
    const bad = await run(funnelKind, { ...DAY, step: ["view", "buy:amount>=a"] });
    assert.match(bad.err, /^rta query: invalid_parameter at steps\[1\]\.filter\[0\]\.value: /);
    const none = await run(funnelKind, DAY);
    assert.match(none.err, /--step signup/);
    const users = await run(funnelKind, { ...DAY, step: ["view", "buy"], users: "2" });
    assert.match(users.err, /--users takes a step and an outcome/);
  });
});

Deno.test("funnelKind takes a body from a file and puts options over it", async () => {
  const file = Deno.makeTempFileSync();
  try {
    const steps = [{ event_type: "view" }, { event_type: "buy", filters: { country: "DE" } }];
    Deno.writeTextFileSync(file, JSON.stringify({ steps, window: "3600s" }));
    await withShop(async (run) => {
      const short = await run(funnelKind, { ...DAY, body: file, csv: true });
      assert.match(short.out, /^all,,2,buy,false,1,0\.333\d+,0\.333\d+,0,3600,/m);
      assert.equal(short.err, "approximate, error 1 %: steps.median_time_to_convert\n");
      const { out } = await run(funnelKind, { ...DAY, body: file, window: "59m", csv: true });
      assert.match(out, /^all,,2,buy,false,0,0,0,0,,\r$/m);
      Deno.writeTextFileSync(file, "[1]");
      const list = await run(funnelKind, { ...DAY, body: file });
      assert.match(list.err, /must hold a JSON object/);
      const missing = await run(funnelKind, { ...DAY, body: `${file}.not` });
      assert.match(missing.err, /can't be read/);
    });
  } finally {
    Deno.removeSync(file);
  }
});

Deno.test("retentionKind shows a triangle of shares, as CSV a row for each cell", async () => {
  await withShop(async (run) => {
    const options = { ...DAY, start: "view", return: "buy", granularity: "day" };
    const { out } = await run(retentionKind, options);
    assert.match(out, /^Retention by day, exact, .*UTC; \* = not over yet$/m);
    assert.match(out, /^ {2}cohort +users +day 0$/m);
    assert.match(out, /^ {2}2026-01-05 +3 +66\.7 %$/m);
    const { out: csv } = await run(retentionKind, { ...options, csv: true });
    assert.match(
      csv,
      /^cohort,2026-01-05T00:00:00Z,2026-01-06T00:00:00Z,true,1,3,0,2026-01-05T00:00:00Z,2,0\.6\d+,true\r$/m,
    );
    const bad = await run(retentionKind, { ...options, mode: "sometimes" });
    assert.match(bad.err, /^rta query: \w+ at mode: /);
  });
});

Deno.test("stickinessKind shows weeks and the active users of the last day", async () => {
  await withShop(async (run) => {
    const { out } = await run(stickinessKind, { ...DAY, granularity: "week" });
    assert.match(out, /^ {2}2026-01-05\* +2 +3 +1\.5 +50\.0 % +1$/m);
    assert.match(out, /^ {2}that day +3 +-$/m);
  });
});

Deno.test("breakdownKind shows the largest groups, the others and all, and times", async () => {
  await withShop(async (run) => {
    const by = { ...DAY, by: ["country"], metric: "sum:amount" };
    const { code, out } = await run(breakdownKind, by);
    assert.equal(code, EXIT_DONE);
    assert.match(out, /^sum:amount by country, 2026-01-05T00:00:00Z to /);
    assert.match(out, /^ {2}DE +1,200\.5 +50\.0 % +1 +100\.0 %$/m);
    assert.match(out, /^ {2}- +0 +0\.0 % +3 /m);
    assert.match(out, /^ {2}\(all\) +2,401 +100\.0 % +5 /m);

    const one = await run(breakdownKind, { ...by, limit: 1, granularity: "day" });
    assert.match(one.out, /^ {2}\(other\) +1,200\.5 /m);
    assert.match(one.out, /^ {2}time +DE +\(other\) +\(all\)$/m);
    assert.match(one.out, /^ {2}2026-01-05T00:00:00Z +1,200\.5 +1,200\.5 +2,401$/m);

    const csv = await run(breakdownKind, { ...DAY, by: ["type", "country"], csv: true });
    assert.match(csv.out, /^group,,view,,3,0,100,3,0\r$/m);
    const users = await run(breakdownKind, { ...DAY, by: ["type"], metric: "users" });
    assert.match(users.out, /^ {2}event_type +users +events +change$/m);
    assert.match((await run(breakdownKind, DAY)).err, /is --by a property/);
  });
});

Deno.test("pathsKind shows what came next as a tree, as CSV each path", async () => {
  await withShop(async (run) => {
    const options = { ...DAY, after: "view", scope: "user" };
    const { code, out } = await run(pathsKind, options);
    assert.equal(code, EXIT_DONE);
    assert.match(out, /^What came next, within a user, 2026-01-05T00:00:00Z to /);
    assert.match(out, /^ {2}\(all\) +3 +- +3 +1$/m);
    assert.match(out, /^ {2}buy +2 +66\.7 % +2 +2$/m);
    const csv = await run(pathsKind, { ...DAY, before: "buy", scope: "user", csv: true });
    assert.match(csv.out, /^1,view,,,,,2,2,1,2,0,0\r$/m);
    assert.match((await run(pathsKind, DAY)).err, /--after an event or --before one/);
  });
});

Deno.test("userKind shows the profile, metrics and what else is asked for", async () => {
  await withShop(async (run) => {
    const { code, out, err } = await run(userKind, DAY, "ada");
    assert.deepEqual([code, err], [EXIT_DONE, ""]);
    assert.match(out, /^User ada\n/);
    assert.match(out, /^ {2}2026-01-05T01:00:00Z +2026-01-05T02:00:00Z +2 +2$/m);
    assert.match(out, /^ {2}country +DE$/m);
    const all = await run(userKind, { ...DAY, events: true, sessions: true }, "ada");
    assert.match(all.out, /^ {2}2026-01-05T02:00:00Z +buy +ada-2 +1,200\.5 +country=DE$/m);
    assert.match(all.out, /^ {2}[0-9a-f]{16} +2026-01-05T01:00:00Z +0 s +1 +view +view$/m);
    const paged = await run(userKind, { ...DAY, events: true, limit: 1, csv: true }, "ada");
    assert.match(paged.out, /^id,user_id,[^\n]+\nada-2,ada,[0-9a-f]{16},buy,/);
    assert.match(paged.err, /^there are more: --page-token \S+\n$/);
    const views = await run(userKind, { ...DAY, events: true, type: ["view"], csv: true }, "ada");
    assert.match(views.out, /^[^\n]+\nada-1,ada,[0-9a-f]{16},view,[^\n]+,,,\{\}\r\n$/);
    const both = await run(userKind, { ...DAY, events: true, sessions: true, csv: true }, "ada");
    assert.match(both.err, /^rta query: invalid_parameter at include_sessions: CSV is one table/);
    const nobody = await run(userKind, DAY, "eve/..");
    assert.match(nobody.err, /^rta query: not_found: /);
  });
});

Deno.test("usersKind finds users by the beginning of their id", async () => {
  await withShop(async (run) => {
    const { out } = await run(usersKind, {}, "a");
    assert.match(out, /^ {2}ada +2026-01-05T01:00:00Z +2026-01-05T02:00:00Z +2$/m);
    assert.doesNotMatch(out, /bob/);
    assert.match((await run(usersKind, { limit: 1 })).err, /^there are more: --page-token \S+\n$/);
  });
});
