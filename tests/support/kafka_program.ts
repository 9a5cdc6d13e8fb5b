/**
 * Kafka's Java programs, ready to be run: the jars, and an archive of their parsed classes, which
 * saves a broker a third of its start and 45 MB of memory.
 *
 *     .cache/kafka/<version>/jars/               kafka_jars.ts
 *     .cache/kafka/<version>/classes-<java>.jsa  made once for each Java, by a broker's first run
 */
import { join } from "node:path";
import {
  findJava,
  type Java,
  type ProgramOptions,
  type ProgramResult,
  runProgram,
} from "./kafka_java.ts";
import { KAFKA_JARS } from "./kafka_jar_list.ts";
import { cacheFolder, classPath, ensureJars, withFileLock } from "./kafka_jars.ts";
import { freePorts } from "./kafka_ports.ts";
import { KafkaProcess } from "./kafka_process.ts";
import {
  type KafkaLayout,
  logProperties,
  scramArguments,
  serverProperties,
} from "./kafka_properties.ts";

/** `quick` starts soon and stays small; `full` optimises as a broker in production does. */
export type KafkaSpeed = "quick" | "full";

/** How a broker's Java runs. */
export interface KafkaJavaOptions {
  /** Largest heap, MiB. */
  readonly heapMb?: number;
  readonly speed?: KafkaSpeed;
}

const heapMbPreset = { quick: 256, full: 512 } as const;

/** Small and soon there: for a run of seconds the optimising compiler costs more than it gives. */
const quickFlags = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k"];
/** Those of Kafka's own start script. */
const fullFlags = [
  "-XX:+UseG1GC",
  "-XX:MaxGCPauseMillis=20",
  "-XX:InitiatingHeapOccupancyPercent=35",
  "-XX:+ExplicitGCInvokesConcurrent",
];

/**
 * Fetches the jars and makes the class archive, unless they are there.
 *
 * @throws {CannotRunHere} without Java 17, or without a way to fetch the jars
 */
export async function installKafka(): Promise<KafkaProgram> {
  const java = await findJava();
  await ensureJars(KAFKA_JARS);
  const program = new KafkaProgram(java);
  await program.ensureClassArchive();
  return program;
}

/** Kafka's classes and the Java that runs them. */
export class KafkaProgram {
  readonly #java: Java;
  readonly #archive: string;

  constructor(java: Java) {
    this.#java = java;
    const name = java.version.replaceAll(/[^\w.]/g, "_");
    this.#archive = join(cacheFolder(KAFKA_JARS), `classes-${name}.jsa`);
  }

  /** The command that runs the broker of a folder with server.properties and log4j2.properties. */
  brokerCommand(
    folder: string,
    options: KafkaJavaOptions = {},
    archiveFlag = this.#archiveFlag,
  ): string[] {
    return [
      ...this.#javaCommand(options, archiveFlag),
      `-Dlog4j2.configurationFile=${join(folder, "log4j2.properties")}`,
      "kafka.Kafka",
      join(folder, "server.properties"),
    ];
  }

  /** Runs a class with a `main` to its end; its log goes nowhere. */
  async runClass(
    className: string,
    args: readonly string[],
    options: ProgramOptions & KafkaJavaOptions = {},
  ): Promise<ProgramResult> {
    const [program, ...flags] = this.#javaCommand(options, this.#archiveFlag);
    // Without a configuration log4j shows errors alone, on the terminal.
    return await runProgram(program, [...flags, className, ...args], options);
  }

  /** Makes the data folder of a broker's properties file. */
  async format(propertiesFile: string, layout: KafkaLayout): Promise<void> {
    const clusterId = crypto.getRandomValues(new Uint8Array(16)).toBase64({
      alphabet: "base64url",
    });
    // In one argument: it may begin with "-".
    const args = [
      "format",
      "--standalone",
      `--cluster-id=${clusterId.slice(0, 22)}`,
      "-c",
      propertiesFile,
    ];
    const { code, output } = await this.runClass("kafka.tools.StorageTool", [
      ...args,
      ...scramArguments(layout),
    ]);
    if (code !== 0) throw new Error(`StorageTool format ended with ${code}:\n${output}`);
  }

  /** Lets a broker run once and keep its parsed classes at its end, unless that was done. */
  async ensureClassArchive(): Promise<void> {
    if (await isFile(this.#archive)) return;
    await withFileLock(`${cacheFolder(KAFKA_JARS)}.lock`, async () => {
      // Another process may have made it while this one waited.
      if (await isFile(this.#archive)) return;
      const folder = await Deno.makeTempDir({ prefix: "rta-kafka-classes-" });
      try {
        await this.#trainIn(folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }

  async #trainIn(folder: string): Promise<void> {
    const [controllerPort, plaintext] = freePorts(2);
    const dataFolder = join(folder, "data");
    const layout = {
      dataFolder,
      controllerPort,
      ports: { plaintext },
      certificates: null,
      properties: {},
    };
    await Deno.writeTextFile(join(folder, "server.properties"), serverProperties(layout));
    await Deno.writeTextFile(join(folder, "log4j2.properties"), logProperties("INFO"));
    await this.format(join(folder, "server.properties"), layout);
    const unfinished = `${this.#archive}.${Deno.pid}`;
    const process = new KafkaProcess({
      command: this.brokerCommand(folder, {}, `-XX:ArchiveClassesAtExit=${unfinished}`),
      logFile: join(folder, "broker.log"),
      folder,
    });
    try {
      await process.ready();
      await process.stop();
    } finally {
      await process.kill();
    }
    await Deno.rename(unfinished, this.#archive);
  }

  get #archiveFlag(): string {
    return `-XX:SharedArchiveFile=${this.#archive}`;
  }

  /** Java with its flags and class path, all but the class. */
  #javaCommand({ heapMb, speed = "quick" }: KafkaJavaOptions, archiveFlag: string): string[] {
    return [
      this.#java.program,
      `-Xmx${heapMb ?? heapMbPreset[speed]}m`,
      ...(speed === "quick" ? quickFlags : fullFlags),
      // An archive that does not fit this Java, or is not there yet, is passed over.
      "-Xshare:auto",
      archiveFlag,
      "-XX:-UsePerfData",
      "-cp",
      classPath(KAFKA_JARS),
    ];
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
