import { expect, test } from "vitest";
import { filesIn, read } from "./source_files.ts";

const { version, dependencies, devDependencies, engines } = JSON.parse(read("package.json"));
const packages: Record<string, string> = { ...dependencies, ...devDependencies };
const imports: Record<string, string> = JSON.parse(read("deno.json")).imports;

/** "npm:hono@4.13.19/jwt" → ["hono", "4.13.19"] */
function packageAndVersion(specifier: string): [string, string] {
  const [, name = "", pinned = ""] = /^npm:\/?((?:@[^/]+\/)?[^@/]+)@([^/]+)/.exec(specifier) ?? [];
  return [name, pinned];
}

test.each(Object.entries(packages))("package.json pins %s to an exact version", (_name, pinned) => {
  expect(pinned).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/);
});

test.each(Object.entries(imports))("deno.json and package.json pin the same version for %s", (alias, specifier) => {
  const [name, pinned] = packageAndVersion(specifier);
  expect(alias === name || alias.startsWith(`${name}/`), `${alias} is an alias of another package`).toBe(true);
  expect(pinned).toBe(packages[name]);
});

test.each(Object.keys(dependencies))("deno.json knows %s, which the function needs", (name) => {
  expect(Object.values(imports).map((specifier) => packageAndVersion(specifier)[0])).toContain(name);
});

test("package-lock.json is of package.json, and names no host to fetch from", () => {
  const lock = JSON.parse(read("package-lock.json"));
  expect(lock.packages[""]).toMatchObject({ version, dependencies, devDependencies, engines });
  expect(Object.entries(lock.packages).filter(([, entry]) => "resolved" in (entry as object))).toEqual([]);
  expect(read(".npmrc")).not.toContain("registry=");
});

// Where the registry doesn't serve a platform, `npm install` leaves that platform's packages out of the lock file,
// and `npm ci` then refuses to run anywhere. Put the entries back by hand: version, os, cpu, libc, optional, dev.
test("package-lock.json has an entry for each platform's binaries, so that `npm ci` works on all of them", () => {
  const entries: Record<string, { optionalDependencies?: Record<string, string> }> = JSON.parse(
    read("package-lock.json"),
  ).packages;
  const missing = Object.entries(entries).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !(`node_modules/${name}` in entries || `${path}/node_modules/${name}` in entries),
    ),
  );
  expect(missing).toEqual([]);
});

test("CHANGELOG.md has an entry for the version of package.json, above all released ones", () => {
  const released = [...read("CHANGELOG.md").matchAll(/^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$/gm)].map(
    ([, entry]) => entry,
  );
  expect(released[0]).toBe(version);
});

test("a migration's file name is what the Supabase CLI orders by, and no two share a version", () => {
  const names = filesIn("supabase/migrations").map((path) => path.split("/").at(-1) ?? "");
  expect(names.filter((name) => !/^\d{14}_[a-z0-9_]+\.sql$/.test(name))).toEqual([]);
  expect(new Set(names.map((name) => name.slice(0, 14))).size).toBe(names.length);
});
