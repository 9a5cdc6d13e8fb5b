import assert from "node:assert/strict";
import { ProblemError } from "../../lib/http/problem.ts";
import type { StoredEvent, UserQuery } from "../../lib/store/event_store.ts";
import { UserSchema } from "./answer_json.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { answerUser, type UserRequest } from "./answer_user.ts";

const NOW_MS = Date.parse("2026-03-29T12:34:56.789Z");
const MISSING = { startMs: null, endMs: null };

async function refusal(answer: Promise<unknown>): Promise<[string, string | undefined]> {
  const error = await answer.then(() => null, (thrown) => thrown);
  assert(error instanceof ProblemError, String(error));
  return [error.code, error.options.field];
}

const USER_EVENTS: StoredEvent[] = Array.from({ length: 7 }, (_, i) => ({
  seq: 100 - i,
  id: `e${i}`,
  userId: "ann",
  type: "page_view",
  category: i % 2 === 0 ? 1 : 4,
  timestampMs: NOW_MS - Math.floor(i / 2) * 1_000,
  receivedAtMs: NOW_MS,
  sessionId: "s1",
  source: i === 0 ? null : "web",
  properties: i === 0 ? "" : '{"n":1.5,"ok":true,"__proto__":"x"}',
  amount: i === 0 ? 2.5 : null,
}));

/** Ports that know the user `ann`, whose events lie in so many partitions. */
function userPorts(partitions = 1): AnalyticsPorts & { queries: UserQuery[] } {
  const queries: UserQuery[] = [];
  return {
    now: () => NOW_MS,
    askShards: () => Promise.reject(new Error("no rollups here")),
    askRows: () => Promise.reject(new Error("no rows here")),
    queries,
    askUser: (query) => {
      queries.push(query);
      const { before, limit } = query;
      const known = query.userId === "ann";
      const answers = Array.from({ length: partitions }, (_, partition) => {
        const isBefore = (each: StoredEvent) =>
          before === null || each.timestampMs < before.timestampMs ||
          (each.timestampMs === before.timestampMs && (partition < before.partition ||
            (partition === before.partition && each.seq < before.seq)));
        const own = USER_EVENTS.filter((_, index) => index % partitions === partition);
        const times = own.map((each) => each.timestampMs);
        return {
          partition,
          totals: known
            ? {
              events: own.length,
              sessions: partition === 0 ? 1 : 0,
              firstSeenMs: Math.min(...times),
              lastSeenMs: Math.max(...times),
            }
            : null,
          events: known ? own.filter(isBefore).slice(0, limit) : [],
          completeUntilMs: NOW_MS,
        };
      });
      return Promise.resolve({ answers, missing: [] });
    },
  };
}

const userRequest = (change: Partial<UserRequest> = {}): UserRequest => ({
  project: "shop",
  userId: "ann",
  range: MISSING,
  includeEvents: true,
  limit: null,
  pageToken: null,
  ...change,
});

Deno.test("answerUser() gives the profile and the events when asked for them", async () => {
  const answer = await answerUser(userRequest(), userPorts());
  UserSchema.parse(answer);
  assert.deepEqual(answer.user_profile, {
    user_id: "ann",
    first_seen: "2026-03-29T12:34:53.789Z",
    last_seen: "2026-03-29T12:34:56.789Z",
    total_sessions: 1,
    total_events: 7,
    attributes: {},
  });
  assert.deepEqual(answer.events[0], {
    id: "e0",
    user_id: "ann",
    session_id: "s1",
    event_type: "EVENT_TYPE_USER",
    timestamp: "2026-03-29T12:34:56.789Z",
    source: "",
    properties: {},
    type: "page_view",
    amount: 2.5,
    received_at: "2026-03-29T12:34:56.789Z",
  });
  assert.equal(
    JSON.stringify(answer.events[1].properties),
    '{"n":"1.5","ok":"true","__proto__":"x"}',
  );
  assert.deepEqual([answer.events.length, answer.next_page_token], [7, ""]);
});

Deno.test("answerUser() asks for no events when they are not included", async () => {
  const ports = userPorts();
  const answer = await answerUser(userRequest({ includeEvents: false, limit: 5 }), ports);
  assert.deepEqual([answer.events, answer.next_page_token], [[], ""]);
  assert.equal(ports.queries[0].limit, 0);
});

Deno.test("answerUser() pages through all events once at any limit", async () => {
  for (const partitions of [1, 2, 3]) {
    for (let limit = 1; limit <= 8; limit++) {
      const seen: string[] = [];
      let pageToken: string | null = null;
      do {
        const ports = userPorts(partitions);
        const page = await answerUser(userRequest({ limit, pageToken }), ports);
        assert(page.events.length <= limit);
        assert.equal(page.user_profile.total_events, 7);
        seen.push(...page.events.map((each) => each.id));
        pageToken = page.next_page_token;
      } while (pageToken !== "");
      if (partitions === 1) assert.deepEqual(seen, USER_EVENTS.map((each) => each.id));
      assert.deepEqual(seen.toSorted(), USER_EVENTS.map((each) => each.id));
    }
  }
});

Deno.test("answerUser() refuses a user it does not know and a token it did not give", async () => {
  const unknown = answerUser(userRequest({ userId: "bob" }), userPorts());
  assert.deepEqual(await refusal(unknown), ["not_found", undefined]);
  for (const pageToken of ["x", "1-", "1-2", "1-2-3-4", "A-B-C", "-1-2-3", "1".repeat(40)]) {
    const answer = answerUser(userRequest({ pageToken }), userPorts());
    assert.deepEqual(await refusal(answer), ["invalid_parameter", "page_token"]);
  }
});

Deno.test("answerUser() is not there while the partition of a user it does not know is missing", async () => {
  const lacking = { ...userPorts(), askUser: () => Promise.resolve({ answers: [], missing: [2] }) };
  assert.deepEqual(await refusal(answerUser(userRequest(), lacking)), [
    "store_unavailable",
    undefined,
  ]);
});
