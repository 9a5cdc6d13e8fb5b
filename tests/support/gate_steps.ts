/**
 * The steps of the gate, in the order in which they are quickest to say what is wrong.
 *
 * Tests are grouped by what they need. Unit, contract and integration tests run two files at a time:
 * each file has folders, ports and topics of its own, and mostly waits. The others use browsers and
 * take processes, brokers and disks away under load, so they run one after the other and alone. A
 * test file that is in no group's folder counts as a unit test: no file can be forgotten.
 */

/** One step: a Deno command, and whether its result is one verdict or a count of tests. */
export interface GateStep {
  readonly name: string;
  readonly args: readonly string[];
  readonly kind: "verdict" | "tests";
  readonly env?: Readonly<Record<string, string>>;
  /** Some of its tests take the broker that the gate starts for all of them. */
  readonly takesKafka: boolean;
  /** When the step is killed and counted as failed, ms. */
  readonly deadlineMs: number;
}

const minuteMs = 60_000;

const testFolders: Record<string, string> = {
  contract: "tests/contract/",
  integration: "tests/integration/",
  e2e: "tests/e2e/",
  fault: "tests/fault/",
};

/** Groups whose files run two at a time. */
const parallelGroups: ReadonlySet<string> = new Set(["unit", "contract", "integration"]);

/** Names of all steps; a group of tests has a step only while it has tests. */
export const STEP_NAMES = ["fmt", "lint", "check", "pure", "unit", ...Object.keys(testFolders)];

const pureFolder = /^lib\/(event|rollup|sketch|query|ring)\//;

/**
 * The steps for a tree.
 *
 * @param paths every TypeScript file, from the root
 * @param reportOf where a group's JUnit report goes
 */
export function gateSteps(
  paths: readonly string[],
  reportOf: (group: string) => string,
): GateStep[] {
  const isTest = (path: string) => /_test\.tsx?$/.test(path);
  const pure = paths.filter((path) => pureFolder.test(path) && !isTest(path));
  const verdict = { kind: "verdict", takesKafka: false, deadlineMs: 5 * minuteMs } as const;
  const steps: GateStep[] = [
    { ...verdict, name: "fmt", args: ["fmt", "--check"] },
    { ...verdict, name: "lint", args: ["lint"] },
    // Whole folders: a check of main.ts alone does not follow `new Worker`.
    { ...verdict, name: "check", args: ["check", "--quiet", "--frozen", ...paths] },
    {
      ...verdict,
      name: "pure",
      args: ["check", "--quiet", "--config", "tests/tidy/pure.deno.json", ...pure],
    },
  ];
  for (const [group, files] of Object.entries(groupTests(paths.filter(isTest)))) {
    if (files.length === 0) continue;
    const parallel = parallelGroups.has(group) ? ["--parallel"] : [];
    steps.push({
      name: group,
      // Types are the business of the step `check`.
      args: ["test", "--frozen", "-A", "--no-check", ...parallel]
        .concat(`--junit-path=${reportOf(group)}`, files),
      kind: "tests",
      env: { DENO_JOBS: "2" },
      takesKafka: group in testFolders,
      deadlineMs: 20 * minuteMs,
    });
  }
  return steps;
}

/** Test files by group; `unit` first. */
export function groupTests(tests: readonly string[]): Record<string, string[]> {
  const groups: Record<string, string[]> = { unit: [] };
  for (const group of Object.keys(testFolders)) groups[group] = [];
  for (const path of tests) {
    const found = Object.entries(testFolders).find(([, folder]) => path.startsWith(folder));
    groups[found?.[0] ?? "unit"].push(path);
  }
  return groups;
}
