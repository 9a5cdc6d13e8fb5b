/** The body of an answer as lines of text, at the pace of whoever reads. */
import { CLIENT_LINE_CHARS_MAX } from "../config/client_limits.ts";
import { clientError } from "./api_error.ts";

/**
 * The lines of an answer, without their ends. Throws ApiError `network` when it breaks off, the
 * signal's reason when that aborts.
 */
export async function* linesOf(
  response: Response,
  signal?: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop()!;
      if (rest.length > CLIENT_LINE_CHARS_MAX) {
        throw clientError("unexpected_answer", { detail: "a line of the answer is too long" });
      }
      for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
      if (done) break;
    }
    if (rest !== "") yield rest;
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    if (cause instanceof Error && cause.name === "ApiError") throw cause;
    throw clientError("network", { cause, isRetryable: true });
  } finally {
    await reader.cancel().catch(() => {});
  }
}
