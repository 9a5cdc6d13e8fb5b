import { Validator } from "@seriousme/openapi-schema-validator";
import assert from "node:assert/strict";
import { ROLES } from "../lib/config/config.ts";
import { REASONS } from "../lib/event/reasons.ts";
import { loadDefinitions } from "../lib/grpc/definitions.ts";
import { routingPath } from "../lib/http/api_route.ts";
import { BodyReader } from "../lib/http/read_body.ts";
import { createLogger } from "../lib/telemetry/logger.ts";
import { createMetrics } from "../lib/telemetry/metrics.ts";
import { schemaCheck } from "../tests/support/api_schemas.ts";
import { keyRoutes } from "./access/keys_http.ts";
import { exportRoutes } from "./analytics/export_http.ts";
import { sqlRoutes } from "./analytics/sql_http.ts";
import { API_ROUTES, apiDocument } from "./api_document.ts";
import { roleHandler, type RoleParts } from "./role_handlers.ts";

const PORTS = { gateway: 8080, ingestion: 8081, consumer: 8082, analytics: 8083, metrics: 8084 };
const document = apiDocument({ scheme: "http", ports: PORTS });
const operations = Object.entries(document.paths).flatMap(([path, { get, post }]) => [
  ...(get === undefined ? [] : [{ path, method: "get", ...get }]),
  ...(post === undefined ? [] : [{ path, method: "post", ...post }]),
]);

/** Parts that nobody asks for anything: handlers are made of them, and not called. */
const UNUSED = {} as never;

const PARTS: RoleParts = {
  config: {
    roles: new Set(ROLES),
    analyticsUrl: null,
    analyticsTls: { caFile: null, certFile: null, keyFile: null },
    corsOrigins: null,
  },
  logger: createLogger("silent"),
  access: { door: UNUSED, routes: () => keyRoutes(UNUSED) },
  bodies: new BodyReader(),
  metrics: createMetrics(0),
  history: UNUSED,
  acceptor: UNUSED,
  consumer: UNUSED,
  letters: UNUSED,
  exports: { routes: [exportRoutes(UNUSED), sqlRoutes(UNUSED)] },
  live: UNUSED,
  streams: UNUSED,
  stopping: new AbortController().signal,
  health: UNUSED,
  operational: (service) => ({
    service,
    metrics: createMetrics(0),
    startedAtMs: 0,
    health: UNUSED,
    ready: UNUSED,
    // As Platform has it.
    stats: service === "ingestion" ? () => ({}) : undefined,
  }),
  analyticsPorts: () => UNUSED,
  apiDocument: () => document,
};

for (const role of ROLES) {
  Deno.test(`apiDocument() has every route that the port of ${role} answers, and no other`, () => {
    const { routes } = roleHandler(role, PARTS);
    const described = API_ROUTES.filter(({ roles }) => roles.includes(role))
      .map((route) => `${route.method.toUpperCase()} ${routingPath(route)}`);
    assert.deepEqual(described.sort(), [...routes].sort());
    for (const route of API_ROUTES) {
      assert.ok(document.paths[route.path][route.method], route.path);
      const { servers } = document.paths[route.path];
      const isHere = servers === undefined
        ? role === "gateway"
        : servers.some(({ description }) => description === role);
      assert.equal(isHere, route.roles.includes(role), route.path);
    }
  });
}

Deno.test("apiDocument() has every google.api.http binding of proto/ by its name", () => {
  interface Method {
    readonly originalName: string;
    readonly options: { readonly "(google.api.http)"?: Readonly<Record<string, string>> };
  }
  let bound = 0;
  for (const name of ["EventIngestionService", "AnalyticsService", "MetricsService"]) {
    const service = loadDefinitions().service(`analytics.v1.${name}`);
    for (const { originalName, options } of Object.values(service) as unknown as Method[]) {
      const rule = options["(google.api.http)"];
      if (rule === undefined) continue;
      const method = "get" in rule ? "get" : "post";
      const operation = document.paths[rule[method]]?.[method];
      const id = originalName === "health" ? `health.${name}` : originalName;
      assert.equal(operation?.operationId, id, rule[method]);
      bound++;
    }
  }
  assert.equal(bound, 11);
});

Deno.test("apiDocument() is a valid OpenAPI 3.1 document", async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(JSON.parse(JSON.stringify(document)));
  assert.ok(valid, JSON.stringify(errors));
  assert.equal(validator.version, "3.1");
  const ids = operations.map(({ operationId }) => operationId);
  assert.equal(new Set(ids).size, ids.length);
  // Every reference leads somewhere.
  const check = schemaCheck(document);
  for (const name of Object.keys(document.components.schemas)) {
    check({ $ref: `#/components/schemas/${name}` }, null);
  }
});

Deno.test("apiDocument() says what an operation needs, and lists the codes of problems", () => {
  const needs = (path: string, method: "get" | "post") =>
    document.paths[path][method]!.security.map((each) => Object.entries(each).join());
  assert.deepEqual(needs("/events", "post"), ["apiKey,ingest", "bearer,ingest"]);
  assert.deepEqual(needs("/v1/analytics/users/{user_id}", "get"), ["apiKey,query", "bearer,query"]);
  assert.deepEqual(needs("/v1/keys/{id}/revoke", "post"), ["apiKey,admin", "bearer,admin"]);
  assert.deepEqual(needs("/v1/sql", "post"), ["apiKey,admin", "bearer,admin"]);
  for (const path of ["/health", "/openapi.json", "/docs"]) {
    assert.deepEqual(needs(path, "get"), []);
  }
  const { Problem } = document.components.schemas;
  const { code } = Problem.properties as Record<string, { enum: string[] }>;
  assert.deepEqual(code.enum, Object.keys(REASONS));
});

Deno.test("apiDocument() has an example for every operation, and bodies that keep to its schemas", () => {
  const check = schemaCheck(document);
  for (const { example, path } of API_ROUTES) assert.ok(example !== undefined, path);
  let bodies = 0;
  for (const { path, requestBody } of operations) {
    for (const [type, { schema, example }] of Object.entries(requestBody?.content ?? {})) {
      if (type !== "application/json") continue;
      assert.deepEqual(check(schema, example), [], path);
      assert.notDeepEqual(check(schema, 7), [], path);
      bodies++;
    }
  }
  assert.ok(bodies > 10);
});

Deno.test("apiDocument() says what each parameter and each member of a question is", () => {
  for (const { path, parameters, requestBody } of operations) {
    for (const { name, description } of parameters) assert.ok(description, `${path}: ${name}`);
    const schema = requestBody?.content["application/json"].schema ?? {};
    for (const [name, member] of Object.entries(schema.properties ?? {})) {
      assert.ok(member.description ?? member.$ref, `${path}: ${name}`);
    }
  }
  const { PlainEvent } = document.components.schemas;
  for (const [name, member] of Object.entries(PlainEvent.properties as Record<string, object>)) {
    assert.ok("description" in member, name);
  }
});
