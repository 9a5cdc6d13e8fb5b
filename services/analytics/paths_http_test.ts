import assert from "node:assert/strict";
import { ProblemError } from "../../lib/http/problem.ts";
import { BodyReader } from "../../lib/http/read_body.ts";
import type { PathsPartial } from "../../lib/query/paths/paths.ts";
import type { RowQuestion } from "../../lib/query/row_question.ts";
import type { AnalyticsPorts } from "./answer_query.ts";
import { pathsRoutes } from "./paths_http.ts";
import { PathsSchema } from "./paths_json.ts";

const NOW_MS = Date.parse("2024-05-15T12:00:00Z");

/** The route over partitions that give these answers in turn, and what they were asked. */
function openRoute(...rounds: PathsPartial[][]) {
  const questions: RowQuestion[] = [];
  const never = () => Promise.reject(new Error("not asked here"));
  const ports = {
    now: () => NOW_MS,
    askShards: never,
    askUser: never,
    askRows: (question: RowQuestion) => {
      questions.push(question);
      const partials = question.kind === "known_keys" ? [[]] : rounds.shift() ?? [];
      const answers = partials.map((partial, partition) => (
        { partition, partial, completeUntilMs: NOW_MS }
      ));
      return Promise.resolve({ answers, missing: [7] });
    },
  } as unknown as AnalyticsPorts;
  const app = pathsRoutes({ ports, bodies: new BodyReader(), projectOf: () => "shop" });
  app.onError((error, context) => {
    if (!(error instanceof ProblemError)) throw error;
    return context.json({ code: error.code, field: error.options.field }, 400);
  });
  const post = async (body: unknown) => {
    const headers = { "content-type": "application/json" };
    const init = { method: "POST", body: JSON.stringify(body), headers };
    const response = await app.request("/v1/analytics/paths", init);
    return { status: response.status, body: await response.json() };
  };
  return { post, questions };
}

/** A tree by its nodes: parent, type, occurrences, ended, users. */
function partialOf(
  depth: number,
  types: string[],
  ...nodes: [parent: number, type: number, occurrences: number, ended: number, users: number][]
): PathsPartial {
  const column = (at: number) => Int32Array.from(nodes, (node) => node[at]);
  return {
    trouble: null,
    depth,
    types,
    parent: column(0),
    type: column(1),
    occurrences: column(2),
    ended: column(3),
    users: column(4),
  };
}

Deno.test("POST /v1/analytics/paths asks again, below what it shows, when the tree is too large", async () => {
  const { post, questions } = openRoute(
    [
      partialOf(1, ["b", "c"], [-1, -1, 5, 0, 2], [0, 0, 3, 1, 2], [0, 1, 2, 2, 1]),
      partialOf(3, ["c", "b"], [-1, -1, 2, 0, 1], [0, 1, 2, 1, 1], [1, 0, 1, 1, 1]),
    ],
    [
      partialOf(2, ["b", "c"], [-1, -1, 6, 0, 2], [0, 0, 3, 1, 2], [0, -1, 3, 2, 1], [
        1,
        1,
        2,
        2,
        1,
      ]),
      partialOf(2, ["b"], [-1, -1, 2, 0, 1], [0, 0, 2, 1, 1], [0, -1, 0, 0, 0], [1, 0, 1, 1, 1]),
    ],
  );
  const body = { from: "view", depth: 2, limit: 1, scope: "user", within_seconds: "60" };
  const { status, body: json } = await post(body);
  assert.equal(status, 200, JSON.stringify(json));
  const answer = PathsSchema.parse(json);
  assert.deepEqual([answer.occurrences, answer.users, answer.ended], ["8", "3", "0"]);
  assert.deepEqual(answer.other, { types: 1, occurrences: "3" });
  assert.deepEqual(answer.steps, [{
    type: "b",
    occurrences: "5",
    users: "3",
    ended: "2",
    other: { types: 1, occurrences: "1" },
    rate: 0.625,
    steps: [{
      type: "c",
      occurrences: "2",
      users: "1",
      ended: "2",
      other: { types: 0, occurrences: "0" },
      rate: 0.4,
      steps: [],
    }],
  }]);
  assert.deepEqual([answer.complete, answer.missing_partitions], [false, [7]]);
  const [first, second] = questions;
  assert.ok(first.kind === "paths" && second.kind === "paths");
  assert.deepEqual([first.kept, first.withinMs, first.direction], [null, 60_000, "next"]);
  assert.deepEqual([second.keptDepth, second.kept?.types], [1, ["b"]]);
});

Deno.test("POST /v1/analytics/paths refuses what no partition can count", async () => {
  const trouble = (why: PathsPartial["trouble"]) => ({ ...partialOf(0, []), trouble: why });
  const fine = partialOf(3, [], [-1, -1, 0, 0, 0]);
  for (const [why, field] of [["rows", "time_range"], ["nodes", "limit"]] as const) {
    const { body } = await openRoute([fine, trouble(why)]).post({ to: "buy" });
    assert.deepEqual(body, { code: "invalid_parameter", field });
  }
});

Deno.test("POST /v1/analytics/paths names unknown properties when nothing begins a path", async () => {
  const { post } = openRoute([partialOf(3, [], [-1, -1, 0, 0, 0])]);
  const { body } = await post({ to: { filters: { cuontry: "DE" } } });
  const { notes, metadata, steps } = PathsSchema.parse(body);
  assert.deepEqual(notes, ['no event in the range has the property "cuontry"']);
  assert.deepEqual([metadata.direction, metadata.scope, metadata.depth, metadata.limit, steps], [
    "previous",
    "session",
    3,
    5,
    [],
  ]);
});

Deno.test("POST /v1/analytics/paths refuses a bad question by the place that is wrong", async () => {
  const { post, questions } = openRoute();
  const cases: [body: unknown, field: string][] = [
    [{}, "from"],
    [{ from: {} }, "from"],
    [{ to: { event_types: [] } }, "to"],
    [{ from: "view", to: "buy" }, "to"],
    [{ from: "" }, "from.event_types[0]"],
    [{ from: 5 }, "from"],
    [{ from: { type: "view" } }, "from.type"],
    [{ from: { filter: [{ property: "n", op: "gt", value: "x" }] } }, "from.filter[0].value"],
    [{ from: "view", depth: 6 }, "depth"],
    [{ from: "view", depth: 1.5 }, "depth"],
    [{ from: "view", limit: 51 }, "limit"],
    [{ from: "view", limit: 6, depth: 5 }, "limit"],
    [{ from: "view", scope: "day" }, "scope"],
    [{ from: "view", within_seconds: -1 }, "within_seconds"],
    [{ from: "view", within_seconds: 7_776_001 }, "within_seconds"],
    [{ from: "view", collapse_repeats: "yes" }, "collapse_repeats"],
    [{ from: "view", time_range: { start: 2e9, end: 1e9 } }, "time_range"],
    [{ from: "view", time_range: { start: 0, end: 4e9 } }, "time_range"],
    [{ from: "view", filter: "[{" }, "filter"],
    [{ from: "view", tz: "UTC" }, "tz"],
  ];
  for (const [body, field] of cases) {
    const answer = await post(body);
    const expected = { status: 400, body: { code: "invalid_parameter", field } };
    assert.deepEqual(answer, expected, JSON.stringify(body));
  }
  assert.deepEqual(questions, []);
});
