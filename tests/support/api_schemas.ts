/** Holds values against the schemas of the OpenAPI document. */
import Ajv2020 from "ajv/dist/2020.js";
import type { OpenApiDocument } from "../../lib/openapi/openapi_document.ts";

/** What is wrong with a value by a schema that stands in the document; empty = nothing. */
export type SchemaCheck = (schema: object, value: unknown) => string[];

/** A check by the schemas of a document. Formats are not looked at: the schemas have patterns too. */
export function schemaCheck(document: OpenApiDocument): SchemaCheck {
  const ajv = new Ajv2020.default({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema({ $id: "api", components: document.components });
  return (schema, value) => {
    const own = JSON.parse(
      JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"api#/'),
    );
    const isRight = ajv.compile(own);
    if (isRight(value)) return [];
    return (isRight.errors ?? []).map(({ instancePath, message, params }) =>
      `${instancePath} ${message} ${JSON.stringify(params)}`
    );
  };
}
