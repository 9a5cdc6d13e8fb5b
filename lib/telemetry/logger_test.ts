import assert from "node:assert/strict";
import { createLogger } from "./logger.ts";

/** Runs `write` with a logger and gives the lines back as objects. */
function linesOf(write: (logger: ReturnType<typeof createLogger>) => void) {
  const lines: string[] = [];
  write(createLogger("info", { service: "ingestion" }, { write: (line) => lines.push(line) }));
  return lines.map((line) => JSON.parse(line));
}

Deno.test("createLogger() writes level, time, fields and message when a line is logged", () => {
  const [line] = linesOf((logger) =>
    logger.child({ stage: "ingest" }).info({ request_id: "r-1", events: 3 }, "taken")
  );
  assert.match(line.time, /^\d{4}-\d\d-\d\dT.*Z$/);
  delete line.time;
  assert.deepEqual(line, {
    level: "info",
    service: "ingestion",
    stage: "ingest",
    request_id: "r-1",
    events: 3,
    msg: "taken",
  });
});

Deno.test("createLogger() writes nothing when the level is below its own", () => {
  assert.deepEqual(linesOf((logger) => logger.debug("detail")), []);
});

Deno.test("createLogger() leaves out what hangs on an error when it is logged", () => {
  const cause = Object.assign(new Error("disk full"), { code: "ENOSPC" });
  const error = Object.assign(new Error("no", { cause }), { code: "RTA_X", body: "secret" });
  const [line] = linesOf((logger) => logger.error({ err: error }, "failed"));
  assert.ok(!JSON.stringify(line).includes("secret"));
  assert.equal(line.err.code, "RTA_X");
  assert.equal(line.err.cause.code, "ENOSPC");
  assert.match(line.err.stack, /logger_test/);
});

Deno.test("createLogger() ends the chain of causes when it is a circle", () => {
  const error = new Error("again");
  error.cause = error;
  assert.equal(linesOf((logger) => logger.error({ err: error }, "failed")).length, 1);
});
