/** A client in another language, made from the proto files, talks to each method of each service. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { grpcPortOf } from "../support/grpc_client.ts";
import { grpcPython } from "../support/grpc_programs.ts";
import { runProgram } from "../support/kafka_java.ts";
import { startServer } from "../support/server.ts";
import { ROOT } from "../tidy/source_tree.ts";

const python = await grpcPython();

Deno.test(python.test("a Python client made from proto/ talks to each method", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "rta-grpc-python-" });
  await using server = await startServer();
  try {
    const protoc = ["-m", "grpc_tools.protoc", "-I", join(ROOT, "proto")];
    const outputs = [`--python_out=${folder}`, `--grpc_python_out=${folder}`];
    const files = ["analytics/v1/analytics.proto", "analytics/analytics.proto"];
    const made = await runProgram(python.path, [...protoc, ...outputs, ...files]);
    assert.equal(made.code, 0, made.output);
    const program = join(import.meta.dirname!, "grpc_every_method.py");
    const { code, stdout, output } = await runProgram(
      python.path,
      ["-B", program, `127.0.0.1:${grpcPortOf(server)}`],
      { env: { PYTHONPATH: folder } },
    );
    assert.equal(code, 0, output);
    assert.equal(stdout.trim().split("\n").length, 22);
    assert.equal(await server.stop(), 0);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}));
