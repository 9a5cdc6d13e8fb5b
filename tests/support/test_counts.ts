/**
 * How many tests passed, failed and were skipped: the gate's currency.
 */

/** A count of tests. */
export interface TestCounts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Counts a JUnit report of `deno test`, steps included, and holds it against the exit code: a file
 * that fails outside its tests is in no report, and a runner that died leaves none (`report` null).
 */
export function countTests(report: string | null, exitCode: number): TestCounts {
  const failed = report?.match(/<(failure|error)[ >]/g)?.length ?? 0;
  const skipped = report?.match(/<skipped[ />]/g)?.length ?? 0;
  const all = report?.match(/<testcase /g)?.length ?? 0;
  const unseen = failed === 0 && (exitCode !== 0 || report === null) ? 1 : 0;
  return { passed: all - failed - skipped, failed: failed + unseen, skipped };
}

/** Adds `more` to `sum`. */
export function addCounts(sum: TestCounts, more: TestCounts): void {
  sum.passed += more.passed;
  sum.failed += more.failed;
  sum.skipped += more.skipped;
}

/** The gate's last line. */
export function countLine({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** Names of the tests that a report says were skipped. */
export function skippedTests(report: string): string[] {
  const skipped = /<testcase name="([^"]*)" classname="([^"]*)"[^>]*>\s*<skipped/g;
  return [...report.matchAll(skipped)].map(([, name, file]) => `${file}: ${name}`);
}
