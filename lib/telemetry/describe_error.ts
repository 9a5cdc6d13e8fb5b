/** An error as it may be logged: type, code, message, stack and cause; nothing else of it. */

/** Longest chain of causes that is written with an error. */
const CAUSES_MAX = 5;

/** What a log line has in the place of a thrown value. */
export function describeError(error: unknown, causesLeft = CAUSES_MAX): unknown {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const { name, message, stack, cause } = error;
  const code = "code" in error ? error.code : undefined;
  const described: Record<string, unknown> = { type: name, message, stack };
  if (typeof code === "string" || typeof code === "number") described.code = code;
  if (cause !== undefined && causesLeft > 0) described.cause = describeError(cause, causesLeft - 1);
  return described;
}
