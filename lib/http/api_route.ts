/**
 * A REST route as data. The router is told the path by it, and the OpenAPI document is made of it, so
 * that what is described is what is served; a test holds the two equal, route by route.
 */
import type { z } from "zod";
import type { Role } from "../config/variables.ts";

/** Groups of routes, in the order of the reference, and what they are for. */
export const API_TAGS = {
  "Sending events": "Events in, one by one or in batches. Success means that they are on disk.",
  "Counting": "Totals, series and breakdowns of a time range.",
  "Users": "One user, and the search for users.",
  "Behaviour": "Funnels, retention, stickiness and paths.",
  "Live": "The last seconds, once or as a stream.",
  "Export and SQL": "Events as files, and questions in SQL.",
  "Dead letters": "Lines that could not become events.",
  "Keys and projects": "For admins: who may do what.",
  "Metrics": "The platform's own metrics.",
  "Health": "How the platform is.",
  "Reference": "This document.",
} as const;

export type ApiTag = keyof typeof API_TAGS;

/** A message of proto/ in its JSON form, by its full name. */
export interface ProtoShape {
  readonly proto: string;
}

/** What a body is like. */
export type Shape = z.ZodType | ProtoShape;

/** By media type. */
export type RouteContent = Readonly<Record<string, Shape>>;

/** A request that is answered on a server with some events in it. */
export interface RouteExample {
  readonly query?: Readonly<Record<string, string>>;
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** One route. */
export interface ApiRoute {
  readonly method: "get" | "post";
  /** As OpenAPI writes it: `/v1/analytics/users/{user_id}`. */
  readonly path: string;
  /** The operation's name: of its RPC where it has one, in lowerCamel. */
  readonly id: string;
  readonly tag: ApiTag;
  readonly summary: string;
  readonly description?: string;
  /** Whose ports answer it. */
  readonly roles: readonly Role[];
  /** Parameters of the query string. They describe; routes read more spellings of them. */
  readonly query?: Readonly<Record<string, z.ZodType>>;
  /** What the parameters in the path are, by name. */
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: { readonly isRequired: boolean; readonly content: RouteContent };
  /** Answers of success by status; all others are problems (RFC 9457). */
  readonly answers: Readonly<
    Record<number, { readonly description: string; readonly content: RouteContent }>
  >;
  readonly example?: RouteExample;
}

/** The path as the router writes it: `/v1/analytics/users/:user_id`. */
export function routingPath({ path }: Pick<ApiRoute, "path">): string {
  return path.replace(/\{(\w+)\}/g, ":$1");
}

/** An answer 200 of JSON. */
export function jsonAnswer(description: string, shape: Shape): ApiRoute["answers"] {
  return { 200: { description, content: { "application/json": shape } } };
}

/** A body of JSON that has to be there. */
export function jsonBody(shape: Shape): NonNullable<ApiRoute["body"]> {
  return { isRequired: true, content: { "application/json": shape } };
}
