import { beforeAll, describe, expect, test } from "vitest";
import { createSalesTeam, type Made, refusal, type SalesTeam } from "../harness/sales_team.ts";
import { createKey } from "../harness/workspace.ts";

let team: SalesTeam;
beforeAll(async () => {
  team = await createSalesTeam();
});

const find = async (q: string, more = "", by: Pick<SalesTeam, "client"> = team) => {
  const answer = await by.client.get(`/search?q=${encodeURIComponent(q)}${more}`);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer;
};
const ids = (entries: readonly Made[]) => entries.map(({ id }) => id);

describe("GET /search", () => {
  test("finds records of every resource by their words, each shown whole", async () => {
    const company = await team.company({ name: "Zephyr Works", domain: "zephyr.example" });
    const made: Record<string, Made> = {
      company,
      contact: await team.contact({ first_name: "Zephyr", last_name: "Lane", company_id: company["id"] }),
      deal: await team.deal({ name: "Zephyr renewal", amount: "12.50", currency: "EUR" }),
      task: await team.task({ title: "Call Zephyr" }),
      activity: await team.activity({ body: "Spoke with zephyr", company_id: company["id"] }),
      pipeline: (await team.pipeline({ name: "Zephyr way" })).pipeline,
      tag: await team.tag("zephyr"),
      custom_field: await team.make("/custom_fields", {
        resource: "deals",
        key: "zephyr",
        label: "Z",
        type: "text",
      }),
    };
    const { data, meta } = await find("zephyr");
    expect(meta).toMatchObject({ total: 8, limit: 25, has_more: false, next_cursor: null });
    expect(new Set(data.map(({ type }: Made) => type))).toEqual(new Set(Object.keys(made)));
    const paths: Record<string, string> = {
      company: "companies",
      contact: "contacts",
      deal: "deals",
      task: "tasks",
      activity: "activities",
      pipeline: "pipelines",
      tag: "tags",
      custom_field: "custom_fields",
    };
    for (const { type, id, data: shown } of data) {
      expect(id).toBe(made[type]?.["id"]);
      expect(shown).toEqual(await team.read(`/${paths[type]}/${id}`));
    }
  });

  test("ranks: begins with it > whole words > a prefix > the start of words > inside; then the newest first", async () => {
    const names = [
      "Placmex", // inside
      "New Acmeville", // the start of a word
      "Acmeville", // a prefix
      "Great Acme Co", // a whole word
      "Acme Tools", // begins with it
      "Acme",
      "Other",
    ];
    for (const name of names) await team.company({ name });
    const person = await team.contact({ first_name: "Will", email: "will@acme.example" });
    const { data } = await find("acme");
    expect(data.map(({ data: { name, email } }: Made) => name ?? email)).toEqual([
      "Acme",
      "Acme Tools",
      person["email"],
      "Great Acme Co",
      "Acmeville",
      "New Acmeville",
      "Placmex",
    ]);
    const scores = data.map(({ score }: Made) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
  });

  test("asks for every word, in any order, and puts who has them together first", async () => {
    const [lee, kim] = [
      await team.contact({ first_name: "Quill", last_name: "Tanner" }),
      await team.contact({ first_name: "Tanner", last_name: "Quill" }),
    ];
    await team.contact({ first_name: "Quill", last_name: "Other" });
    expect(ids((await find("quill tanner")).data)).toEqual([lee["id"], kim["id"]]);
    expect(ids((await find(" TANNER   quill ")).data)).toEqual([kim["id"], lee["id"]]);
    expect((await find(`quill ${lee["email"]}`)).meta.total).toBe(1);
    expect((await find("quill nobody")).data).toEqual([]);
  });

  test("is blind to case, accents and punctuation, of which % and _ are some", async () => {
    const alone = await createSalesTeam();
    const { id } = await alone.company({ name: "Ørsted Ångström José 50%_off" });
    for (const q of ["ANGSTROM", "ångström", "jose", "JOSÉ", "50%_off", "50_", "angstrom jose"])
      expect(ids((await find(q, "", alone)).data), q).toEqual([id]);
    for (const q of ["5_0", "ang%xtrom"]) expect((await find(q, "", alone)).data, q).toEqual([]);
  });

  test("finds a phone number however it is punctuated", async () => {
    const { id } = await team.contact({ phone: "+49 (221) 987-6543" });
    for (const q of ["+492219876543", "0049 221".slice(2), "221 987 6543", "(221) 987-6543"])
      expect(ids((await find(q)).data), q).toContain(id);
  });

  test("sees what was written a moment before: new, changed, deleted and restored", async () => {
    const deal = await team.deal({ name: "Quartz order" });
    expect((await find("quartz")).meta.total).toBe(1);
    await team.client.patch(`/deals/${deal["id"]}`, { name: "Marble order" });
    expect([(await find("quartz")).meta.total, (await find("marble")).meta.total]).toEqual([0, 1]);
    await team.client.delete(`/deals/${deal["id"]}`);
    expect((await find("marble")).meta.total).toBe(0);
    await team.client.post(`/deals/${deal["id"]}/restore`);
    expect((await find("marble")).meta.total).toBe(1);
    const loser = await team.company({ name: "Marble Ltd" });
    await team.client.post(`/companies/${(await team.company())["id"]}/merge`, { ids: [loser["id"]] });
    expect((await find("marble")).meta.total).toBe(1);
  });

  test("never shows another workspace's records, nor counts them", async () => {
    const others = await createSalesTeam();
    await others.company({ name: "Obsidian" });
    const mine = await team.company({ name: "Obsidian" });
    expect(ids((await find("obsidian")).data)).toEqual([mine["id"]]);
    expect((await find("obsidian", "&types=companies")).meta.total).toBe(1);
    expect((await find("zephyr", "", others)).meta.total).toBe(0);
  });

  test("narrows to the types that are asked for", async () => {
    const { data } = await find("zephyr", "&types=deals,tasks");
    expect(new Set(data.map(({ type }: Made) => type))).toEqual(new Set(["deal", "task"]));
    const { error } = await team.client.get("/search?q=a&types=deal");
    expect(error).toMatchObject({ code: "validation_error" });
    expect(error.message).toContain("deals");
  });

  test("shows a key what it may read, and refuses the rest when it is asked for by name", async () => {
    const key = (permissions: Record<string, "none" | "read" | "write">) =>
      createKey({ workspaceId: team.workspaceId, scope: "custom", permissions });
    const contacts = await key({ contacts: "read" });
    const { data, meta } = await find("zephyr", "", contacts);
    expect(data.map(({ type }: Made) => type)).toEqual(["contact"]);
    expect(meta.total).toBe(1);
    for (const types of ["deals", "contacts,deals"])
      expect(refusal(await contacts.client.get(`/search?q=zephyr&types=${types}`))).toEqual({
        status: 403,
        code: "insufficient_scope",
      });
    const none = await key({ contacts: "none" });
    expect(refusal(await none.client.get("/search?q=zephyr"))).toEqual({ status: 403, code: "insufficient_scope" });
    const reader = await createKey({ workspaceId: team.workspaceId, scope: "read_only" });
    expect((await find("zephyr", "", reader)).meta.total).toBe(8);
  });

  test("refuses what is no search, and says why", async () => {
    for (const [query, code, at] of [
      ["", "validation_error", "q"],
      ["q=", "validation_error", "q"],
      ["q=%20%20", "validation_error", "q"],
      [`q=${"x".repeat(501)}`, "validation_error", "q"],
      ["q=a&q=b", "validation_error", "q"],
      ["query=a", "unknown_parameter", "query"],
      ["q=a&limit=0", "validation_error", "limit"],
      ["q=a&limit=101", "validation_error", "limit"],
      ["q=a&sort=name", "unknown_parameter", "sort"],
      ["q=a&cursor=nonsense", "invalid_cursor", "cursor"],
    ] as const) {
      const { status, error } = await team.client.get(`/search?${query}`);
      expect({ query, status, code: error?.code }).toEqual({ query, status: 400, code });
      expect(Object.keys(error.details), query).toEqual([at]);
    }
  });
});

test("a search is paged through by its cursor: each hit that stayed exactly once, in order, with one total", async () => {
  const made = await team.client.post("/companies/bulk", {
    records: Array.from({ length: 17 }, (_, n) => ({
      name: [`Basalt ${n}`, `Old Basalt ${n}`, `Basaltic ${n}`, `New basaltic ${n}`, `xbasalt ${n}`][n % 5],
    })),
  });
  for (let n = 0; n < 6; n++) await team.task({ title: `Basalt ${n}` });
  const whole: Made[] = (await find("basalt", "&limit=100")).data;
  expect(whole).toHaveLength(23);
  const paged: Made[] = await team.client.all("/search?q=basalt&limit=4");
  expect(paged).toEqual(whole);

  const doomed = [made.data[16].data.id, made.data[4].data.id];
  const seen: Made[] = [];
  let cursor: string | null = null;
  do {
    const page = await find("basalt", `&limit=3${cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`}`);
    expect(page.meta).toMatchObject({ total: 23, has_more: page.meta.next_cursor !== null });
    seen.push(...page.data);
    cursor = page.meta.next_cursor;
    await team.company({ name: "Basalt, too late" });
    const gone = doomed.pop();
    if (gone !== undefined) await team.client.delete(`/companies/${gone}`);
  } while (cursor !== null);
  const stayed = ids(whole).filter((id) => ![made.data[16].data.id, made.data[4].data.id].includes(id));
  expect(ids(seen).filter((id) => stayed.includes(id))).toEqual(stayed);
  expect(new Set(ids(seen)).size).toBe(seen.length);

  const first = (await find("basalt", "&limit=3")).meta.next_cursor;
  for (const other of ["q=basaltic", "q=basalt&types=companies"])
    expect(refusal(await team.client.get(`/search?${other}&cursor=${encodeURIComponent(first)}`))).toEqual({
      status: 400,
      code: "invalid_cursor",
    });
});
