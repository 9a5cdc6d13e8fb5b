import assert from "node:assert/strict";
import { csvAnswer, seriesCsv, wantsCsv } from "./csv_answer.ts";

Deno.test("wantsCsv() goes by what the client prefers", () => {
  for (const accept of ["text/csv", "text/csv, */*;q=0.1", "application/json;q=0.5, text/csv"]) {
    assert.equal(wantsCsv(accept), true, accept);
  }
  for (
    const accept of ["", "*/*", "application/json", "text/csv;q=0.1, application/json", "text/html"]
  ) {
    assert.equal(wantsCsv(accept), false, accept);
  }
});

Deno.test("csvAnswer() leaves cells empty where there is nothing, and says what it is", async () => {
  const answer = csvAnswer(["a", "b"], [[1, null], ["x,y", true]], { "rta-complete": "true" });
  assert.equal(answer.headers.get("content-type"), "text/csv; charset=utf-8; header=present");
  assert.equal(answer.headers.get("rta-complete"), "true");
  assert.equal(await answer.text(), 'a,b\r\n1,\r\n"x,y",true\r\n');
});

Deno.test("seriesCsv() has a column for each label and tells in headers how complete it is", async () => {
  const answer = seriesCsv({
    series: [
      { timestamp: "2026-01-01T00:00:00Z", value: 2, labels: { event_type: "click" } },
      { timestamp: "2026-01-01T01:00:00Z", value: 0.5, labels: { event_type: "a,b" } },
    ],
    metadata: {
      metric: "events",
      granularity: "TIME_GRANULARITY_HOUR",
      data_points: 2,
      time_range: { start: "2026-01-01T00:00:00Z", end: "2026-01-01T02:00:00Z" },
      time_zone: "UTC",
      processing_time: "0.001s",
    },
    complete_until: "2026-01-02T00:00:00Z",
    complete: false,
    missing_partitions: [1, 2],
    accuracy: {},
  });
  assert.equal(
    await answer.text(),
    "timestamp,event_type,value\r\n" +
      '2026-01-01T00:00:00Z,click,2\r\n2026-01-01T01:00:00Z,"a,b",0.5\r\n',
  );
  assert.equal(answer.headers.get("rta-complete"), "false");
  assert.equal(answer.headers.get("rta-missing-partitions"), "1,2");
  assert.equal(
    answer.headers.get("rta-time-range"),
    "2026-01-01T00:00:00Z/2026-01-01T02:00:00Z",
  );
});
