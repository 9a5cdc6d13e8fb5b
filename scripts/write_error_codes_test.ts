import assert from "node:assert/strict";
import { VARIABLES } from "../lib/config/variables.ts";
import { REASONS } from "../lib/event/reasons.ts";
import { EVENT_ADVICE, REQUEST_ADVICE } from "../lib/event/reason_advice.ts";
import { OPERATING_FAILURES } from "../lib/failure/operating_failures.ts";
import { MEMORY_ALARM } from "../lib/sql/sql_protocol.ts";
import { sourceTree } from "../tests/tidy/source_tree.ts";
import { ERRORS_DOCUMENT, errorsDocument } from "./write_error_codes.ts";

Deno.test("docs/ERRORS.md is what make docs makes of the lists in code", async () => {
  const committed = await Deno.readTextFile(ERRORS_DOCUMENT);
  const made = await errorsDocument();
  assert.equal(committed, made, "run make docs");
  for (const code of [...Object.keys(REASONS), ...Object.keys(OPERATING_FAILURES)]) {
    assert.match(made, new RegExp(`^\\| \`${code}\` `, "m"));
  }
});

Deno.test("every reason has its advice once", () => {
  const advised = [...Object.keys(EVENT_ADVICE), ...Object.keys(REQUEST_ADVICE)];
  assert.deepEqual(advised.sort(), Object.keys(REASONS).sort());
});

Deno.test("the list of operating failures has every code that is given, and no other", () => {
  const quoted = sourceTree()
    .filter(({ path }) => /^(lib|services|workers)\/.*(?<!_test)\.ts$/.test(path))
    .filter(({ path }) => path !== "lib/failure/operating_failures.ts")
    .flatMap(({ text }) => [...text.matchAll(/"(RTA_[A-Z_]*[A-Z])"/g)].map(([, name]) => name));
  const codes = new Set(quoted).difference(new Set([...Object.keys(VARIABLES), MEMORY_ALARM]));
  assert.deepEqual([...codes].sort(), Object.keys(OPERATING_FAILURES).sort());
});
