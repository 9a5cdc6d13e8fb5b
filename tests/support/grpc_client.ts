/** Calls of gRPC for tests, on a connection of their own to a server of this machine. */
import { Buffer } from "node:buffer";
import { loadDefinitions } from "../../lib/grpc/definitions.ts";
import {
  type AnyMessage,
  type CallSettings,
  GrpcChannel,
  GrpcError,
  type OpenCall,
} from "../../lib/grpc/grpc_channel.ts";
import type { TestServer } from "./server.ts";

export type { AnyMessage };

/** One connection to one service. */
export class TestGrpcClient implements Disposable {
  readonly #service: string;
  readonly #channel: GrpcChannel;

  private constructor(service: string, channel: GrpcChannel) {
    this.#service = service;
    this.#channel = channel;
  }

  static async connect(service: string, port: number): Promise<TestGrpcClient> {
    const place = { host: "127.0.0.1", port, caCertificate: null };
    return new TestGrpcClient(service, await GrpcChannel.connect(place));
  }

  /** A unary call. Rejects with GrpcError. */
  call(method: string, request: AnyMessage, settings: CallSettings = {}): Promise<AnyMessage> {
    return this.#channel.call(this.#service, method, request, settings);
  }

  open(method: string, settings: CallSettings = {}): OpenCall {
    return this.#channel.open(this.#service, method, settings);
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }
}

/** The gRPC port of a role. */
export function grpcPortOf(server: TestServer, role = "ingestion"): number {
  const ready = server.entries.find((entry) => entry.msg === "ready")!;
  return (ready.grpcPorts as Record<string, number>)[role];
}

/** google.rpc details of a status, by type name. */
export function detailsOf(error: GrpcError): Record<string, AnyMessage> {
  const { message } = loadDefinitions();
  const bytes = Buffer.from(error.trailer("grpc-status-details-bin")!, "base64");
  const status: AnyMessage = message("google.rpc.Status").deserialize(bytes);
  return Object.fromEntries(
    status.details.map(({ type_url, value }: AnyMessage) => {
      const name = type_url.slice(type_url.lastIndexOf("/") + 1);
      return [name.slice("google.rpc.".length), message(name).deserialize(value)];
    }),
  );
}

/** The failure of a call that must fail. */
export async function failureOf(call: Promise<unknown>): Promise<GrpcError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof GrpcError) return error;
    throw error;
  }
  throw new Error("the call did not fail");
}

/** Where programs find a server, by the environment variables that those of examples/ go by. */
export function placesOf(server: TestServer): Record<string, string> {
  return {
    RTA_URL: server.urls.gateway,
    RTA_INGEST_URL: server.urls.ingestion,
    RTA_GRPC_ADDRESS: `127.0.0.1:${grpcPortOf(server)}`,
  };
}
