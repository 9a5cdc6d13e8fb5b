import assert from "node:assert/strict";
import type { UserJson } from "./answer_json.ts";
import type { BreakdownJson } from "./breakdown_json.ts";
import {
  breakdownCsv,
  funnelCsv,
  pathsCsv,
  retentionCsv,
  seriesCsv,
  stickinessCsv,
  userCsv,
} from "./csv_tables.ts";

const START = "2026-01-01T00:00:00Z";
const NEXT = "2026-01-02T00:00:00Z";
const END = "2026-01-03T00:00:00Z";
const RANGE = { start: START, end: END };
const QUALITY = { complete_until: END, complete: true, accuracy: {} };
const TIMED = { time_range: RANGE, time_zone: "UTC", processing_time: "0.001s" };
const DAILY = { ...TIMED, granularity: "TIME_GRANULARITY_DAY" };

/** The lines of an answer, each ended as RFC 4180 has it. */
async function linesOf(answer: Response): Promise<string[]> {
  const lines = (await answer.text()).split("\r\n");
  assert.equal(lines.pop(), "");
  return lines;
}

Deno.test("seriesCsv() has a column for each label and tells in headers how complete it is", async () => {
  const answer = seriesCsv({
    series: [
      { timestamp: START, value: 2, labels: { event_type: "click", value: "x" } },
      { timestamp: NEXT, value: 0.5, labels: { event_type: "a,b" } },
    ],
    metadata: { ...DAILY, metric: "events", data_points: 2 },
    ...QUALITY,
    complete: false,
    missing_partitions: [1, 2],
  }, ["event_type", "value"]);
  assert.equal(answer.headers.get("rta-complete"), "false");
  assert.equal(answer.headers.get("rta-missing-partitions"), "1,2");
  assert.equal(answer.headers.get("rta-time-range"), `${START}/${END}`);
  assert.deepEqual(await linesOf(answer), [
    "timestamp,event_type,labels.value,value",
    `${START},click,x,2`,
    `${NEXT},"a,b",,0.5`,
  ]);
});

Deno.test("breakdownCsv() tells an empty value from a missing one, and totals from points", async () => {
  const figures = (value: number | null, points: readonly (number | null)[]) => ({
    value,
    previous_value: null,
    change_percentage: null,
    events: "3",
    events_without_number: "1",
    points: points.map((each, day) => ({ timestamp: [START, NEXT][day], value: each })),
  });
  const answer: BreakdownJson = {
    groups: [
      { labels: { country: "" }, missing: [], ...figures(-2.5, [1, null]) },
      { labels: {}, missing: ["country"], ...figures(null, []) },
    ],
    other: figures(0, []),
    total: figures(7, []),
    metadata: {
      ...DAILY,
      metric: "min:price",
      group_by: ["country"],
      limit: 2,
      groups: 3,
      previous_time_range: RANGE,
    },
    ...QUALITY,
    notes: [],
  };
  assert.deepEqual(await linesOf(breakdownCsv(answer)), [
    "kind,timestamp,country,value,previous_value,change_percentage,events,events_without_number",
    'group,,"",-2.5,,,3,1',
    `group,${START},"",1,,,,`,
    `group,${NEXT},"",,,,,`,
    "group,,,,,,3,1",
    "other,,,0,,,3,1",
    "total,,,7,,,3,1",
  ]);
});

Deno.test("funnelCsv() has the steps of all users, then those of each value", async () => {
  const step = (name: string, users: string, mean: string | null) => ({
    name,
    users,
    conversion_rate: 0.5,
    avg_time_to_convert: mean,
    conversion_from_previous: 0.25,
    dropped: "0",
    optional: false,
  });
  const part = { steps: [step("buy", "1", "0s")], overall_conversion_rate: 0.5 };
  const answer = funnelCsv({
    steps: [{ ...step("buy", "2", "3.021s"), median_time_to_convert: "722.447s" }],
    overall_conversion_rate: 0.5,
    metadata: { ...TIMED, total_users: "2", order: "any", window: "1s", step_timeout: null },
    breakdown: [
      { kind: "value", value: "(other)", ...part },
      { kind: "other", value: "(other)", ...part },
      { kind: "none", value: "(none)", ...part },
    ],
    notes: ["note"],
    ...QUALITY,
  });
  assert.equal(answer.headers.get("rta-notes"), '["note"]');
  assert.deepEqual((await linesOf(answer)).slice(1), [
    "all,,1,buy,false,2,0.5,0.25,0,3.021,722.447",
    "value,(other),1,buy,false,1,0.5,0.25,0,0,",
    "other,,1,buy,false,1,0.5,0.25,0,0,",
    "none,,1,buy,false,1,0.5,0.25,0,0,",
  ]);
});

Deno.test("retentionCsv() has a row for each cell, and for each period of all cohorts", async () => {
  const cell = { period: 0, start: START, users: "2", rate: 0.5, complete: true };
  const answer = retentionCsv({
    cohorts: [{
      start: START,
      end: NEXT,
      size: "4",
      complete: true,
      periods: [cell, { ...cell, period: 1, start: NEXT, users: "0", rate: 0, complete: false }],
    }],
    totals: {
      size: "4",
      periods: [{ period: 0, cohorts: 1, size: "4", users: "2", rate: 0.5 }],
    },
    metadata: { ...DAILY, mode: "exact", cohort: "first_ever" },
    notes: [],
    ...QUALITY,
  });
  assert.deepEqual((await linesOf(answer)).slice(1), [
    `cohort,${START},${NEXT},true,1,4,0,${START},2,0.5,true`,
    `cohort,${START},${NEXT},true,1,4,1,${NEXT},0,0,false`,
    "total,,,,1,4,0,,2,0.5,true",
  ]);
});

