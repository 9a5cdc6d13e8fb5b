/** A plain client of gRPC for tests: the library's own, over the definitions of proto/. */
import * as grpc from "@grpc/grpc-js";
import { loadDefinitions } from "../../lib/grpc/definitions.ts";

/** A message as proto-loader has it. */
// deno-lint-ignore no-explicit-any -- messages of every service
export type Message = any;

/** What a call ended with, when not with an answer. */
export interface CallError {
  readonly code: grpc.status;
  readonly details: string;
  readonly metadata: grpc.Metadata;
}

/** One connection to one service. */
export class TestGrpcClient implements Disposable {
  readonly #client: Message;

  constructor(service: string, port: number, credentials = grpc.credentials.createInsecure()) {
    const definition = loadDefinitions().service(service);
    const Client = grpc.makeGenericClientConstructor(definition, service);
    this.#client = new Client(`127.0.0.1:${port}`, credentials);
  }

  /** A unary call. Rejects with CallError. */
  call(
    method: string,
    request: Message,
    metadata: Record<string, string> = {},
    options: grpc.CallOptions = {},
  ): Promise<Message> {
    return new Promise((resolve, reject) => {
      this.#client[method](request, metadataOf(metadata), options, (
        error: CallError | null,
        answer: Message,
      ) => error === null ? resolve(answer) : reject(error));
    });
  }

  /** A stream of answers, or of both. */
  open(method: string, request?: Message, metadata: Record<string, string> = {}): Message {
    const given = metadataOf(metadata);
    return request === undefined
      ? this.#client[method](given)
      : this.#client[method](request, given);
  }

  /** May be called twice. */
  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** google.rpc details of a status, by type name. */
export function detailsOf(error: CallError): Record<string, Message> {
  const { message } = loadDefinitions();
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  const status: Message = message("google.rpc.Status").deserialize(bytes as Buffer);
  return Object.fromEntries(
    status.details.map(({ type_url, value }: Message) => {
      const name = type_url.slice(type_url.lastIndexOf("/") + 1);
      return [name.slice("google.rpc.".length), message(name).deserialize(value)];
    }),
  );
}

/** The failure of a call that must fail. */
export async function failureOf(call: Promise<unknown>): Promise<CallError> {
  try {
    await call;
  } catch (error) {
    return error as CallError;
  }
  throw new Error("the call did not fail");
}

function metadataOf(entries: Record<string, string>): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(entries)) metadata.set(name, value);
  return metadata;
}
