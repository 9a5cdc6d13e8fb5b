import assert from "node:assert/strict";
import { addressOf, curlExample } from "./curl_example.ts";
import type { ApiOperation } from "./openapi_document.ts";

const OPEN: ApiOperation = {
  operationId: "x",
  tags: [],
  summary: "",
  security: [],
  parameters: [],
  responses: {},
};
const AT = "http://127.0.0.1:8080";

Deno.test("curlExample() asks by GET with parameters as they have to be written", () => {
  const parameter = (name: string, place: "query" | "path", example?: unknown) => ({
    name,
    in: place,
    required: false,
    schema: {},
    example,
  });
  const operation = {
    ...OPEN,
    security: [{ apiKey: ["query"] }],
    parameters: [
      parameter("id", "path", "a/b"),
      parameter("tz", "query", "Europe/Berlin"),
      parameter("filter", "query", "it's"),
      parameter("limit", "query"),
    ],
  };
  assert.equal(
    curlExample("/v1/users/{id}", "get", operation, AT),
    [
      `curl -s -G ${AT}/v1/users/a%2Fb`,
      '-H "x-api-key: $RTA_KEY"',
      "--data-urlencode tz=Europe/Berlin",
      "--data-urlencode 'filter=it'\\''s'",
    ].join(" \\\n  "),
  );
  assert.equal(curlExample("/health", "get", OPEN, AT), `curl -s ${AT}/health`);
});

Deno.test("curlExample() sends a body by POST, and says so where there is none", () => {
  const content = { "application/json": { schema: {}, example: { name: "it's" } } };
  const withBody = { ...OPEN, requestBody: { required: true, content } };
  assert.equal(
    curlExample("/v1/keys", "post", withBody, AT),
    `curl -s ${AT}/v1/keys \\\n  -H 'content-type: application/json' \\\n  -d '{\n  "name": "it'\\''s"\n}'`,
  );
  assert.equal(curlExample("/v1/x", "post", OPEN, AT), `curl -s ${AT}/v1/x \\\n  -X POST`);
});

Deno.test("addressOf() fills variables in by their defaults", () => {
  const variables = { host: { default: "127.0.0.1" } };
  assert.equal(
    addressOf({ url: "http://{host}:8081", description: "", variables }),
    "http://127.0.0.1:8081",
  );
});
