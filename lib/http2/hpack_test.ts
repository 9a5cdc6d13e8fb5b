import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeHeaders, type HeaderList, HpackDecoder, HpackError } from "./hpack.ts";

const bytesOf = (hex: string) =>
  Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** Requests and responses of RFC 7541, Appendix C: blocks in order, on one connection. */
const CONNECTIONS: [what: string, blocks: [hex: string, headers: HeaderList][]][] = [
  ["C.3: requests, plain", [
    ["8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      [":authority", "www.example.com"],
    ]],
    ["8286 84be 5808 6e6f 2d63 6163 6865", [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      [":authority", "www.example.com"],
      ["cache-control", "no-cache"],
    ]],
    ["8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", [
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/index.html"],
      [":authority", "www.example.com"],
      ["custom-key", "custom-value"],
    ]],
  ]],
  ["C.4: requests in Huffman code", [
    ["8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      [":authority", "www.example.com"],
    ]],
    ["8286 84be 5886 a8eb 1064 9cbf", [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      [":authority", "www.example.com"],
      ["cache-control", "no-cache"],
    ]],
    ["8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", [
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/index.html"],
      [":authority", "www.example.com"],
      ["custom-key", "custom-value"],
    ]],
  ]],
];

for (const [what, blocks] of CONNECTIONS) {
  Deno.test(`HpackDecoder reads RFC 7541, ${what}`, () => {
    const decoder = new HpackDecoder();
    for (const [hex, headers] of blocks) {
      assert.deepEqual(decoder.decode(bytesOf(hex), 10_000), headers);
    }
  });
}

Deno.test("HpackDecoder refuses what breaks the rules", () => {
  const cases: [what: string, hex: string][] = [
    ["index 0", "80"],
    ["an entry that is not there", "be"],
    ["a string that is cut off", "400a 6375"],
    ["an integer without an end", "7fff ffff ffff ffff"],
    ["a table that is too large", "3fe2 1f"],
    ["a change of size within a block", "82 20"],
    ["padding that is too long", "0081 ff 81 ffff ff"],
    ["the end of string as a symbol", "0084 ffff fffc 00"],
  ];
  for (const [what, hex] of cases) {
    assert.throws(() => new HpackDecoder().decode(bytesOf(hex), 10_000), HpackError, what);
  }
});

Deno.test("HpackDecoder says when a list is too long, and stays in step", () => {
  const decoder = new HpackDecoder();
  const [, blocks] = CONNECTIONS[0];
  assert.equal(decoder.decode(bytesOf(blocks[0][0]), 60), null);
  assert.deepEqual(decoder.decode(bytesOf(blocks[1][0]), 10_000), blocks[1][1]);
});

Deno.test("encodeHeaders() is read back by HpackDecoder", () => {
  const text = fc.array(fc.integer({ min: 0x20, max: 0xff }), { maxLength: 300 })
    .map((codes) => String.fromCharCode(...codes));
  const names = fc.oneof(fc.constantFrom(":status", "content-type", "grpc-status", "x"), text);
  const lists = fc.array(fc.tuple(names, fc.oneof(fc.constantFrom("200", "0"), text)));
  const decoder = new HpackDecoder();
  fc.assert(fc.property(lists, (headers) => {
    assert.deepEqual(decoder.decode(encodeHeaders(headers), Infinity), headers);
  }));
  assert.throws(() => encodeHeaders([["x", "€"]]), RangeError);
});

Deno.test("HpackDecoder never throws anything else, whatever the bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        new HpackDecoder().decode(bytes, 10_000);
      } catch (error) {
        assert.ok(error instanceof HpackError, String(error));
      }
    }),
    { numRuns: 20_000 },
  );
});
