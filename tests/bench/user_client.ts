/**
 * Asks for one user at a time, a process of its own: profile, sessions and the 100 newest events in
 * the month, of users drawn as the events are (Zipf's law), so that the heaviest come most often.
 */
import { SeededRandom } from "../../lib/import/seeded_random.ts";
import { ZipfSampler } from "../../lib/import/zipf_sampler.ts";
import { readOrder, sayResult } from "./bench_process.ts";
import { getRequest, KeepAliveConnection } from "./keep_alive_connection.ts";
import { USERS } from "./made_events.ts";

/** What is asked. */
export interface UserOrder {
  readonly gateway: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly warmUp: number;
  readonly queries: number;
  readonly seed: number;
  /** All events of all users lie in the range: as many as there are must come back. */
  readonly whole: boolean;
}

const NOT_FOUND = 404;
const EVENTS = 100;

const order = readOrder<UserOrder>();
const random = new SeededRandom(order.seed);
const users = new ZipfSampler(USERS, 1);
const range = `time_range.start=${order.startMs}&time_range.end=${order.endMs}`;
const connection = await KeepAliveConnection.open(order.gateway);

async function ask(): Promise<number> {
  const user = `u${String(users.draw(random)).padStart(7, "0")}`;
  const path = `/v1/analytics/users/${user}?${range}`;
  const wanted = `include_events=true&include_sessions=true&limit=${EVENTS}`;
  const request = getRequest(`${order.gateway}${path}&${wanted}`);
  const startedAt = performance.now();
  const { status, body } = await connection.exchange(request);
  const tookMs = performance.now() - startedAt;
  // The rarest users may have no event at all.
  if (status === NOT_FOUND) return tookMs;
  const text = new TextDecoder().decode(body);
  if (status !== 200) throw new Error(`${status} ${text}`);
  const { user_profile, events } = JSON.parse(text);
  const most = Math.min(EVENTS, user_profile.total_events);
  const isRight = order.whole ? events.length === most : events.length <= most;
  if (!isRight) throw new Error(`${events.length} events of ${user}`);
  return tookMs;
}

for (let query = 0; query < order.warmUp; query++) await ask();
const latenciesMs: number[] = [];
for (let query = 0; query < order.queries; query++) latenciesMs.push(await ask());
sayResult(latenciesMs);
connection.close();
