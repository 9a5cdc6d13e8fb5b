import assert from "node:assert/strict";
import fc from "fast-check";
import { loadDefinitions } from "../../lib/grpc/definitions.ts";
import { MessageReader } from "../../lib/grpc/message_frames.ts";
import type { IndexedRejection } from "./sort_events.ts";
import { StreamAnswers } from "./stream_answers.ts";

const type = loadDefinitions().message("analytics.v1.StreamEventsResponse");
const metadata = {
  processed_at: { seconds: "1780000000", nanos: 5 },
  processing_node: "node-1",
  processing_time: { seconds: "0", nanos: 1_000_000 },
};

/** The responses that a client reads from these bytes. */
async function readAll(bytes: Uint8Array): Promise<object[]> {
  let rest: Uint8Array | null = bytes;
  const source = {
    read() {
      const chunk = rest;
      rest = null;
      return Promise.resolve(chunk);
    },
  };
  const reader = new MessageReader(source, { isGzip: false, bytesMax: 1_000_000 });
  const found: object[] = [];
  for (let next = await reader.next(); next !== null; next = await reader.next()) {
    found.push(type.deserialize(Buffer.from(next)));
  }
  return found;
}

Deno.test("frames() gives what the library makes of each response, whatever the ids", async () => {
  const answers = new StreamAnswers();
  const event = fc.record({
    id: fc.oneof(
      fc.constantFrom("", "e-1", "x".repeat(128), "\u{1f600}".repeat(64), "0".repeat(127)),
      fc.string({ unit: "grapheme", maxLength: 40 }),
    ),
    isGood: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 300 }), async (events) => {
      const ids = events.map(({ id }) => id);
      const rejections = events.flatMap(({ id, isGood }, index): IndexedRejection[] =>
        isGood ? [] : [{ index, id, code: "missing_field", field: "user_id", message: "m" }]
      );
      const expected = events.map(({ id, isGood }) =>
        type.deserialize(type.serialize({
          event_response: {
            success: isGood,
            event_id: id,
            message: isGood ? "event accepted" : "m",
            validation_errors: isGood
              ? []
              : [{ field: "user_id", message: "m", code: "missing_field" }],
            metadata,
          },
        }))
      );
      assert.deepEqual(await readAll(answers.frames({ ids, rejections, metadata })), expected);
    }),
    { numRuns: 100 },
  );
});
