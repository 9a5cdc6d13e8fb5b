/**
 * Services of libraries that are written for grpc-js (health checking, reflection), served by our
 * own server: what they add to theirs is taken as methods of ours.
 */
import { ProblemError } from "../http/problem.ts";
import type { CallContext, Method } from "./call.ts";
import { Status } from "./status_code.ts";

/** What such a library expects of a server. */
export interface LibraryServer {
  addService(definition: LibraryDefinition, implementation: LibraryImplementation): void;
}

/** A service as proto-loader defines it. */
export type LibraryDefinition = Readonly<Record<string, LibraryMethod>>;

export interface LibraryMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestDeserialize: (bytes: never) => unknown;
  readonly responseSerialize: (message: never) => Uint8Array;
}

// deno-lint-ignore no-explicit-any -- handlers of the library
type LibraryImplementation = Readonly<Record<string, any>>;

/** What was added: each service with its definition and methods. */
export interface AddedService {
  readonly definition: LibraryDefinition;
  readonly methods: Readonly<Record<string, Method>>;
}

/** Collects the services that a library adds. */
export class CollectedServices implements LibraryServer {
  readonly added: AddedService[] = [];

  addService(definition: LibraryDefinition, implementation: LibraryImplementation): void {
    const methods = Object.entries(definition).map(([name, method]) => {
      const handler = implementation[name] ?? implementation[lowerFirst(name)];
      return [name, adapted(method, handler.bind(implementation))] as const;
    });
    this.added.push({ definition, methods: Object.fromEntries(methods) });
  }
}

// deno-lint-ignore no-explicit-any -- a handler of the library
function adapted(method: LibraryMethod, handler: (...args: any[]) => void): Method {
  if (!method.responseStream) {
    return {
      unary: (request) => {
        return new Promise((resolve, reject) => {
          handler({ request }, (error: unknown, answer: unknown) => {
            if (error) reject(asProblem(error));
            else resolve(answer);
          });
        });
      },
    };
  }
  if (method.requestStream) {
    return {
      duplex: async (requests, write, context) => {
        const call = new LibraryCall(undefined, write, context);
        handler(call);
        for await (const request of requests) {
          call.emit("data", request);
          // A client that does not read what it asked for is not asked for more.
          await call.written;
        }
        call.emit("end");
        await call.ended;
      },
    };
  }
  return {
    stream: async (request, write, context) => {
      const call = new LibraryCall(request, write, context);
      handler(call);
      await call.ended;
    },
  };
}

type Listener = (value?: unknown) => void;

/** A call as grpc-js shows it to a handler, as far as these libraries look. */
class LibraryCall {
  /** Resolves when the handler ends the call, or the client has gone. */
  readonly ended: Promise<void>;
  readonly #write: (response: unknown) => Promise<void>;
  readonly #listeners = new Map<string, Listener[]>();
  readonly #end = Promise.withResolvers<void>();
  #written: Promise<void> = Promise.resolve();

  constructor(
    readonly request: unknown,
    write: (response: unknown) => Promise<void>,
    context: CallContext,
  ) {
    this.ended = this.#end.promise.then(() => this.#written);
    // It may fail before anyone waits for it.
    this.ended.catch(() => {});
    this.#write = write;
    const cancel = () => {
      this.emit("cancelled");
      this.#end.resolve();
    };
    if (context.signal.aborted) queueMicrotask(cancel);
    else context.signal.addEventListener("abort", cancel, { once: true });
  }

  /** Resolves when what was written so far is on its way, or can't be. */
  get written(): Promise<void> {
    return this.#written;
  }

  write(response: unknown): boolean {
    this.#written = this.#written.then(() => this.#write(response)).catch(() => {});
    return true;
  }

  end(): void {
    this.#end.resolve();
  }

  on(event: string, listener: Listener): this {
    this.#listeners.set(event, [...this.#listeners.get(event) ?? [], listener]);
    return this;
  }

  emit(event: string, value?: unknown): void {
    if (event === "error") this.#end.reject(value);
    for (const listener of this.#listeners.get(event) ?? []) listener(value);
  }
}

/** What these libraries fail with is that a service is not known. */
function asProblem(error: unknown): unknown {
  const { code, details } = error as { code?: number; details?: string };
  return code === Status.NOT_FOUND ? new ProblemError("not_found", details) : error;
}

function lowerFirst(name: string): string {
  return name[0].toLowerCase() + name.slice(1);
}
