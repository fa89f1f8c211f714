import { describe, expect, test } from "vitest";
import {
  MAX_LISTED_FAILURES,
  MAX_REPORT_BYTES,
  MAX_UNFINISHED_IMPORTS,
  MAX_UPLOADED_BYTES,
} from "../../shared/bounds.ts";
import { Client } from "../harness/client.ts";
import { endOf, type ImportRow, rowsOf, runImport } from "../harness/import_jobs.ts";
import { database, startAnotherFunction } from "../harness/stack.ts";
import { createWorkspace } from "../harness/workspace.ts";

const importOf = (content: string, options: Record<string, unknown> = {}) => ({
  resource: "contacts",
  format: "csv",
  content,
  ...options,
});

describe("what a workspace's imports may take", () => {
  test("has a number of imports that have not ended", async () => {
    const { client } = await createWorkspace();
    const { data: first } = await client.post("/imports", { resource: "contacts", format: "csv" });
    await database()`
      insert into crm.imports (workspace_id, resource, format, status, dry_run, on_conflict, mapping, created_by)
      select workspace_id, 'deals', format, status, dry_run, on_conflict, mapping, created_by
      from crm.imports, generate_series(2, ${MAX_UNFINISHED_IMPORTS}) where id = ${first.id}`;
    const refused = await client.post("/imports", { resource: "contacts", format: "csv" });
    expect(refused.status).toBe(409);
    expect(refused.error).toMatchObject({
      code: "too_many_imports",
      details: { max_unfinished: MAX_UNFINISHED_IMPORTS },
    });
    await client.post(`/imports/${first.id}/cancel`);
    expect((await client.post("/imports", { resource: "contacts", format: "csv" })).status).toBe(202);
  });

  test("has a number of bytes, of all that have not ended", async () => {
    const { client } = await createWorkspace();
    const { data: large } = await client.post("/imports", { resource: "contacts", format: "csv" });
    const { data: small } = await client.post("/imports", { resource: "contacts", format: "csv" });
    await database()`update crm.imports set bytes_total = ${MAX_UPLOADED_BYTES} where id = ${large.id}`;
    const part = { part: 0, content: "email\n" };
    const refused = await client.post(`/imports/${small.id}/parts`, part);
    expect(refused.status).toBe(409);
    expect(refused.error).toMatchObject({ code: "upload_quota_exceeded", details: { max_bytes: MAX_UPLOADED_BYTES } });
    expect((await client.post("/imports", importOf("email\n"))).error.code).toBe("upload_quota_exceeded");
    await client.post(`/imports/${large.id}/cancel`);
    expect((await client.post(`/imports/${small.id}/parts`, part)).status).toBe(200);
  });

  test("has a number of bytes, of all reports: one that goes beyond ends, and none begins", async () => {
    const { client } = await createWorkspace();
    const rows = Array.from({ length: 3_000 }, (_, n) => `p${n}@report.example\n`).join("");
    const file = importOf(`email\n${rows}wrong\n`);
    const { id } = await runImport(client, file);
    const [{ kept, row_bytes: rowBytes } = {}] = await database()`
      select report_bytes::integer as kept, (select sum(pg_column_size(noted.*)) from crm.import_rows as noted where import_id = id)::integer as row_bytes
      from crm.imports where id = ${id}`;
    // A row's own bytes, and the two entries of it in the index.
    expect(kept).toBeGreaterThan(rowBytes);
    expect(kept).toBeLessThan(3 * rowBytes);
    const { data: waiting } = await client.post("/imports", { resource: "contacts", format: "csv" });
    await client.post(`/imports/${waiting.id}/parts`, { part: 0, content: file.content });
    await database()`update crm.imports set report_bytes = ${MAX_REPORT_BYTES + 1} where id = ${id}`;
    const refused = await client.post("/imports", file);
    expect([refused.status, refused.error.code]).toEqual([409, "import_reports_full"]);
    expect(refused.error.details).toEqual({ max_bytes: MAX_REPORT_BYTES });
    await client.post(`/imports/${waiting.id}/start`);
    expect(await endOf(client, waiting.id)).toMatchObject({ status: "failed", error: { code: "import_reports_full" } });
  });

  test.each([
    ["csv", { content: `${Array.from({ length: 900 }, (_, n) => `${n}${"x".repeat(100)}`).join(",")}\n` }],
    ["ndjson", {}],
  ])("has a length of a mapping that is kept (%s)", async (format, extra) => {
    const { client } = await createWorkspace();
    const names = Array.from({ length: 900 }, (_, n) => [`${n}${"x".repeat(100)}`, null]);
    const mapping = Object.fromEntries(names);
    const { status, error } = await client.post("/imports", { resource: "contacts", format, mapping, ...extra });
    expect([status, error.code]).toEqual([400, "validation_error"]);
    expect(error.details.mapping[0]).toMatch(/may not be longer than 64 kB/);
  });
});

