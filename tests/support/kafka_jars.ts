/**
 * Java programs that tests and benches run, from Maven Central: a list of jars with their SHA-256
 * becomes a folder under `.cache/` of the repository.
 *
 *     .cache/<folder>.lock        held while one process fetches; others wait for it
 *     .cache/<folder>/jars/       the jars, moved here in one step when all are verified
 *     .cache/<folder>/jars/SUMS   what they were verified against
 *
 * They come from the repository that RTA_TEST_MAVEN_URL names, in Maven's layout; where it names
 * none, by `mvn`, which follows the machine's own mirrors and proxies.
 */
import { dirname, join } from "node:path";
import { ROOT } from "../tidy/source_tree.ts";
import { CannotRunHere, hasProgram, runProgram } from "./kafka_java.ts";

/** Jars that belong together. */
export interface JarList {
  /** Where they go, below `.cache/`. */
  readonly folder: string;
  /** SHA-256 in hexadecimal by `group:artifact:version`. */
  readonly sums: Readonly<Record<string, string>>;
}

/** Longest a fetch may take, ms; 40 MB and a few dozen requests. */
const FETCH_MS_MAX = 300_000;
/** The plugin that copies jars; named with its version so that every machine runs the same. */
const COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

/** Folder of a list's files, whether it exists or not. */
export function cacheFolder(list: JarList): string {
  return join(ROOT, ".cache", list.folder);
}

/** The list's jars in its order, as Java's class path. They need not be there yet. */
export function classPath(list: JarList): string {
  const folder = join(cacheFolder(list), "jars");
  return Object.keys(list.sums).map((jar) => join(folder, jarName(jar))).join(":");
}

/**
 * Makes sure that the jars are there, fetching them if need be.
 *
 * @throws {CannotRunHere} when there is no way to fetch them
 */
export async function ensureJars(list: JarList): Promise<void> {
  if (await isVerified(list)) return;
  const cache = cacheFolder(list);
  await Deno.mkdir(cache, { recursive: true });
  await withFileLock(`${cache}.lock`, async () => {
    // Another process may have fetched them while this one waited.
    if (await isVerified(list)) return;
    // One that was left behind belongs to a process that was killed: the lock is ours.
    const staging = join(cache, "fetching");
    await removeIfThere(staging);
    await Deno.mkdir(staging);
    try {
      await fetchJars(list, staging);
      await verifyJars(list, staging);
      await Deno.writeTextFile(join(staging, "SUMS"), sumsText(list));
      await removeIfThere(join(cache, "jars"));
      await Deno.rename(staging, join(cache, "jars"));
    } finally {
      await removeIfThere(staging);
    }
  });
}

/** Runs `work` while this process alone holds the lock file. */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  await Deno.mkdir(dirname(path), { recursive: true });
  // Closing the file drops the lock, and so does the end of the process.
  using file = await Deno.open(path, { create: true, write: true });
  await file.lock(true);
  return await work();
}

/** "org.slf4j:slf4j-api:1.7.36" -> "org/slf4j/slf4j-api/1.7.36/slf4j-api-1.7.36.jar" */
export function jarPath(coordinates: string): string {
  const [group, artifact, version] = coordinates.split(":");
  return `${group.replaceAll(".", "/")}/${artifact}/${version}/${jarName(coordinates)}`;
}

/** A project for `mvn` that depends on exactly these jars and nothing that they depend on. */
export function pomOf(list: JarList): string {
  const dependencies = Object.keys(list.sums).map((jar) => {
    const [group, artifact, version] = jar.split(":");
    const what = `<groupId>${group}</groupId><artifactId>${artifact}</artifactId>`;
    const others = "<exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>";
    return `    <dependency>${what}<version>${version}</version>` +
      `<exclusions>${others}</exclusions></dependency>`;
  });
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rta.tests</groupId><artifactId>jars</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
${dependencies.join("\n")}
  </dependencies>
</project>
`;
}

/**
 * Checks every jar of the list in `folder` against its sum.
 *
 * @throws {Error} naming each jar that is missing or has another sum, with the sum it has
 */
export async function verifyJars(list: JarList, folder: string): Promise<void> {
  const wrong: string[] = [];
  for (const [jar, expected] of Object.entries(list.sums)) {
    const sum = await sha256(join(folder, jarName(jar)));
    if (sum !== expected) wrong.push(`${jar} has ${sum ?? "no file"}, not ${expected}`);
  }
  if (wrong.length > 0) throw new Error(`jars with a wrong SHA-256:\n  ${wrong.join("\n  ")}`);
}

async function fetchJars(list: JarList, folder: string): Promise<void> {
  const from = Deno.env.get("RTA_TEST_MAVEN_URL");
  const count = Object.keys(list.sums).length;
  if (from) {
    console.error(`fetching ${count} jars (once)`);
    await fetchByHttps(list, folder, from);
  } else if (await hasProgram("mvn")) {
    console.error(`fetching ${count} jars by mvn (once)`);
    await fetchByMaven(list, folder);
  } else {
    throw new CannotRunHere(
      `no jars of ${list.folder}: install Maven, or name a Maven repository in RTA_TEST_MAVEN_URL`,
    );
  }
}

async function fetchByMaven(list: JarList, folder: string): Promise<void> {
  const pom = join(folder, "pom.xml");
  await Deno.writeTextFile(pom, pomOf(list));
  const args = ["-B", "-q", "-f", pom, COPY_GOAL, `-DoutputDirectory=${folder}`];
  const { code, output } = await runProgram("mvn", args, { deadlineMs: FETCH_MS_MAX });
  if (code !== 0) {
    throw new CannotRunHere(`no jars of ${list.folder}: mvn ended with ${code}:\n${output}`);
  }
  await Deno.remove(pom);
}

async function fetchByHttps(list: JarList, folder: string, from: string): Promise<void> {
  const signal = AbortSignal.timeout(FETCH_MS_MAX);
  for (const jar of Object.keys(list.sums)) {
    const url = `${from.replace(/\/$/, "")}/${jarPath(jar)}`;
    try {
      const response = await fetch(url, { signal });
      if (!response.ok) {
        await response.body?.cancel();
        throw new Error(`status ${response.status}`);
      }
      await Deno.writeFile(join(folder, jarName(jar)), response.body!);
    } catch (error) {
      throw new CannotRunHere(`no jars of ${list.folder}: ${url}: ${error}`, { cause: error });
    }
  }
}

/** Whether the folder was made from this very list; its files were verified before it was. */
async function isVerified(list: JarList): Promise<boolean> {
  try {
    const sums = await Deno.readTextFile(join(cacheFolder(list), "jars", "SUMS"));
    return sums === sumsText(list);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function sumsText(list: JarList): string {
  return Object.entries(list.sums).map(([jar, sum]) => `${sum}  ${jarName(jar)}\n`).join("");
}

function jarName(coordinates: string): string {
  const [, artifact, version] = coordinates.split(":");
  return `${artifact}-${version}.jar`;
}

async function sha256(path: string): Promise<string | null> {
  try {
    const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
    return new Uint8Array(digest).toHex();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
