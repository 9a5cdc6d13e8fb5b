import { strict as assert } from "node:assert";
import fc from "fast-check";
import {
  decimalStringValue,
  numberValue,
  oddNumberEnd,
  simpleNumberEnd,
  timestampOfDigits,
  timestampOfUtcText,
} from "./scan_number.ts";
import { encodeUtf8 } from "./text_coding.ts";

function over<T>(reader: (bytes: Uint8Array, start: number, end: number) => T, text: string): T {
  const bytes = encodeUtf8(`#${text}#`);
  return reader(bytes, 1, bytes.length - 1);
}

Deno.test("numberValue() equals Number() when a number is any", () => {
  const digits = fc.stringMatching(/^-?(0|[1-9]\d{0,18})(\.\d{1,18})?([eE][+-]?\d{1,3})?$/);
  fc.assert(
    fc.property(
      fc.oneof(digits, fc.double({ noNaN: true, noDefaultInfinity: true }).map(String)),
      (text) => assert.equal(over(numberValue, text), Number(text)),
    ),
    { numRuns: 5_000 },
  );
});

Deno.test("decimalStringValue() equals the rule when a string is a plain decimal or not", () => {
  const text = fc.oneof(
    fc.stringMatching(/^\d{0,17}(\.\d{0,17})?$/),
    fc.stringMatching(/^[-+ ]?\d{1,3}[.,e ]?\d{0,3}$/),
  );
  fc.assert(
    fc.property(text, (text) => {
      const expected = /^\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : NaN;
      assert.equal(over(decimalStringValue, text), expected);
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("simpleNumberEnd() and oddNumberEnd() end where the number does when it is finite", () => {
  for (const text of ["0", "-0", "12", "-1.50", "0.001", "9".repeat(200)]) {
    assert.equal(over(simpleNumberEnd, `${text},`), text.length + 1, text);
    assert.equal(over(oddNumberEnd, `${text},`), text.length + 1, text);
  }
  for (const text of ["1e5", "1E-400", "9".repeat(300), "1.7976931348623157e308"]) {
    assert.equal(over(simpleNumberEnd, `${text},`), -1, text);
    assert.equal(over(oddNumberEnd, `${text},`), text.length + 1, text);
  }
  for (const text of ["", "-", "01", "-01", "1.", ".5", "+1", "1e309", "9".repeat(400)]) {
    assert.equal(over(simpleNumberEnd, `${text},`), -1, text);
    assert.equal(over(oddNumberEnd, `${text},`), -1, text);
  }
});

Deno.test("timestampOfDigits() tells seconds from ms when the number is small or large", () => {
  assert.equal(over(timestampOfDigits, "1"), 1_000);
  assert.equal(over(timestampOfDigits, "99999999999"), 99_999_999_999_000);
  assert.equal(over(timestampOfDigits, "100000000000"), 100_000_000_000);
  for (const text of ["0", "-1", "1.5", "1234567890123456"]) {
    assert.equal(over(timestampOfDigits, text), NaN, text);
  }
});

Deno.test("timestampOfUtcText() equals Date when a UTC time is any from 1970 to 9999", () => {
  const date = fc.date({
    min: new Date(0),
    max: new Date("9999-12-31T23:59:59.999Z"),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(date, fc.stringMatching(/^\d{0,6}$/), (date, more) => {
      const text = date.toISOString();
      assert.equal(over(timestampOfUtcText, text), date.getTime());
      // Digits below the ms are cut off.
      const finer = text.replace("Z", `${more}Z`);
      assert.equal(over(timestampOfUtcText, finer), date.getTime());
      const whole = `${text.slice(0, 19)}Z`;
      assert.equal(over(timestampOfUtcText, whole), Math.floor(date.getTime() / 1000) * 1000);
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("timestampOfUtcText() knows every day of 1970 to 2400 when dates exist or not", () => {
  for (let year = 1970; year <= 2400; year++) {
    for (let month = 1; month <= 12; month++) {
      const text = (day: number) =>
        `${year}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}T00:00:00Z`;
      const days = new Date(Date.UTC(year, month, 0)).getUTCDate();
      assert.equal(over(timestampOfUtcText, text(1)), Date.UTC(year, month - 1, 1));
      assert.equal(over(timestampOfUtcText, text(days)), Date.UTC(year, month - 1, days));
      assert.equal(over(timestampOfUtcText, text(days + 1)), NaN);
      assert.equal(over(timestampOfUtcText, text(0)), NaN);
    }
  }
});

Deno.test("timestampOfUtcText() leaves other forms to the slow path when they are not plain UTC", () => {
  for (
    const text of [
      "2023-01-01T00:00:00+00:00",
      "2023-01-01t00:00:00z",
      "2023-01-01 00:00:00Z",
      "2023-01-01T00:00:60Z",
      "2023-01-01T24:00:00Z",
      "2023-01-01T00:60:00Z",
      "2023-01-01T00:00:00.Z",
      "2023-01-01T00:00:00.1234567890Z",
      "2023-13-01T00:00:00Z",
      "2023-0:-01T00:00:00Z",
      "1969-12-31T23:59:59Z",
      "2023-01-01T00:00Z",
      "2023-01-01",
      "",
    ]
  ) assert.equal(over(timestampOfUtcText, text), NaN, text);
});
