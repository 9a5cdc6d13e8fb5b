/**
 * ClickHouse in the process: the npm package chdb, which is the engine itself as a library. It is no
 * dependency of the platform, and Deno can't install it (its packages for other systems are missing
 * from registries), so npm puts it once into a folder of its own.
 */
import { createRequire } from "node:module";
import { join } from "node:path";

const VERSION = "3.4.0";
const installMsMax = 600_000;

/** Where chdb is; installs it first when it is not there. Needs npm. */
export async function installChdb(
  cacheFolder: string,
  say: (line: string) => void,
): Promise<string> {
  const folder = join(cacheFolder, `chdb-${VERSION}`);
  if (await isFile(join(folder, "installed"))) return folder;
  say(`installing chdb ${VERSION} by npm (once)`);
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "package.json"), `{"private":true}\n`);
  const npm = new Deno.Command("npm", {
    args: ["install", "--no-audit", "--no-fund", "--loglevel=error", `chdb@${VERSION}`],
    cwd: folder,
    signal: AbortSignal.timeout(installMsMax),
    stdout: "null",
    stderr: "inherit",
  });
  const { code } = await npm.output();
  if (code !== 0) throw new Error(`npm could not install chdb@${VERSION}`);
  await Deno.writeTextFile(join(folder, "installed"), "");
  return folder;
}

/** A ClickHouse on a folder of its own. */
export interface ClickhouseEngine {
  /** Runs a statement; its rows, values as ClickHouse writes them in JSON. */
  query(sql: string): Promise<readonly (readonly unknown[])[]>;
  close(): void;
}

interface ChdbSession {
  query(sql: string, format: string): string;
  queryAsync(sql: string, options: { format: string }): Promise<{ text(): string }>;
  close(): void;
}

/**
 * Opens or makes the database in `dataFolder`, with two threads for each statement, as the platform
 * has two cores.
 */
export function openChdb(chdbFolder: string, dataFolder: string): ClickhouseEngine {
  const { Session } = createRequire(join(chdbFolder, "package.json"))("chdb");
  const session: ChdbSession = new Session(dataFolder);
  session.query("SET max_threads = 2", "Null");
  return {
    async query(sql) {
      const result = await session.queryAsync(sql, { format: "JSONCompactEachRow" });
      const lines = result.text().split("\n").filter((line) => line !== "");
      return lines.map((line) => JSON.parse(line));
    },
    close: () => session.close(),
  };
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
