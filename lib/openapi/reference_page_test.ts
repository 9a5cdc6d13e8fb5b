import { createHash } from "node:crypto";
import assert from "node:assert/strict";
import { z } from "zod";
import { type ApiRoute, jsonAnswer, jsonBody } from "../http/api_route.ts";
import { openApiDocument } from "./openapi_document.ts";
import { referencePage } from "./reference_page.ts";

const PORTS = { gateway: 8080, ingestion: 8081, consumer: 8082, analytics: 8083, metrics: 8084 };
const ROUTE: ApiRoute = {
  method: "post",
  path: "/v1/things/{id}",
  id: "makeThing",
  tag: "Counting",
  summary: "Make <b>one</b> & keep it",
  roles: ["gateway", "analytics"],
  params: { id: "The thing's id" },
  query: { size: z.int().min(1).max(5).optional().describe("How large; 3 if missing") },
  body: jsonBody(z.strictObject({ name: z.string(), kind: z.enum(["a", "b"]).optional() })),
  answers: jsonAnswer("It is made", z.strictObject({ at: z.string() }).meta({ id: "Thing" })),
  example: { params: { id: "x" }, query: { size: "2" }, body: { name: "</code><script>" } },
};
const { html, policy } = referencePage(openApiDocument([ROUTE], { scheme: "http", ports: PORTS }));

Deno.test("referencePage() shows an operation with all that it takes and gives", () => {
  const shown = [
    '<a href="#makeThing" title="Make &lt;b&gt;one&lt;/b&gt; &amp; keep it">',
    '<article id="makeThing">',
    "Scope <code>admin</code> · port 8080 (gateway), 8083 (analytics)",
    '<code class="name">id</code> <span class="type">string, in the path</span>',
    'integer, 1 to 5</span> <span class="about">How large; 3 if missing</span>',
    "one of <code>a</code>, <code>b</code>",
    "curl -s http://127.0.0.1:8080/v1/things/x",
    '<a href="#schema-Thing">Thing</a>',
    '<article id="schema-Thing">',
    '<a href="#schema-Problem">Problem</a>',
  ];
  const inOneLine = html.replace(/\s+/g, " ");
  for (const text of shown) assert.ok(inOneLine.includes(text), text);
});

Deno.test("referencePage() lets nothing that it shows be more than text", () => {
  assert.ok(!html.includes("<script"));
  assert.ok(!html.includes("<b>one"));
  assert.ok(html.includes("&lt;/code&gt;&lt;script&gt;"));
});

Deno.test("referencePage() loads nothing, and its policy lets its own style alone pass", () => {
  const [, style] = /<style>([\s\S]*?)<\/style>/.exec(html)!;
  const hash = createHash("sha256").update(style).digest("base64");
  assert.ok(policy.includes(`style-src 'sha256-${hash}'`));
  assert.ok(policy.startsWith("default-src 'none';"));
  const loaded = [...html.matchAll(/(?:src|href)="(?!#)([^"]*)"/g)].map(([, address]) => address);
  assert.deepEqual(loaded, ["data:,", "/openapi.json"]);
  assert.ok(!/ style=| on\w+=/.test(html));
});
