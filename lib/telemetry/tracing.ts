/**
 * Spans of OpenTelemetry, by what Deno has built in: with OTEL_DENO=true it makes a span of each
 * request over HTTP and sends all spans to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names.
 *
 *     request (HTTP by Deno, gRPC by us) <- log append (child) <~ shard commit (linked)
 *
 * A commit joins events of many requests, so it is a trace of its own that names those of the
 * requests, rather than a child of one of them. Off, nothing of this is loaded and `tracing` is null:
 * the hot path asks whether it is, once a request or a record.
 */
import type { Attributes, Context, Span } from "@opentelemetry/api";
import { COMMIT_SPAN_LINKS_MAX } from "../config/limits.ts";
import { traceIdOf, traceparentOf } from "./trace_context.ts";

/** A span that has begun. */
export interface OpenSpan {
  /** Names it as the parent of others, elsewhere too. */
  readonly traceparent: string;
  /** Ends it; with what was thrown, or a word for what went wrong, as failed. */
  end(failure?: unknown): void;
}

type Api = typeof import("@opentelemetry/api");

const SPAN_ID_START = 36;
const SPAN_ID_END = 52;
const SCOPE = "rta";

/** Makes spans. */
export class Tracing {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** The request that Deno.serve answers here, or null. */
  get activeTraceparent(): string | null {
    const span = this.#api.trace.getActiveSpan();
    return span === undefined ? null : traceparentText(span);
  }

  /** A call of gRPC; `parent` as the caller gave it. */
  startCall(method: string, parent: string | null): OpenSpan {
    const { SpanKind } = this.#api;
    const attributes = { "rpc.system": "grpc", "rpc.method": method };
    return this.#start(method.slice(1), SpanKind.SERVER, parent, attributes);
  }

  /** Events on their way to the log, until they are durable. */
  startAppend(parent: string | null, attributes: Attributes): OpenSpan {
    return this.#start("log append", this.#api.SpanKind.PRODUCER, parent, attributes);
  }

  /** A commit of a partition; linked to the appends whose events it makes permanent. */
  startCommit(appends: Iterable<string>, attributes: Attributes): OpenSpan {
    const { ROOT_CONTEXT, SpanKind } = this.#api;
    const links = [...appends].map((text) => ({ context: spanContextOf(text) }));
    const options = { kind: SpanKind.CONSUMER, links, attributes };
    return this.#open(
      this.#api.trace.getTracer(SCOPE).startSpan("shard commit", options, ROOT_CONTEXT),
    );
  }

  #start(name: string, kind: number, parent: string | null, attributes: Attributes): OpenSpan {
    const context = this.#contextOf(parent);
    const tracer = this.#api.trace.getTracer(SCOPE);
    return this.#open(tracer.startSpan(name, { kind, attributes }, context));
  }

  #contextOf(parent: string | null): Context {
    const { ROOT_CONTEXT, trace } = this.#api;
    if (parent === null) return ROOT_CONTEXT;
    return trace.setSpanContext(ROOT_CONTEXT, { ...spanContextOf(parent), isRemote: true });
  }

  #open(span: Span): OpenSpan {
    const { SpanStatusCode } = this.#api;
    return {
      traceparent: traceparentText(span),
      end(failure) {
        if (failure) span.setStatus({ code: SpanStatusCode.ERROR, message: String(failure) });
        span.end();
      },
    };
  }
}

/** Null unless OTEL_DENO=true. */
export const tracing: Tracing | null = Deno.env.get("OTEL_DENO") === "true"
  ? new Tracing(await import("@opentelemetry/api"))
  : null;

/** The trace of a request over HTTP: that of its span, or what its header says. */
export function requestTraceparent(header: string | null): string | null {
  return tracing?.activeTraceparent ?? traceparentOf(header);
}

/** Traces of requests whose events wait for a commit; empty while tracing is off. */
export class WaitingTraces {
  #waiting = new Set<string>();

  /** Notes one, up to COMMIT_SPAN_LINKS_MAX of them. */
  note(traceparent: string): void {
    if (this.#waiting.size < COMMIT_SPAN_LINKS_MAX) this.#waiting.add(traceparent);
  }

  /** Those noted since the last call. */
  take(): ReadonlySet<string> {
    const taken = this.#waiting;
    if (taken.size > 0) this.#waiting = new Set();
    return taken;
  }
}

function spanContextOf(traceparent: string) {
  return {
    traceId: traceIdOf(traceparent),
    spanId: traceparent.slice(SPAN_ID_START, SPAN_ID_END),
    traceFlags: parseInt(traceparent.slice(SPAN_ID_END + 1), 16),
  };
}

function traceparentText(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}
