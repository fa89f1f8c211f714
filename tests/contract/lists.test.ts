import { beforeAll, describe, expect, test } from "vitest";
import { createWorkspace, freshEmail, type TestKey } from "../harness/workspace.ts";

let mine: TestKey & { ownerId: string };
const ids: Record<string, string> = {};

const people = {
  ada: {
    email: "Ada.Lovelace@Example.com",
    first_name: "Ada",
    last_name: "Lovelace",
    score: 90,
    status: "active",
    lifecycle_stage: "customer",
    tags: ["vip", "math"],
    phone: "+1 (212) 555-0199",
    birthday: "1815-12-10",
    lead_source: "web",
  },
  bob: {
    email: "bob@sample.org",
    first_name: "Bob",
    last_name: "De Bruyn",
    score: 10,
    status: "inactive",
    lifecycle_stage: "lead",
    tags: ["vip"],
    job_title: "Head of Sales",
    do_not_contact: true,
  },
  jose: {
    email: "jose@example.com",
    first_name: "José",
    last_name: "Núñez",
    score: null,
    status: "active",
    tags: [],
    external_id: "x-1",
  },
  li: {
    email: "li@wei.cn",
    first_name: "Li",
    last_name: "Wei",
    score: 50,
    status: "bounced",
    lifecycle_stage: "lead",
    tags: ["math"],
    job_title: "Engineer",
  },
};

beforeAll(async () => {
  mine = await createWorkspace();
  for (const [name, fields] of Object.entries(people)) {
    ids[name] = (
      await mine.client.post("/contacts", { ...fields, ...(name === "ada" && { owner_id: mine.ownerId }) })
    ).data.id;
  }
});

/** The names of those a query finds, and its total, which must agree. */
async function found(query: string): Promise<string[]> {
  const { status, data, meta, body } = await mine.client.get(`/contacts?${query}`);
  expect(status, JSON.stringify(body)).toBe(200);
  expect(meta.total, query).toBe(data.length);
  return data.map((record: { id: string }) => Object.keys(ids).find((name) => ids[name] === record.id)).sort();
}

describe("filters", () => {
  test.each([
    ["status=active", ["ada", "jose"]],
    ["status=active,bounced", ["ada", "jose", "li"]],
    ["status[ne]=active", ["bob", "li"]],
    ["status[nin]=active,bounced", ["bob"]],
    ["lifecycle_stage[is_null]=true", ["jose"]],
    ["lifecycle_stage[ne]=lead", ["ada", "jose"]],
    ["lifecycle_stage[is_null]=false&status=active", ["ada"]],
    ["score[gt]=10", ["ada", "li"]],
    ["score[gte]=10&score[lt]=90", ["bob", "li"]],
    ["score=90,50", ["ada", "li"]],
    ["score[is_null]=true", ["jose"]],
    ["email=ADA.lovelace@example.COM", ["ada"]],
    ["email[contains]=EXAMPLE", ["ada", "jose"]],
    ["email[starts_with]=bob@", ["bob"]],
    ["first_name[contains]=os%C3%89", ["jose"]],
    ["first_name[starts_with]=l", ["li"]],
    ["last_name=De%20Bruyn", ["bob"]],
    ["external_id=x-1", ["jose"]],
    ["phone_e164=%2B12125550199", ["ada"]],
    ["tags=vip", ["ada", "bob"]],
    ["tags=vip,math", ["ada", "bob", "li"]],
    ["tags=vip&tags[ne]=math", ["bob"]],
    ["tags[nin]=vip", ["jose", "li"]],
    ["do_not_contact=true", ["bob"]],
    ["birthday[lt]=1900-01-01", ["ada"]],
    ["created_at[gte]=2020-01-01", ["ada", "bob", "jose", "li"]],
    ["created_at[lt]=2020-01-01T00:00:00%2B02:00", []],
    ["owner_id[is_null]=false", ["ada"]],
    ["source=api&lead_source=web", ["ada"]],
    ["job_title[contains]=sales", ["bob"]],
  ] as const)("%s", async (query, names) => {
    expect(await found(query)).toEqual(names);
  });

  test("a time read from a record finds that record", async () => {
    const { data } = await mine.client.get(`/contacts/${ids["ada"]}`);
    expect(await found(`created_at[eq]=${encodeURIComponent(data.created_at)}`)).toEqual(["ada"]);
    expect(await found(`id=${ids["ada"]},${ids["bob"]}`)).toEqual(["ada", "bob"]);
  });
});

