/**
 * Entry of a shard worker: lives as the start message says (shard_life.ts), answers messages.
 *
 * A shard that throws closes its files before it reports `failed`: only then may another worker
 * open them, because DuckDB's handle outlives a terminated worker.
 */
import { HEARTBEAT_MS } from "../lib/config/limits.ts";
import type { LiveOrder } from "../lib/live/live_definition.ts";
import { LogError } from "../lib/log/event_log.ts";
import { StoreError } from "../lib/store/event_store.ts";
import { createThreadLogger } from "../lib/telemetry/thread_logger.ts";
import type {
  AskRollups,
  AskRows,
  AskUser,
  FromShard,
  StartShard,
  Suspect,
  ToShard,
} from "./protocol.ts";
import { ShardAnswers } from "./shard_answers.ts";
import { ShardLife } from "./shard_life.ts";
import type { ShardLoop } from "./shard_loop.ts";

declare const self: {
  onmessage: ((event: MessageEvent<ToShard>) => void) | null;
  postMessage(message: FromShard, transfer?: Transferable[]): void;
  close(): void;
};

let life: ShardLife | null = null;
let liveOrders: readonly LiveOrder[] = [];
let loop: ShardLoop | null = null;
let answers: ShardAnswers | null = null;
let stopping = false;
let suspects: readonly Suspect[] = [];

self.onmessage = ({ data }) => {
  if (data.kind === "start") void live(data);
  else if (data.kind === "suspects") suspects = data.suspects;
  else if (data.kind === "stop") {
    stopping = true;
    answers?.endRows();
    loop?.stop();
  } else if (data.kind === "live") {
    liveOrders = data.orders;
    life?.watchLive(liveOrders);
  } else if (data.kind === "cancel") answers?.cancel(data.id);
  else reply(data.id, () => answer(data));
};

async function answer(ask: AskRollups | AskUser | AskRows): Promise<FromShard> {
  const { kind, id } = ask;
  switch (kind) {
    case "rollups":
      return { kind, id, answer: await answers!.rollups(ask.plan) };
    case "user":
      return { kind, id, answers: await answers!.user(id, ask.question, ask.partition) };
    case "rows":
      return { kind, id, answers: await answers!.rows(id, ask.question, ask.partition) };
  }
}

/**
 * A question that fails is refused; it does not end the shard. One that fails because the shard did
 * is left unanswered: whoever replaces the shard is asked again.
 */
function reply(id: number, answer: () => Promise<FromShard>): void {
  answer().then(
    (message) => self.postMessage(message, buffersOf(message)),
    (error) => {
      if (loop!.hasFailed) return;
      const code = error instanceof StoreError ? error.code : "RTA_SHARD_FAULT";
      // That one is no failure: its sentence is for whoever asked.
      const message = code === "RTA_STORE_NO_ROWS" ? error.message : String(error?.stack ?? error);
      self.postMessage({ kind: "refused", id, code, message });
    },
  );
}

/** Memory that goes over to the main thread with a message: text of rows. */
function buffersOf(message: FromShard): Transferable[] {
  if (message.kind !== "rows") return [];
  return message.answers.flatMap(({ partial }) =>
    typeof partial === "object" && "bytes" in partial && typeof partial.bytes === "object"
      ? [partial.bytes.buffer]
      : []
  );
}

async function live(start: StartShard): Promise<void> {
  suspects = start.suspects;
  const health = new Int32Array(start.health);
  const heartbeat = setInterval(() => Atomics.add(health, start.healthIndex, 1), HEARTBEAT_MS);
  const logger = createThreadLogger(start.logLevel, { stage: "process", service: "consumer" });
  const tell = (message: FromShard) => self.postMessage(message);
  let outcome: FromShard = { kind: "stopped" };
  try {
    life = await ShardLife.begin(start, logger, tell, () => suspects);
    life.watchLive(liveOrders);
    loop = life.loop;
    answers = new ShardAnswers(loop);
    if (stopping) loop.stop();
    await life.run(() => tell({ kind: "ready" }));
  } catch (error) {
    const coded = error instanceof StoreError || error instanceof LogError;
    const code = coded ? error.code : "RTA_SHARD_FAILED";
    const message = error instanceof Error ? error.stack ?? error.message : String(error);
    outcome = { kind: "failed", code, message };
    const at = loop?.failedAt ?? null;
    if (at !== null) tell({ kind: "suspect", at });
  }
  await life?.close();
  clearInterval(heartbeat);
  tell(outcome);
  self.close();
}
