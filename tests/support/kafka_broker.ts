/**
 * A real Apache Kafka broker for tests and benches: KRaft mode, one node, on 127.0.0.1, with its
 * data in a temporary folder. It can be stopped, killed, paused and started again on the same
 * folder and port. Needs Java 17; the jars are fetched once (kafka_jars.ts).
 *
 *     await using kafka = await startKafkaBroker();
 *     new Kafka({ brokers: [kafka.bootstrap] })
 *
 * Tests that only need some broker take sharedKafka() of kafka_shared.ts.
 */
import { join } from "node:path";
import { makeCertificates } from "./kafka_certificates.ts";
import { freePorts } from "./kafka_ports.ts";
import { KafkaProcess, KafkaStartError } from "./kafka_process.ts";
import {
  type KafkaCertificates,
  type KafkaLayout,
  type KafkaListener,
  logProperties,
  serverProperties,
} from "./kafka_properties.ts";
import { installKafka, type KafkaProgram, type KafkaSpeed } from "./kafka_program.ts";

/** What kind of broker. */
export interface KafkaBrokerOptions {
  /** How it can be reached beside `plaintext`, which is always there. */
  readonly listeners?: readonly KafkaListener[];
  /** Lines of server.properties beside ours, or instead of them. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Largest heap, MiB. */
  readonly heapMb?: number;
  /** `quick` starts soon; `full` optimises as a broker in production does, for benches. */
  readonly speed?: KafkaSpeed;
}

const portTriesMax = 5;
/**
 * Starts a broker and waits until it takes requests.
 *
 * @throws {CannotRunHere} without Java 17, or without a way to fetch the jars
 * @throws {KafkaStartError} with the end of the broker's log
 */
export async function startKafkaBroker(options: KafkaBrokerOptions = {}): Promise<KafkaBroker> {
  const program = await installKafka();
  for (let attempt = 1;; attempt++) {
    const broker = await prepareBroker(program, options);
    try {
      await broker.restart();
      return broker;
    } catch (error) {
      await broker.dispose();
      const isTaken = error instanceof KafkaStartError && error.portInUse;
      if (!isTaken || attempt === portTriesMax) throw error;
    }
  }
}

/** A broker with its folder; running or not. `await using` ends it and removes the folder. */
export class KafkaBroker implements AsyncDisposable {
  /** Of the plain listener, `127.0.0.1:PORT`; the same after a restart. */
  readonly bootstrap: string;
  readonly port: number;
  /** All its files: settings, data, log, certificates. */
  readonly folder: string;
  /** What the broker prints, of all its runs. */
  readonly logFile: string;
  /** With the listener `ssl`. */
  readonly certificates: KafkaCertificates | null;
  /** How long the latest start took, ms. */
  startMs = 0;
  readonly #layout: KafkaLayout;
  readonly #command: readonly string[];
  #process: KafkaProcess | null = null;

  constructor(folder: string, layout: KafkaLayout, command: readonly string[]) {
    this.folder = folder;
    this.#layout = layout;
    this.#command = command;
    this.logFile = join(folder, "broker.log");
    this.certificates = layout.certificates;
    this.port = layout.ports.plaintext!;
    this.bootstrap = this.address("plaintext");
  }

  /** Process id; throws when the broker does not run. */
  get pid(): number {
    return this.#running().pid;
  }

  get isRunning(): boolean {
    return this.#process !== null && !this.#process.hasEnded;
  }

  /** `127.0.0.1:PORT` of a listener. */
  address(listener: KafkaListener): string {
    const port = this.#layout.ports[listener];
    if (port === undefined) throw new Error(`this broker was started without ${listener}`);
    return `127.0.0.1:${port}`;
  }

  /** Starts it again on the same folder and ports, stopping it first if it runs. */
  async restart(): Promise<void> {
    await this.stop();
    const startedAt = performance.now();
    this.#process = new KafkaProcess({
      command: this.#command,
      logFile: this.logFile,
      folder: this.folder,
    });
    await this.#process.ready();
    this.startMs = performance.now() - startedAt;
  }

  /** SIGTERM: the broker writes all down and ends. Nothing happens when it does not run. */
  async stop(): Promise<void> {
    await this.#process?.stop();
    this.#process = null;
  }

  /** SIGKILL. Nothing happens when it does not run. */
  async kill(): Promise<void> {
    await this.#process?.kill();
    this.#process = null;
  }

  /** SIGSTOP: it answers nothing, its connections stay open. */
  pause(): void {
    this.#running().pause();
  }

  /** SIGCONT. */
  resume(): void {
    this.#running().resume();
  }

  /** Ends it at once and removes its folder. */
  async dispose(): Promise<void> {
    await this.kill();
    await Deno.remove(this.folder, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #running(): KafkaProcess {
    if (this.#process === null) throw new Error("the Kafka broker does not run");
    return this.#process;
  }
}

/** Lays out a broker's folder; the broker does not run yet. */
async function prepareBroker(
  program: KafkaProgram,
  { listeners = [], properties = {}, heapMb, speed = "quick" }: KafkaBrokerOptions,
): Promise<KafkaBroker> {
  const folder = await Deno.makeTempDir({ prefix: "rta-kafka-" });
  try {
    const names = [...new Set<KafkaListener>(["plaintext", ...listeners])];
    const [controllerPort, ...ports] = freePorts(names.length + 1);
    const layout: KafkaLayout = {
      dataFolder: join(folder, "data"),
      controllerPort,
      ports: Object.fromEntries(names.map((name, index) => [name, ports[index]])),
      certificates: names.includes("ssl") ? await makeCertificates(folder) : null,
      properties,
    };
    const propertiesFile = join(folder, "server.properties");
    await Deno.writeTextFile(propertiesFile, serverProperties(layout));
    await Deno.writeTextFile(join(folder, "log4j2.properties"), logProperties("INFO"));
    await program.format(propertiesFile, layout);
    const command = program.brokerCommand(folder, { heapMb, speed });
    return new KafkaBroker(folder, layout, command);
  } catch (error) {
    await Deno.remove(folder, { recursive: true });
    throw error;
  }
}
