/**
 * What `rta dlq` prints of dead letters for people. Their payloads come from anybody, so nothing of
 * them reaches the terminal that could steer it.
 */
import type { AnsweredLetter, AnsweredVerdict } from "./dlq_client.ts";
import { groupedNumber, textTable } from "./text_table.ts";

const MESSAGE_CHARS = 48;
const PAYLOAD_CHARS = 60;
/** Characters that do more than stand there: controls, marks of direction, line ends. */
const STEERING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A table of letters. */
export function listText(letters: readonly AnsweredLetter[]): string {
  if (letters.length === 0) return "no dead letters\n";
  return textTable(
    [{ title: "id" }, { title: "time" }, { title: "reason" }, { title: "message" }, {
      title: "payload",
    }],
    letters.map(({ id, time, reason, message, payload, payload_encoding }) => [
      clean(id),
      time,
      clean(reason),
      short(message, MESSAGE_CHARS),
      short(payload_encoding === "base64" ? `base64 ${payload}` : payload, PAYLOAD_CHARS),
    ]),
  );
}

/** All of one letter. */
export function letterText(letter: AnsweredLetter): string {
  const { id, topic, partition, offset, line, reason, message, time, received_at, state } = letter;
  const place = `topic ${topic}, partition ${partition}, offset ${offset}, line ${line}`;
  const replayed = letter.replayed_at === undefined
    ? state
    : `${state} at ${letter.replayed_at} as event ${letter.event_id}`;
  const cut = letter.payload_truncated ? ", of which only the beginning was kept" : "";
  const encoding = letter.payload_encoding === "base64" ? ", no text, so as base64" : "";
  const rows = [
    ["id", id],
    ["place", place],
    ["reason", `${reason}: ${message}`],
    ["received", received_at],
    ["set aside", time],
    ["state", replayed],
    ["payload", `${groupedNumber(letter.payload_bytes)} bytes${cut}${encoding}:`],
  ];
  const head = rows.map(([name, value]) => `${name.padEnd(10)} ${clean(value)}\n`).join("");
  const payload = letter.payload.split("\n").map(clean).join("\n");
  return `${head}\n${payload}\n`;
}

/** How many letters wait, by reason. */
export function waitingText(waiting: Readonly<Record<string, string>>): string {
  const counts = Object.entries(waiting).map(([reason, count]) =>
    `${groupedNumber(Number(count))} ${clean(reason)}`
  );
  return `waiting: ${counts.length === 0 ? "none" : counts.join(", ")}\n`;
}

/** A line for a letter that was not replayed; none for one that was. */
export function notReplayedLine({ id, verdict, code, field, message }: AnsweredVerdict): string {
  if (verdict === "replayed") return "";
  if (verdict === "not_found") return `${clean(id)}: not found\n`;
  const where = field ? ` ${field}` : "";
  return `${clean(`${id}: ${code}${where}: ${message}`)}\n`;
}

function short(text: string, charsMax: number): string {
  const chars = [...text.slice(0, 4 * charsMax)];
  return clean(chars.length <= charsMax ? text : `${chars.slice(0, charsMax - 1).join("")}…`);
}

/** The text without what could steer a terminal. */
export function clean(text: string): string {
  return text.toWellFormed().replace(STEERING, "·");
}
