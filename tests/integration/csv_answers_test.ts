/**
 * Every answer as CSV through a real server, held against the same answer as JSON: the same numbers,
 * the same texts, and what the JSON tells of itself in headers. Values of the events are such that
 * CSV has to quote them, and such that a spreadsheet would run them.
 */
import assert from "node:assert/strict";
import { parse } from "csv-parse/sync";
import { startServer, type TestServer } from "../support/server.ts";
import { waitUntilCounted } from "../support/stored_rows.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 1_440 * MINUTE_MS;
const START_MS = Date.parse("2026-03-02T00:00:00Z");
const RANGE = { start: "2026-03-02T00:00:00Z", end: "2026-03-09T00:00:00Z" };
const USERS = ["=1+1", "-ada", "bob, jr", 'c"y"d', "dée", "+49"];
const COUNTRIES = ["DE", "=HYPERLINK(0)", "", 'a "b", c\r\nd', "@fr", "'quoted"];

// deno-lint-ignore no-explicit-any -- JSON
type Json = any;
type Row = Record<string, string>;

/** Six users on up to three days: all look, most sign up, some buy. */
function lines(): string[] {
  return USERS.flatMap((user, index) =>
    [0, 1, 2].slice(0, 1 + index % 3).flatMap((day) =>
      ["view", "=signup", "purchase"].slice(0, 1 + (index + day) % 3).map((type, step) =>
        JSON.stringify({
          id: `${index}-${day}-${step}`,
          user_id: user,
          event_type: type,
          timestamp: START_MS + day * DAY_MS + (10 * index + step) * MINUTE_MS,
          source: index % 2 === 0 ? "web" : undefined,
          amount: type === "purchase" ? 10.25 * (index + 1) : undefined,
          properties: day === 1 ? {} : { country: COUNTRIES[index], price: index - 2.5 },
        })
      )
    )
  );
}

async function sendEvents({ urls }: TestServer): Promise<void> {
  const response = await fetch(`${urls.ingestion}/events/batch`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: lines().join("\n"),
  });
  assert.equal((await response.json()).processed_count, lines().length);
  await waitUntilCounted(urls.gateway);
}

/** An answer as JSON and as CSV. Texts of the CSV are what they were before they were made safe. */
interface Both {
  readonly json: Json;
  readonly rows: readonly Row[];
  readonly headers: Headers;
}

const GATEWAY_PATH = "/v1/analytics";

