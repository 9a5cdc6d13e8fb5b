import { strict as assert } from "node:assert";
import fc from "fast-check";
import { EventScan } from "./scan.ts";
import { type BatchProblem, type BatchSink, splitJsonBatch, splitNdjson } from "./split_batch.ts";
import { decodeUtf8, encodeUtf8 } from "./text_coding.ts";

const NOW_MS = 1_800_000_000_000;
const COMPLETE = '{"id":"i","user_id":"u","event_type":"t","timestamp":1700000000}';
const DEFAULTS = '{"user_id":"u","event_type":"t"}';
const SLOW = '{"user_id":null}';

type Splitter = typeof splitJsonBatch;

/** What the sink was given, as `verdict text`, and the splitter's answer. */
function split(
  splitter: Splitter,
  body: string | Uint8Array,
  maxEvents = 10,
): { given: string[]; problem: BatchProblem | null } {
  const bytes = typeof body === "string" ? encodeUtf8(body) : body;
  const given: string[] = [];
  const note = (verdict: string) => (bytes: Uint8Array, start: number, end: number) => {
    given.push(`${verdict} ${new TextDecoder().decode(bytes.subarray(start, end))}`);
  };
  const sink: BatchSink = {
    complete: note("complete"),
    defaults: note("defaults"),
    slow: note("slow"),
    invalid: note("invalid"),
  };
  return { given, problem: splitter(bytes, NOW_MS, new EventScan(), sink, maxEvents) };
}

function codeOf(splitter: Splitter, body: string | Uint8Array, maxEvents = 10): string | null {
  return split(splitter, body, maxEvents).problem?.code ?? null;
}

Deno.test("splitJsonBatch() gives each event by its verdict when a batch is wrapped or bare", () => {
  const events = ` [ ${COMPLETE},\n${DEFAULTS} , ${SLOW},7 ]\n`;
  const expected = [`complete ${COMPLETE}`, `defaults ${DEFAULTS}`, `slow ${SLOW}`, "slow 7"];
  for (
    const body of [
      events,
      `{"events":${events}}`,
      ` { "options" : {"async":[true]} , "events" :${events}, "x":"\\n" } `,
      `{"event\\u0073":${events}}`,
    ]
  ) assert.deepEqual(split(splitJsonBatch, body), { given: expected, problem: null }, body);
});

Deno.test("splitJsonBatch() refuses the whole batch when its JSON or wrapper is bad", () => {
  const cases: readonly (readonly [string | null, string])[] = [
    ["invalid_json", ""],
    ["invalid_json", "["],
    ["invalid_json", "[,]"],
    ["invalid_json", `[${COMPLETE},]`],
    ["invalid_json", `[${COMPLETE}`],
    ["invalid_json", `[${COMPLETE}]]`],
    ["invalid_json", `[${COMPLETE} ${COMPLETE}]`],
    ["invalid_json", `[${COMPLETE.slice(0, -1)}]`],
    ["invalid_json", `{"events":[${COMPLETE}]`],
    ["invalid_json", `{"events":[${COMPLETE}],}`],
    ["invalid_json", `{"events":[${COMPLETE}],"x":}`],
    ["invalid_json", `{"events":[${COMPLETE}]}}`],
    ["invalid_json", `{"events" [${COMPLETE}]}`],
    ["invalid_json", "{events:[]}"],
    ["invalid_json", "{}x"],
    ["invalid_json", `${COMPLETE}\n${COMPLETE}`],
    ["not_an_object", "7"],
    ["missing_field", "{}"],
    ["missing_field", COMPLETE],
    ["wrong_type", `{"events":${COMPLETE}}`],
    ["wrong_type", '{"events":null}'],
    ["duplicate_key", `{"events":[${COMPLETE}],"events":[]}`],
    ["duplicate_key", `{"x":1,"\\u0078":2,"events":[${COMPLETE}]}`],
    ["forbidden_key", `{"__proto__":1,"events":[${COMPLETE}]}`],
    ["invalid_parameter", `{${Array.from({ length: 65 }, (_, n) => `"k${n}":1`).join()}}`],
    ["empty_batch", "[]"],
    ["empty_batch", '{"events": [ ]}'],
    ["too_many_events", `[${"1,".repeat(10)}1]`],
    [null, `[${"1,".repeat(9)}1]`],
  ];
  for (const [code, body] of cases) assert.equal(codeOf(splitJsonBatch, body), code, body);
  assert.equal(codeOf(splitJsonBatch, Uint8Array.of(0x5b, 0x22, 0xff, 0x22, 0x5d)), "invalid_utf8");
});

Deno.test("splitNdjson() gives each line by its verdict when lines end in any way", () => {
  const lines = [
    `complete ${COMPLETE}`,
    `defaults ${DEFAULTS}`,
    `slow ${SLOW}`,
    `invalid ${COMPLETE}${COMPLETE}`,
    `invalid ${COMPLETE.slice(0, 20)}`,
    "slow 7",
    'invalid "a',
    `complete ${COMPLETE}`,
  ];
  const texts = lines.map((line) => line.slice(line.indexOf(" ") + 1));
  for (const end of ["\n", "\r\n", " \t\n", " \r\n", "\n\n \n"]) {
    for (const last of [end, ""]) {
      const body = end.repeat(2) + texts.join(end) + last;
      assert.deepEqual(split(splitNdjson, body), { given: lines, problem: null });
    }
  }
});

Deno.test("splitNdjson() keeps a bad line to itself when the next would mend it", () => {
  const halves = [COMPLETE.slice(0, 30), COMPLETE.slice(30)];
  assert.deepEqual(split(splitNdjson, `${halves.join("\n")}\n${COMPLETE}`).given, [
    `invalid ${halves[0]}`,
    `invalid ${halves[1]}`,
    `complete ${COMPLETE}`,
  ]);
  const bytes = Uint8Array.of(0x22, 0xff, 0x22, 0x0a, ...encodeUtf8(COMPLETE));
  assert.equal(split(splitNdjson, bytes).given.length, 2);
  assert.equal(split(splitNdjson, `\ufeff${COMPLETE}`).given[0].slice(0, 7), "invalid");
});

Deno.test("splitNdjson() refuses the whole batch when it has no event or too many", () => {
  assert.equal(codeOf(splitNdjson, ""), "empty_batch");
  assert.equal(codeOf(splitNdjson, "\n \r\n"), "empty_batch");
  assert.equal(codeOf(splitNdjson, `${COMPLETE}\n`.repeat(11)), "too_many_events");
  assert.equal(codeOf(splitNdjson, `${COMPLETE}\n`.repeat(10)), null);
});

Deno.test("splitNdjson() equals splitting at newlines when lines are any bytes", () => {
  const piece = fc.constantFrom(COMPLETE, DEFAULTS, SLOW, "\n", "\r", "\r\n", " ", "{", "7", '"é"');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const body = pieces.join("");
      const lines = body.split("\n").map((line) => line.replace(/^[ \t\r]+|[ \t\r]+$/g, ""))
        .filter((line) => line !== "");
      const { given } = split(splitNdjson, body, 100);
      assert.deepEqual(given.map((entry) => entry.slice(entry.indexOf(" ") + 1)), lines);
      for (const entry of given) {
        const text = entry.slice(entry.indexOf(" ") + 1);
        assert.equal(entry.startsWith("invalid "), !isJson(text), entry);
      }
    }),
    { numRuns: 2_000 },
  );
});

function isJson(text: string): boolean {
  try {
    JSON.parse(decodeUtf8(encodeUtf8(text)));
    return true;
  } catch {
    return false;
  }
}
