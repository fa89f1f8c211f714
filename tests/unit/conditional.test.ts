import { expect, test } from "vitest";
import { entityTag, matchVersions } from "../../shared/middleware/conditional.ts";

const ifMatch = (value?: string) =>
  matchVersions(new Request("http://x/", value === undefined ? {} : { headers: { "if-match": value } }));

test("a tag changes with what is shown, also where the version stays", () => {
  const tag = entityTag({ id: "1", version: 3, owner: { name: "A" } });
  expect(tag).toMatch(/^"3\.[\w-]{10}"$/);
  expect(entityTag({ id: "1", version: 3, owner: { name: "B" } })).not.toBe(tag);
  expect(entityTag({ id: "1", version: 3, owner: { name: "A" } })).toBe(tag);
});

test("If-Match accepts the versions it lists, weakened or bare", () => {
  expect(ifMatch('"3.abcdefghij"')).toEqual([3]);
  expect(ifMatch('W/"3.abcdefghij", "4", 5')).toEqual([3, 4, 5]);
  expect(ifMatch('"nonsense", "7"')).toEqual([7]);
});

test("no If-Match, or *, accepts every version", () => {
  expect(ifMatch()).toBeUndefined();
  expect(ifMatch("*")).toBeUndefined();
});

test.each(["", '"x"', "v3", '"-1"', '"3.a b"', '"99999999999999999999"', ",,"])(
  "If-Match: %j can match nothing, so it is 412",
  (value) => expect(() => ifMatch(value)).toThrow(expect.objectContaining({ code: "precondition_failed" })),
);
