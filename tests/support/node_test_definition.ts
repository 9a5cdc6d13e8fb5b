/** Tests that need Node: skipped, said loudly and counted, where it is not installed. */

/** Node's version as it calls itself, such as `v20.20.2`; null = it is not on PATH. */
function nodeVersion(): string | null {
  try {
    const { stdout } = new Deno.Command("node", { args: ["--version"] }).outputSync();
    return new TextDecoder().decode(stdout).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Defines a test that runs programs by `node`. */
export function nodeTest(name: string, fn: () => Promise<void>): Deno.TestDefinition {
  if (nodeVersion() !== null) return { name, fn };
  console.error("\nNO NODE, so a test is skipped: put Node 20 or newer on PATH\n");
  return { name, fn, ignore: true };
}