test("of very many rows that fail the first are listed, and all are counted", async () => {
  const { client } = await createWorkspace();
  const rows = MAX_LISTED_FAILURES + 3_000;
  const made = await client.post("/imports", importOf(`email\n${"a\n".repeat(rows)}last@listed.example\n`));
  const ended = await endOf(client, made.data.id);
  expect(ended).toMatchObject({ created: 1, failed: rows, failed_unlisted: 3_000, rows_total: rows + 1 });
  const [kept] = await database()`
    select count(*)::integer as rows, max(length(error::text)) as longest from crm.import_rows where import_id = ${ended.id}`;
  expect(kept?.["rows"]).toBe(MAX_LISTED_FAILURES + 1);
  expect(kept?.["longest"]).toBeLessThan(1_000);
  const [{ bytes } = {}] =
    await database()`select report_bytes::integer as bytes from crm.imports where id = ${ended.id}`;
  expect(bytes).toBeLessThan(5_000_000); // Rows that are only counted take nothing.
  const failed = await client.get(`/imports/${ended.id}/rows?status=failed&limit=1`);
  expect(failed.meta.total).toBe(MAX_LISTED_FAILURES);
  const created = await rowsOf(client, ended.id, "created");
  expect(created).toMatchObject([{ row: rows + 1, line: rows + 2 }]);
});

/** What a run took from its first batch to its last, in ms. */
const took = (ended: ImportRow) => Date.parse(String(ended["completed_at"])) - Date.parse(String(ended["started_at"]));

test.each(["update", "return", "error"])(
  "rows that repeat one record cost no more than others: %s",
  { retry: 2 },
  async (conflict) => {
    const { client } = await createWorkspace();
    const rows = 6_000;
    const file = (name: (n: number) => string) =>
      importOf(
        `email,first_name\n${Array.from({ length: rows }, (_, n) => `${name(n)}@repeat.example,${n}\n`).join("")}`,
        {
          on_conflict: conflict,
        },
      );
    const distinct = await runImport(
      client,
      file((n) => `d${n}`),
    );
    const repeated = await runImport(
      client,
      file(() => "same"),
    );
    expect(repeated).toMatchObject({ rows_total: rows, created: 1 });
    // Each by itself they took eleven times as long.
    expect(took(repeated)).toBeLessThan(5 * took(distinct));
  },
);

test("a small import does not wait behind the large ones of others, whatever is in them and whichever function works", async () => {
  const repeated = `email,first_name\n${Array.from({ length: 150_000 }, (_, n) => `same@test.example,${n}\n`).join("")}`;
  const distinct = `email,first_name\n${Array.from({ length: 60_000 }, (_, n) => `d${n}@test.example,${n}\n`).join("")}`;
  const another = await startAnotherFunction();
  const hostile = await Promise.all(Array.from({ length: 6 }, () => createWorkspace()));
  const { client, key } = await createWorkspace();
  const started: [typeof client, string][] = [];
  for (const [n, other] of hostile.entries()) {
    const own = n % 2 === 0 ? other.client : new Client(another.baseUrl, other.key);
    const { data, status } = await own.post("/imports", importOf(n < 3 ? repeated : distinct));
    expect(status, `${n}`).toBe(202);
    started.push([other.client, data.id]);
  }
  try {
    for (let n = 0; n < 4; n++) {
      const people = Array.from({ length: 100 }, (_, i) => `p${n}x${i}@small.example\n`).join("");
      const own = n % 2 === 0 ? client : new Client(another.baseUrl, key);
      expect(await runImport(own, importOf(`email\n${people}`))).toMatchObject({ created: 100 });
    }
    const states = await Promise.all(
      started.map(async ([other, id]) => (await other.get(`/imports/${id}`)).data.status),
    );
    expect(states).toContain("running");
  } finally {
    for (const [other, id] of started) await other.post(`/imports/${id}/cancel`);
    await another.stop();
  }
}, 120_000);
