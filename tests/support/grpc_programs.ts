/**
 * Other people's gRPC programs, for tests: grpcurl, and a Python with grpcio. Where one is not there
 * and can't be had, the tests that need it are skipped, said loudly and counted.
 *
 *     .cache/grpcurl/bin/grpcurl   built by go, where it is nowhere else
 *     .cache/grpc_python/          a virtual environment of Python
 */
import { join } from "node:path";
import { ROOT } from "../tidy/source_tree.ts";
import { hasProgram, runProgram } from "./kafka_java.ts";
import { endOf, missing, type OutsideProgram, program } from "./outside_program.ts";

/** Longest that building or installing one may take, ms: grpcurl takes two minutes on two cores. */
const INSTALL_MS_MAX = 300_000;
const GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3";
const PYTHON_PACKAGES = [
  "grpcio==1.80.0",
  "grpcio-tools==1.80.0",
  "googleapis-common-protos==1.76.0",
];

/** grpcurl: that of PATH or of Go's own folder, else built here. */
export async function grpcurl(): Promise<OutsideProgram> {
  if (await hasProgram("grpcurl")) return program("grpcurl");
  const ofGo = join(Deno.env.get("HOME") ?? "/", "go", "bin", "grpcurl");
  if (await hasProgram(ofGo)) return program(ofGo);
  const folder = join(ROOT, ".cache", "grpcurl", "bin");
  const built = join(folder, "grpcurl");
  if (await hasProgram(built)) return program(built);
  if (!await hasProgram("go")) return missing("grpcurl", "install it, or Go to build it with");
  const env = { GOBIN: folder };
  const { code, output } = await runProgram("go", ["install", GRPCURL], {
    env,
    deadlineMs: INSTALL_MS_MAX,
  });
  return code === 0 ? program(built) : missing("grpcurl", endOf(output));
}

/** A Python that has grpcio and the compiler for proto files. */
export async function grpcPython(): Promise<OutsideProgram> {
  const folder = join(ROOT, ".cache", "grpc_python");
  const python = join(folder, "bin", "python");
  const marker = join(folder, "installed");
  const wanted = PYTHON_PACKAGES.join("\n");
  if (await textOf(marker) === wanted && await hasProgram(python)) return program(python);
  if (!await hasProgram("python3")) return missing("python3", "install Python 3.10 or newer");
  const steps: [string, string[]][] = [
    ["python3", ["-m", "venv", "--clear", folder]],
    [python, ["-m", "pip", "install", "--quiet", ...PYTHON_PACKAGES]],
  ];
  for (const [name, args] of steps) {
    const { code, output } = await runProgram(name, args, { deadlineMs: INSTALL_MS_MAX });
    if (code !== 0) return missing("grpcio", endOf(output));
  }
  await Deno.writeTextFile(marker, wanted);
  return program(python);
}

async function textOf(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
