/**
 * Waiting for a cluster that is not up yet, visibly and with a limit: brokers and the platform are
 * often started together, and brokers take longer.
 */
import {
  KAFKA_REQUEST_MS_MAX,
  KAFKA_RETRY_MS_MAX,
  KAFKA_WAIT_SAY_MS,
} from "../../config/limits.ts";
import { waitUnlessAborted } from "../../wait/abortable_wait.ts";
import { LogError } from "../event_log.ts";
import { createKafka } from "./client.ts";
import type { KafkaSettings } from "./settings.ts";

/**
 * Resolves once a broker answers and the cluster has brokers that take work.
 *
 * @param limitMs when to give up; 0 = after one try
 * @param say told at the first failure, and again every few seconds, what is waited for and why
 * @param signal aborts the wait; the call then rejects with its reason
 * @throws LogError RTA_LOG_UNAVAILABLE naming the brokers and the last failure; at once when a
 *   broker answers but refuses who we are, since waiting would not change that
 */
export async function waitForBroker(
  settings: KafkaSettings,
  limitMs: number,
  say: (message: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const where = settings.brokers.join(", ");
  const startedAt = performance.now();
  let saidAt = -Infinity;
  for (let attempt = 0;; attempt++) {
    signal?.throwIfAborted();
    const failure = await tryBroker(settings, attempt);
    if (failure === null) return;
    if (isRefusal(failure)) {
      const message = `the Kafka brokers at ${where} refuse us: ${failure.message}`;
      throw new LogError("RTA_LOG_UNAVAILABLE", message, { cause: failure });
    }
    const waitedMs = performance.now() - startedAt;
    if (waitedMs + KAFKA_RETRY_MS_MAX > limitMs) {
      const seconds = Math.round(waitedMs / 1000);
      const message = `no Kafka broker at ${where} after ${seconds} s: ${failure.message}`;
      throw new LogError("RTA_LOG_UNAVAILABLE", message, { cause: failure });
    }
    if (performance.now() - saidAt >= KAFKA_WAIT_SAY_MS) {
      saidAt = performance.now();
      const left = Math.round((limitMs - waitedMs) / 1000);
      say(`waiting for Kafka at ${where}, ${left} s more: ${failure.message}`);
    }
    await waitUnlessAborted(KAFKA_RETRY_MS_MAX, signal);
  }
}

/** Asks one broker for the cluster; null = it has brokers that take work. */
async function tryBroker(settings: KafkaSettings, attempt: number): Promise<Error | null> {
  // A new client begins with the first of its brokers, so each attempt puts another one there.
  const turn = attempt % settings.brokers.length;
  const brokers = [...settings.brokers.slice(turn), ...settings.brokers.slice(0, turn)];
  const admin = createKafka({ ...settings, brokers }, {
    logging: null,
    retry: { retries: 0 },
    requestTimeoutMs: KAFKA_REQUEST_MS_MAX,
  }).admin();
  try {
    await admin.connect();
    const { brokers: working } = await admin.describeCluster();
    return working.length > 0 ? null : new Error("its brokers are starting");
  } catch (error) {
    if (error instanceof LogError) throw error;
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    await admin.disconnect();
  }
}

/** Whether a broker said no to our name and password. */
function isRefusal(failure: Error): boolean {
  const { cause } = failure;
  return failure.name === "KafkaJSSASLAuthenticationError" ||
    (cause instanceof Error && isRefusal(cause));
}
