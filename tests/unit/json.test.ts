import fc from "fast-check";
import { expect, test } from "vitest";
import { findFault, isExact, parseJson, surveyJson } from "../../shared/http/json.ts";

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

// Texts as any client writes them: numbers with exponents and many digits, escapes, and quotes within text.
const digits = fc.stringMatching(/^-?(0|[1-9]\d{0,20})(\.\d{1,20})?([eE][+-]?\d{1,3})?$/);
const quoted = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary" }).map((text) => JSON.stringify(text).slice(1, -1)),
      fc.constantFrom("\\u0000", "\\uD800", "\\udfff", "\\\\u0000", '\\"', "[{,", "\\uD83D\\uDE00"),
    ),
  )
  .map((parts) => `"${parts.join("")}"`);
const { json } = fc.letrec<{ json: string }>((tie) => ({
  json: fc.oneof(
    { depthSize: "small" },
    digits,
    quoted,
    fc.constantFrom("true", "false", "null", "[]", "{}", " [ ] "),
    fc.array(tie("json"), { maxLength: 4 }).map((parts) => `[${parts.join(" , ")}]`),
    fc
      .array(fc.tuple(quoted, tie("json")), { maxLength: 4 })
      .map((parts) => `{${parts.map(([name, member], n) => `"${n}${name.slice(1)}:${member}`).join(",")}}`),
  ),
}));

test("the survey of a text misses nothing that can't be kept, and knows its depth and its values at most", () => {
  fc.assert(
    fc.property(json, (text) => {
      const { isSuspicious, depth, values } = surveyJson(text);
      const value = parseJson(text, { isSuspicious: true, depth: 0, values: 0 });
      if (findFault(value) !== undefined) expect(isSuspicious).toBe(true);
      expect(depth).toBe(depthOf(JSON.parse(text)));
      let count = 0;
      JSON.parse(text, (_, member) => {
        count += 1;
        return member;
      });
      expect(values).toBeGreaterThanOrEqual(count);
    }),
    { numRuns: 5_000 },
  );
});

test("a number that would be changed is suspicious", () => {
  fc.assert(
    fc.property(digits, (text) => {
      if (!isExact(text, Number(text))) expect(surveyJson(`[${text}]`).isSuspicious).toBe(true);
    }),
    { numRuns: 5_000 },
  );
});

test.each(["1e400", "12345678901234567", "0.1234567890123456789", '"\\u0000"', '"\\uD800"', '"\\udC00 "'])(
  "%s is suspicious",
  (text) => expect(surveyJson(text).isSuspicious).toBe(true),
);

test.each(["1.5", "123456789012345", '"\\\\u0000"', '"1e400"', '"12345678901234567"'])("%s is as it was", (text) => {
  expect(surveyJson(text).isSuspicious).toBe(false);
});
