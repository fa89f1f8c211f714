import { randomUUID } from "node:crypto";
import { parse } from "csv-parse/sync";
import { beforeAll, describe, expect, test } from "vitest";
import { resources } from "../../shared/resources/all.ts";
import { checkAnswer } from "../harness/client.ts";
import { startCountingProxy } from "../harness/counting_proxy.ts";
import { startHttpProxy } from "../harness/http_proxy.ts";
import { database, stack, startAnotherFunction } from "../harness/stack.ts";
import { createKey, createWorkspace, freshEmail, type TestKey } from "../harness/workspace.ts";

let mine: Awaited<ReturnType<typeof createWorkspace>>;

beforeAll(async () => {
  mine = await createWorkspace();
});

/** An export as text, its headers checked as those of every answer are. */
async function exported(path: string, { key }: Pick<TestKey, "key"> = mine, base = stack().functionUrl) {
  const response = await fetch(`${base}/v1${path}`, { headers: { authorization: `Bearer ${key}` } });
  checkAnswer({ status: response.status, headers: response.headers, body: null }, path);
  expect(response.status, path).toBe(200);
  return { text: await response.text(), headers: response.headers };
}

async function lines(path: string, key: Pick<TestKey, "key"> = mine): Promise<Record<string, unknown>[]> {
  const { text } = await exported(`${path}${path.includes("?") ? "&" : "?"}format=ndjson`, key);
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

async function rows(path: string, key: Pick<TestKey, "key"> = mine): Promise<Record<string, string>[]> {
  return parse((await exported(path, key)).text, { columns: true, record_delimiter: "\r\n" });
}

describe("what is exported", () => {
  let tricky: Record<string, unknown>;

  beforeAll(async () => {
    for (const [key, type] of [
      ["plan", "text"],
      ["seats", "number"],
    ])
      await mine.client.post("/custom_fields", { resource: "contacts", key, label: key, type });
    const company = await mine.client.post("/companies", { name: 'Ann "the" Smith, Ltd', domain: "example.org" });
    await mine.client.post("/deals", { name: "Deal\nin two lines", amount: "1234.50", currency: "EUR" });
    const { data } = await mine.client.post("/contacts", {
      email: freshEmail(),
      first_name: ' "José", \r\n the 1st ',
      last_name: "=SUM(A1)",
      company_id: company.data.id,
      tags: ["a;b", 'say "hi"', "x,y"],
      address: { street: "1, Main St", city: "Zürich 🏔" },
      custom_fields: { plan: "gold, or so", seats: 12.5 },
      score: 7,
      birthday: "1990-02-28",
    });
    tricky = data;
    await mine.client.post("/contacts", { email: freshEmail(), do_not_contact: true, score: 99 });
    await mine.client.post("/contacts", { email: freshEmail() });
  });

  test.each(resources.filter(({ operations, parent }) => operations.includes("export") && parent === undefined))(
    "$plural as NDJSON are the records of the list, in its order",
    async ({ path }) => {
      expect(await lines(`${path}/export`)).toEqual(await mine.client.all(path));
    },
  );

  test("a pipeline's stages are exported below it, and another workspace's pipeline is 404", async () => {
    const [pipeline] = (await mine.client.get("/pipelines")).data;
    const path = `/pipelines/${pipeline.id}/stages`;
    expect(await lines(`${path}/export`)).toEqual(await mine.client.all(path));
    const other = await createWorkspace();
    expect((await other.client.get(`${path}/export`)).error.code).toBe("not_found");
  });

  test("CSV has a header, CRLF, text as it is but for formulas, objects and lists as JSON, and nothing for null", async () => {
    const { text, headers } = await exported(`/contacts/export?score=7`);
    expect(headers.get("content-type")).toBe("text/csv; charset=utf-8");
    expect(headers.get("content-disposition")).toBe('attachment; filename="contacts.csv"');
    expect(text.endsWith("\r\n")).toBe(true);
    const [row, ...more] = parse(text, { columns: true, record_delimiter: "\r\n" }) as Record<string, string>[];
    expect(more).toEqual([]);
    expect(Object.keys(row ?? {})).toEqual(Object.keys(tricky));
    // What a spreadsheet would run is a text there, and is read back as it was.
    const inCsv = { ...tricky, last_name: "'=SUM(A1)" };
    const shown = Object.entries(inCsv).map(([name, value]) => [name, value === null ? "" : value]);
    const read = Object.entries(row ?? {}).map(([name, cell]) => {
      const value = tricky[name];
      return [name, typeof value === "string" || value === null ? cell : JSON.parse(cell)];
    });
    expect(read).toEqual(shown);
  });

  test("money is decimal text and times are UTC with a Z, in both formats", async () => {
    const [deal] = await rows("/deals/export");
    expect(deal).toMatchObject({ name: "Deal\nin two lines", amount: "1234.50", status: "open" });
    expect(deal?.["created_at"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
    const { headers } = await exported("/deals/export?format=ndjson");
    expect(headers.get("content-type")).toBe("application/x-ndjson");
    expect((await lines("/deals/export"))[0]).toMatchObject({ amount: "1234.50", created_at: deal?.["created_at"] });
  });

  test.each([
    "score[gte]=7",
    "do_not_contact=true",
    "tags=x,y,a;b",
    "search=jose",
    "custom_fields.seats[gt]=12",
    "company.domain=example.org",
    "sort=score",
    "sort=-custom_fields.plan,score",
    "fields=email,score",
    "fields=tags&sort=-email",
    "email=nobody@test.example",
  ])("it takes what the list takes: %s", async (query) => {
    expect(await lines(`/contacts/export?${query}`)).toEqual(await mine.client.all(`/contacts?${query}`));
  });

  test("an export of nothing is a header, or nothing at all", async () => {
    const none = "/contacts/export?email=nobody@test.example&fields=email";
    expect((await exported(none)).text).toBe("id,email\r\n");
    expect((await exported(`${none}&format=ndjson`)).text).toBe("");
  });

  test("the fields are the columns, in the order they were asked for", async () => {
    const { text } = await exported("/contacts/export?fields=last_name,email,tags&score=7");
    expect(text.split("\r\n")[0]).toBe("id,last_name,email,tags");
  });
});

test.each([
  ["limit=10", "unknown_parameter", "limit"],
  ["cursor=x", "unknown_parameter", "cursor"],
  ["include=company", "unknown_parameter", "include"],
  ["fromat=csv", "unknown_parameter", "fromat"],
  ["format=xml", "validation_error", "format"],
  ["format=", "validation_error", "format"],
  ["fields=emial", "validation_error", "fields"],
  ["sort=nothing", "invalid_sort", "sort"],
  ["score=x", "invalid_filter", "score"],
  ["company.name=x&format=csv&format=csv", "validation_error", "format"],
])("%s is refused in the envelope, before anything is sent", async (query, code, at) => {
  const { status, error } = await mine.client.get(`/contacts/export?${query}`);
  expect({ status, code: error.code, at: Object.keys(error.details) }).toEqual({ status: 400, code, at: [at] });
});

test("a filter that reaches into another resource needs its scope", async () => {
  const { client } = await createKey({
    workspaceId: mine.workspaceId,
    scope: "custom",
    permissions: { contacts: "read" },
  });
  expect((await client.get("/contacts/export?company.name=x")).error.code).toBe("insufficient_scope");
  expect((await client.get("/companies/export")).error.details.required_scope).toBe("companies:read");
});

test("HEAD answers the headers alone", async () => {
  const head = await mine.client.call("/contacts/export", { method: "HEAD" });
  expect(head.status).toBe(200);
  expect(head.headers.get("content-type")).toBe("text/csv; charset=utf-8");
  expect((await mine.client.call("/contacts/export?limit=1", { method: "HEAD" })).status).toBe(400);
});

describe("many records", () => {
  const COUNT = 5_003;
  let many: Awaited<ReturnType<typeof createWorkspace>>;

  beforeAll(async () => {
    many = await createWorkspace();
    await database()`
      insert into crm.contacts (workspace_id, email, score, created_at)
      select ${many.workspaceId}, 'many' || n || '@test.example', case when n % 3 > 0 then n % 10 end, now() - n / 7 * interval '1 second'
      from generate_series(1, ${COUNT}) as n`;
  });

  test.each(["", "sort=score", "sort=-score,email", "sort=email", "search=many"])(
    "each is there once, in order: %s",
    async (query) => {
      const found = await lines(`/contacts/export?fields=email,score,created_at&${query}`, many);
      expect(new Set(found.map(({ id }) => id)).size).toBe(COUNT);
      const listed = await many.client.all(`/contacts?fields=email,score,created_at&limit=100&${query}`);
      expect(found).toEqual(listed);
    },
    120_000,
  );

  test("a database that goes away in the middle breaks the stream off: the file is never silently short", async () => {
    let pages = 0;
    const proxy = await startHttpProxy(stack().restUrl, {
      onRequest: (_method, path) => {
        if (path.includes("export_records") && ++pages >= 3) throw new Error("gone");
      },
    });
    const another = await startAnotherFunction({ REST_URL: proxy.url });
    try {
      await expect(exported("/contacts/export", many, another.baseUrl)).rejects.toThrow();
      expect(pages).toBeGreaterThanOrEqual(3);
    } finally {
      await another.stop();
      await proxy.close();
    }
  });

  test("long texts make small pages, fetched no faster than they are read", async () => {
    const authors = await createWorkspace();
    const count = 800;
    const contact = await authors.client.post("/contacts", { email: freshEmail() });
    await database()`
      insert into crm.activities (workspace_id, type, contact_id, body)
      select ${authors.workspaceId}, 'note', ${contact.data.id}, repeat(md5(n::text), 1000) from generate_series(1, ${count}) as n`;
    const proxy = await startCountingProxy(stack().restUrl);
    const another = await startAnotherFunction({ REST_URL: proxy.url });
    const asked = () => proxy.requests.filter((path) => path.includes("export_records")).length;
    try {
      const response = await fetch(`${another.baseUrl}/v1/activities/export?fields=body`, {
        headers: { authorization: `Bearer ${authors.key}` },
      });
      const reader = response.body?.getReader();
      let bytes = (await reader?.read())?.value?.length ?? 0;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const whileWaiting = asked();
      for (let part = await reader?.read(); part?.done === false; part = await reader?.read())
        bytes += part.value.length;
      expect(bytes).toBeGreaterThan(count * 32_000);
      expect(whileWaiting).toBeLessThan(asked() / 2);
    } finally {
      await another.stop();
      await proxy.close();
    }
  });
});

test("a key of another workspace exports its own records only", async () => {
  const other = await createWorkspace();
  expect(await lines("/contacts/export", other)).toEqual([]);
  expect(await lines(`/contacts/export?search=${randomUUID()}`, other)).toEqual([]);
  expect(await lines("/contacts/export?search=example", other)).toEqual([]);
});