function asker({ urls }: TestServer) {
  const fetched = (path: string, body: unknown, accept: string) =>
    fetch(`${urls.gateway}${GATEWAY_PATH}${path}`, {
      headers: { accept, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
  return async (path: string, body?: unknown): Promise<Both> => {
    const asJson = await fetched(path, body, "application/json");
    const json = await asJson.json();
    assert.equal(asJson.status, 200, JSON.stringify(json));
    const byHeader = await fetched(path, body, "text/csv");
    assert.equal(byHeader.headers.get("content-type"), "text/csv; charset=utf-8; header=present");
    const text = await byHeader.text();
    const query = path.includes("?") ? "&" : "?";
    const byParameter = await fetched(`${path}${query}format=csv`, body, "*/*");
    assert.equal(await byParameter.text(), text, "the header and the parameter differ");
    assert.match(text, /\r\n$/);
    const read: string[][] = parse(text, { record_delimiter: "\r\n" });
    for (const cell of read.flat()) assert.doesNotMatch(cell, /^([=+@\t\r\n]|-(?!\d))/);
    const [header, ...cells] = read.map((row) => row.map((cell) => cell.replace(/^'/, "")));
    const rows = cells.map((row) => Object.fromEntries(header.map((name, i) => [name, row[i]])));
    assertSaysOfItself(byHeader.headers, json);
    return { json, rows, headers: byHeader.headers };
  };
}

function assertSaysOfItself(headers: Headers, json: Json): void {
  assert.equal(headers.get("rta-complete"), String(json.complete));
  assert.match(headers.get("rta-complete-until")!, /^\d{4}-\d\d-\d\dT.*Z$/);
  assert.deepEqual(JSON.parse(headers.get("rta-accuracy")!), json.accuracy);
  assert.deepEqual(JSON.parse(headers.get("rta-notes") ?? "[]"), json.notes ?? []);
  const range = json.metadata?.time_range ?? json.time_range;
  if (range !== undefined) {
    assert.equal(headers.get("rta-time-range"), `${range.start}/${range.end}`);
  }
  assert.equal(headers.get("rta-next-page-token") ?? "", json.next_page_token ?? "");
}

const ranged = (query = "") => {
  return `?time_range.start=${RANGE.start}&time_range.end=${RANGE.end}${query && `&${query}`}`;
};

/** A cell as the JSON has it: empty = null. */
const number = (text: string) => text === "" ? null : Number(text);
const seconds = (duration: string | null) => duration === null ? null : parseFloat(duration);
/** JSON's counts are texts. */
const counts = (values: readonly (string | number | null)[]) =>
  values.map((value) => value === null ? null : Number(value));
const numbersOf = (row: Row, names: readonly string[]) => names.map((name) => number(row[name]));

type Ask = ReturnType<typeof asker>;

async function compareCounts(ask: Ask): Promise<void> {
  const { json, rows } = await ask(`/summary${ranged()}`);
  const of = (field: string) => rows.filter((row) => row.field === field);
  assert.equal(number(of("total_events")[0].value), Number(json.total_events));
  assert.equal(Number(json.total_events), lines().length);
  const byType = of("events_by_type").map(({ name, value }) => [name, value]);
  assert.deepEqual(byType, Object.entries(json.events_by_type));
  assert.ok(byType.some(([name]) => name === "=signup"));
  assert.deepEqual(
    of("top_metrics").map(({ name, value }) => [name, Number(value)]),
    json.top_metrics.map((metric: Json) => [metric.name, metric.value]),
  );

  const query = "metric=sum:price&granularity=day&group_by=country";
  const series = await ask(`/timeseries${ranged(query)}`);
  assert.ok(series.json.series.length > 7);
  assert.deepEqual(
    series.rows.map((row) => [row.timestamp, row.country, Number(row.value)]),
    series.json.series.map((point: Json) => [
      point.timestamp,
      point.labels.country ?? "",
      point.value,
    ]),
  );
}

async function compareBreakdowns(ask: Ask): Promise<void> {
  const body = {
    time_range: RANGE,
    metric: "sum:price",
    group_by: ["country", "type"],
    limit: 5,
    granularity: "day",
  };
  const query = "metric=sum:price&group_by=country,type&limit=5&granularity=day";
  for (
    const { json, rows } of [
      await ask("/breakdown", body),
      await ask(`/breakdown${ranged(query)}`),
    ]
  ) {
    assert.equal(json.groups.length, 5);
    assert.notEqual(json.other, null);
    const told = [
      ...json.groups.map((group: Json) => ["group", group]),
      ["other", json.other],
      ["total", json.total],
    ];
    assert.deepEqual(
      rows.map((row) => [
        ...[row.kind, row.timestamp, row.country, row.event_type],
        ...numbersOf(row, ["value", "previous_value", "change_percentage"]),
        ...numbersOf(row, ["events", "events_without_number"]),
      ]),
      told.flatMap(([kind, group]: [string, Json]) => {
        const labels = [group.labels?.country ?? "", group.labels?.event_type ?? ""];
        const { value, previous_value: before, change_percentage: change } = group;
        const ofEvents = counts([group.events, group.events_without_number]);
        return [
          [kind, "", ...labels, value, before, change, ...ofEvents],
          ...group.points.map((point: Json) => {
            return [kind, point.timestamp, ...labels, point.value, null, null, null, null];
          }),
        ];
      }),
    );
  }
}

async function compareFunnels(ask: Ask): Promise<void> {
  const steps = [{ event_type: "view" }, { name: "-signed", event_type: "=signup" }];
  const body = { time_range: RANGE, steps, breakdown: "country", breakdown_limit: 3 };
  const { json, rows } = await ask("/funnel", body);
  const parts = [{ kind: "all", value: "", steps: json.steps }, ...json.breakdown];
  assert.ok(parts.some(({ kind }) => kind === "other"));
  const names = ["step", "users", "conversion_rate", "conversion_from_previous", "dropped"];
  const times = ["avg_time_to_convert", "median_time_to_convert"];
  assert.deepEqual(
    rows.map((row) => [row.kind, row.value, row.name, ...numbersOf(row, [...names, ...times])]),
    parts.flatMap(({ kind, value, steps }: Json) =>
      steps.map((step: Json, index: number) => [
        kind,
        kind === "value" ? value : "",
        step.name,
        index + 1,
        Number(step.users),
        step.conversion_rate,
        step.conversion_from_previous,
        Number(step.dropped),
        ...times.map((name) => seconds(step[name] ?? null)),
      ])
    ),
  );
  const page = { time_range: RANGE, steps, step: 2, outcome: "converted", limit: 2 };
  const users = await ask("/funnel/users", page);
  assert.notEqual(users.headers.get("rta-next-page-token"), null);
  const fields = ["user_id", "first_step_at", "last_step_at", "last_step"];
  assert.deepEqual(
    users.rows.map((row) => fields.map((name) => row[name])),
    users.json.users.map((user: Json) => fields.map((name) => String(user[name]))),
  );
}

async function comparePeriods(ask: Ask): Promise<void> {
  const { json, rows } = await ask("/retention", { time_range: RANGE, granularity: "day" });
  const figures = ["cohorts", "size", "period", "users", "rate"];
  assert.deepEqual(
    rows.map((row) => [
      ...[row.kind, row.cohort_start, row.period_start],
      ...numbersOf(row, figures),
      row.complete,
    ]),
    [
      ...json.cohorts.flatMap((cohort: Json) =>
        cohort.periods.map(({ period, start, users, rate, complete }: Json) => [
          ...["cohort", cohort.start, start],
          ...[1, Number(cohort.size), period, Number(users), rate],
          String(complete),
        ])
      ),
      ...json.totals.periods.map(({ period, cohorts, size, users, rate }: Json) => [
        ...["total", "", "", cohorts, Number(size), period, Number(users), rate, "true"],
      ]),
    ],
  );
  const stickiness = await ask("/stickiness", { time_range: RANGE });
  const [week] = stickiness.json.periods;
  const [row] = stickiness.rows;
  const means = ["mean_days", "daily_users", "ratio"];
  assert.deepEqual(
    [row.kind, row.start, row.end, ...numbersOf(row, ["days", "users", "user_days", ...means])],
    ["period", week.start, week.end, ...counts([week.days, week.users, week.user_days])]
      .concat(means.map((name) => week[name])),
  );
  const of = (kind: string) => stickiness.rows.filter((row) => row.kind === kind);
  assert.deepEqual(of("users_by_days").map((row) => row.users), week.users_by_days);
  const active = stickiness.json.active_users;
  for (const kind of ["daily", "weekly", "monthly"]) {
    assert.deepEqual([of(kind)[0].start, of(kind)[0].users], [active.day.start, active[kind]]);
  }
  for (const kind of ["daily_to_weekly", "daily_to_monthly", "weekly_to_monthly"]) {
    assert.equal(Number(of(kind)[0].ratio), active[kind]);
  }
}

async function comparePaths(ask: Ask): Promise<void> {
  const body = { time_range: RANGE, from: "view", scope: "user", depth: 3, limit: 1 };
  const { json, rows } = await ask("/paths", body);
  const below = (place: Json, types: readonly string[], rate: number | null): unknown[] => [
    [
      types,
      rate,
      ...counts([place.occurrences, place.users, place.ended]),
      ...counts([place.other.types, place.other.occurrences]),
    ],
    ...place.steps.flatMap((step: Json) => below(step, [...types, step.type], step.rate)),
  ];
  const names = ["occurrences", "users", "ended", "other_types", "other_occurrences"];
  const told = rows.map((row) => {
    const types = [1, 2, 3, 4, 5].map((step) => row[`step_${step}`]);
    return [types.slice(0, Number(row.depth)), number(row.rate), ...numbersOf(row, names)];
  });
  assert.deepEqual(told, below(json, [], null));
  assert.ok(told.length > 2 && json.other.types > 0);
}

async function compareUsers(ask: Ask): Promise<void> {
  const search = await ask("/users?limit=4");
  assert.notEqual(search.headers.get("rta-next-page-token"), null);
  const fields = ["user_id", "first_seen", "last_seen", "total_events"];
  assert.deepEqual(
    search.rows.map((row) => fields.map((name) => row[name])),
    search.json.users.map((user: Json) => fields.map((name) => String(user[name]))),
  );
  const path = `/users/${encodeURIComponent(USERS[5])}`;
  const page = await ask(`${path}${ranged("include_events=true&limit=3")}`);
  assert.equal(page.rows.length, 3);
  assert.deepEqual(
    page.rows.map((row) => [
      ...[row.id, row.user_id, row.session_id, row.type, row.category, row.timestamp],
      ...[row.received_at, row.source, number(row.amount), JSON.parse(row.properties)],
    ]),
    page.json.events.map((event: Json) => [
      ...[event.id, event.user_id, event.session_id, event.type, event.event_type],
      ...[event.timestamp, event.received_at, event.source, event.amount ?? null],
      event.properties,
    ]),
  );
  const user = await ask(`${path}${ranged()}`);
  for (const [name, value] of Object.entries(user.json.metrics)) {
    assert.equal(Number(user.rows[0][name]), value, name);
  }
  assert.deepEqual(JSON.parse(user.rows[0].attributes), user.json.user_profile.attributes);
}

/** SQL takes `format` in the query string as well; its texts are as they are. */
async function compareSql({ urls }: TestServer): Promise<void> {
  const sql = "SELECT DISTINCT user_id FROM events ORDER BY user_id";
  const response = await fetch(`${urls.gateway}/v1/sql?format=csv`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sql }),
  });
  const [header, ...users]: string[][] = parse(await response.text());
  assert.deepEqual([header, users.flat()], [["user_id"], USERS.toSorted()]);
}

/** Refusals stay JSON, whatever was asked for. */
async function refusals({ urls }: TestServer): Promise<void> {
  const json = { "content-type": "application/json" };
  const body = JSON.stringify({ from: "view" });
  const post = { method: "POST", headers: { ...json, accept: "text/csv" }, body };
  const both = "include_events=true&include_sessions=true&format=csv";
  for (
    const [path, init, field] of [
      ["/paths?format=xml", post, "format"],
      ["/funnel", post, "from"],
      [`/users/dée?${both}`, {}, "include_sessions"],
    ] as const
  ) {
    const response = await fetch(`${urls.gateway}${GATEWAY_PATH}${path}`, init);
    assert.match(response.headers.get("content-type")!, /^application\/problem\+json/);
    const { code, field: place } = await response.json();
    assert.deepEqual([response.status, place], [400, field], code);
  }
}

Deno.test("every answer as CSV has the numbers of the answer as JSON, through a real server", async (t) => {
  await using server = await startServer();
  await sendEvents(server);
  const ask = asker(server);
  await t.step("summary and series", () => compareCounts(ask));
  await t.step("breakdown by POST and by GET", () => compareBreakdowns(ask));
  await t.step("funnel and its users", () => compareFunnels(ask));
  await t.step("retention and stickiness", () => comparePeriods(ask));
  await t.step("paths", () => comparePaths(ask));
  await t.step("users and one user", () => compareUsers(ask));
  await t.step("SQL", () => compareSql(server));
  await t.step("refusals", () => refusals(server));
});
