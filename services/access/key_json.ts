/** Keys and projects as answers, and their schemas. A key's hash is never shown. */
import { z } from "zod";
import { type KeyRecord, keyState, type ProjectRecord } from "../../lib/auth/key_book.ts";
import { DEFAULT_PROJECT } from "../../lib/auth/principal.ts";

const LimitsSchema = z.object({
  events_per_second: z.int().optional(),
  bytes_per_second: z.int().optional(),
  streams: z.int().optional(),
  queries: z.int().optional(),
});

export const KeySchema = z.object({
  id: z.string(),
  project: z.string(),
  scopes: z.array(z.string()).describe("Of ingest, query and admin"),
  name: z.string(),
  state: z.enum(["active", "expired", "revoked"]),
  created_at: z.string(),
  expires_at: z.string().optional(),
  revoked_at: z.string().optional(),
  last_used_at: z.string().optional().describe("To the minute"),
  replaces: z.string().optional().describe("Id of the key that was rotated"),
  limits: LimitsSchema.optional(),
}).meta({ id: "ApiKey" });

export const MadeKeySchema = KeySchema.extend({
  key: z.string().describe("The key; shown this once, and kept nowhere"),
}).meta({ id: "MadeApiKey" });

export const ProjectSchema = z.object({
  name: z.string(),
  created_at: z.string().optional(),
  limits: LimitsSchema.optional(),
}).meta({ id: "Project" });

/** A key without what it can be checked by. */
export function keyJson(
  record: KeyRecord,
  lastUseMs: number | null,
  nowMs: number,
): z.infer<typeof KeySchema> {
  const { sha256: _, last_used_at: __, ...shown } = record;
  return {
    ...shown,
    state: keyState(record, nowMs),
    ...(lastUseMs === null ? {} : { last_used_at: new Date(lastUseMs).toISOString() }),
  };
}

/** All projects; the first one is there even when the file does not name it. */
export function projectsJson(projects: readonly ProjectRecord[]): z.infer<typeof ProjectSchema>[] {
  const isNamed = projects.some(({ name }) => name === DEFAULT_PROJECT);
  return isNamed ? [...projects] : [{ name: DEFAULT_PROJECT }, ...projects];
}
