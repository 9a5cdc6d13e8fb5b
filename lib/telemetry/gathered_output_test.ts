import assert from "node:assert/strict";
import { waitUntil } from "../../tests/support/deadline.ts";
import { GatheredOutput } from "./gathered_output.ts";
import { createLogger } from "./logger.ts";

const LOGGER = new URL("logger.ts", import.meta.url).href;
const OUTPUT = new URL("gathered_output.ts", import.meta.url).href;

/** A logger, and what was written so far, by write. */
function gathered() {
  const writes: string[] = [];
  const output = new GatheredOutput((text) => writes.push(text));
  const messages = () =>
    writes.map((text) => text.trimEnd().split("\n").map((line) => JSON.parse(line).msg));
  return { logger: createLogger("info", {}, output), output, messages };
}

Deno.test("GatheredOutput writes the first line at once and the next ones together", async () => {
  const { logger, messages } = gathered();
  for (const message of ["a", "b", "c"]) logger.info(message);
  assert.deepEqual(messages(), [["a"]]);
  await waitUntil(() => messages().length > 1, { what: "the other lines" });
  assert.deepEqual(messages(), [["a"], ["b", "c"]]);
});

Deno.test("GatheredOutput writes all that waits when a line is a warning", () => {
  const { logger, messages } = gathered();
  logger.info("a");
  logger.info("b");
  logger.warn("c");
  logger.info("d");
  logger.error("e");
  assert.deepEqual(messages(), [["a"], ["b", "c"], ["d", "e"]]);
});

Deno.test("GatheredOutput does not wait when much has gathered", () => {
  const { logger, messages, output } = gathered();
  for (let i = 0; i < 20; i++) logger.info({ text: "x".repeat(10_000) }, `${i}`);
  assert.ok(messages().length >= 5, `${messages().length} writes`);
  output.flush();
  assert.deepEqual(messages().flat(), Array.from({ length: 20 }, (_, i) => `${i}`));
});

const ENDS: Record<string, string> = {
  "ends": "",
  "is told to exit": `(await import("node:process")).default.exit(0)`,
  "calls Deno.exit": "Deno.exit(0)",
  "throws": `throw new Error("thrown")`,
  "throws in a timer": `setTimeout(() => { throw new Error("thrown"); })`,
  "rejects": `Promise.reject(new Error("rejected")); await new Promise((r) => setTimeout(r, 1e4))`,
};
for (const [what, end] of Object.entries(ENDS)) {
  Deno.test(`GatheredOutput loses no line when the process ${what}`, async () => {
    const code = `
      const { createLogger } = await import(${JSON.stringify(LOGGER)});
      const { GatheredOutput } = await import(${JSON.stringify(OUTPUT)});
      const logger = createLogger("info", {}, new GatheredOutput());
      for (let i = 0; i < 5; i++) logger.info("line " + i);
      ${end}`;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", code],
      stdout: "piped",
      stderr: "null",
    }).output();
    const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).msg),
      Array.from({ length: 5 }, (_, i) => `line ${i}`),
    );
  });
}
