/** Every kind of question of the truth suite. */
import { breakdownCase } from "./truth_breakdown.ts";
import type { TruthCase } from "./truth_case.ts";
import { funnelCase } from "./truth_funnels.ts";
import { pathsCase } from "./truth_paths.ts";
import { retentionCase, stickinessCase } from "./truth_retention.ts";
import { seriesCase, summaryCase } from "./truth_rollups.ts";
import { userCase, userSearchCase } from "./truth_users.ts";

// deno-lint-ignore no-explicit-any -- each case has questions of its own
export const TRUTH_CASES: readonly TruthCase<any>[] = [
  summaryCase,
  seriesCase,
  breakdownCase,
  retentionCase,
  stickinessCase,
  funnelCase,
  pathsCase,
  userCase,
  userSearchCase,
];
