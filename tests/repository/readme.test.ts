import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/stack/settings.ts";
import * as bounds from "../../shared/bounds.ts";
import { ERRORS } from "../../shared/errors.ts";
import { imports } from "../../shared/resources/imports.ts";
import { filesIn, read } from "./source_files.ts";

const readme = read("README.md");
const KB = 1024;
const MB = 1024 * KB;
const GB = 1024 * MB;

/** What the second column of the table of bounds says in the row that begins so. */
function bound(row: string): string | undefined {
  return new RegExp(`^\\| ${row} \\| ([^|]+) \\|`, "m").exec(readme)?.[1];
}

function migration(name: string): string {
  return read(filesIn("supabase/migrations").find((path) => path.endsWith(`_${name}.sql`)) ?? "");
}

/** A constant of a migration, as SQL has it. */
function inSql(file: string, name: string): string | undefined {
  return new RegExp(`${name} constant \\w+ := ([^;]+);`).exec(migration(file))?.[1];
}

test("the README's table of bounds has the numbers of shared/bounds.ts and of the migrations", () => {
  const { MAX_BODY_BYTES, MAX_BULK_BODY_BYTES, MAX_URL_BYTES, MAX_BULK_RECORDS, MAX_DATA_BYTES } = bounds;
  const { MAX_COMPARISONS, MAX_VALUES, MAX_SEARCH_WORDS, MAX_VIOLATIONS, MAX_LISTED_FAILURES } = bounds;
  const { MAX_UNFINISHED_IMPORTS, MAX_IMPORT_BYTES, MAX_UPLOADED_BYTES, MAX_WAIT_MS } = bounds;
  expect(bound("body, of bulk")).toBe(`${MAX_BODY_BYTES / MB} MB, ${MAX_BULK_BODY_BYTES / MB} MB`);
  expect(bound("values of a body")).toBe(bounds.MAX_BODY_VALUES.toLocaleString("en-US"));
  expect(bound("URL")).toBe(`${MAX_URL_BYTES / KB} kB`);
  expect(bound("records of a bulk request")).toBe(MAX_BULK_RECORDS.toLocaleString("en-US"));
  expect(bound("stages of their pipelines")).toBe(bounds.MAX_BULK_STAGES.toLocaleString("en-US"));
  expect(bound("comparisons of a filter, values of one, words of a search")).toBe(
    [MAX_COMPARISONS, MAX_VALUES, MAX_SEARCH_WORDS].join(", "),
  );
  expect(bound("violations told")).toBe(String(MAX_VIOLATIONS));
  expect(bound("`data` of an activity")).toBe(`${MAX_DATA_BYTES / KB} kB`);
  expect(bound("imports of a workspace that have not ended")).toBe(
    `${MAX_UNFINISHED_IMPORTS}, of ${MAX_IMPORT_BYTES / GB} GB, ${MAX_UPLOADED_BYTES / GB} GB together`,
  );
  expect(bound("failed rows that a report lists")).toBe(MAX_LISTED_FAILURES.toLocaleString("en-US"));
  expect(readme).toContain(`waits up to ${MAX_WAIT_MS / 1000} s`);
  expect(readme).toContain(`the real answer, after ${bounds.SLOW_SCENARIO_MS / 1000} s;`);
  expect(readme).toContain(`${bounds.MAX_SLOW_AT_ONCE} of a workspace at once`);
  const { MAX_WEBHOOK_URL_LENGTH, WEBHOOK_TIMEOUT_MS, MAX_ANSWER_BYTES, MAX_ANSWER_KEPT_BYTES } = bounds;
  expect(readme).toContain(
    `more than ${MAX_WEBHOOK_URL_LENGTH.toLocaleString("en-US")} characters, and this API itself`,
  );
  expect(readme).toContain(`An attempt has ${WEBHOOK_TIMEOUT_MS / 1000} seconds`);
  expect(readme).toContain(`${MAX_ANSWER_BYTES / KB} kB are read and ${MAX_ANSWER_KEPT_BYTES / KB} kB is kept`);
  expect(bounds.MAX_RETRY_AFTER_SECONDS).toBe(24 * 60 * 60);
  expect(bound("jobs of a workspace that have not ended")).toBe(String(bounds.MAX_UNFINISHED_JOBS));
  expect(inSql("jobs", "max_unfinished")).toBe(String(bounds.MAX_UNFINISHED_JOBS));
  expect(inSql("key_acts", "max_live")).toBe(bound("its live keys, its invitations that wait")?.replace(" each", ""));
  expect(inSql("people", "max_pending")).toBe(inSql("key_acts", "max_live"));
  expect(inSql("sandboxes", "max_sandboxes")).toBe(bound("its sandboxes"));
  const filterKb = bounds.MAX_WEBHOOK_FILTER / KB;
  expect(bound("its endpoints, events that one names, its filter")).toBe(
    `${inSql("webhooks", "max_webhooks")}, ${bounds.MAX_EVENT_PATTERNS}, ${filterKb} kB`,
  );
  expect(readme).toContain(`(0 to ${bounds.MAX_ROTATION_GRACE_SECONDS.toLocaleString("en-US")}, a day unless given)`);
  expect(migration("webhooks")).toContain(`cardinality(events) between 1 and ${bounds.MAX_EVENT_PATTERNS}`);
  expect(migration("webhooks")).toContain(`length(url) between 1 and ${bounds.MAX_WEBHOOK_URL_LENGTH}`);
  expect(readme).toContain(`the oldest ${Number(inSql("sandboxes", "max_each")).toLocaleString("en-US")} of each`);
  expect(inSql("acts", "max_a_day")).toBe(
    bound("what is done to its keys, people, sandboxes and endpoints in 24 hours")?.replace(",", ""),
  );
  expect([inSql("mail", "max_per_day"), inSql("mail", "max_to_one")].join(", ")).toBe(
    bound("mails of a workspace in 24 hours, to one address"),
  );
  expect(inSql("mail", "max_notices")).toBe(bound("notices by mail to one person of it in 24 hours"));
  expect(inSql("write_records", "max_kept_bytes")).toBe(
    bound("answers kept for its Idempotency-Keys")?.replace(" MB", " * 1024 * 1024"),
  );
});

