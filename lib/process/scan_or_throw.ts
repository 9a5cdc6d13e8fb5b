/** Scans rows for a reader that may have enough of them. */

import type { PartitionStore, RowScan, ScannedRows } from "../store/event_store.ts";

/**
 * Scans the rows. When `onRows` throws, the scan is ended and rejects with that very error, whatever
 * a store makes of it. Otherwise as PartitionStore.scanRows.
 */
export async function scanOrThrow(
  store: PartitionStore,
  scan: RowScan,
  onRows: (rows: ScannedRows) => void,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const give = (rows: ScannedRows) => {
    if (stop.signal.aborted) return;
    try {
      onRows(rows);
    } catch (error) {
      stop.abort(error);
    }
  };
  await store.scanRows(scan, give, AbortSignal.any([signal, stop.signal]));
  // It may have come with the last rows, when there was nothing left to end.
  stop.signal.throwIfAborted();
}
