/** Requests to servers whose callers are asked who they are. */

/** An event that any platform takes. */
export const EVENT = { user_id: "ada", event_type: "view" };

async function answer(response: Response) {
  const text = await response.text();
  // deno-lint-ignore no-explicit-any -- answers of the API
  const json: any = text.startsWith("{") ? JSON.parse(text) : null;
  return { status: response.status, headers: response.headers, text, json };
}

/** A GET with its answer. */
export async function get(url: string, headers: Record<string, string> = {}) {
  return await answer(await fetch(url, { headers }));
}

/** A POST of JSON with its answer. */
export async function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  const init = {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  };
  return await answer(await fetch(url, init));
}

/** The same event as `analytics.v1.Event`. */
export function protoEvent(id: string) {
  return {
    id,
    user_id: "ada",
    event_type: "EVENT_TYPE_USER",
    timestamp: { seconds: Math.floor(Date.now() / 1_000), nanos: 0 },
    user_event: { action: "view" },
  };
}
