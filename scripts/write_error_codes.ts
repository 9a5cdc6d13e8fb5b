/**
 * Writes docs/ERRORS.md, the table of every code, from the lists in code: the reasons for refusal
 * with their statuses, the operating failures and the client library's own codes. A test keeps the
 * file equal to what this makes of them: `make docs`.
 */
import { CLIENT_CODES } from "../lib/client/api_error.ts";
import { type Advice, EVENT_ADVICE, REQUEST_ADVICE } from "../lib/event/reason_advice.ts";
import { type ReasonCode, REASONS } from "../lib/event/reasons.ts";
import { OPERATING_FAILURES } from "../lib/failure/operating_failures.ts";
import { statusOf } from "../lib/grpc/status.ts";
import { statusName } from "../lib/grpc/status_code.ts";

const ROOT = new URL("../", import.meta.url);
export const ERRORS_DOCUMENT = new URL("docs/ERRORS.md", ROOT);

type Row = readonly string[];

function table(header: Row, rows: readonly Row[]): string {
  const lines = [header, header.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.map(cellText).join(" | ")} |`).join("\n");
}

/** Names of documents become links; a bar would end the cell. */
function cellText(text: string): string {
  return text.replaceAll("|", "\\|").replace(/\b[A-Z]+\.md\b/g, (name) => `[${name}](${name})`);
}

function reasonTable(advice: Readonly<Record<string, Advice>>): string {
  const rows = Object.entries(advice).map(([code, { when, mend }]) => {
    const { status, message } = REASONS[code as ReasonCode];
    const grpc = statusName(statusOf(code as ReasonCode));
    return [`\`${code}\``, String(status), grpc, message, when, mend];
  });
  return table(["code", "HTTP", "gRPC", "title", "when", "what to do"], rows);
}

function failureTable(): string {
  const rows = Object.entries(OPERATING_FAILURES).map(([code, { clients, when, then, mend }]) => {
    const seen = clients === null ? "–" : `\`${clients}\``;
    return [`\`${code}\``, seen, when, then, mend];
  });
  return table(["code", "clients see", "when", "what the platform does", "what to do"], rows);
}

function clientTable(): string {
  const rows = Object.entries(CLIENT_CODES).map(([code, when]) => [`\`${code}\``, when]);
  return table(["code", "when"], rows);
}

function text(): string {
  return `<!-- Written by \`make docs\` from the lists in code. Don't edit. -->

# Errors

Every code that the platform gives: what it means, and what to do. A code never changes its meaning.

- A **refusal** is about an event or a request. Over REST it is \`application/problem+json\` (RFC 9457)
  with \`code\`, and \`title\` is the sentence below, \`detail\` what happened here, \`field\` the field or
  parameter at fault ([REST_API.md](REST_API.md)). Over gRPC it is a status whose ErrorInfo has the
  code in its metadata, and as \`reason\` in upper case ([GRPC_API.md](GRPC_API.md#statuses)).
- An **operating failure** is about the process, its files and the servers it talks to. Its code is
  in the log, and for a start that fails on standard error; clients see the refusal that is named.

429 and 503 say in \`retry-after\`, or RetryInfo, when to try again. The same request may then succeed,
and after 504 as well; after the others it is refused again until it is changed.

## Reasons to refuse an event

In a batch each event has a verdict of its own: the good ones are kept whatever the others are. The
statuses are those of a request that fails for this reason alone. The codes are also the label
\`error_type\` of the metric \`errors_total\`, and the reason of a dead letter.

${reasonTable(EVENT_ADVICE)}

## Reasons to refuse a request

They end a whole request; nothing of it is stored. (One exception: after \`log_unavailable\`,
\`overloaded\` or \`deadline_exceeded\` some events may be stored all the same. Send the request again
with the same ids, and the second copies are dropped.)

${reasonTable(REQUEST_ADVICE)}

A method that a gRPC service does not have is UNIMPLEMENTED; over HTTP an address that is not there is
\`not_found\`.

## Operating failures

Exit codes: [OPERATIONS.md](OPERATIONS.md).

${failureTable()}

## Codes of the client library

What an \`ApiError\` has besides the codes above ([CLIENT.md](CLIENT.md#errors)):

${clientTable()}
`;
}

/** The document as \`deno fmt\` leaves it. */
export async function errorsDocument(): Promise<string> {
  const deno = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", "--ext", "md", "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = deno.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text()));
  await writer.close();
  const { success, stdout } = await deno.output();
  if (!success) throw new Error("deno fmt failed");
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) await Deno.writeTextFile(ERRORS_DOCUMENT, await errorsDocument());
