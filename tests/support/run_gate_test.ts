/** The gate's own arithmetic: what it runs and how it counts. */
import assert from "node:assert/strict";
import { gateSteps, groupTests } from "./gate_steps.ts";
import { countLine, countTests, skippedTests } from "./test_counts.ts";

const report = `<testsuites name="deno test" tests="4" failures="1" errors="0" time="0.009">
  <testcase name="a() works" classname="./a_test.ts" time="0.003" line="2" col="6">
  </testcase>
  <testcase name="a() fails" classname="./a_test.ts" time="0.003" line="2" col="6">
    <failure message="no">no</failure>
  </testcase>
  <testcase name="b() works" classname="./a_test.ts" time="0.000" line="3" col="6">
    <skipped/>
  </testcase>
  <testcase name="a() works &gt; a step" classname="./a_test.ts" time="0.003" line="2" col="6">
  </testcase>`;

Deno.test("countTests() counts passed, failed and skipped tests and steps", () => {
  assert.deepEqual(countTests(report, 1), { passed: 2, failed: 1, skipped: 1 });
});

Deno.test("countTests() counts a failure when the runner failed and no test did", () => {
  const passing = '<testcase name="a() works" classname="./a_test.ts">\n</testcase>';
  assert.deepEqual(countTests(passing, 0), { passed: 1, failed: 0, skipped: 0 });
  assert.deepEqual(countTests(passing, 1), { passed: 1, failed: 1, skipped: 0 });
  assert.deepEqual(countTests(null, 137), { passed: 0, failed: 1, skipped: 0 });
  assert.deepEqual(countTests(null, 0), { passed: 0, failed: 1, skipped: 0 });
});

Deno.test("countLine() writes the line that CI reads", () => {
  assert.equal(countLine({ passed: 2, failed: 1, skipped: 0 }), "2 passed, 1 failed, 0 skipped");
});

Deno.test("skippedTests() names what was skipped", () => {
  assert.deepEqual(skippedTests(report), ["./a_test.ts: b() works"]);
});

Deno.test("groupTests() takes a test as a unit test when no other group's folder has it", () => {
  const files = ["lib/a_test.ts", "tests/e2e/b_test.ts", "tests/new/c_test.ts"];
  const { unit, e2e } = groupTests(files);
  assert.deepEqual(unit, ["lib/a_test.ts", "tests/new/c_test.ts"]);
  assert.deepEqual(e2e, ["tests/e2e/b_test.ts"]);
});

Deno.test("gateSteps() leaves tests out of the PURE check, and groups without tests away", () => {
  const steps = gateSteps(["lib/event/a.ts", "lib/event/a_test.ts", "lib/log/b.ts"], () => "r");
  assert.deepEqual(steps.map(({ name }) => name), ["fmt", "lint", "check", "pure", "unit"]);
  assert.deepEqual(steps[3].args.slice(4), ["lib/event/a.ts"]);
});

Deno.test("gateSteps() gives the broker to tests that open ports, and to nothing else", () => {
  const steps = gateSteps(["lib/a_test.ts", "tests/fault/b_test.ts"], () => "r");
  assert.deepEqual(steps.filter((step) => step.takesKafka).map(({ name }) => name), ["fault"]);
});
