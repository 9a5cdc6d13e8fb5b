/** The bounded log file. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { RotatingLog } from "./rotating_log.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** Runs a test in a folder of its own. */
async function inFolder(test: (path: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    test(join(folder, "logs", "rta.log"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("RotatingLog.write() keeps one old file when the limit is reached", () =>
  inFolder((path) => {
    const log = new RotatingLog(path, 10);
    for (const line of ["first\n", "second\n", "third\n"]) log.write(encode(line));
    log.close();
    assert.equal(Deno.readTextFileSync(path), "third\n");
    assert.equal(Deno.readTextFileSync(`${path}.1`), "second\n");
  }));

Deno.test("RotatingLog.write() continues the file of an earlier process", () =>
  inFolder((path) => {
    for (const line of ["one\n", "two\n"]) {
      const log = new RotatingLog(path, 10);
      log.write(encode(line));
      log.close();
    }
    assert.equal(Deno.readTextFileSync(path), "one\ntwo\n");
  }));

Deno.test("RotatingLog.write() writes a line whole when it is longer than the limit", () =>
  inFolder((path) => {
    const log = new RotatingLog(path, 4);
    log.write(encode("much too long\n"));
    log.close();
    assert.equal(Deno.readTextFileSync(path), "much too long\n");
  }));

Deno.test("RotatingLog.write() falls silent when the file cannot be opened", () =>
  inFolder((path) => {
    Deno.mkdirSync(path, { recursive: true }); // a folder stands where the file should be
    const log = new RotatingLog(path, 10);
    log.write(encode("lost\n"));
    log.close();
    assert.ok(Deno.statSync(path).isDirectory);
  }));
