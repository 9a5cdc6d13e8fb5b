/** DuckDB's types of the columns that exports and SQL show (lib/query/event_columns.ts). */
import type { EventColumn } from "../../query/event_columns.ts";

export const COLUMN_TYPES: Readonly<Record<EventColumn, string>> = {
  id: "VARCHAR",
  user_id: "VARCHAR",
  session_id: "VARCHAR",
  type: "VARCHAR",
  category: "VARCHAR",
  timestamp: "TIMESTAMP",
  received_at: "TIMESTAMP",
  source: "VARCHAR",
  amount: "DOUBLE",
  properties: "JSON",
};
