/**
 * Running Java and other programs for tests: whether they are there, and what they said.
 */
import { withDeadline } from "./deadline.ts";

/** The machine lacks what a test needs; the test is skipped, said loudly and counted. */
export class CannotRunHere extends Error {
  override readonly name = "CannotRunHere";
}

/** The oldest Java that a Kafka 4 broker runs on. */
const JAVA_MAJOR_MIN = 17;

/** A Java that is new enough. */
export interface Java {
  /** Path, or name to be found on PATH. */
  readonly program: string;
  /** As it calls itself, for example `17.0.15+6-Debian-1deb12u1`. */
  readonly version: string;
}

/**
 * The `java` of JAVA_HOME, else that of PATH.
 *
 * @throws {CannotRunHere} when there is none, or none new enough
 */
export async function findJava(): Promise<Java> {
  const home = Deno.env.get("JAVA_HOME");
  const program = home ? `${home}/bin/java` : "java";
  if (!await hasProgram(program)) {
    throw new CannotRunHere(`no java: install Java ${JAVA_MAJOR_MIN} or newer`);
  }
  const { output } = await runProgram(program, ["-XshowSettings:properties", "-version"]);
  const version = /java\.runtime\.version = (\S+)/.exec(output)?.[1] ?? "unknown";
  if (!(parseInt(version) >= JAVA_MAJOR_MIN)) {
    throw new CannotRunHere(`java is ${version}: Kafka needs ${JAVA_MAJOR_MIN} or newer`);
  }
  return { program, version };
}

/** Whether a program can be started at all. */
export async function hasProgram(program: string): Promise<boolean> {
  try {
    await new Deno.Command(program, { args: ["-version"], stdin: "null" }).output();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** How a program ended. */
export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, standard output first. */
  readonly output: string;
}

export interface ProgramOptions {
  /** Given to it as standard input. */
  readonly input?: string;
  readonly env?: Record<string, string>;
  /** When it is killed and the call throws, ms. */
  readonly deadlineMs?: number;
}

/** Runs a program to its end; one that is late is killed. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { input, env, deadlineMs = 60_000 }: ProgramOptions = {},
): Promise<ProgramResult> {
  const child = new Deno.Command(program, {
    args: [...args],
    env,
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  }
  const ended = child.output();
  try {
    const result = await withDeadline(ended, { what: `the end of ${program}`, deadlineMs });
    const decoder = new TextDecoder();
    const stdout = decoder.decode(result.stdout);
    const stderr = decoder.decode(result.stderr);
    return { code: result.code, stdout, stderr, output: stdout + stderr };
  } catch (error) {
    child.kill("SIGKILL");
    await ended;
    throw error;
  }
}
