/**
 * An event that fails its shard whenever it is processed costs itself and nothing else: after three
 * failures exactly that line is a dead letter, everything else is stored once, and once it does no
 * harm any more it is replayed, once.
 */
import assert from "node:assert/strict";
import { EXIT_OK } from "../../lib/config/exit_codes.ts";
import { POISON_FAILURES } from "../../lib/config/limits.ts";
import {
  kafkaPlace,
  payloadOf,
  postJson,
  produceForeign,
  sendLines,
  storeFolderOf,
  waitForLetters,
  waitForStats,
  waitUntilEvents,
} from "../support/kafka_platform.ts";
import { sharedKafka } from "../support/kafka_shared.ts";
import { lineOf } from "../support/load.ts";
import { startServer } from "../support/server.ts";
import {
  askRollups,
  assertRollupsEqualRows,
  readStoredRows,
  type RollupAnswers,
} from "../support/stored_rows.ts";

const kafka = await sharedKafka();
const MINUTE_MS = 60_000;
const PARTITIONS = 4;
const SHARDS = 2;
const GOOD = 20_000;
const endMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
const startMs = endMs - 60 * MINUTE_MS;
const REPLACED = "a shard failed and is replaced";
const POISON_TYPE = "poisonous";
const fault = { RTA_FAULT: `shard-poison@${POISON_TYPE}` };
const poison = lineAt(GOOD / 2, "poison-1", POISON_TYPE);

interface Scene {
  readonly env: Record<string, string>;
  /** Where the rows are, in the data folder. */
  readonly storeFolder: (dataFolder: string) => string;
  readonly topic: string;
}

function embedded(): Scene {
  const env = { RTA_PARTITIONS: String(PARTITIONS), RTA_SHARDS: String(SHARDS) };
  return { env, storeFolder: (dataFolder) => dataFolder, topic: "analytics-events" };
}

function onKafka(): Scene {
  const place = kafkaPlace(kafka.bootstrap, PARTITIONS);
  const { env, topic } = place;
  const storeFolder = (dataFolder: string) => storeFolderOf(dataFolder, place);
  return { env, storeFolder, topic };
}

Deno.test("serve sets poison aside and stores everything else once", () => playPoison(embedded()));

Deno.test(
  kafka.test("serve on Kafka sets poison aside and stores everything else once", () =>
    playPoison(onKafka())),
);

Deno.test("serve outlives one poison after another in the same partition", async () => {
  const { env } = embedded();
  await using server = await startServer({ env: { ...env, ...fault } });
  const poisons = 4;
  // Far enough apart to be met one by one.
  const lines = Array.from({ length: poisons * 1000 }, (_, n) => {
    const type = n % 1000 === 500 ? POISON_TYPE : "click";
    return lineAt(0, `line-${n}`, type);
  });
  await sendLines(server.urls.ingestion, lines, 100);
  await waitUntilEvents(server.urls, lines.length - poisons, startMs, PARTITIONS);
  const letters = await waitForLetters(server.urls.gateway, poisons);
  assert.deepEqual(
    letters.map(({ payload }) => JSON.parse(payload).id).sort(),
    ["line-1500", "line-2500", "line-3500", "line-500"],
  );
  assert.equal(await server.stop(), EXIT_OK);
});

