/**
 * Programs of others that tests run. Where one is not there and can't be had, the tests that need it
 * are skipped, said loudly and counted.
 */
import { dirname } from "node:path";

/** A program, or what defines tests that can't run without it. */
export interface OutsideProgram {
  /** Where it is, or its name to be found on PATH; throws when it is nowhere. */
  readonly path: string;
  /** Its folder; "" where it is on PATH or nowhere. */
  readonly folder: string;
  test(name: string, fn: () => Promise<void>): Deno.TestDefinition;
}

/** A program that is there. */
export function program(path: string): OutsideProgram {
  const folder = path.includes("/") ? dirname(path) : "";
  return { path, folder, test: (name, fn) => ({ name, fn }) };
}

/** One that is not, and why. */
export function missing(name: string, reason: string): OutsideProgram {
  console.error(`\nNO ${name.toUpperCase()}, so tests are skipped: ${reason}\n`);
  return {
    get path(): never {
      throw new Error(`there is no ${name}: ${reason}`);
    },
    folder: "",
    test: (title, fn) => ({ name: title, fn, ignore: true }),
  };
}

/** What a program said last. */
export function endOf(output: string): string {
  return output.trim().split("\n").slice(-2).join("\n").slice(-500);
}
