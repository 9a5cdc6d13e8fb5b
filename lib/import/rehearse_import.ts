/**
 * An import without a platform: every row is read and judged by the code that the platform judges
 * with, and nothing is sent or noted.
 */
import { EventScan, SCAN_COMPLETE, SCAN_DEFAULTS, scanEvent } from "../event/scan.ts";
import { validatePlain } from "../event/validate.ts";
import { EVENT_BYTES_MAX } from "../config/limits.ts";
import type { OpenedImport } from "./open_import.ts";
import type { SourceRow } from "./source_row.ts";
import { UnpackedReader } from "./unpacked_reader.ts";

/** What an import would do. */
export interface Rehearsal {
  readonly rows: number;
  readonly refused: number;
  /** Refused rows by code and field, most first, with the first row and its message. */
  readonly refusals: readonly RefusalGroup[];
  /** The first events, as JSON text. */
  readonly firstEvents: readonly string[];
}

/** Rows refused for the same reason. */
export interface RefusalGroup {
  readonly code: string;
  readonly field: string;
  rows: number;
  readonly firstRow: number;
  readonly message: string;
}

/** Reads the whole file. Throws ImportError when it can't be read. */
export async function rehearseImport(
  opened: OpenedImport,
  firstEventsMax: number,
  signal?: AbortSignal,
): Promise<Rehearsal> {
  const reader = new UnpackedReader(opened.source);
  const judge = new RowJudge();
  const groups = new Map<string, RefusalGroup>();
  const firstEvents: string[] = [];
  let rows = 0;
  let refused = 0;
  try {
    await reader.skip(opened.start.bytes);
    for await (const group of opened.rows(reader.chunks(), opened.start)) {
      signal?.throwIfAborted();
      for (const row of group) {
        rows++;
        reader.release(row.end);
        const refusal = judge.refusalOf(row);
        if (refusal !== null) {
          refused++;
          addToGroup(groups, row.number, refusal);
        } else if (firstEvents.length < firstEventsMax) {
          firstEvents.push(textOf(row.event));
        }
      }
    }
  } finally {
    await reader.close();
  }
  const refusals = [...groups.values()].sort((a, b) => b.rows - a.rows);
  return { rows, refused, refusals, firstEvents };
}

interface Refusal {
  readonly code: string;
  readonly field: string;
  readonly message: string;
}

class RowJudge {
  readonly #scan = new EventScan();

  refusalOf({ event, fault }: SourceRow): Refusal | null {
    if (fault !== null) return { field: "", ...fault };
    const bytes = typeof event === "string" ? new TextEncoder().encode(event) : event;
    const receivedAtMs = Date.now();
    if (bytes.length <= EVENT_BYTES_MAX) {
      const verdict = scanEvent(bytes, 0, bytes.length, receivedAtMs, this.#scan);
      const isWhole = this.#scan.end === bytes.length;
      if (isWhole && (verdict === SCAN_COMPLETE || verdict === SCAN_DEFAULTS)) return null;
    }
    const verdict = validatePlain(bytes, { receivedAtMs, makeId: () => "rehearsal" });
    return verdict.ok ? null : verdict.rejection;
  }
}

function addToGroup(groups: Map<string, RefusalGroup>, row: number, refusal: Refusal): void {
  const { code, field, message } = refusal;
  const key = `${code} ${field}`;
  const group = groups.get(key);
  if (group === undefined) groups.set(key, { code, field, message, rows: 1, firstRow: row });
  else group.rows++;
}

function textOf(event: string | Uint8Array): string {
  return typeof event === "string" ? event : new TextDecoder().decode(event);
}