Deno.test(
  kafka.test("replay stores a refused record of another producer once it is edited", async () => {
    const place = kafkaPlace(kafka.bootstrap, PARTITIONS);
    await using server = await startServer({ env: place.env });
    const good = '{"id":"whole","user_id":"u","event_type":"click"}';
    const bad = '{"id":"mended","uid":"u","event_type":"click"}';
    await produceForeign(place, [bad, good].map((value) => ({ partition: 1, value })));
    const { gateway } = server.urls;
    const [letter] = await waitForLetters(gateway, 1);
    assert.equal(letter.reason, "missing_field");
    const path = `${gateway}/v1/dead-letters/replay`;
    const again = await postJson(path, { ids: [letter.id] });
    assert.deepEqual([again.replayed_count, again.refused_count], [0, 1]);

    const payload = letter.payload.replace('"uid"', '"user_id"');
    for (const attempt of [1, 2]) {
      const answer = await postJson(path, { letters: [{ id: letter.id, payload }] });
      assert.equal(answer.results[0].verdict, "replayed", `attempt ${attempt}`);
      assert.equal(answer.results[0].event_id, "mended");
      await waitUntilEvents(server.urls, 2, startMs, PARTITIONS);
    }
    const [kept] = await waitForLetters(gateway, 1);
    assert.deepEqual([kept.state, kept.payload], ["replayed", bad]);
    assert.equal(await server.stop(), EXIT_OK);
  }),
);

async function playPoison({ env, storeFolder, topic }: Scene): Promise<void> {
  const dataFolder = Deno.makeTempDirSync({ prefix: "rta-poison-" });
  const good = Array.from({ length: GOOD }, (_, n) => lineAt(n, `good-${n}`, "click"));
  const lines = good.toSpliced(GOOD / 2, 0, poison);
  try {
    let letterId: string;
    {
      await using server = await startServer({ dataFolder, env: { ...env, ...fault } });
      await sendLines(server.urls.ingestion, lines);
      await waitUntilEvents(server.urls, GOOD, startMs, PARTITIONS);
      const [letter] = await waitForLetters(server.urls.gateway, 1);
      assert.deepEqual([letter.reason, letter.topic, letter.line], ["poison", topic, 0]);
      assert.equal(JSON.parse(new TextDecoder().decode(payloadOf(letter))).id, "poison-1");
      const failures = server.entries.filter(({ msg }) => msg === REPLACED);
      assert.equal(failures.length, POISON_FAILURES);
      assert.equal(letter.message, `processing it failed ${POISON_FAILURES} times`);
      for (const { detail } of failures) assert.match(String(detail), /this event is poison/);
      letterId = letter.id;
      assert.equal(await server.stop(), EXIT_OK, "the process outlives it");
    }
    const answers = await replayTwice(dataFolder, env, letterId);

    const rows = await readStoredRows(storeFolder(dataFolder));
    assert.equal(rows.length, GOOD + 1);
    const sent = lines.map((line) => JSON.parse(line).id);
    assert.deepEqual(new Set(rows.map(({ id }) => id)), new Set(sent));
    assertRollupsEqualRows(answers, rows);
  } finally {
    Deno.removeSync(dataFolder, { recursive: true });
  }
}

/** Without the fault the letter becomes an event, once; gives what is answered then. */
async function replayTwice(
  dataFolder: string,
  env: Record<string, string>,
  letterId: string,
): Promise<RollupAnswers> {
  await using server = await startServer({ dataFolder, env });
  const { gateway, consumer } = server.urls;
  // More would be an error: it is not tried again by itself.
  await waitUntilEvents(server.urls, GOOD, startMs, PARTITIONS);
  for (const attempt of [1, 2]) {
    const answer = await postJson(`${gateway}/v1/dead-letters/replay`, { ids: [letterId] });
    assert.equal(answer.results[0].verdict, "replayed", `attempt ${attempt}`);
    assert.equal(answer.results[0].event_id, "poison-1");
    await waitUntilEvents(server.urls, GOOD + 1, startMs, PARTITIONS);
  }
  // The second replay sent nothing.
  await waitForStats(consumer, { processed_events: 1, duplicate_events: 0 });
  const answers = await askRollups(gateway, startMs, endMs);
  assert.equal(answers.summary.events_by_type[POISON_TYPE], "1");
  assert.equal(await server.stop(), EXIT_OK);
  return answers;
}

/** One of many events within the hour. */
function lineAt(n: number, id: string, type: string): string {
  return lineOf({
    id,
    userId: `user-${n % 200}`,
    type,
    timestampMs: startMs + n % (endMs - startMs),
    sessionId: null,
    amount: null,
  });
}
