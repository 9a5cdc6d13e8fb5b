/** JSON Schemas, as far as the document has them, as HTML to read: a type, and lists of members. */
import { html } from "hono/html";
import type { JsonSchema } from "./component_schemas.ts";

/** HTML that is escaped already. */
export type Html = ReturnType<typeof html>;

/** Longest list of words that is shown without a click. */
const WORDS_SHOWN_MAX = 10;

/** What a schema is, in a line: `string`, `list of TopMetric`, `one of a, b`. */
export function typeHtml(schema: JsonSchema): Html {
  const { $ref, type, format, items, additionalProperties, anyOf, const: only } = schema;
  if (typeof $ref === "string") return referenceHtml($ref);
  if (Array.isArray(schema.enum)) return html`one of ${wordsHtml(schema.enum)}`;
  if (only !== undefined) return html`<code>${JSON.stringify(only)}</code>`;
  if (Array.isArray(anyOf)) return joined(anyOf.map(typeHtml));
  if (Array.isArray(type)) return joined(type.map((each) => typeHtml({ ...schema, type: each })));
  if (type === "array") return html`list of ${typeHtml(items as JsonSchema ?? {})}`;
  if (type === "object" && isSchema(additionalProperties) && schema.properties === undefined) {
    return html`map of text to ${typeHtml(additionalProperties)}`;
  }
  const name = type === undefined ? "any value" : String(type);
  return html`${name}${
    format === undefined ? "" : html`
      (${format})
    `
  }${boundsHtml(schema)}`;
}

/** The members of an object, of the items of a list, or of each choice; "" where there are none. */
export function membersHtml(schema: JsonSchema): Html {
  const { properties, items, anyOf, additionalProperties } = schema;
  if (Array.isArray(anyOf)) return html`${anyOf.map(membersHtml)}`;
  if (isSchema(items)) return membersHtml(items);
  if (!isSchema(properties)) {
    return isSchema(additionalProperties) ? membersHtml(additionalProperties) : html``;
  }
  const required = new Set(schema.required as string[] | undefined);
  const members = Object.entries(properties as Record<string, JsonSchema>);
  return html`<ul class="members">${
    members.map(([name, member]) =>
      html`<li><code class="name">${name}</code> <span class="type">${typeHtml(member)}</span>${
        required.has(name)
          ? html`
            <span class="required">required</span>
          `
          : ""
      }${descriptionHtml(member)}${membersHtml(member)}</li>`
    )
  }</ul>`;
}

/** What is said of a schema, after a dash. */
export function descriptionHtml({ description }: JsonSchema): Html {
  return description === undefined ? html`` : html`
    <span class="about">${description}</span>
  `;
}

function referenceHtml(reference: string): Html {
  const name = reference.slice(reference.lastIndexOf("/") + 1);
  return html`<a href="#schema-${name}">${name}</a>`;
}

function wordsHtml(words: readonly unknown[]): Html {
  const list = html`${words.map((word, i) => html`${i === 0 ? "" : ", "}<code>${word}</code>`)}`;
  if (words.length <= WORDS_SHOWN_MAX) return list;
  return html`<details class="words"><summary>${words.length} words</summary>${list}</details>`;
}

function joined(parts: readonly Html[]): Html {
  return html`${parts.map((part, i) => html`${i === 0 ? "" : " or "}${part}`)}`;
}

/** Limits of numbers and texts, as `1 to 120` or `at most 128 characters`. */
function boundsHtml(schema: JsonSchema): string {
  const { type, minimum, maximum, minLength = 0, maxLength } = schema;
  if (type === "string" && maxLength !== undefined) {
    return `, ${minLength} to ${maxLength} characters`;
  }
  const isWide = Number(maximum) - Number(minimum) >= 2 ** 32 - 1;
  if (type === "string" || type === "boolean" || isWide) return "";
  if (minimum !== undefined && maximum !== undefined) return `, ${minimum} to ${maximum}`;
  return minimum === undefined ? "" : `, at least ${minimum}`;
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null;
}
