import { expect, test } from "vitest";
import { type ApiVersion, rename, VERSIONS, versionHeaders, versionOf } from "../../shared/http/versions.ts";
import { resourceNamed } from "../../shared/resources/all.ts";

test("a deprecated version announces its end as RFC 9745 and RFC 8594 say", () => {
  const version = {
    name: "v1",
    released: "2026-03-21",
    deprecated: "2027-01-01",
    sunset: "2028-01-01",
    notice: "https://docs.example/v2",
  };
  expect(versionHeaders(version)).toEqual({
    "X-API-Version": "v1",
    Deprecation: "@1798761600",
    Sunset: "Sat, 01 Jan 2028 00:00:00 GMT",
    Link: '<https://docs.example/v2>; rel="deprecation"',
  });
});

test("a version that is not deprecated announces nothing", () => {
  expect(versionHeaders({ name: "v1", released: "2026-03-21" })).toEqual({ "X-API-Version": "v1" });
});

/** The versions that stop earlier than 12 months after the release of the next one, or without there being one. */
function endingTooEarly(versions: readonly Omit<ApiVersion, "resources">[]): string[] {
  return versions
    .filter(({ sunset }, index) => {
      if (sunset === undefined) return false;
      const earliest = new Date(versions[index + 1]?.released ?? Number.NaN);
      earliest.setUTCFullYear(earliest.getUTCFullYear() + 1);
      return !(Date.parse(sunset) >= earliest.getTime());
    })
    .map(({ name }) => name);
}

test.each<[string, string | undefined, string[]]>([
  ["2028-03-01", "2027-03-01", []],
  ["2028-02-29", "2027-03-01", ["v1"]],
  ["2028-03-01", undefined, ["v1"]],
])("a version that stops on %s, its successor released on %s, ends too early: %j", (sunset, released, early) => {
  const successors = released === undefined ? [] : [{ name: "v2", released }];
  expect(endingTooEarly([{ name: "v1", released: "2026-03-21", sunset }, ...successors])).toEqual(early);
});

test("no version stops earlier than 12 months after its successor's release", () => {
  expect(endingTooEarly(VERSIONS)).toEqual([]);
});

test.each(["/api/v1/contacts", "/api/contacts", "/api/v9/contacts", "/api/v1", "/api/v10x", "/"])(
  "%s is answered as v1",
  (path) => expect(versionOf(path, VERSIONS).name).toBe("v1"),
);

test.each([
  ["contacts", "id"],
  ["contacts", "version"],
  ["deals", "custom_fields"],
  ["stages", "pipeline_id"],
])("of %s no version renames the %s", (plural, name) => {
  expect(() => rename(resourceNamed(plural), { renamed: name })).toThrow(`${name} of ${plural}`);
});

test.each([
  ["a field that there is not", { state: "statuss" }, /no field statuss/],
  ["a name that another field has", { phone: "email" }, /one name/],
  ["one field to two names", { state: "status", condition: "status" }, /them two/],
])("no version renames %s", (_, names, message) => {
  expect(() => rename(resourceNamed("contacts"), names)).toThrow(message);
});
