import assert from "node:assert/strict";
import { DlqError } from "./dlq_client.ts";
import { readEdits } from "./dlq_edits.ts";

Deno.test("readEdits() takes what list, show and the REST API write", () => {
  const one = { id: "t-1-2-0", payload: "{}" };
  const two = { id: "t-1-3-0", payload: "/w==", payload_encoding: "base64" };
  const listed = { ...one, topic: "t", state: "waiting" };
  for (
    const text of [
      `${JSON.stringify(listed)}\n\n${JSON.stringify(two)}\n`,
      JSON.stringify([listed, two]),
      JSON.stringify({ dead_letters: [listed, two], next_page_token: "" }, null, 2),
      JSON.stringify({ letters: [listed, two] }),
      `${JSON.stringify({ dead_letters: [listed] })}\n${JSON.stringify({ dead_letters: [two] })}`,
    ]
  ) assert.deepEqual(readEdits(text, "f"), [one, two], text);
  assert.deepEqual(readEdits(JSON.stringify(listed, null, 2), "f"), [one]);
});

Deno.test("readEdits() says what is wrong when the file holds no letters", () => {
  const cases: [string, RegExp][] = [
    ["", /holds no letters/],
    ["[]", /holds no letters/],
    ['{"id":"a","payload":"x"}\n{"id":', /line 2 of f is not JSON/],
    ['[{"id":"a","payload":"x"},{"id":"b"}]', /letter 2 of f needs an id and a payload/],
    ['{"id":"a","payload":{"user_id":"ada"}}', /letter 1 of f needs/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => readEdits(text, "f"), (error) => {
      assert.ok(error instanceof DlqError);
      assert.match(error.message, message);
      return true;
    });
  }
});
