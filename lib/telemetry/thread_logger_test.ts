import assert from "node:assert/strict";
import { LOG_LEVELS } from "../config/log_levels.ts";
import { createLogger } from "./logger.ts";
import { createThreadLogger, type ThreadLogger } from "./thread_logger.ts";

const fields = { stage: "process", service: "consumer" } as const;

/** The lines that `say` leaves, with every time replaced by the same one. */
function linesOf(logger: ThreadLogger, lines: string[], say: (logger: ThreadLogger) => void) {
  say(logger);
  return lines.map((line) => line.replace(/"time":"\d{4}-\d\d-\d\dT[\d:.]*Z"/, '"time":"T"'));
}

/** Says things that a worker may have to say, at every level. */
function sayAll(logger: ThreadLogger): void {
  const cause = Object.assign(new Error("disk full"), { code: "ENOSPC" });
  const err = Object.assign(new Error("no", { cause }), { code: "RTA_X", body: "secret" });
  for (const level of ["debug", "info", "warn", "error"] as const) {
    logger[level]({ partition: 3, at: null, none: undefined, text: 'a "b"\n\u0007' }, "went");
    logger[level]({ err }, "failed");
    logger[level]({}, "äöü €");
  }
  logger.error({ err: "thrown", offset: 2 ** 53 - 1 }, "odd");
}

for (const level of LOG_LEVELS) {
  Deno.test(`createThreadLogger() writes what pino would when the level is ${level}`, () => {
    const [ours, pinos]: string[][] = [[], []];
    const own = createThreadLogger(level, fields, (line) => ours.push(line));
    const pino = createLogger(level, fields, { write: (line) => pinos.push(line) });
    const withoutStacks = (lines: string[]) =>
      lines.map((line) =>
        JSON.stringify(JSON.parse(line), (key, value) => (
          key === "stack" ? typeof value : value
        ))
      );
    const expected = withoutStacks(linesOf(pino, pinos, sayAll));
    assert.deepEqual(withoutStacks(linesOf(own, ours, sayAll)), expected);
    assert.ok(!expected.join().includes("secret"));
  });
}
