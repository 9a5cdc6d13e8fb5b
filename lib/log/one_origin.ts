/** Which batches of an append may become one record: a record is of one project and one trace. */
import type { AppendBatch } from "./event_log.ts";

/** Whether both are of one project, and of one trace or none. */
export function isOfOneOrigin(a: AppendBatch, b: AppendBatch): boolean {
  return a.project === b.project && (a.traceparent ?? null) === (b.traceparent ?? null);
}
