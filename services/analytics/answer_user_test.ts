import assert from "node:assert/strict";
import fc from "fast-check";
import { ProblemError } from "../../lib/http/problem.ts";
import { answerUserPart } from "../../lib/process/answer_user_part.ts";
import { UserHistories, type UserName } from "../../lib/process/user_histories.ts";
import type { UserQuestion } from "../../lib/process/user_question.ts";
import type { StoredEvent } from "../../lib/store/event_store.ts";
import { memoryUserStore } from "../../tests/support/memory_user_store.ts";
import { UserSchema } from "./answer_json.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { answerUser, type UserRequest } from "./answer_user.ts";

const NOW_MS = Date.parse("2026-03-29T12:34:56.789Z");
const MINUTE_MS = 60_000;
const MISSING = { startMs: null, endMs: null };
const HISTORIES_BYTES = 1_000_000;

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

/** Ports over partitions that hold these events of the user `ann`. */
function userPorts(
  partitions: readonly (readonly StoredEvent[])[],
): AnalyticsPorts & { questions: UserQuestion[] } {
  const questions: UserQuestion[] = [];
  const stores = partitions.map((events, partition) => memoryUserStore(partition, events));
  const histories = new UserHistories(HISTORIES_BYTES);
  return {
    now: () => NOW_MS,
    askShards: () => Promise.reject(new Error("no rollups here")),
    askRows: () => Promise.reject(new Error("no rows here")),
    questions,
    askUser: async (question, signal) => {
      questions.push(question);
      const { project, userId } = question;
      const user: UserName = { project, userId, hash: userId === "ann" ? [1, 2] : [3, 4] };
      const answers = await Promise.all(stores.map(async (store, partition) => ({
        partition,
        known: await answerUserPart(question, user, store, histories, signal),
        completeUntilMs: NOW_MS,
      })));
      return { answers, missing: [] };
    },
  };
}

/** The events dealt out to so many partitions. */
function dealt(events: readonly StoredEvent[], partitions: number): StoredEvent[][] {
  return Array.from({ length: partitions }, (_, partition) => {
    return events.filter((_, index) => index % partitions === partition);
  });
}

const userRequest = (change: Partial<UserRequest> = {}): UserRequest => ({
  project: "shop",
  userId: "ann",
  range: MISSING,
  timeZone: null,
  includeEvents: true,
  filter: null,
  limit: null,
  pageToken: null,
  includeSessions: false,
  sessionsLimit: null,
  sessionsPageToken: null,
  attributeEvents: null,
  patience: { timeoutMs: null, gone: null },
  ...change,
});

Deno.test("answerUser() gives the profile and the events when asked for them", async () => {
  const answer = await answerUser(userRequest(), userPorts([USER_EVENTS]));
  UserSchema.parse(answer);
  const { attributes, ...profile } = answer.user_profile;
  assert.deepEqual(profile, {
    user_id: "ann",
    first_seen: "2026-03-29T12:34:53.789Z",
    last_seen: "2026-03-29T12:34:56.789Z",
    total_sessions: 1,
    total_events: 7,
    attribute_events: 7,
  });
  assert.equal(JSON.stringify(attributes), '{"n":"1.5","ok":"true","__proto__":"x"}');
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
  assert.deepEqual([answer.sessions, answer.next_sessions_page_token], [[], ""]);
});

Deno.test("answerUser() asks for no events when they are not included", async () => {
  const ports = userPorts([USER_EVENTS]);
  const answer = await answerUser(userRequest({ includeEvents: false, limit: 5 }), ports);
  assert.deepEqual([answer.events, answer.next_page_token], [[], ""]);
  assert.equal(ports.questions[0].events, null);
});

Deno.test("answerUser() pages through all events once at any limit", async () => {
  for (const partitions of [1, 2, 3]) {
    for (let limit = 1; limit <= 8; limit++) {
      const seen: string[] = [];
      let pageToken: string | null = null;
      do {
        const ports = userPorts(dealt(USER_EVENTS, partitions));
        const page = await answerUser(userRequest({ limit, pageToken }), ports);
        assert(page.events.length <= limit);
        assert.equal(page.user_profile.total_events, 7);
        assert.equal(page.user_profile.total_sessions, 1);
        seen.push(...page.events.map((each) => each.id));
        pageToken = page.next_page_token;
      } while (pageToken !== "");
      if (partitions === 1) assert.deepEqual(seen, USER_EVENTS.map((each) => each.id));
      assert.deepEqual(seen.toSorted(), USER_EVENTS.map((each) => each.id));
    }
  }
});

