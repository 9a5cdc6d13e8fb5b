/**
 * The OpenAPI document as one page to read: nothing of it is loaded from anywhere, and it runs no
 * script. Its style stands in it, and is the one thing that its policy lets pass, by its hash.
 */
import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import type { JsonSchema } from "./component_schemas.ts";
import { addressOf, curlExample } from "./curl_example.ts";
import type {
  ApiContent,
  ApiOperation,
  ApiParameter,
  ApiServer,
  OpenApiDocument,
} from "./openapi_document.ts";
import { REFERENCE_STYLE } from "./reference_style.ts";
import { descriptionHtml, type Html, membersHtml, typeHtml } from "./schema_html.ts";

/** A page and the content security policy that it is to be sent with. */
export interface ReferencePage {
  readonly html: string;
  readonly policy: string;
}

interface PlacedOperation extends ApiOperation {
  readonly path: string;
  readonly method: "get" | "post";
  readonly servers: readonly ApiServer[];
}

/** Makes the page. */
export function referencePage(document: OpenApiDocument): ReferencePage {
  const styleHash = createHash("sha256").update(REFERENCE_STYLE).digest("base64");
  const policy = [
    "default-src 'none'",
    `style-src 'sha256-${styleHash}'`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return { html: String(pageHtml(document)), policy };
}

function pageHtml(document: OpenApiDocument): Html {
  const operations = operationsOf(document);
  const groups = document.tags.map((tag) => ({
    ...tag,
    operations: operations.filter(({ tags }) => tags.includes(tag.name)),
  }));
  const schemas = Object.entries(document.components.schemas);
  return html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>${document.info.title}: REST API</title>
        <link rel="icon" href="data:,">
        <style>${raw(REFERENCE_STYLE)}</style>
      </head>
      <body>
        <div class="layout">
          <nav aria-label="Contents">
    <a class="title" href="#top">REST API</a>
    ${groups.map(({ name, operations }) =>
      html`
        <h2><a href="#${anchorOf(name)}">${name}</a></h2>
        <ul>${operations.map(linkHtml)}</ul>
      `
    )}<h2><a href="#schemas">Schemas</a></h2>
    <ul>${schemas.map(([name]) => html`<li><a href="#schema-${name}">${name}</a></li>`)}</ul>
          </nav>
          <main id="top">
    <h1>${document.info.title}</h1>
    ${document.info.description.split("\n\n").map((text) =>
      html`
        <p>${codeHtml(text)}</p>
      `
    )}<p>This page as a file for programs: <a href="/openapi.json">openapi.json</a> (OpenAPI
    ${document.openapi}). The examples send the key that stands in the variable
    <code>RTA_KEY</code>, or none where it is not set.</p>
    ${groups.map(({ name, description, operations }) =>
      html`
        <section id="${anchorOf(name)}"><h2>${name}</h2>
        <p class="quiet">${description}</p>
        ${operations.map(operationHtml)}</section>
      `
    )}<section id="schemas"><h2>Schemas</h2>
    ${schemas.map(([name, schema]) => schemaHtml(name, schema))}</section>
          </main>
        </div>
      </body>
    </html>
  `;
}

function operationsOf(document: OpenApiDocument): PlacedOperation[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    (["get", "post"] as const).flatMap((method) => {
      const operation = item[method];
      if (operation === undefined) return [];
      // The gateway is at "/" of wherever this page is; examples name it in full.
      const own = document.servers.filter(({ url }) => url !== "/");
      const servers = item.servers?.map((server) => server.url === "/" ? own[0] : server) ?? own;
      return [{ ...operation, path, method, servers }];
    })
  );
}

function linkHtml({ operationId, method, path, summary }: PlacedOperation): Html {
  return html`
    <li><a href="#${operationId}" title="${summary}">${methodHtml(method)}${path}</a></li>
  `;
}

function methodHtml(method: string): Html {
  return html`
    <span class="method ${method}">${method.toUpperCase()}</span>
  `;
}

function operationHtml(operation: PlacedOperation): Html {
  const { operationId, method, path, summary, description, parameters, requestBody } = operation;
  const example = curlExample(path, method, operation, addressOf(operation.servers[0]));
  return html`
    <article id="${operationId}">
    <h3><a href="#${operationId}">${methodHtml(method)}<code>${path}</code></a></h3>
    <p>${summary}</p>
    ${description === undefined ? "" : html`
      <p>${description}</p>
    `}<p class="facts">${factsHtml(operation)}</p>
    ${parametersHtml(parameters)}${requestBody === undefined
      ? ""
      : html`<h4>Body${requestBody.required ? "" : ", may be missing"}</h4>
${contentHtml(requestBody.content)}`}<h4>Example</h4>
    <pre><code>${example}</code></pre>
    ${answersHtml(operation)}</article>
  `;
}

/** Scope and ports. */
function factsHtml({ security, servers }: PlacedOperation): Html {
  const scope = security[0]?.apiKey?.[0];
  const ports = servers.map(({ description, url }) => `${url.split(":").at(-1)} (${description})`);
  const needs = scope === undefined ? "Open to everybody" : html`Scope <code>${scope}</code>`;
  return html`${needs} · port ${ports.join(", ")}`;
}

function parametersHtml(parameters: readonly ApiParameter[]): Html {
  if (parameters.length === 0) return html``;
  return html`
    <h4>Parameters</h4>
    <ul class="members">${parameters.map(({ name, in: place, required, schema, description }) =>
      html`
        <li><code class="name">${name}</code> <span class="type">${typeHtml(
          schema,
        )}${place === "path" ? ", in the path" : ""}</span>${required
          ? html`
            <span class="required">required</span>
          `
          : ""}${descriptionHtml({ description })}</li>
      `
    )}</ul>
  `;
}

function answersHtml({ responses }: PlacedOperation): Html {
  return html`${
    Object.entries(responses).map(([status, { description, content }]) =>
      status === "default"
        ? html`
          <h4>Otherwise</h4>
          <p>A <a href="#schema-Problem">Problem</a> as <code>application/problem+json</code></p>
        `
        : html`<h4>Answer ${status}</h4>
<p>${description}</p>
${contentHtml(content ?? {})}`
    )
  }`;
}

function contentHtml(content: ApiContent): Html {
  return html`${
    Object.entries(content).map(([type, { schema }]) =>
      html`<p><code>${type}</code> <span class="type">${typeHtml(schema)}</span>${
        descriptionHtml(schema)
      }</p>
${membersHtml(schema)}`
    )
  }`;
}

function schemaHtml(name: string, schema: JsonSchema): Html {
  const { description, ...rest } = schema;
  const isPlain = schema.properties === undefined;
  return html`
    <article id="schema-${name}"><h3><a href="#schema-${name}">${name}</a></h3>
    ${description === undefined ? "" : html`
      <p>${description}</p>
    `}${isPlain ? html`<p class="type">${typeHtml(rest)}</p>` : ""}${membersHtml(rest)}</article>
  `;
}

/** Words between backticks as code. */
function codeHtml(text: string): Html {
  return html`${
    text.split("`").map((part, i) => i % 2 === 1 ? html`<code>${part}</code>` : html`${part}`)
  }`;
}

function anchorOf(tag: string): string {
  return tag.toLowerCase().replaceAll(" ", "-");
}
