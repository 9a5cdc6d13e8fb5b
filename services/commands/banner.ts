/** What a person sees when the platform is ready: addresses, a first event to send, where data lies. */
import type { Role } from "../../lib/config/config.ts";

export interface BannerFacts {
  readonly urls: Readonly<Partial<Record<Role, string>>>;
  /** What keeps the event log. */
  readonly log: string;
  /** Null: this process keeps no data. */
  readonly dataFolder: string | null;
  readonly shards: number;
  readonly partitions: number;
  /** How long the start took, ms. */
  readonly startMs: number;
}

const WHAT: Readonly<Record<Role, string>> = {
  gateway: "REST API /v1/...",
  ingestion: "POST /events, /events/batch",
  consumer: "GET /stats, /lag",
  analytics: "GET /analytics/summary",
  metrics: "GET /metrics",
};

/** The text, ready to be printed to a terminal. */
export function banner(facts: BannerFacts): string {
  const lines = [
    "",
    `  Real-Time Analytics Platform: ready in ${Math.round(facts.startMs)} ms, ` +
    `${facts.shards} shards over ${facts.partitions} partitions`,
    "",
  ];
  for (const [role, url] of Object.entries(facts.urls)) {
    lines.push(`  ${role.padEnd(10)} ${url.padEnd(24)} ${WHAT[role as Role]}`);
  }
  lines.push("", `  log        ${facts.log}`);
  if (facts.dataFolder !== null) lines.push(`  data in    ${facts.dataFolder}`);
  lines.push("");
  const { ingestion, gateway } = facts.urls;
  if (ingestion !== undefined) {
    lines.push(
      "  Send an event:",
      `    curl -s ${ingestion}/events -H 'content-type: application/json' \\`,
      `      -d '{"user_id":"ada","event_type":"page_view","properties":{"page":"/"}}'`,
    );
  }
  if (gateway !== undefined) {
    lines.push("  Ask what happened:", `    curl -s ${gateway}/v1/analytics/summary`);
  }
  lines.push("  Stop with Ctrl-C.", "");
  return lines.join("\n");
}