describe("search finds what a person would type", () => {
  test.each([
    ["ada", ["ada"]],
    ["lovelace ada", ["ada"]],
    ["LOVE", ["ada"]],
    ["jose nunez", ["jose"]],
    ["ada.lovelace@example.com", ["ada"]],
    ["example", ["ada", "jose"]],
    ["2125550199", ["ada"]],
    ["(212) 555-0199", ["ada"]],
    ["555-0199", ["ada"]],
    ["li", ["li"]],
    ["head sales", ["bob"]],
    ["Lovelace, Ada <ada.lovelace@example.com>", ["ada"]],
    ['"ada lovelace"', ["ada"]],
    ["nobody", []],
  ] as const)("%s", async (words, names) => {
    expect(await found(`search=${encodeURIComponent(words)}`)).toEqual(names);
  });

  test("at once after the write, and together with filters", async () => {
    const { client } = await createWorkspace();
    await client.post("/contacts", { email: freshEmail(), first_name: "Fresh" });
    expect((await client.get("/contacts?search=fresh&status=active")).meta.total).toBe(1);
    expect((await client.get("/contacts?search=fresh&status=inactive")).meta.total).toBe(0);
  });
});

test("POST /search takes a tree over the same fields and answers with the same cursors", async () => {
  const tree = {
    or: [
      { field: "score", op: "gte", value: 90 },
      {
        and: [
          { field: "status", op: "in", value: ["bounced", "inactive"] },
          { not: { field: "tags", op: "eq", value: "vip" } },
        ],
      },
    ],
  };
  const first = await mine.client.post("/contacts/search", {
    filter: tree,
    sort: "-score",
    limit: 1,
    fields: ["email"],
  });
  expect(first.data).toEqual([{ id: ids["ada"], email: people.ada.email }]);
  expect(first.meta).toMatchObject({ total: 2, limit: 1, has_more: true });
  const second = await mine.client.post("/contacts/search", {
    filter: tree,
    sort: "-score",
    limit: 5,
    cursor: first.meta.next_cursor,
  });
  expect(second.data.map((record: { id: string }) => record.id)).toEqual([ids["li"]]);
  expect((await mine.client.post("/contacts/search", { search: "ada", include: ["owner"] })).data[0].owner.name).toBe(
    "Olive Owner",
  );
  const deep = (depth: number): unknown =>
    depth === 0 ? { field: "score", op: "eq", value: 1 } : { not: deep(depth - 1) };
  expect((await mine.client.post("/contacts/search", { filter: deep(4) })).status).toBe(200);
  expect((await mine.client.post("/contacts/search", { filter: deep(5) })).error.code).toBe("invalid_filter");
  const wide = (leaves: number) => ({
    or: Array.from({ length: leaves }, () => ({ field: "score", op: "eq", value: 1 })),
  });
  expect((await mine.client.post("/contacts/search", { filter: wide(50) })).status).toBe(200);
  expect((await mine.client.post("/contacts/search", { filter: wide(51) })).error.code).toBe("invalid_filter");
  expect((await mine.client.post("/contacts/search", { filtre: tree })).error.code).toBe("unknown_field");
});

test("HEAD tells the length that GET has", async () => {
  const path = "/contacts?limit=1";
  const get = await mine.client.get(path);
  const head = await mine.client.call(path, { method: "HEAD" });
  // The request id, the time and a cursor have a fixed length each.
  expect(head.headers.get("content-length")).toBe(String(JSON.stringify(get.body).length));
});
