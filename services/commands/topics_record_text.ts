/**
 * A Kafka record as text for a terminal: one line that says which, then its value.
 *
 *     3:1042 2026-01-09T10:11:12.345Z key=u17 project=default format=json
 *     {"id":"e1","user_id":"u17","event_type":"click","timestamp":1767953472345}
 *
 * What is not UTF-8 is shown as bytes, and control characters as their escapes, since a record of
 * a stranger could otherwise do as it likes with the terminal.
 */
import type { TailedRecord } from "../../lib/log/kafka/topics_tail.ts";

/** Bytes of something that is no text are shown up to here. */
const SHOWN_BYTES_MAX = 64;
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The text of a record, ended by a newline. */
export function recordText(record: TailedRecord): string {
  const { partition, offset, timestampMs, key, value, headers } = record;
  const said = [
    `${partition}:${offset}`,
    timeText(timestampMs),
    ...(key === null ? [] : [`key=${oneLine(key)}`]),
    ...headers.map(([name, bytes]) => `${escaped(name, false)}=${oneLine(bytes)}`),
  ];
  const text = value === null ? "null" : textOf(value, true);
  return `${said.join(" ")}\n${text.replace(/\n$/, "")}\n`;
}

/** Producers may say any number. */
function timeText(timestampMs: number): string {
  if (timestampMs === -1) return "no time";
  const time = new Date(timestampMs);
  return Number.isNaN(time.getTime()) ? `${timestampMs} ms` : time.toISOString();
}

function oneLine(bytes: Uint8Array | null): string {
  return bytes === null ? "null" : textOf(bytes, false);
}

function textOf(bytes: Uint8Array, lines: boolean): string {
  try {
    return escaped(decoder.decode(bytes), lines);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const more = bytes.length > SHOWN_BYTES_MAX ? "..." : "";
    return `<${bytes.length} bytes: ${bytes.subarray(0, SHOWN_BYTES_MAX).toHex()}${more}>`;
  }
}

/** Escapes what a terminal would act on; newlines and tabs may stay in a value of many lines. */
function escaped(text: string, lines: boolean): string {
  // deno-lint-ignore no-control-regex -- these are what is looked for
  const controls = lines ? /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g : /[\x00-\x1f\x7f-\x9f]/g;
  return text.replace(controls, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
