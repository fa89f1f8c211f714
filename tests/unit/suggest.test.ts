import fc from "fast-check";
import { expect, test } from "vitest";
import { nearest, unknownName } from "../../shared/query/suggest.ts";
import { contacts } from "../../shared/resources/contacts.ts";

test.each([
  ["emial", "email"],
  ["frist_name", "first_name"],
  ["FirstName", "first_name"],
  ["stauts", "status"],
  ["creatd_at", "created_at"],
  ["lastname", "last_name"],
  ["tag", "tags"],
  ["adress", "address"],
])("%s means %s", (typed, meant) => {
  expect(nearest(typed, contacts.names.all)).toBe(meant);
});

test("nothing is suggested for what is far from every name", () => {
  for (const typed of ["favourite_colour", "xyzxyzxyz", "salary"])
    expect(nearest(typed, contacts.names.all), typed).toBeUndefined();
});

test("one wrong, missing, doubled or swapped letter is always understood as a field that is that near", () => {
  fc.assert(
    fc.property(fc.constantFrom(...contacts.names.all.filter((name) => name.length > 3)), fc.nat(), (name, seed) => {
      const at = seed % (name.length - 1);
      const [a = "", b = ""] = [name[at], name[at + 1]];
      for (const typed of [
        `${name.slice(0, at)}${name.slice(at + 1)}`,
        `${name.slice(0, at)}${a}${name.slice(at)}`,
        `${name.slice(0, at)}${b}${a}${name.slice(at + 2)}`,
      ])
        expect([name, nearest(typed, [name])]).toEqual([name, name]);
    }),
  );
});

test("a sentence quotes at most 64 characters of what was sent, and takes no time for a long name", () => {
  const started = performance.now();
  const sentence = unknownName("field", "x".repeat(1_000_000), contacts.names.writable);
  expect(performance.now() - started).toBeLessThan(50);
  expect(sentence).toMatch(/^The x{64} field does not exist\. Allowed: external_id, /);
  expect(unknownName("parameter", "x", [])).toBe("The x parameter does not exist. There are none.");
});
