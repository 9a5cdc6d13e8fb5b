/**
 * What a process knew, the next one on its data folder knows: ids, sessions, rollups, users. Both
 * after a stop, which stores the rollup cells, and after a kill, which leaves deltas and the log.
 */
import assert from "node:assert/strict";
import { EXIT_OK } from "../../lib/config/exit_codes.ts";
import { waitUntil } from "../support/deadline.ts";
import { lineOf, type SentEvent } from "../support/load.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { waitUntilCounted } from "../support/stored_rows.ts";

const MINUTE_MS = 60_000;
const USER = "ada";
const startMs = Math.floor(Date.now() / MINUTE_MS - 180) * MINUTE_MS;

/** An event of the user, `minute` minutes after the test's beginning of time. */
function eventAt(minute: number, id: string, amount: number | null = null): SentEvent {
  const timestampMs = startMs + minute * MINUTE_MS;
  return { id, userId: USER, type: "view", timestampMs, sessionId: null, amount };
}

/** Two sessions: the second begins more than a gap after the first one's end. */
const before = [eventAt(0, "a", 1.5), eventAt(20, "b"), eventAt(60, "c", 2.25), eventAt(70, "d")];
/** Continues the second session, is late in the first one's time, begins a third. */
const after = [eventAt(90, "e"), eventAt(10, "f"), eventAt(130, "g", 4)];

for (const end of ["stop", "kill"] as const) {
  Deno.test(`serve goes on where the one before it ended when that was a ${end}`, async () => {
    const dataFolder = Deno.makeTempDirSync({ prefix: "rta-restart-" });
    try {
      await using first = await startServer({ dataFolder });
      await send(first, before);
      await waitUntilCounted(first.urls.gateway);
      const known = await everything(first);
      assert.equal(known.events.length, before.length);
      assert.equal(known.summary.sessions, "2");
      if (end === "kill") await first.kill();
      else assert.equal(await first.stop(), EXIT_OK);

      await using second = await startServer({ dataFolder });
      await waitUntilCounted(second.urls.gateway);
      assert.deepEqual(await everything(second), known);
      await checkDuplicates(second, known);
      await checkSessions(second, known);
      assert.equal(await second.stop(), EXIT_OK);
    } finally {
      Deno.removeSync(dataFolder, { recursive: true });
    }
  });
}

type Known = Awaited<ReturnType<typeof everything>>;

/** Events that were sent before the restart are duplicates after it. */
async function checkDuplicates(server: TestServer, known: Known): Promise<void> {
  await send(server, before);
  const duplicates = async () => {
    const stats = await (await fetch(`${server.urls.consumer}/stats`)).json();
    return stats.consumer.duplicate_events === before.length;
  };
  await waitUntil(duplicates, { what: "the second copies being counted as duplicates" });
  assert.deepEqual(await everything(server), known);
}

/** New events join the sessions from before the restart as if there had been none. */
async function checkSessions(server: TestServer, known: Known): Promise<void> {
  await send(server, after);
  await waitUntilCounted(server.urls.gateway);
  const { events, summary, series } = await everything(server);
  assert.equal(events.length, before.length + after.length);
  const sessionOf = (id: string) => events.find((event) => event.id === id)!.session_id;
  assert.equal(sessionOf("b"), sessionOf("a"));
  assert.notEqual(sessionOf("c"), sessionOf("a"));
  assert.equal(sessionOf("e"), sessionOf("c"), "the latest session goes on");
  assert.notEqual(sessionOf("g"), sessionOf("e"));
  const sessions = new Set(events.map((event) => event.session_id));
  assert.equal(summary.sessions, String(sessions.size));
  assert.equal(summary.total_events, String(events.length));
  assert.equal(sum(series), sum(known.series) + 4);
  for (const { id, session_id: session } of known.events) assert.equal(sessionOf(id), session);
}

async function send(server: TestServer, events: readonly SentEvent[]): Promise<void> {
  const response = await fetch(`${server.urls.ingestion}/events/batch`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: `{"events":[${events.map(lineOf).join(",")}]}`,
  });
  const answer = await response.json();
  assert.equal(answer.processed_count, events.length, JSON.stringify(answer));
}

interface UserEvent {
  readonly id: string;
  readonly session_id: string;
}

interface Point {
  readonly value: number;
}

/** All that is answered about the user's three hours, without what depends on the time of asking. */
async function everything(server: TestServer) {
  const range = `time_range.start=${startMs}&time_range.end=${startMs + 180 * MINUTE_MS}`;
  const ask = async (path: string) => {
    const response = await fetch(`${server.urls.gateway}/v1/analytics/${path}`);
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    return body;
  };
  const { total_events, unique_users, sessions, events_by_type, top_metrics } = await ask(
    `summary?${range}`,
  );
  const { series } = await ask(`timeseries?${range}&metric=sum:amount&granularity=minute`);
  // Rows are seen from their commit on, which may be a little later than the rollups.
  const total = Number(total_events);
  const user = await waitUntil(async () => {
    const answer = await ask(`users/${USER}?${range}&include_events=true`);
    return answer.events.length === total && answer;
  }, { what: `${total} rows of the user` });
  return {
    summary: { total_events, unique_users, sessions, events_by_type, top_metrics },
    series: series as Point[],
    profile: user.user_profile,
    events: user.events as UserEvent[],
  };
}

function sum(series: readonly Point[]): number {
  return series.reduce((total, { value }) => total + value, 0);
}