Deno.test("stickinessCsv() has periods, users by active days and the last day", async () => {
  const answer = stickinessCsv({
    periods: [{
      ...RANGE,
      complete: false,
      days: 2,
      users: "3",
      user_days: "4",
      mean_days: 1.5,
      daily_users: 2,
      ratio: 0.5,
      users_by_days: ["2", "1"],
    }],
    active_users: {
      day: { start: NEXT, end: END },
      complete: true,
      daily: "1",
      weekly: "2",
      monthly: "4",
      daily_to_weekly: 0.5,
      daily_to_monthly: 0.25,
      weekly_to_monthly: 0.5,
    },
    metadata: DAILY,
    notes: [],
    ...QUALITY,
  });
  assert.deepEqual((await linesOf(answer)).slice(1), [
    `period,${START},${END},false,2,,3,4,1.5,2,0.5`,
    `users_by_days,${START},${END},false,2,1,2,,,,`,
    `users_by_days,${START},${END},false,2,2,1,,,,`,
    `daily,${NEXT},${END},true,,,1,,,,`,
    `weekly,${NEXT},${END},true,,,2,,,,`,
    `monthly,${NEXT},${END},true,,,4,,,,`,
    `daily_to_weekly,${NEXT},${END},true,,,,,,,0.5`,
    `daily_to_monthly,${NEXT},${END},true,,,,,,,0.25`,
    `weekly_to_monthly,${NEXT},${END},true,,,,,,,0.5`,
  ]);
});

Deno.test("pathsCsv() has a column for each step that there may be", async () => {
  const none = { types: 0, occurrences: "0" };
  const place = { users: "1", ended: "1", other: none };
  const last = { type: "=x", occurrences: "1", rate: 0.25, steps: [], ...place };
  const answer = pathsCsv({
    ...place,
    occurrences: "9",
    other: { types: 2, occurrences: "4" },
    steps: [{ type: "a > b", occurrences: "4", rate: 0.5, ...place, steps: [last] }],
    metadata: { ...TIMED, direction: "next", scope: "user", depth: 2, limit: 1 },
    notes: [],
    ...QUALITY,
  });
  assert.deepEqual(await linesOf(answer), [
    "depth,step_1,step_2,step_3,step_4,step_5," +
    "occurrences,users,rate,ended,other_types,other_occurrences",
    "0,,,,,,9,1,,1,2,4",
    "1,a > b,,,,,4,1,0.5,1,0,0",
    "2,a > b,'=x,,,,1,1,0.25,1,0,0",
  ]);
});

/** An answer about one user, with pages of everything. */
function answerOfAda(): UserJson {
  const event = {
    id: "e-1",
    user_id: "-ada",
    session_id: "s",
    event_type: "EVENT_TYPE_CUSTOM",
    timestamp: START,
    source: "",
    properties: { page: '/"x"' },
    type: "view",
    received_at: NEXT,
  };
  return {
    user_profile: {
      user_id: "-ada",
      first_seen: START,
      last_seen: NEXT,
      total_sessions: 5,
      total_events: 9,
      attributes: { plan: "pro" },
      attribute_events: 2,
    },
    sessions: [{
      session_id: "s",
      start_time: START,
      end_time: NEXT,
      event_count: 2,
      duration: "86400s",
      properties: {},
      entry_type: "view",
      exit_type: "buy",
    }],
    events: [event, { ...event, id: "e-2", source: "web", amount: -1.5 }],
    metrics: {
      engagement_score: 58.5,
      days_active: 1,
      avg_session_duration: 360,
      total_transactions: 1,
      total_revenue: -19.9,
      sessions: 3,
      days_in_range: 2,
    },
    next_page_token: "events-token",
    next_sessions_page_token: "sessions-token",
    time_range: RANGE,
    time_zone: "UTC",
    notes: [],
    ...QUALITY,
  };
}

Deno.test("userCsv() gives the table that was asked for, and the token of its next page", async () => {
  const answer = answerOfAda();
  const events = userCsv(answer, "events");
  assert.equal(events.headers.get("rta-next-page-token"), "events-token");
  assert.equal(events.headers.get("rta-next-sessions-page-token"), null);
  const properties = '"{""page"":""/\\""x\\""""}"';
  const start = `s,view,EVENT_TYPE_CUSTOM,${START},${NEXT}`;
  assert.deepEqual(await linesOf(events), [
    "id,user_id,session_id,type,category,timestamp,received_at,source,amount,properties",
    `e-1,'-ada,${start},,,${properties}`,
    `e-2,'-ada,${start},web,-1.5,${properties}`,
  ]);
  const sessions = userCsv(answer, "sessions");
  assert.equal(sessions.headers.get("rta-next-page-token"), null);
  assert.equal(sessions.headers.get("rta-next-sessions-page-token"), "sessions-token");
  assert.deepEqual((await linesOf(sessions))[1], `s,${START},${NEXT},2,86400,view,buy`);
  const user = userCsv(answer, "user");
  assert.equal(user.headers.get("rta-next-page-token"), null);
  assert.deepEqual(
    (await linesOf(user))[1],
    `'-ada,${START},${NEXT},5,9,2,"{""plan"":""pro""}",58.5,1,360,1,-19.9,3,2`,
  );
});
