import { expect, test } from "vitest";
import { VERSIONS, versionHeaders, versionOf } from "../../shared/http/versions.ts";

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

test("a version's sunset is at least 12 months after its successor's release", () => {
  VERSIONS.forEach(({ sunset }, index) => {
    const successor = VERSIONS[index + 1];
    if (sunset === undefined) return;
    expect(successor).toBeDefined();
    const earliest = new Date(successor?.released ?? "");
    earliest.setUTCFullYear(earliest.getUTCFullYear() + 1);
    expect(Date.parse(sunset)).toBeGreaterThanOrEqual(earliest.getTime());
  });
});

test.each(["/api/v1/contacts", "/api/contacts", "/api/v9/contacts", "/api/v1", "/api/v10x", "/"])(
  "%s is answered as v1",
  (path) => expect(versionOf(path).name).toBe("v1"),
);
