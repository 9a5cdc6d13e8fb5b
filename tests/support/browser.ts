/**
 * A real browser, Chromium without a screen, for what only a browser does: keep to CORS and to the
 * content security policy. It is the one on PATH; on Debian and as root it is installed where there
 * is none. Tests that need it are skipped elsewhere, said loudly and counted.
 */
import { waitUntil, withDeadline } from "./deadline.ts";

const COMMANDS = ["chromium", "chromium-browser", "google-chrome"];
const INSTALL = "apt-get -q update && apt-get -q install -y --no-install-recommends chromium";
const INSTALL_MS_MAX = 240_000;

/** Longest a page may take to tell what a test waits for, on a busy machine, ms. */
const PAGE_MS_MAX = 30_000;

const flags = [
  "--headless",
  "--disable-gpu",
  // As root there is no sandbox; the pages are our own.
  "--no-sandbox",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-dev-shm-usage",
  "--enable-logging=stderr",
];

/** Its command; null = there is none, and none can be had. */
function findBrowser(): string | null {
  const onPath = () => COMMANDS.find((command) => runs(command, ["--version"])) ?? null;
  const found = onPath();
  if (found !== null || Deno.uid() !== 0 || !runs("apt-get", ["--version"])) return found;
  console.error("\nNO BROWSER: chromium is being installed by apt-get\n");
  const limit = String(INSTALL_MS_MAX / 1_000);
  runs("timeout", [limit, "bash", "-c", INSTALL]);
  return onPath();
}

function runs(command: string, args: string[]): boolean {
  try {
    return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Defines a test that drives a browser, given as its command. */
export function browserTest(
  name: string,
  fn: (browser: string) => Promise<void>,
): Deno.TestDefinition {
  const browser = findBrowser();
  if (browser !== null) return { name, fn: () => fn(browser) };
  console.error("\nNO BROWSER, so a test is skipped: put chromium on PATH\n");
  return { name, fn: () => {}, ignore: true };
}

/** What a browser has to say of a page when it has been loaded. */
export interface LoadedPage {
  /** The document as it is then. */
  readonly html: string;
  /** Lines of its console, and of the browser about the page. */
  readonly console: readonly string[];
}

/** Loads a page and ends. `more`: further flags, such as `--screenshot=FILE`. */
export async function loadPage(
  browser: string,
  url: string,
  more: readonly string[] = [],
): Promise<LoadedPage> {
  const folder = Deno.makeTempDirSync({ prefix: "rta-browser-" });
  try {
    const args = [...flags, `--user-data-dir=${folder}`, ...more, "--dump-dom", url];
    const child = new Deno.Command(browser, { args, stdout: "piped", stderr: "piped" }).spawn();
    const output = withDeadline(child.output(), {
      what: `${url} in a browser`,
      deadlineMs: PAGE_MS_MAX,
    });
    const { stdout, stderr } = await output.catch((error) => {
      child.kill("SIGKILL");
      throw error;
    });
    const decoder = new TextDecoder();
    const lines = decoder.decode(stderr).split("\n");
    return {
      html: decoder.decode(stdout),
      console: lines.filter((line) => /:CONSOLE[:(]/.test(line)),
    };
  } finally {
    await removeProfile(folder);
  }
}

/** The browser's helpers may write for a moment after it has ended. */
async function removeProfile(folder: string): Promise<void> {
  await waitUntil(async () => {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    return Deno.stat(folder).then(() => false, () => true);
  }, { what: `the removal of ${folder}` });
}

/** Opens a page, waits until `told` resolves, and ends the browser. */
export async function withPage<T>(browser: string, url: string, told: Promise<T>): Promise<T> {
  const folder = Deno.makeTempDirSync({ prefix: "rta-browser-" });
  const args = [...flags, `--user-data-dir=${folder}`, url];
  const child = new Deno.Command(browser, { args, stdout: "null", stderr: "null" }).spawn();
  try {
    return await withDeadline(told, { what: `${url} in a browser`, deadlineMs: PAGE_MS_MAX });
  } finally {
    child.kill("SIGTERM");
    await child.status;
    await removeProfile(folder);
  }
}
