/**
 * The gRPC server of a process: every service on every port that is opened, with health checking
 * (grpc.health.v1) and reflection (v1 and v1alpha) beside them.
 */
import { Buffer } from "node:buffer";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import type { Role } from "../config/variables.ts";
import { ProblemError } from "../http/problem.ts";
import { INTERNAL_ERROR } from "../http2/frames.ts";
import type { ServerTls } from "../http/server_tls.ts";
import { Http2Server } from "../http2/serve_http2.ts";
import type { Http2Stream } from "../http2/stream.ts";
import { type CallOptions, type Method, serveCall, type ServedMethod } from "./call.ts";
import { CallGate } from "./call_gate.ts";
import { encodeGrpcMessage, isGrpcType } from "./call_headers.ts";
import { loadDefinitions } from "./definitions.ts";
import { reflectedFiles } from "./reflected_files.ts";
import { HeldBytes } from "./held_bytes.ts";
import { CollectedServices, type LibraryDefinition } from "./library_service.ts";
import { Status } from "./status_code.ts";

/** A service by its full name, with its methods by name; each has all of them. */
export interface GrpcService {
  readonly name: string;
  readonly role: Role;
  // deno-lint-ignore no-explicit-any -- each method has messages of its own
  readonly methods: Readonly<Record<string, Method<any, any>>>;
}

export interface GrpcServerOptions extends Omit<CallOptions, "gate" | "held"> {
  readonly services: readonly GrpcService[];
  /** null = plain text. */
  readonly tls: ServerTls | null;
}

/** Role that calls of health checking and reflection are counted for. */
const LIBRARY_ROLE: Role = "gateway";

export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #gate = new CallGate();
  readonly #held = new HeldBytes();
  readonly #methods = new Map<string, ServedMethod>();
  readonly #health = new HealthImplementation();
  readonly #names: readonly string[];
  readonly #servers: Http2Server[] = [];

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    const { service } = loadDefinitions();
    for (const { name, role, methods } of options.services) {
      this.#add(service(name) as LibraryDefinition, methods, role);
    }
    this.#names = ["", ...options.services.map(({ name }) => name)];
    const library = new CollectedServices();
    // Both only add their services to it.
    this.#health.addToServer(library as never);
    const services = [...this.#names.slice(1), "grpc.health.v1.Health"];
    new ReflectionService(reflectedFiles(), { services }).addToServer(library as never);
    for (const { definition, methods } of library.added) {
      this.#add(definition, withKnownWatched(methods, new Set(this.#names)), LIBRARY_ROLE);
    }
  }

  /** What grpc.health.v1 answers, for the whole server and for each service. */
  setServing(isServing: boolean): void {
    for (const name of this.#names) {
      this.#health.setStatus(name, isServing ? "SERVING" : "NOT_SERVING");
    }
  }

  /** Opens a port, 0 = any free one; gives its number. Rejects with ListenError. */
  async listen(host: string, port: number): Promise<number> {
    const { tls } = this.#options;
    const onStream = (stream: Http2Stream) => this.#serve(stream);
    const server = await Http2Server.open({ host, port, tls, onStream });
    this.#servers.push(server);
    return server.port;
  }

  /** Refuses new calls and lets those under way end, for at most `drainMsMax`; then ends them. */
  async stop(drainMsMax: number): Promise<void> {
    this.setServing(false);
    this.#gate.close();
    const startedMs = performance.now();
    await this.#gate.drained(drainMsMax);
    const leftMs = Math.max(0, drainMsMax - (performance.now() - startedMs));
    await Promise.all(this.#servers.map((server) => server.stop(leftMs)));
  }

  #add(
    definition: LibraryDefinition,
    // deno-lint-ignore no-explicit-any -- each method has messages of its own
    methods: Readonly<Record<string, Method<any, any>>>,
    role: Role,
  ): void {
    for (const [name, defined] of Object.entries(definition)) {
      const method = methods[name];
      const { path } = defined;
      if (method === undefined) throw new Error(`${path} has no method to serve it`);
      const decode = (bytes: Uint8Array) => {
        const { buffer, byteOffset, byteLength } = bytes;
        return defined.requestDeserialize(Buffer.from(buffer, byteOffset, byteLength) as never);
      };
      const encode = (message: unknown) => defined.responseSerialize(message as never);
      this.#methods.set(path, { path, role, method, decode, encode });
    }
  }

  #serve(stream: Http2Stream): void {
    if (stream.header(":method") !== "POST" || !isGrpcType(stream.header("content-type"))) {
      // Not a call of gRPC at all: said in HTTP.
      stream.sendHeaders([[":status", "415"], ["accept-post", "application/grpc"]], true);
      if (!stream.remoteEnded) stream.cancel(0);
      return;
    }
    const path = stream.header(":path")!;
    const served = this.#methods.get(path);
    if (served !== undefined) {
      serveCall(stream, served, this.#callOptions()).catch((error) => {
        this.#options.logger.error({ err: error, method: path }, "a call could not be ended");
        stream.cancel(INTERNAL_ERROR);
      });
      return;
    }
    stream.sendHeaders([
      [":status", "200"],
      ["content-type", "application/grpc"],
      ["grpc-status", String(Status.UNIMPLEMENTED)],
      ["grpc-message", encodeGrpcMessage(new ProblemError("not_found", "no such method").detail)],
    ], true);
    if (!stream.remoteEnded) stream.cancel(0);
  }

  #callOptions(): CallOptions {
    const { logger, metrics, admit } = this.#options;
    return { logger, metrics, admit, gate: this.#gate, held: this.#held };
  }
}

/**
 * Health checking keeps every name that was ever watched: names that no service has are answered
 * here, so that clients can't fill the memory with them.
 */
function withKnownWatched(
  methods: Readonly<Record<string, Method>>,
  names: ReadonlySet<string>,
): Readonly<Record<string, Method>> {
  const watch = methods.Watch;
  if (watch === undefined || !("stream" in watch)) return methods;
  const known: Method<{ service: string }, unknown> = {
    stream: async (request, write, context) => {
      if (names.has(request.service)) return await watch.stream(request, write, context);
      await write({ status: "SERVICE_UNKNOWN" });
      await aborted(context.signal);
    },
  };
  return { ...methods, Watch: known as Method };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
