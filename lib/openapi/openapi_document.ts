/**
 * The OpenAPI 3.1 document of the platform's REST API, made of its routes. It is the same whatever
 * roles a process has: addresses of other ports than the gateway's are in the `servers` of a path.
 */
import { httpRule } from "../auth/route_rules.ts";
import type { Role } from "../config/variables.ts";
import { REASONS } from "../event/reasons.ts";
import { API_TAGS, type ApiRoute, type RouteContent } from "../http/api_route.ts";
import { PROBLEM_CONTENT_TYPE } from "../http/problem.ts";
import { ComponentSchemas, type JsonSchema, referenceTo } from "./component_schemas.ts";
import type { z } from "zod";

/** Where the ports are. */
export interface ApiAddresses {
  readonly scheme: "http" | "https";
  readonly ports: Readonly<Record<Role, number>>;
}

/** The members of a document that its readers here look at. */
export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly ApiServer[];
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, ApiPath>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly responses: JsonSchema;
    readonly securitySchemes: JsonSchema;
  };
}

export interface ApiServer {
  readonly url: string;
  readonly description: string;
  readonly variables?: JsonSchema;
}

export interface ApiPath {
  readonly servers?: readonly ApiServer[];
  readonly get?: ApiOperation;
  readonly post?: ApiOperation;
}

export interface ApiParameter {
  readonly name: string;
  readonly in: "query" | "path";
  readonly description?: string;
  readonly required: boolean;
  readonly schema: JsonSchema;
  readonly style?: string;
  readonly example?: unknown;
}

export type ApiContent = Readonly<
  Record<string, { readonly schema: JsonSchema; readonly example?: unknown }>
>;

export interface ApiOperation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly ApiParameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: ApiContent };
  readonly responses: Readonly<Record<string, JsonSchema & { readonly content?: ApiContent }>>;
}

const DESCRIPTION = `Events in, and what they come to out: counts, users, funnels, live numbers.

Answers under \`/v1\` are in proto JSON: 64-bit integers are texts, times RFC 3339 in UTC. Requests
may use proto names or lowerCamel. Unknown parameters are refused. Send \`x-request-id\` to find a
request in the log; every answer has one. Bodies may be packed with \`content-encoding\` gzip or zstd.

An operation may need a scope, \`ingest\`, \`query\` or \`admin\`, which its security names. Keys are
optional where only the machine itself reaches the ports.`;