Deno.test("answerUser() refuses a user it does not know and a token it did not give", async () => {
  const unknown = answerUser(userRequest({ userId: "bob" }), userPorts([USER_EVENTS]));
  assert.deepEqual(await refusal(unknown), ["not_found", undefined]);
  for (const pageToken of ["x", "1-", "1-2", "1-2-3-4", "A-B-C", "-1-2-3", "1".repeat(40)]) {
    const answer = answerUser(userRequest({ pageToken }), userPorts([USER_EVENTS]));
    assert.deepEqual(await refusal(answer), ["invalid_parameter", "page_token"]);
    const request = userRequest({ includeSessions: true, sessionsPageToken: pageToken });
    const sessions = answerUser(request, userPorts([USER_EVENTS]));
    assert.deepEqual(await refusal(sessions), ["invalid_parameter", "sessions_page_token"]);
  }
});

Deno.test("answerUser() is not there while the partition of a user it does not know is missing", async () => {
  const lacking = {
    ...userPorts([]),
    askUser: () => Promise.resolve({ answers: [], missing: [2] }),
  };
  assert.deepEqual(await refusal(answerUser(userRequest(), lacking)), [
    "store_unavailable",
    undefined,
  ]);
});

Deno.test("answerUser() gives up at the deadline, and tells whoever reads", async () => {
  let told = false;
  const slow: AnalyticsPorts = {
    ...userPorts([]),
    askUser: (_, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          told = true;
          reject(signal.reason);
        });
      }),
  };
  const answer = answerUser(userRequest({ patience: { timeoutMs: 5, gone: null } }), slow);
  assert.deepEqual(await refusal(answer), ["deadline_exceeded", undefined]);
  assert(told);
});

/** Events of one user in partitions, with ties and sessions that lie in several of them. */
const spread = fc.array(
  fc.record({
    partition: fc.nat(2),
    minute: fc.nat(12),
    session: fc.constantFrom("s1", "s2", "s3", "s4"),
    type: fc.constantFrom("view", "purchase", "refund", "transfer", "pay"),
    category: fc.constantFrom(1, 2, 4),
    amount: fc.option(fc.nat(20)),
    plan: fc.constantFrom("free", "pro", null),
  }),
  { minLength: 1, maxLength: 40 },
).map((list) =>
  list.map(({ partition, minute, session, plan, ...rest }, seq) => ({
    partition,
    event: {
      ...rest,
      seq,
      id: `e${seq}`,
      userId: "ann",
      timestampMs: NOW_MS - minute * MINUTE_MS,
      receivedAtMs: NOW_MS,
      sessionId: session,
      source: null,
      properties: plan === null ? "{}" : JSON.stringify({ plan, [`of ${seq % 3}`]: seq }),
    } satisfies StoredEvent,
  }))
);

Deno.test("answerUser() makes one user of what several partitions know", async () => {
  const pages = fc.record({ limit: fc.integer({ min: 1, max: 5 }), newest: fc.nat(50) });
  await fc.assert(
    fc.asyncProperty(spread, pages, async (placed, { limit, newest }) => {
      const partitions = [0, 1, 2].map((each) => {
        return placed.filter(({ partition }) => partition === each).map(({ event }) => event);
      });
      // The same in one partition, in the order that ties of several have.
      const ordered = partitions.flat().map((event, seq) => ({ ...event, seq }));
      const request = userRequest({ attributeEvents: newest, limit });
      const split = await walk(request, partitions);
      assert.deepEqual(split, await walk(request, [ordered]));
    }),
    { numRuns: 150 },
  );
});

/** The answer, with all pages of events and sessions. */
async function walk(request: UserRequest, partitions: readonly (readonly StoredEvent[])[]) {
  const ports = userPorts(partitions);
  const first = await answerUser({ ...request, limit: 1_000 }, ports);
  const { events, next_page_token: _, ...rest } = first;
  const sessions: unknown[] = [];
  let token: string | null = null;
  do {
    const page = await answerUser({
      ...request,
      includeEvents: false,
      includeSessions: true,
      sessionsLimit: request.limit,
      sessionsPageToken: token,
    }, ports);
    sessions.push(...page.sessions);
    token = page.next_sessions_page_token;
  } while (token !== "");
  return { ...rest, events, sessions };
}
