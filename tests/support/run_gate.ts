/**
 * The gate: `make test` and CI. Runs every step, also after a failure, and ends with one line,
 * `N passed, N failed, N skipped`, in which fmt, lint and the type checks count as one test each.
 *
 *     deno run -A tests/support/run_gate.ts             every step
 *     deno run -A tests/support/run_gate.ts lint unit   these alone
 */
import { join } from "node:path";
import { isTypeScript, ROOT, sourceTree } from "../tidy/source_tree.ts";
import { type GateStep, gateSteps, STEP_NAMES } from "./gate_steps.ts";
import { type KafkaBroker, startKafkaBroker } from "./kafka_broker.ts";
import { CannotRunHere } from "./kafka_java.ts";
import { KAFKA_VARIABLE, NO_KAFKA_VARIABLE } from "./kafka_shared.ts";
import { addCounts, countLine, countTests, skippedTests, type TestCounts } from "./test_counts.ts";

const reports = join(ROOT, ".cache", "gate");
const reportOf = (group: string) => join(reports, `${group}.xml`);

/** Runs the steps one after the other and returns the process's exit code. */
async function runGate(steps: readonly GateStep[]): Promise<number> {
  await Deno.mkdir(reports, { recursive: true });
  const sum: TestCounts = { passed: 0, failed: 0, skipped: 0 };
  const table: string[] = [];
  const skipped: string[] = [];
  await using kafka = new GateKafka();
  for (const step of steps) {
    console.log(`\n== ${step.name}`);
    const startedAt = performance.now();
    const { counts, report } = await runStep(step, step.takesKafka ? await kafka.env() : {});
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    addCounts(sum, counts);
    skipped.push(...skippedTests(report ?? ""));
    const verdict = counts.failed === 0 ? "ok    " : "FAILED";
    table.push(`${verdict} ${step.name.padEnd(12)} ${seconds.padStart(6)} s  ${countLine(counts)}`);
  }
  console.log(`\n${table.join("\n")}`);
  if (skipped.length > 0) {
    console.log(`\nSKIPPED, so nothing is known of:\n  ${skipped.join("\n  ")}`);
  }
  console.log(`\n${countLine(sum)}`);
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1;
}

/** The one broker of a run, started for the first step that takes one. */
class GateKafka implements AsyncDisposable {
  #broker: KafkaBroker | null = null;
  #env: Record<string, string> | null = null;

  /** The variables that tell tests where it is, or why there is none. */
  async env(): Promise<Record<string, string>> {
    this.#env ??= await this.#start();
    return this.#env;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker?.dispose();
  }

  async #start(): Promise<Record<string, string>> {
    // A broker that the caller names is what the tests take without our doing.
    if (Deno.env.get(KAFKA_VARIABLE)) return {};
    try {
      this.#broker = await startKafkaBroker();
    } catch (error) {
      // Tests that can't run are skipped, each counted; a broker that fails makes the gate fail.
      if (error instanceof CannotRunHere) return { [NO_KAFKA_VARIABLE]: error.message };
      throw error;
    }
    console.log(`Kafka on ${this.#broker.bootstrap}, up in ${Math.round(this.#broker.startMs)} ms`);
    return { [KAFKA_VARIABLE]: this.#broker.bootstrap };
  }
}

/** Runs one step with its output shown; one that is late is killed and has failed. */
async function runStep(
  step: GateStep,
  env: Record<string, string>,
): Promise<{ counts: TestCounts; report: string | null }> {
  if (step.kind === "tests") await Deno.remove(reportOf(step.name)).catch(() => {});
  const child = new Deno.Command(Deno.execPath(), {
    args: [...step.args],
    cwd: ROOT,
    env: { ...(Deno.stdout.isTerminal() ? {} : { NO_COLOR: "1" }), ...step.env, ...env },
    stdin: "null",
  }).spawn();
  const late = setTimeout(() => {
    console.log(`${step.name} is not done after ${step.deadlineMs / 1000} s and is killed`);
    child.kill("SIGKILL");
  }, step.deadlineMs);
  const { code } = await child.status;
  clearTimeout(late);

  if (step.kind === "verdict") {
    return { counts: { passed: +(code === 0), failed: +(code !== 0), skipped: 0 }, report: null };
  }
  const report = await Deno.readTextFile(reportOf(step.name)).catch(() => null);
  return { counts: countTests(report, code), report };
}

/** The steps that the command line names; all of them when it names none. */
function chosenSteps(names: readonly string[]): GateStep[] {
  const paths = sourceTree().map((file) => file.path).filter(isTypeScript);
  const steps = gateSteps(paths, reportOf);
  const unknown = names.find((name) => !STEP_NAMES.includes(name));
  if (unknown !== undefined) {
    console.error(`No step "${unknown}". There are: ${STEP_NAMES.join(" ")}`);
    Deno.exit(2);
  }
  return names.length === 0 ? steps : steps.filter((step) => names.includes(step.name));
}

if (import.meta.main) Deno.exit(await runGate(chosenSteps(Deno.args)));
