import assert from "node:assert/strict";
import { SERIES_BUCKETS_MAX } from "../../lib/config/limits.ts";
import { labelJson, timestampJson } from "./proto_json.ts";

const T0 = Date.UTC(2026, 0, 1);

Deno.test("labelJson() writes what timestampJson() does, when asked again and when there are many", () => {
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i <= SERIES_BUCKETS_MAX; i++) {
      const ms = T0 + i * 60_000;
      assert.equal(labelJson(ms), timestampJson(ms));
    }
  }
  assert.equal(labelJson(T0), "2026-01-01T00:00:00Z");
  assert.equal(labelJson(T0 + 250), "2026-01-01T00:00:00.250Z");
});
