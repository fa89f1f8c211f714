import { beforeAll, describe, expect, test } from "vitest";
import { companies } from "../../shared/resources/companies.ts";
import { contacts } from "../../shared/resources/contacts.ts";
import type { Answer } from "../harness/client.ts";
import { routes } from "../harness/routes.ts";
import {
  createSalesTeam,
  expectRefused,
  freshName,
  type Made,
  refusal,
  type SalesTeam,
  snapshotOf,
} from "../harness/sales_team.ts";
import { database } from "../harness/stack.ts";
import { createKey, freshEmail } from "../harness/workspace.ts";

let team: SalesTeam;
let others: SalesTeam;
beforeAll(async () => {
  [team, others] = await Promise.all([createSalesTeam(), createSalesTeam()]);
});

const absent = "01890000-0000-7000-8000-000000000000";

async function merge(path: string, winner: Made, losers: readonly Made[], more: Made = {}): Promise<Answer> {
  const answer = await team.client.post(`${path}/${winner["id"]}/merge`, { ids: losers.map(({ id }) => id), ...more });
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer;
}
const revert = (answer: Answer, query = "") => team.client.post(`/merges/${answer.meta.merge_id}/revert${query}`);

/** All data of the workspace, without what tells that it was written, and totals added up over their slots. */
async function dataOf(workspaceId: string): Promise<Record<string, unknown>> {
  const data: Record<string, unknown> = {};
  for (const [name, rows] of Object.entries(await snapshotOf(workspaceId))) {
    if (/_history$|^(merges|stage_changes|idempotency_keys)$/.test(name)) continue;
    if (rows.every((row) => "records" in row)) {
      const sums: Record<string, number> = {};
      for (const { cell, name: tag, resource, records } of rows) {
        const key = cell ?? `${tag} of ${resource}`;
        sums[key] = (sums[key] ?? 0) + records;
      }
      data[name] = Object.fromEntries(Object.entries(sums).filter(([, records]) => records !== 0));
      continue;
    }
    const unstamped = rows.map((row) => ({ ...row, version: 0, updated_at: "", updated_by: {} }));
    data[name] = unstamped.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  return data;
}

/** Three contacts that are one, with everything that can hang on a contact. */
async function duplicates() {
  const [text, list] = [
    (await team.field("contacts", "text"))["key"],
    (await team.field("contacts", "multi_select", { options: ["a", "b"] }))["key"],
  ];
  const [acme, bcme] = [await team.company(), await team.company()];
  const winner = await team.contact({
    first_name: "Ann",
    tags: ["vip", "old"],
    score: 5,
    custom_fields: { [text]: "winner" },
  });
  const first = await team.contact({
    first_name: "Anna",
    last_name: "Ash",
    phone: "+12125550100",
    external_id: freshName("ext"),
    company_id: acme["id"],
    tags: ["old", "new"],
    do_not_contact: true,
    custom_fields: { [text]: "first", [list]: ["b"] },
  });
  const second = await team.contact({
    last_name: "Birch",
    job_title: "CEO",
    owner_id: team.ownerId,
    address: { city: "Köln", country: "DE" },
    company_id: bcme["id"],
    birthday: "1990-01-01",
    tags: ["second"],
  });
  const deals = [
    await team.deal({ primary_contact_id: first["id"], contacts: [{ contact_id: first["id"], role: "buyer" }] }),
    await team.deal({
      primary_contact_id: winner["id"],
      contacts: [
        { contact_id: second["id"], role: "user" },
        { contact_id: winner["id"], role: "boss" },
        { contact_id: first["id"], role: null },
      ],
    }),
  ];
  const gone = await team.deal({ primary_contact_id: second["id"], contacts: [{ contact_id: second["id"] }] });
  await team.client.delete(`/deals/${gone["id"]}`);
  const won = await team.deal({ primary_contact_id: second["id"], amount: "5", currency: "EUR" });
  await team.client.post(`/deals/${won["id"]}/win`);
  const tasks = [await team.task({ contact_id: first["id"] }), await team.task({ contact_id: second["id"] })];
  const activities = [
    await team.activity({ contact_id: first["id"], occurred_at: "2026-03-01T00:00:00Z" }),
    await team.activity({ contact_id: second["id"], occurred_at: "2026-03-02T00:00:00Z" }),
    await team.activity({ contact_id: winner["id"], occurred_at: "2026-02-01T00:00:00Z" }),
    await team.activity({ type: "meeting", contact_id: winner["id"], occurred_at: "2099-01-01T00:00:00Z" }),
    await team.activity({ type: "meeting", contact_id: first["id"], occurred_at: "2099-02-01T00:00:00Z" }),
  ];
  const read = async (one: Made) => team.read(`/contacts/${one["id"]}`);
  return {
    winner: await read(winner),
    first: await read(first),
    second: await read(second),
    deals: [...deals, won],
    gone,
    tasks,
    activities,
    companies: [acme, bcme],
    keys: { text, list },
  };
}

describe("a merge of contacts", () => {
  test("keeps the primary's id and values, fills the empty ones in the order of the ids, unites tags and custom fields, and contacts nobody who must not be", async () => {
    const { winner, first, second, keys } = await duplicates();
    const { data, meta } = await merge("/contacts", winner, [first, second]);
    expect(data).toEqual({
      ...winner,
      last_name: "Ash",
      phone: "+12125550100",
      phone_e164: "+12125550100",
      external_id: first["external_id"],
      company_id: first["company_id"],
      job_title: "CEO",
      owner_id: team.ownerId,
      address: { city: "Köln", country: "DE" },
      birthday: "1990-01-01",
      do_not_contact: true,
      tags: ["vip", "old", "new", "second"],
      custom_fields: { [keys.text]: "winner", [keys.list]: ["b"] },
      last_activity_at: second["last_activity_at"],
      version: winner["version"] + 1,
      updated_at: data.updated_at,
    });
    expect(await team.read(`/contacts/${winner["id"]}`)).toEqual(data);
    expect(await team.read(`/merges/${meta.merge_id}`)).toEqual({
      id: meta.merge_id,
      resource: "contacts",
      winner_id: winner["id"],
      loser_ids: [first["id"], second["id"]],
      created_at: expect.stringMatching(/Z$/),
      created_by: { type: "api_key", id: team.id },
      reverted_at: null,
      reverted_by: null,
    });
  });

  test("brings everything along: deals, their contacts, tasks, activities, deleted ones too, and companies count anew", async () => {
    const { winner, first, second, deals, gone, tasks, activities, companies } = await duplicates();
    await merge("/contacts", winner, [first, second]);
    const [one, two, won] = await Promise.all(deals.map(({ id }) => team.read(`/deals/${id}`)));
    expect(one).toMatchObject({
      primary_contact_id: winner["id"],
      contacts: [{ contact_id: winner["id"], role: "buyer" }],
    });
    expect(two?.["contacts"]).toEqual([{ contact_id: winner["id"], role: "user" }]);
    expect(won).toMatchObject({ primary_contact_id: winner["id"], status: "won" });
    for (const [path, made] of [
      ["/tasks", tasks],
      ["/activities", activities],
    ] as const)
      for (const { id } of made) expect((await team.read(`${path}/${id}`))["contact_id"]).toBe(winner["id"]);
    const restored = await team.client.post(`/deals/${gone["id"]}/restore`);
    expect(restored.data).toMatchObject({
      primary_contact_id: winner["id"],
      contacts: [{ contact_id: winner["id"], role: null }],
    });
    const counts = await Promise.all(companies.map(({ id }) => team.read(`/companies/${id}`)));
    expect(counts.map(({ contacts_count }) => contacts_count)).toEqual([1, 0]);
    expect((await team.client.get(`/contacts/${winner["id"]}/timeline?types=task`)).meta.total).toBe(2);
    expect((await team.client.get(`/activities?contact_id=${winner["id"]}`)).meta.total).toBe(5);
  });

  test("with prefer=newest takes the values of the record that was changed last, each with what belongs to it", async () => {
    const older = await team.contact({
      first_name: "Old",
      last_name: "Name",
      phone: "+12125550100",
      address: { city: "Rome", street: "Via 1" },
      score: 1,
    });
    const newer = await team.contact({ first_name: "New", phone: "ask Ann", address: { city: "Oslo" } });
    const { data } = await merge("/contacts", older, [newer], { prefer: "newest" });
    expect(data).toMatchObject({
      id: older["id"],
      email: older["email"],
      first_name: "New",
      last_name: "Name",
      phone: "ask Ann",
      phone_e164: null,
      address: { city: "Oslo" },
      score: 1,
    });
    expect(data.address).toEqual({ city: "Oslo" });
    // Who was changed last is the primary here: it keeps its own.
    const touched = await team.contact({ first_name: "Touched" });
    const other = await team.contact({ first_name: "Other", score: 9 });
    await team.client.patch(`/contacts/${touched["id"]}`, { score: 3 });
    const kept = await merge("/contacts", touched, [other], { prefer: "newest" });
    expect(kept.data).toMatchObject({ first_name: "Touched", score: 3 });
  });

  test("is shown by a dry run, which writes nothing at all", async () => {
    const { winner, first, second } = await duplicates();
    const before = await team.snapshot();
    const body = { ids: [first["id"], second["id"]], prefer: "newest" };
    const preview = await team.client.post(`/contacts/${winner["id"]}/merge?dry_run=true`, body);
    expect({ status: preview.status, dry: preview.meta.dry_run }).toEqual({ status: 200, dry: true });
    expect(await team.snapshot()).toEqual(before);
    const { data } = await team.client.post(`/contacts/${winner["id"]}/merge`, body);
    expect({ ...preview.data, updated_at: "" }).toEqual({ ...data, updated_at: "" });
    const refused = await team.client.post(`/contacts/${winner["id"]}/merge?dry_run=true`, body);
    expect(refused.error.code).toBe("reference_not_found");
  });

  test("leads from the losers to the winner with 301, whatever is asked of them, also through merges of merges", async () => {
    const [a, b, c] = [await team.contact(), await team.contact(), await team.contact()];
    await merge("/contacts", b, [a]);
    await merge("/contacts", c, [b]);
    for (const { id } of [a, b]) {
      const path = `/contacts/${id}`;
      const { body } = await team.client.get(path);
      expect(body.error).toMatchObject({ code: "merged", details: { merged_into: c["id"] } });
      const calls: [Promise<Answer>, string][] = [
        [team.client.get(path), ""],
        [team.client.get(`${path}?fields=email&include=company`), "?fields=email&include=company"],
        [team.client.get(path.toUpperCase().replace("CONTACTS", "contacts")), ""],
        [team.client.call(path, { method: "HEAD" }), ""],
        [team.client.get(`${path}/timeline?limit=5`), "/timeline?limit=5"],
        [team.client.get(`${path}/history`), "/history"],
      ];
      for (const [call, below] of calls) {
        const { status, headers } = await call;
        expect({ below, status }).toEqual({ below, status: 301 });
        expect(headers.get("location")).toMatch(new RegExp(`^https?://.*/functions/v1/api/v1/contacts/${c["id"]}`));
        expect(headers.get("location")?.split(String(c["id"]))[1]).toBe(below);
      }
      // Who follows a redirect must never change the winner.
      const moved = { status: 409, code: "merged", details: { merged_into: c["id"] } };
      for (const change of [
        () => team.client.patch(path, { score: 1 }),
        () => team.client.delete(path),
        () => team.client.post(`${path}/restore`),
        () => team.client.post(`${path}/merge`, { ids: [c["id"]] }),
      ])
        await expectRefused(team, change, moved);
    }
    expect((await team.client.get("/contacts?limit=100")).data.map(({ id }: Made) => id)).not.toContain(a["id"]);
    expect(
      (await team.client.patch("/contacts/bulk", { records: [{ id: a["id"], score: 1 }] })).data[0].error,
    ).toMatchObject({ code: "merged", details: { merged_into: c["id"] } });
    expect(
      (await team.client.call("/contacts/bulk", { method: "DELETE", body: { ids: [a["id"]] } })).data[0].error.code,
    ).toBe("merged");
    await expectRefused(team, () => team.client.post("/tasks", { title: "T", contact_id: a["id"] }), {
      status: 422,
      code: "reference_not_found",
    });
    expect((await others.client.get(`/contacts/${a["id"]}`)).status).toBe(404);
    await team.client.delete(`/contacts/${c["id"]}`);
    expect((await team.client.get(`/contacts/${c["id"]}`)).status).toBe(404);
  });

  test("frees the losers' unique values, or gives them to the winner", async () => {
    const ext = freshName("ext");
    const winner = await team.contact();
    const loser = await team.contact({ external_id: ext });
    await merge("/contacts", winner, [loser]);
    expect((await team.contact({ email: loser["email"] }))["id"]).not.toBe(loser["id"]);
    await expectRefused(team, () => team.client.post("/contacts", { email: freshEmail(), external_id: ext }), {
      status: 409,
      code: "duplicate_external_id",
      details: { field: "external_id", existing_id: winner["id"] },
    });
  });

  test("refuses itself, strangers, too few, too many and a stale If-Match, and nothing is written", async () => {
    const [winner, loser, gone] = [await team.contact(), await team.contact(), await team.contact()];
    await team.client.delete(`/contacts/${gone["id"]}`);
    const path = `/contacts/${winner["id"]}/merge`;
    const ask = (ids: unknown, headers = {}) => team.client.post(path, { ids }, headers);
    const foreign = await others.contact();
    const company = await team.company();
    await expectRefused(team, () => ask([loser["id"], winner["id"]]), { status: 422, code: "self_merge" });
    await expectRefused(team, () => ask([String(winner["id"]).toUpperCase()]), { status: 422, code: "self_merge" });
    for (const stranger of [absent, gone["id"], foreign["id"], company["id"]])
      await expectRefused(team, () => ask([loser["id"], stranger]), {
        status: 422,
        code: "reference_not_found",
        details: { "ids.1": ["The ids.1 field names a record that does not exist."] },
      });
    for (const wrong of [[], Array.from({ length: 51 }, (_, n) => absent.slice(0, -2) + (10 + n)), ["x"], undefined])
      await expectRefused(team, () => ask(wrong), { status: 400, code: "validation_error" });
    await expectRefused(team, () => ask([loser["id"]], { "if-match": '"9.x"' }), {
      status: 412,
      code: "precondition_failed",
    });
    for (const stranger of [absent, gone["id"], foreign["id"]])
      expect(refusal(await team.client.post(`/contacts/${stranger}/merge`, { ids: [loser["id"]] }))).toEqual({
        status: 404,
        code: "not_found",
      });
    const reader = await createKey({ workspaceId: team.workspaceId, scope: "read_only" });
    await expectRefused(team, () => reader.client.post(path, { ids: [loser["id"]] }), {
      status: 403,
      code: "insufficient_scope",
    });
    const twice = await ask([loser["id"], loser["id"]]);
    expect((await team.read(`/merges/${twice.meta.merge_id}`))["loser_ids"]).toEqual([loser["id"]]);
  });

  test("happens once for one Idempotency-Key", async () => {
    const [winner, loser] = [await team.contact(), await team.contact()];
    const key = { "idempotency-key": freshName("merge") };
    const ask = () => team.client.post(`/contacts/${winner["id"]}/merge`, { ids: [loser["id"]] }, key);
    const [first, second] = [await ask(), await ask()];
    expect(second.headers.get("idempotent-replayed")).toBe("true");
    expect(second.body).toEqual(first.body);
  });

  test("is part of the history of each record that it changed", async () => {
    const { winner, first, second, deals, tasks } = await duplicates();
    await merge("/contacts", winner, [first, second]);
    const changes = async (path: string) =>
      (await team.client.get(`${path}/history?limit=100`)).data.map(({ field, from, to }: Made) => ({
        field,
        from,
        to,
      }));
    expect(await changes(`/contacts/${winner["id"]}`)).toContainEqual({ field: "last_name", from: null, to: "Ash" });
    expect(await changes(`/tasks/${tasks[0]?.["id"]}`)).toEqual([
      { field: "contact_id", from: first["id"], to: winner["id"] },
    ]);
    expect((await changes(`/deals/${deals[0]?.["id"]}`)).map(({ field }: Made) => field).sort()).toEqual([
      "contacts",
      "primary_contact_id",
    ]);
  });
});

/** Three companies that are one: the first loser has children, the second hangs below the winner. */
async function duplicateCompanies() {
  const parent = await team.company();
  const winner = await team.company({ tags: ["a"], employee_count: 5 });
  const first = await team.company({
    domain: `${freshName("d").replace(/\W/g, "-")}.example`,
    annual_revenue: "1000.50",
    currency: "EUR",
    parent_company_id: parent["id"],
    tags: ["b"],
    industry: "Tools",
  });
  const second = await team.company({ parent_company_id: winner["id"], annual_revenue: "7.00", currency: "USD" });
  const children = [
    await team.company({ parent_company_id: first["id"] }),
    await team.company({ parent_company_id: second["id"] }),
  ];
  const gone = await team.company({ parent_company_id: first["id"] });
  await team.client.delete(`/companies/${gone["id"]}`);
  const contacts = [await team.contact({ company_id: first["id"] }), await team.contact({ company_id: second["id"] })];
  const deals = [
    await team.deal({ company_id: first["id"] }),
    await team.deal({ company_id: second["id"] }),
    await team.deal({ company_id: winner["id"] }),
  ];
  const task = await team.task({ company_id: first["id"] });
  const activity = await team.activity({ company_id: second["id"] });
  return { parent, winner, first, second, children, gone, contacts, deals, task, activity };
}

describe("a merge of companies", () => {
  test("fills, takes the domain, gives its children, contacts, deals, tasks and activities to the winner, and counts them", async () => {
    const { parent, winner, first, second, children, contacts, deals, task, activity } = await duplicateCompanies();
    const { data } = await merge("/companies", winner, [second, first]);
    expect(data).toMatchObject({
      id: winner["id"],
      name: winner["name"],
      domain: first["domain"],
      annual_revenue: "7.00",
      currency: "USD",
      employee_count: 5,
      industry: "Tools",
      parent_company_id: parent["id"],
      tags: ["a", "b"],
    });
    const now = await team.read(`/companies/${winner["id"]}`);
    expect([now["contacts_count"], now["open_deals_count"]]).toEqual([2, 3]);
    for (const { id } of children)
      expect((await team.read(`/companies/${id}`))["parent_company_id"]).toBe(winner["id"]);
    for (const [path, { id }] of [
      ...contacts.map((one) => ["/contacts", one] as const),
      ...deals.map((one) => ["/deals", one] as const),
      ["/tasks", task] as const,
      ["/activities", activity] as const,
    ])
      expect((await team.read(`${path}/${id}`))["company_id"]).toBe(winner["id"]);
    expect((await team.client.get(`/companies/${first["id"]}`)).status).toBe(301);
  });

  test("takes a currency with its revenue, or alone where there is none", async () => {
    const [none, revenue] = [await team.company(), await team.company({ annual_revenue: "5.00", currency: "EUR" })];
    const [alone, other] = [await team.company({ currency: "JPY" }), await team.company({ currency: "USD" })];
    const { data } = await merge("/companies", none, [alone, other]);
    expect(data).toMatchObject({ annual_revenue: null, currency: "JPY" });
    const both = await merge("/companies", none, [revenue]);
    expect(both.data).toMatchObject({ annual_revenue: "5.00", currency: "EUR" });
    expect((await revert(both)).data).toMatchObject({ annual_revenue: null, currency: "JPY" });
  });

  test("of a company with those below it makes no circle and no branch too deep", async () => {
    const top = await team.company();
    const middle = await team.company({ parent_company_id: top["id"] });
    const bottom = await team.company({ parent_company_id: middle["id"] });
    // Into the top: the bottom's parent is below the winner, and is not taken.
    const { data } = await merge("/companies", top, [bottom]);
    expect(data.parent_company_id).toBeNull();
    const merged = await merge("/companies", top, [middle]);
    expect(merged.data.parent_company_id).toBeNull();

    const chain = [await team.company()];
    for (let level = 1; level < 10; level++)
      chain.push(await team.company({ parent_company_id: chain.at(-1)?.["id"] }));
    // A child into the place of its own parent, which has a branch that goes down to the tenth level.
    const child = await team.company({ parent_company_id: chain[7]?.["id"] });
    const up = await merge("/companies", child, [chain[7] ?? {}]);
    expect(up.data.parent_company_id).toBe(chain[6]?.["id"]);
    expect((await team.read(`/companies/${chain[8]?.["id"]}`))["parent_company_id"]).toBe(child["id"]);
  });
});

describe("a revert", () => {
  test("of contacts brings everything back as it was, field by field, in every table", async () => {
    for (const prefer of ["primary", "newest"]) {
      const { winner, first, second } = await duplicates();
      await team.client.patch(`/contacts/${winner["id"]}`, { address: { city: "Rome", street: "Via 1" } });
      await team.client.patch(`/contacts/${second["id"]}`, { score: 7 });
      const before = await dataOf(team.workspaceId);
      const merged = await merge("/contacts", winner, [first, second], { prefer });
      expect(await dataOf(team.workspaceId)).not.toEqual(before);
      const dry = await revert(merged, "?dry_run=true");
      expect(dry.meta).toMatchObject({ dry_run: true, merge_id: merged.meta.merge_id });
      const reverted = await revert(merged);
      expect(reverted.status, JSON.stringify(reverted.body)).toBe(200);
      expect(await dataOf(team.workspaceId)).toEqual(before);
      expect(reverted.data).toEqual(await team.read(`/contacts/${winner["id"]}`));
      expect(await team.read(`/merges/${merged.meta.merge_id}`)).toMatchObject({
        reverted_at: expect.stringMatching(/Z$/),
        reverted_by: { type: "api_key", id: team.id },
      });
      for (const { id } of [first, second]) expect((await team.client.get(`/contacts/${id}`)).status).toBe(200);
    }
  });

  test("of companies brings everything back as it was, field by field, in every table", async () => {
    for (const prefer of ["primary", "newest"]) {
      const { winner, first, second } = await duplicateCompanies();
      const before = await dataOf(team.workspaceId);
      const merged = await merge("/companies", winner, [second, first], { prefer });
      const reverted = await revert(merged);
      expect(reverted.status, JSON.stringify(reverted.body)).toBe(200);
      expect(await dataOf(team.workspaceId)).toEqual(before);
    }
  });

  test("of a merge of merges goes backwards, the last one first", async () => {
    const [a, b, c] = [await team.contact({ tags: ["a"] }), await team.contact(), await team.contact({ score: 3 })];
    const before = await dataOf(team.workspaceId);
    const [one, two] = [await merge("/contacts", b, [a]), await merge("/contacts", c, [b])];
    await expectRefused(team, () => revert(one), { status: 409, code: "merge_not_revertible" });
    expect((await revert(two)).status).toBe(200);
    expect((await team.client.get(`/contacts/${a["id"]}`)).headers.get("location")).toContain(b["id"]);
    expect((await revert(one)).status).toBe(200);
    expect(await dataOf(team.workspaceId)).toEqual(before);
  });

  test("happens once: a second one, also at the same time, is 409", async () => {
    const [winner, loser] = [await team.contact(), await team.contact()];
    const merged = await merge("/contacts", winner, [loser]);
    const answers = await Promise.all(Array.from({ length: 5 }, () => revert(merged)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409]);
    const { reverted_at } = await team.read(`/merges/${merged.meta.merge_id}`);
    await expectRefused(team, () => revert(merged), {
      status: 409,
      code: "merge_already_reverted",
      details: { reverted_at },
    });
  });

  test("when a loser's unique value was taken is 409 with who holds it, and nothing has changed", async () => {
    const ext = freshName("ext");
    const winner = await team.contact({ external_id: ext });
    const [one, two] = [await team.contact(), await team.contact()];
    const merged = await merge("/contacts", winner, [one, two]);
    const taker = await team.contact({ email: two["email"] });
    await expectRefused(team, () => revert(merged), {
      status: 409,
      code: "duplicate_email",
      details: { field: "email", existing_id: taker["id"] },
    });
    await team.client.delete(`/contacts/${taker["id"]}`);
    expect((await revert(merged)).status).toBe(200);

    const [big, small] = [await team.company(), await team.company({ domain: "small-one.example" })];
    const second = await merge("/companies", big, [small]);
    await team.client.patch(`/companies/${big["id"]}`, { domain: "big-one.example" });
    const holder = await team.company({ domain: "small-one.example" });
    await expectRefused(team, () => revert(second), {
      status: 409,
      code: "duplicate_domain",
      details: { field: "domain", existing_id: holder["id"] },
    });
  });

  test("leaves what was changed since: fields that have another value, references that were moved on", async () => {
    const { winner, first, second, tasks, deals } = await duplicates();
    const merged = await merge("/contacts", winner, [first, second]);
    const someone = await team.contact();
    await team.client.patch(`/contacts/${winner["id"]}`, { last_name: "Changed" });
    await team.client.patch(`/tasks/${tasks[0]?.["id"]}`, { contact_id: someone["id"] });
    const later = await team.task({ contact_id: winner["id"] });
    await team.client.delete(`/deals/${deals[0]?.["id"]}`);
    expect((await revert(merged)).status).toBe(200);
    expect(await team.read(`/contacts/${winner["id"]}`)).toMatchObject({ last_name: "Changed", phone: null });
    expect((await team.read(`/tasks/${tasks[0]?.["id"]}`))["contact_id"]).toBe(someone["id"]);
    expect((await team.read(`/tasks/${tasks[1]?.["id"]}`))["contact_id"]).toBe(second["id"]);
    expect((await team.read(`/tasks/${later["id"]}`))["contact_id"]).toBe(winner["id"]);
    expect((await team.client.post(`/deals/${deals[0]?.["id"]}/restore`)).data.primary_contact_id).toBe(first["id"]);
  });

  test("of a merge whose references are still being moved is 409 merge_not_finished, with the job", async () => {
    const merged = await merge("/contacts", await team.contact(), [await team.contact()]);
    const [job] = await database()`
      insert into crm.jobs (workspace_id, kind, scope, arguments, lease_until)
      values (${team.workspaceId}, 'merge', 'contacts', ${database().json({ merge: merged.meta.merge_id })}, now() + interval '1 hour')
      returning id`;
    await expectRefused(team, () => revert(merged), {
      status: 409,
      code: "merge_not_finished",
      details: { job_id: job?.["id"] },
    });
    await team.client.post(`/jobs/${job?.["id"]}/cancel`);
    expect((await revert(merged)).status).toBe(200);
  });

  test("of what was merged on or deleted since is 409 merge_not_revertible", async () => {
    const [winner, loser] = [await team.contact(), await team.contact()];
    const merged = await merge("/contacts", winner, [loser]);
    await team.client.delete(`/contacts/${winner["id"]}`);
    await expectRefused(team, () => revert(merged), {
      status: 409,
      code: "merge_not_revertible",
      details: { winner_id: winner["id"] },
    });
    await team.client.post(`/contacts/${winner["id"]}/restore`);
    expect((await revert(merged)).status).toBe(200);
  });

  test("is for keys that may write the resource: strangers are 404, readers 403", async () => {
    const [winner, loser] = [await team.contact(), await team.contact()];
    const { meta } = await merge("/contacts", winner, [loser]);
    const path = `/merges/${meta.merge_id}`;
    expect(refusal(await others.client.get(path))).toEqual({ status: 404, code: "not_found" });
    expect(refusal(await others.client.post(`${path}/revert`))).toEqual({ status: 404, code: "not_found" });
    expect(refusal(await team.client.get(`/merges/${absent}`))).toEqual({ status: 404, code: "not_found" });
    expect((await team.client.get("/merges/nonsense")).status).toBe(404);
    const key = async (permissions: Record<string, "read" | "write">) =>
      (await createKey({ workspaceId: team.workspaceId, scope: "custom", permissions })).client;
    const reader = await key({ contacts: "read" });
    expect((await reader.get(path)).status).toBe(200);
    await expectRefused(team, () => reader.post(`${path}/revert`), { status: 403, code: "insufficient_scope" });
    expect((await (await key({ companies: "write" })).get(path)).status).toBe(404);
    expect((await (await key({ contacts: "write" })).post(`${path}/revert`)).status).toBe(200);
  });
});

test("a key for contacts alone merges them with all that hangs on them", async () => {
  const { winner, first, second, tasks, deals } = await duplicates();
  const { client } = await createKey({
    workspaceId: team.workspaceId,
    scope: "custom",
    permissions: { contacts: "write" },
  });
  const ids = [first["id"], second["id"]];
  expect((await client.post(`/contacts/${winner["id"]}/merge`, { ids })).status).toBe(200);
  expect((await team.read(`/tasks/${tasks[0]?.["id"]}`))["contact_id"]).toBe(winner["id"]);
  expect((await team.read(`/deals/${deals[0]?.["id"]}`))["primary_contact_id"]).toBe(winner["id"]);
});

test("merges of overlapping sets at once leave each loser leading to one live winner, and nothing behind", async () => {
  for (let round = 0; round < 5; round++) {
    const company = await team.company();
    const people = await Promise.all(Array.from({ length: 5 }, () => team.contact({ company_id: company["id"] })));
    for (const { id } of people) {
      await team.task({ contact_id: id });
      await team.deal({ contacts: [{ contact_id: id }] });
    }
    const [a, b, c, d, e] = people.map(({ id }) => id);
    const ask = (winner: string, ids: string[]) => team.client.post(`/contacts/${winner}/merge`, { ids });
    const answers = await Promise.all([
      ask(a, [b, c]),
      ask(b, [a, d]),
      ask(c, [e]),
      ask(d, [c, a]),
      team.client.post("/tasks", { title: "T", contact_id: b }),
      team.client.delete(`/contacts/${e}`),
    ]);
    for (const { status, body } of answers)
      expect([200, 201, 301, 404, 409, 422], JSON.stringify(body)).toContain(status);
    expect(answers.slice(0, 4).filter(({ status }) => status === 200).length).toBeGreaterThan(0);

    const sql = database();
    const stray = await sql`
      select 'task' as what, task.id from crm.tasks as task join crm.contacts as contact on contact.id = task.contact_id
      where task.workspace_id = ${team.workspaceId} and contact.merged_into is not null
      union all
      select 'deal', deal.id from crm.deals as deal, jsonb_array_elements(deal.contacts) as entry
      join crm.contacts as contact on contact.id = (entry ->> 'contact_id')::uuid
      where deal.workspace_id = ${team.workspaceId} and contact.merged_into is not null
      union all
      select 'live loser', id from crm.contacts
      where workspace_id = ${team.workspaceId} and merged_into is not null and deleted_at is null`;
    expect(stray).toEqual([]);
    const live = await team.client.get(`/contacts?company_id=${company["id"]}`);
    expect((await team.read(`/companies/${company["id"]}`))["contacts_count"]).toBe(live.meta.total);
    expect(live.data).toHaveLength(live.meta.total);
  }
});

describe.each([contacts, companies].map(({ path, plural }) => ({ path, plural })))(
  "what was merged, of $plural,",
  ({ path, plural }) => {
    const below = routes.filter((route) => route.path.startsWith(`${path}/{`));
    const reads = below.filter(({ method }) => method === "GET").map((route) => route.path);
    const writes = below.filter(({ method }) => method !== "GET").map((route) => [route.method, route.path] as const);
    let winner: Made;
    let loser: Made;

    beforeAll(async () => {
      const make = plural === "contacts" ? team.contact : team.company;
      [winner, loser] = [await make(), await make()];
      await merge(path, winner, [loser]);
    });

    const at = (route: string, id: unknown) => route.replace(/\{\w+\}/, String(id));

    test("has routes that read it and routes that write it", () => {
      expect(reads).toEqual(
        expect.arrayContaining([`${path}/{id}`, `${path}/{record_id}/history`, `${path}/{id}/timeline`]),
      );
      expect(writes).toEqual(
        expect.arrayContaining([
          ["PATCH", `${path}/{id}`],
          ["DELETE", `${path}/{id}`],
          ["POST", `${path}/{id}/restore`],
          ["POST", `${path}/{id}/merge`],
        ]),
      );
    });

    test.each(reads)("leads GET and HEAD of %s to the winner with 301", async (route) => {
      for (const method of ["GET", "HEAD"]) {
        const { status, headers } = await team.client.call(at(route, loser["id"]), { method });
        const location = expect.stringMatching(new RegExp(`^https?://.*/v1${at(route, winner["id"])}$`));
        expect({ method, status, location: headers.get("location") }).toEqual({ method, status: 301, location });
      }
    });

    test.each(writes)("refuses %s %s with where it went, and changes nothing", async (method, route) => {
      const body = route.endsWith("/merge") ? { ids: [winner["id"]] } : {};
      await expectRefused(team, () => team.client.call(at(route, loser["id"]), { method, body }), {
        status: 409,
        code: "merged",
        details: { merged_into: winner["id"] },
      });
    });

    test.each([
      ["PATCH", (id: unknown) => ({ records: [{ id, tags: ["x"] }] })],
      ["DELETE", (id: unknown) => ({ ids: [id] })],
    ] as const)("is refused as an entry of a bulk %s, in all of it with atomic=true", async (method, bodyOf) => {
      const body = bodyOf(loser["id"]);
      const each = await team.client.call(`${path}/bulk`, { method, body });
      expect(each.data[0].error).toMatchObject({ code: "merged", details: { merged_into: winner["id"] } });
      const whole = await team.client.call(`${path}/bulk?atomic=true`, { method, body });
      expect(whole.error.details.records[0].error).toMatchObject({
        code: "merged",
        details: { merged_into: winner["id"] },
      });
    });
  },
);
