import fc from "fast-check";
import { expect, test } from "vitest";
import { nearest, unknownName } from "../../shared/query/suggest.ts";
import { companies } from "../../shared/resources/companies.ts";
import { contacts } from "../../shared/resources/contacts.ts";
import { tasks } from "../../shared/resources/tasks.ts";

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

const LIST = ["limit", "cursor", "sort", "search", "fields", "include", "total", "deleted"];

test.each([
  ["page", "cursor"],
  ["offset", "cursor"],
  ["per_page", "limit"],
  ["perPage", "limit"],
  ["page[size]", "limit"],
  ["page[number]", "cursor"],
  ["pageSize", "limit"],
  ["q", "search"],
  ["query", "search"],
  ["order_by", "sort"],
  ["sort_by", "sort"],
  ["sortBy", "sort"],
  ["Order-By", "sort"],
  ["fields[contacts]", "fields"],
  ["filter[status]", "status"],
  ["expand", "include"],
  ["zip", "address.postal_code"],
  ["mobile", "phone"],
  ["surname", "last_name"],
  ["full_name", "first_name"],
  ["company_name", "company_id"],
  ["owner", "owner_id"],
  ["linkedin", "linkedin_url"],
  ["date_of_birth", "birthday"],
])("what others call %s is %s here", (typed, meant) => {
  expect(nearest(typed, [...LIST, ...contacts.names.all])).toBe(meant);
});

test("a name that other resources have too means what this one has", () => {
  expect(nearest("company_name", companies.names.all)).toBe("name");
  expect(nearest("subject", tasks.names.all)).toBe("title");
  expect(nearest("name", tasks.names.all)).toBe("title");
  expect(nearest("search", ["q", "types", "limit", "cursor"])).toBe("q");
  expect(nearest("organization", ["owner", "company"])).toBe("company");
  expect(nearest("zip", ["street", "city", "state", "postal_code", "country"])).toBe("postal_code");
});

test("nothing is suggested for what is far from every name", () => {
  for (const typed of ["favourite_colour", "xyzxyzxyz", "salary", "foo", "pigs"])
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
  expect(performance.now() - started).toBeLessThan(1_000);
  expect(sentence).toMatch(/^The x{64} field does not exist\. Allowed: external_id, /);
  expect(unknownName("parameter", "x", [])).toBe("The x parameter does not exist. There are none.");
});
