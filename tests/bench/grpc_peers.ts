/** Peers of the case `grpc`: servers that only answer, in Node (grpc-js) and in Go; and ghz. */
import { join } from "node:path";
import { hasProgram, runProgram } from "../support/kafka_java.ts";
import { withDeadline } from "../support/deadline.ts";
import { ROOT } from "../tidy/source_tree.ts";

const SOURCES = join(ROOT, "tests", "bench", "peers");
export const PROTO_FOLDER = join(ROOT, "proto");
const INSTALL_MS_MAX = 300_000;

/** Starts a peer; gives its port and what ends it. */
export type StartPeer = () => Promise<{ readonly port: number; stop(): Promise<void> }>;

/** Installs grpc-js below `folder` where it is not yet. Throws when there is no Node. */
export async function nodePeer(folder: string): Promise<StartPeer> {
  const target = join(folder, "node_grpc");
  await Deno.mkdir(target, { recursive: true });
  for (const name of ["package.json", "main.cjs"]) {
    await Deno.copyFile(join(SOURCES, "node_grpc", name), join(target, name));
  }
  const quiet = ["--prefix", target, "--no-audit", "--no-fund", "--silent"];
  await prepare("npm", ["install", ...quiet]);
  return () => startPeer("node", [join(target, "main.cjs"), PROTO_FOLDER]);
}

/** Builds the Go server; null = there is no Go here. */
export async function goPeer(folder: string): Promise<StartPeer | null> {
  if (!await hasProgram("go")) return null;
  const binary = join(folder, "go_grpc");
  await prepare("go", ["-C", join(SOURCES, "go_grpc"), "build", "-o", binary, "."]);
  return () => startPeer(binary, []);
}

async function prepare(program: string, args: readonly string[]): Promise<void> {
  const { code, output } = await runProgram(program, args, { deadlineMs: INSTALL_MS_MAX });
  if (code !== 0) throw new Error(`${program} ended with code ${code}:\n${output}`);
}

async function startPeer(program: string, args: readonly string[]) {
  const child = new Deno.Command(program, { args: [...args], stdout: "piped", stderr: "inherit" })
    .spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const stop = async () => {
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
  };
  try {
    const { value } = await withDeadline(reader.read(), { what: `the port of ${program}` });
    const port = Number(value);
    if (!(port > 0)) throw new Error(`${program} gave no port: ${value}`);
    return { port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export interface GhzOrder {
  readonly port: number;
  readonly method: string;
  /** The serialized request. */
  readonly message: Uint8Array;
  readonly concurrency: number;
  readonly seconds: number;
}

export interface GhzResult {
  /** Calls a second, all of which went well. */
  readonly rate: number;
  readonly calls: number;
  readonly p99Ms: number;
}

/** Where ghz is; null = nowhere. */
export async function findGhz(): Promise<string | null> {
  if (await hasProgram("ghz")) return "ghz";
  const inHome = join(Deno.env.get("HOME") ?? "/", "go", "bin", "ghz");
  return await hasProgram(inHome) ? inHome : null;
}

/** Calls a method for some seconds. Throws when any call failed. */
export async function runGhz(ghz: string, scratch: string, order: GhzOrder): Promise<GhzResult> {
  const file = join(scratch, "ghz_message.bin");
  await Deno.writeFile(file, order.message);
  const { stdout, output } = await runProgram(ghz, [
    "--insecure",
    ...["--proto", join(PROTO_FOLDER, "analytics", "v1", "analytics.proto")],
    ...["--import-paths", PROTO_FOLDER],
    ...["--call", `analytics.v1.EventIngestionService.${order.method}`],
    ...["--concurrency", String(order.concurrency), "--connections", "4"],
    ...["--duration", `${order.seconds}s`, "--duration-stop", "wait"],
    ...["--binary-file", file, "--format", "json", `127.0.0.1:${order.port}`],
  ], { deadlineMs: 30_000 + 1_000 * order.seconds });
  const start = stdout.indexOf("{");
  if (start < 0) throw new Error(`ghz gave no result:\n${output}`);
  const result = JSON.parse(stdout.slice(start));
  const calls: number = result.statusCodeDistribution.OK ?? 0;
  if (calls === 0 || calls !== result.count) {
    throw new Error(`calls failed: ${JSON.stringify(result.statusCodeDistribution)}`);
  }
  const p99 = result.latencyDistribution
    .find(({ percentage }: { percentage: number }) => percentage === 99);
  return { rate: result.rps, calls, p99Ms: (p99?.latency ?? 0) / 1e6 };
}
