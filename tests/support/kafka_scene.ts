/**
 * The platform on Kafka with its roles apart, as the fault tests break it: one process that takes
 * events in, clients that load it, and as many processes that process and answer, on one data folder,
 * as a test starts. Topics and the group have names of their own.
 */
import assert from "node:assert/strict";
import { waitUntil } from "./deadline.ts";
import { getJson, type KafkaPlace, kafkaPlace, storeFolderOf } from "./kafka_platform.ts";
import { Address, Load, LOAD_SPAN_MS, type LoadOptions } from "./load.ts";
import { type RtaProcess, spawnRta, startServer, type TestServer } from "./server.ts";
import {
  askRollups,
  assertRollupsEqualRows,
  assertSessionsFollowRule,
  assertStoredOnce,
  readStoredRows,
} from "./stored_rows.ts";

/** Fewest events of a fault test. */
export const EVENTS_MIN = 20_000;
export const PARTITIONS = 4;
const MINUTE_MS = 60_000;
const SESSION_GAP_MS = 30 * MINUTE_MS;
/** Longest that everything may take to be stored once the load has ended, ms. */
const STORED_MS_MAX = 60_000;
/** Of a process that processes and answers. */
const ROLES = "consumer,analytics";
/** Exit code of a process that was killed. */
const KILLED = 128 + 9;

export interface SceneOptions {
  /** Of the load, and of what the test chooses. */
  readonly seed: number;
  readonly sessionTimeoutMs?: number;
  readonly load?: Pick<LoadOptions, "clients">;
}

/** What a summary says of itself. */
export interface Quality {
  readonly complete: boolean;
  readonly missing: readonly number[];
  readonly events: number;
}

export class KafkaScene implements AsyncDisposable {
  readonly load: Load;
  readonly ingestion: TestServer;
  readonly dataFolder: string;
  readonly #place: KafkaPlace;
  readonly #endMs: number;
  readonly #processes: RtaProcess[] = [];

  private constructor(
    place: KafkaPlace,
    dataFolder: string,
    ingestion: TestServer,
    options: SceneOptions,
  ) {
    this.#place = place;
    this.dataFolder = dataFolder;
    this.ingestion = ingestion;
    this.#keep(ingestion);
    this.#endMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
    const address = new Address();
    address.set(ingestion.urls.ingestion);
    const { seed, load } = options;
    this.load = new Load({ address, seed, prefix: "k", endMs: this.#endMs, ...load }).start();
  }

  /** Starts the process that takes events in, and clients that send to it. */
  static async open(bootstrap: string, options: SceneOptions): Promise<KafkaScene> {
    console.log(`seed ${options.seed} (RTA_TEST_SEED)`);
    const place = kafkaPlace(bootstrap, PARTITIONS);
    place.env.RTA_KAFKA_SESSION_TIMEOUT_MS = `${options.sessionTimeoutMs ?? 10_000}`;
    const dataFolder = Deno.makeTempDirSync({ prefix: "rta-kafka-fault-" });
    try {
      const ingestion = await startServer({ dataFolder, env: place.env, roles: "ingestion" });
      return new KafkaScene(place, dataFolder, ingestion, options);
    } catch (error) {
      Deno.removeSync(dataFolder, { recursive: true });
      throw error;
    }
  }

  /** A process that processes and answers, ready. */
  async startConsumer(): Promise<TestServer> {
    const { dataFolder } = this;
    return this.#keep(await startServer({ dataFolder, env: this.#place.env, roles: ROLES }));
  }

  /** The same, at once. */
  spawnConsumer(): RtaProcess {
    const { dataFolder } = this;
    return this.#keep(spawnRta(["serve", "--roles", ROLES], { dataFolder, env: this.#place.env }));
  }

  /** What a process says of all events there are, and of all that may still come. */
  async quality({ urls }: TestServer): Promise<Quality> {
    const endMs = this.#endMs + 24 * 60 * MINUTE_MS;
    const range = `time_range.start=${this.#endMs - LOAD_SPAN_MS}&time_range.end=${endMs}`;
    const body = await getJson(`${urls.analytics}/v1/analytics/summary?${range}`);
    const { complete, missing_partitions: missing = [], total_events: events } = body;
    return { complete, missing, events: Number(events) };
  }

  /** Waits until every partition runs in this process. */
  async ownsAll(server: TestServer): Promise<void> {
    await waitUntil(async () => (await this.quality(server)).missing.length === 0, {
      what: `all partitions in process ${server.pid}`,
      deadlineMs: STORED_MS_MAX,
    });
  }

  /** Offsets that are not stored yet, of all partitions; null while one of them is not told of. */
  async lag({ urls }: TestServer): Promise<number | null> {
    const { lag } = await getJson(`${urls.consumer}/lag`);
    const lags = Object.values<number>(lag[this.#place.topic] ?? {});
    return lags.length < PARTITIONS ? null : lags.reduce((sum, each) => sum + each, 0);
  }

  /**
   * Ends the load once every client has its last answer, and all processes once everything is
   * stored: each event once, and the answers of `last`, which runs all partitions, a recount of it.
   */
  async finish(last: TestServer): Promise<void> {
    const { load } = this;
    if (load.confirmed.size < EVENTS_MIN) {
      await load.moreConfirmed(EVENTS_MIN - load.confirmed.size);
    }
    await load.stop();
    console.log(`${load.confirmed.size} events, ${load.requests} requests, again:`, load.retries);
    console.log(`slowest answer ${Math.round(load.slowestMs)} ms`);
    assert.deepEqual(load.unexpected, []);
    assert.deepEqual(load.withoutRetryAfter, []);
    await this.#waitUntilStored(last);
    const answers = await askRollups(
      last.urls.analytics,
      this.#endMs - LOAD_SPAN_MS,
      this.#endMs,
    );
    assert.equal(await last.stop(), 0);
    assert.equal(await this.ingestion.stop(), 0);

    const rows = await readStoredRows(storeFolderOf(this.dataFolder, this.#place));
    assertStoredOnce(rows, load);
    assert.equal(rows.length, load.sent.size, "all that was sent was confirmed in the end");
    assertSessionsFollowRule(rows, SESSION_GAP_MS);
    assertRollupsEqualRows(answers, rows);
  }

  async #waitUntilStored(server: TestServer): Promise<void> {
    let said = "";
    await waitUntil(async () => {
      const { complete, events, missing } = await this.quality(server);
      const lag = await this.lag(server);
      said = `${events} of ${this.load.sent.size} counted, lag ${lag}, without [${missing}]`;
      return complete && events >= this.load.sent.size && lag === 0;
    }, { what: "everything stored", deadlineMs: STORED_MS_MAX }).catch((error) => {
      throw new Error(`${error.message}: ${said}`, { cause: error });
    });
  }

  /** Looks after a process; says so when it ends by itself. */
  #keep<Process extends RtaProcess>(server: Process): Process {
    this.#processes.push(server);
    void server.ended.then((code) => {
      if (code === 0 || code === KILLED) return;
      const why = server.entries.filter(({ level }) => level === "fatal");
      console.error(`process ${server.pid} ended with code ${code}:`, why);
    });
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.load[Symbol.asyncDispose]();
    await Promise.all(this.#processes.map((each) => each.kill()));
    Deno.removeSync(this.dataFolder, { recursive: true });
  }
}