test("an activity's data is bounded in SQL as in shared/bounds.ts", () => {
  const activities = migration("activities");
  expect(activities).toContain(`octet_length(new.data::text) > ${bounds.MAX_DATA_BYTES} then`);
  expect(activities).toContain(`The data field may not be longer than ${bounds.MAX_DATA_BYTES / KB} kB.`);
});

test("each error code that the README names has the status that it names", () => {
  const named = [...readme.matchAll(/\b([45]\d\d) `([a-z_]+)`(?:, `([a-z_]+)`)?/g)].flatMap(([, status, ...codes]) =>
    codes.filter((code) => code !== undefined).map((code) => ({ code, status: Number(status) })),
  );
  expect(named.length).toBeGreaterThan(8);
  const statuses: Record<string, readonly [number, string]> = ERRORS;
  expect(named.filter(({ code, status }) => statuses[code]?.[0] !== status)).toEqual([]);
});

test("each field of an import that the README names is one", () => {
  const table = /\| field of an import \| \|\n(.*?)\n\n/s.exec(readme)?.[1] ?? "";
  const names = [...table.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, first = ""]) =>
    [...first.matchAll(/`(\w+)`/g)].map(([, name]) => name),
  );
  expect(names.length).toBeGreaterThan(7);
  expect(names.filter((name) => !Object.hasOwn(imports.fields, name ?? ""))).toEqual([]);
});

test("each script, and each file and folder, that the README and the decisions name is there", () => {
  const texts = [readme, ...filesIn("docs/adr").map(read)].join("\n");
  const { scripts } = JSON.parse(read("package.json"));
  const run = [...texts.matchAll(/npm (?:run )?(?:-s )?([a-z:]+)/g)].map(([, name = ""]) => name);
  expect(run.filter((name) => !["ci", "test", "start", "run"].includes(name) && !(name in scripts))).toEqual([]);
  const named = [
    ...texts.matchAll(/\b(?:docs\/adr\/\d{4}|(?:shared|functions|scripts|tests|bench)\/[\w/.]+\.\w+)/g),
  ].map(([path]) => path);
  const files = [...filesIn("docs/adr"), "shared/resources/products.ts"];
  expect(named.filter((path) => !existsSync(join(ROOT, path)) && !files.some((file) => file.startsWith(path)))).toEqual(
    [],
  );
});

test("the code tour of the README names every folder of the code", () => {
  const tour = /## How it is built\n.*?```\n(.*?)```/s.exec(readme)?.[1] ?? "";
  const folders = ["functions/api", "shared", "scripts", "tests"].flatMap((parent) =>
    filesIn(parent).flatMap(
      (path) => /^[^/]+/.exec(path.slice(parent.length + 1))?.filter((name) => !name.includes(".")) ?? [],
    ),
  );
  const names = [...new Set([...folders, "functions", "shared", "supabase", "scripts", "tests", "bench", "docs"])];
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(tour))).toEqual([]);
});

test("the version that the README renames fields in is that of the tests, and no more than 30 lines", () => {
  const file = read("tests/fixtures/v2/v2.ts");
  const [, block = "nothing"] = /### Rename a field in a v2\n.*?```ts\n(.*?)```/s.exec(readme) ?? [];
  expect(file).toContain(block);
  expect(file.trimEnd().split("\n").length).toBeLessThanOrEqual(30);
});
