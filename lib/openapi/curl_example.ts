/** An operation's example as a command for a terminal. */
import type { ApiOperation, ApiServer } from "./openapi_document.ts";

/** Where a server is, with its variables as they are by default. */
export function addressOf({ url, variables = {} }: ApiServer): string {
  return url.replace(/\{(\w+)\}/g, (_, name: string) => {
    return (variables[name] as { readonly default: string }).default;
  });
}

/**
 * The command. A key is taken from the environment: where RTA_KEY is not set, curl leaves the header
 * out.
 */
export function curlExample(
  path: string,
  method: string,
  operation: ApiOperation,
  address: string,
): string {
  const { parameters, requestBody, security } = operation;
  const given = parameters.filter(({ example }) => example !== undefined);
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => {
    return encodeURIComponent(String(given.find((each) => each.name === name)?.example ?? name));
  });
  const query = given.filter((each) => each.in === "query");
  const body = requestBody?.content["application/json"]?.example;
  const hasBody = method === "post" && body !== undefined;
  return [
    `curl -s${!hasBody && query.length > 0 ? " -G" : ""} ${address}${filled}`,
    ...(method === "post" && !hasBody ? ["-X POST"] : []),
    ...(security.length > 0 ? ['-H "x-api-key: $RTA_KEY"'] : []),
    ...query.map(({ name, example }) => `--data-urlencode ${quoted(`${name}=${example}`)}`),
    ...(hasBody
      ? ["-H 'content-type: application/json'", `-d ${quoted(JSON.stringify(body, null, 2))}`]
      : []),
  ].join(" \\\n  ");
}

/** As one word of a shell. */
function quoted(text: string): string {
  return /^[\w=:.,/@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