/** Makes the document. Throws when two shapes of one name differ. */
export function openApiDocument(
  routes: readonly ApiRoute[],
  addresses: ApiAddresses,
): OpenApiDocument {
  const components = new ComponentSchemas();
  const paths: Record<string, ApiPath> = {};
  for (const route of routes) {
    const { servers } = paths[route.path] ?? { servers: serversOf(route, addresses) };
    paths[route.path] = {
      ...paths[route.path],
      ...(servers === undefined ? {} : { servers }),
      [route.method]: operationOf(route, components),
    };
  }
  components.add("Problem", PROBLEM);
  const used = new Set<string>(routes.map(({ tag }) => tag));
  return {
    openapi: "3.1.0",
    info: { title: "Real-Time Analytics Platform", version: "v1", description: DESCRIPTION },
    servers: [
      { url: "/", description: "The gateway, which gives this document" },
      serverOf("gateway", addresses),
    ],
    tags: Object.entries(API_TAGS).filter(([name]) => used.has(name))
      .map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: components.all,
      responses: { Problem: PROBLEM_RESPONSE },
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

const SECURITY_SCHEMES = {
  apiKey: { type: "apiKey", in: "header", name: "x-api-key" },
  bearer: { type: "http", scheme: "bearer", description: "An API key, or a token (JWT)" },
};

const PROBLEM: JsonSchema = {
  type: "object",
  description: "Problem details (RFC 9457); some answers have further members",
  properties: {
    type: { type: "string", description: "urn:rta:problem: and the code" },
    title: { type: "string", description: "The code's sentence" },
    status: { type: "integer" },
    detail: { type: "string", description: "What happened here" },
    code: {
      type: "string",
      enum: Object.keys(REASONS),
      description: "Never changes its meaning; docs/ERRORS.md has them all",
    },
    field: { type: "string", description: "The field or parameter at fault, if it is one" },
    request_id: { type: "string" },
  },
  required: ["type", "title", "status", "detail", "code", "request_id"],
};

const PROBLEM_RESPONSE = {
  description: "A problem (RFC 9457): code says which",
  headers: {
    "x-request-id": { schema: { type: "string" } },
    "retry-after": {
      description: "With 429 and 503: when to try again",
      schema: { type: "integer", description: "Seconds" },
    },
  },
  content: { [PROBLEM_CONTENT_TYPE]: { schema: referenceTo("Problem") } },
};

/** Undefined where the gateway alone answers: those of the document are meant then. */
function serversOf({ roles }: ApiRoute, addresses: ApiAddresses): ApiServer[] | undefined {
  if (roles.length === 1 && roles[0] === "gateway") return undefined;
  return roles.map((role) =>
    role === "gateway" ? { url: "/", description: role } : serverOf(role, addresses)
  );
}

function serverOf(role: Role, { scheme, ports }: ApiAddresses): ApiServer {
  return {
    url: `${scheme}://{host}:${ports[role]}`,
    description: role,
    variables: { host: { default: "127.0.0.1" } },
  };
}

function operationOf(route: ApiRoute, components: ComponentSchemas): ApiOperation {
  const { id, tag, summary, description, body, answers, example } = route;
  const responses: Record<string, JsonSchema> = {};
  for (const [status, answer] of Object.entries(answers)) {
    const content = contentOf(answer.content, components);
    responses[status] = { description: answer.description, content };
  }
  const requestBody = body && {
    required: body.isRequired,
    content: contentOf(body.content, components, example?.body),
  };
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    security: securityOf(route),
    parameters: parametersOf(route, components),
    ...(requestBody === undefined ? {} : { requestBody }),
    responses: { ...responses, default: { $ref: "#/components/responses/Problem" } },
  };
}

/** Either scheme, with the scope that is needed; none where everybody may ask. */
function securityOf({ method, path }: ApiRoute): ApiOperation["security"] {
  const rule = httpRule(method.toUpperCase(), path.replace(/[{}]/g, ""));
  return rule === null ? [] : [{ apiKey: [rule.scope] }, { bearer: [rule.scope] }];
}

/** `example` is that of the content that is JSON. */
function contentOf(
  content: RouteContent,
  components: ComponentSchemas,
  example?: unknown,
): ApiContent {
  return Object.fromEntries(
    Object.entries(content).map(([type, shape]) => {
      const isShown = example !== undefined && type === "application/json";
      return [type, { schema: components.of(shape), ...(isShown ? { example } : {}) }];
    }),
  );
}

function parametersOf(route: ApiRoute, components: ComponentSchemas): ApiParameter[] {
  const { path, params = {}, query = {}, example = {} } = route;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]): ApiParameter => ({
    name,
    in: "path",
    description: params[name],
    required: true,
    schema: { type: "string" },
    ...exampleOf(example.params?.[name]),
  }));
  const inQuery = Object.entries(query).map(([name, type]): ApiParameter => {
    const { description, ...schema } = components.of(type);
    return {
      name,
      in: "query",
      description: description as string | undefined,
      required: !isOptional(type),
      schema,
      ...(schema.type === "object" ? { style: "deepObject" } : {}),
      ...exampleOf(typedExample(schema, example.query?.[name])),
    };
  });
  return [...inPath, ...inQuery];
}

/** The text of a query string as the value that it stands for. */
function typedExample({ type }: JsonSchema, text: string | undefined): unknown {
  if (text === undefined) return undefined;
  if (type === "array") return text.split(",");
  return type === "string" ? text : JSON.parse(text);
}

function exampleOf(example: unknown) {
  return example === undefined ? {} : { example };
}

function isOptional(type: z.ZodType): boolean {
  return type.safeParse(undefined).success;
}
