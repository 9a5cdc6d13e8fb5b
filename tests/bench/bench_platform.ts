/** A platform for the length of one measurement, with its data on the disk of the bench. */
import { startServer, type TestServer } from "../support/server.ts";
import type { BenchContext } from "./bench_study.ts";

/** How the platform is started. */
export interface PlatformOptions {
  /** Default: a new folder, removed afterwards. */
  readonly dataFolder?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Starts a platform, lets `use` work with it, and stops it, whatever happens.
 *
 * @throws when it does not stop by itself with exit code 0
 */
export async function withPlatform<T>(
  context: BenchContext,
  { dataFolder, env }: PlatformOptions,
  use: (server: TestServer) => Promise<T>,
): Promise<T> {
  const folder = dataFolder ??
    Deno.makeTempDirSync({ dir: context.scratchFolder, prefix: "data-" });
  try {
    const server = await startServer({ dataFolder: folder, env: { ...env } });
    let result: T;
    try {
      result = await use(server);
    } catch (error) {
      await server.kill();
      throw error;
    }
    const code = await server.stop();
    if (code !== 0) throw new Error(`the server ended with code ${code}:\n${server.output()}`);
    return result;
  } finally {
    if (dataFolder === undefined) Deno.removeSync(folder, { recursive: true });
  }
}
