import { beforeAll, expect, test } from "vitest";
import type { Answer } from "../harness/client.ts";
import { createSalesTeam, type Made, type SalesTeam } from "../harness/sales_team.ts";

// A day of a sales team, told in the order in which it happens: each test goes on where the last one stopped.

let team: SalesTeam;
let pipeline: Awaited<ReturnType<SalesTeam["pipeline"]>>;
beforeAll(async () => {
  team = await createSalesTeam();
  await team.make("/custom_fields", { resource: "contacts", key: "met_at", label: "Met at", type: "text" });
  pipeline = await team.pipeline({
    name: "New business",
    is_default: true,
    rules: { allow_skip: false, require_lost_reason: true },
    stages: [
      { name: "Lead", probability: 10 },
      { name: "Demo", probability: 40 },
      { name: "Offer", probability: 80, required_fields: ["amount", "primary_contact_id"] },
      { name: "Won", type: "won" },
      { name: "Lost", type: "lost" },
    ],
  });
});

const PEOPLE = 30;
const COMPANIES = 6;
const email = (n: number) => `person${n}@company${n % COMPANIES}.example`;
const ok = ({ status, body, data }: Answer, expected = 200): Answer["data"] => {
  expect(status, JSON.stringify(body).slice(0, 500)).toBe(expected);
  return data;
};
let companies: Made[];
let people: Made[];
let deals: Made[];

test("8:00 the list from the fair comes in, twice, and makes each person once", async () => {
  const made = await team.client.post("/companies/bulk?on_conflict=update", {
    records: Array.from({ length: COMPANIES }, (_, n) => ({
      name: `Company ${n}`,
      domain: `https://www.company${n}.example/`,
    })),
  });
  companies = ok(made, 201).map(({ data }: Made) => data);
  const list = {
    records: Array.from({ length: PEOPLE }, (_, n) => ({
      email: email(n),
      first_name: `First${n}`,
      last_name: `Last${n}`,
      company_id: companies[n % COMPANIES]?.["id"],
      lifecycle_stage: "lead",
      tags: ["fair"],
      custom_fields: { met_at: n % 2 ? "booth" : "dinner" },
    })),
  };
  const first = await team.client.post("/contacts/bulk?on_conflict=update", list);
  people = ok(first, 201).map(({ data }: Made) => data);
  const second = await team.client.post("/contacts/bulk?on_conflict=update", list);
  expect(ok(second).map(({ data }: Made) => data)).toEqual(people);
  expect((await team.client.get("/contacts?tags=fair")).meta.total).toBe(PEOPLE);
  expect((await team.client.get("/contacts?custom_fields.met_at=booth")).meta.total).toBe(PEOPLE / 2);
  expect((await team.client.get("/tags?name=fair")).data[0].count).toBe(PEOPLE);
});

test("9:00 three people turn out to be one, and two companies as well", async () => {
  const [one, two, three] = people;
  const merged = await team.client.post(`/contacts/${one?.["id"]}/merge`, { ids: [two?.["id"], three?.["id"]] });
  ok(merged);
  ok(await team.client.post(`/companies/${companies[0]?.["id"]}/merge`, { ids: [companies[5]?.["id"]] }));
  expect((await team.client.get(`/contacts/${two?.["id"]}`)).status).toBe(301);
  // The third was somebody else after all.
  ok(await team.client.post(`/merges/${merged.meta.merge_id}/revert`));
  ok(await team.client.post(`/contacts/${one?.["id"]}/merge`, { ids: [two?.["id"]] }));
  expect((await team.client.get("/contacts")).meta.total).toBe(PEOPLE - 1);
  expect((await team.client.get("/companies")).meta.total).toBe(COMPANIES - 1);
  const counts = await team.client.all("/companies?sort=name&fields=contacts_count");
  // Person 1, of company 1, is person 0 of company 0 now, which took those of company 5.
  expect(counts.map(({ contacts_count }) => contacts_count)).toEqual([10, 4, 5, 5, 5]);
});

test("10:00 deals are opened, with a task each to call", async () => {
  people = await team.client.all("/contacts?sort=last_name&limit=100");
  const opened = await team.client.post("/deals/bulk", {
    records: Array.from({ length: 12 }, (_, n) => ({
      name: `Deal ${n}`,
      company_id: people[n]?.["company_id"],
      primary_contact_id: people[n]?.["id"],
      owner_id: team.ownerId,
      currency: "EUR",
      ...(n % 4 !== 3 && { amount: `${n + 1}00.10` }),
    })),
  });
  deals = ok(opened, 201).map(({ data }: Made) => data);
  for (const deal of deals)
    expect(deal).toMatchObject({ pipeline_id: pipeline.id, stage_id: pipeline.stage["Lead"], probability: 10 });
  const tasks = await team.client.post("/tasks/bulk", {
    records: deals.map(({ id, primary_contact_id }, n) => ({
      title: `Call about deal ${n}`,
      type: "call",
      priority: n < 2 ? "urgent" : "normal",
      deal_id: id,
      contact_id: primary_contact_id,
      assignee_id: team.ownerId,
      due_at: "2099-01-01T17:00:00Z",
    })),
  });
  ok(tasks, 201);
  const mine = await team.client.get(
    `/tasks?assignee_id=${team.ownerId}&status=open&sort=-priority,created_at&limit=3`,
  );
  expect(mine.meta.total).toBe(12);
  expect(mine.data.map(({ title }: Made) => title)).toEqual([0, 1, 2].map((n) => `Call about deal ${n}`));
});

test("11:00 calls are made: each is logged, its task done, its deal goes to the demo", async () => {
  for (const [n, deal] of deals.slice(0, 10).entries()) {
    await team.activity({
      type: "call",
      deal_id: deal["id"],
      contact_id: deal["primary_contact_id"],
      company_id: deal["company_id"],
      occurred_at: new Date().toISOString(),
      duration_seconds: 60 * (n + 1),
      outcome: "connected",
      direction: "outbound",
      data: { status: "answered" },
    });
    const [task] = (await team.client.get(`/tasks?deal_id=${deal["id"]}`)).data;
    ok(await team.client.post(`/tasks/${task.id}/complete`));
    ok(await team.client.post(`/deals/${deal["id"]}/move`, { stage_id: pipeline.stage["Demo"] }));
  }
  expect((await team.client.get("/tasks?status=completed")).meta.total).toBe(10);
  expect((await team.client.get("/contacts?last_activity_at[is_null]=false")).meta.total).toBe(10);
});

test("14:00 offers go out where there is an amount; the rules say no to the rest", async () => {
  const answers = await Promise.all(
    deals.map(({ id }) => team.client.post(`/deals/${id}/move`, { stage_id: pipeline.stage["Offer"] })),
  );
  expect(answers.map(({ status, error }) => error?.code ?? status)).toEqual([
    ...[200, 200, 200, "stage_requirements_unmet", 200, 200, 200, "stage_requirements_unmet", 200, 200],
    "stage_transition_not_allowed",
    "stage_transition_not_allowed",
  ]);
  ok(await team.client.patch(`/deals/${deals[3]?.["id"]}`, { amount: "50", stage_id: pipeline.stage["Offer"] }));
});

test("16:00 some are won, some lost for a reason, one is reopened", async () => {
  for (const n of [0, 1, 2]) ok(await team.client.post(`/deals/${deals[n]?.["id"]}/win`));
  const silent = await team.client.post(`/deals/${deals[4]?.["id"]}/lose`);
  expect(silent.error.code).toBe("lost_reason_required");
  for (const n of [4, 5]) ok(await team.client.post(`/deals/${deals[n]?.["id"]}/lose`, { lost_reason: "price" }));
  expect(ok(await team.client.post(`/deals/${deals[5]?.["id"]}/reopen`))).toMatchObject({
    stage_id: pipeline.stage["Offer"],
    probability: 80,
  });
  ok(await team.client.delete(`/deals/${deals[11]?.["id"]}`));
});

test("18:00 the report adds up", async () => {
  const summary: Made[] = ok(await team.client.get("/deals/summary?group_by=stage_id"));
  const nameOf = Object.fromEntries(Object.entries(pipeline.stage).map(([name, id]) => [id, name]));
  expect(
    Object.fromEntries(
      summary.map(({ stage_id, currency, count, amount, weighted_amount }) => [
        nameOf[stage_id],
        [currency, count, Number(amount), Number(weighted_amount)],
      ]),
    ),
  ).toEqual({
    Lead: ["EUR", 1, 1100.1, 110.01],
    Demo: ["EUR", 1, 0, 0],
    Offer: ["EUR", 5, 3250.4, 2600.32],
    Won: ["EUR", 3, 600.3, 600.3],
    Lost: ["EUR", 1, 500.1, 0],
  });
  const won: Made = await team.read("/deals/summary?group_by=status,owner_id&status=won");
  expect(won).toEqual([
    { status: "won", owner_id: team.ownerId, currency: "EUR", count: 3, amount: "600.30", weighted_amount: "600.30" },
  ]);
  const open = await team.client.all("/companies?sort=name&fields=open_deals_count");
  const total = open.reduce((sum, { open_deals_count }) => sum + Number(open_deals_count), 0);
  expect(total).toBe((await team.client.get("/deals?status=open")).meta.total);
  expect(total).toBe(7);

  const deal = deals[5]?.["id"];
  const { data, meta } = await team.client.get(`/deals/${deal}/timeline?limit=100`);
  expect(meta.total).toBe(7);
  expect(data.map(({ type, data: { type: kind, status } }: Made) => `${type} ${kind ?? status}`)).toEqual([
    "stage_change open",
    "stage_change lost",
    "stage_change open",
    "stage_change open",
    "activity call",
    "task call",
    "stage_change open",
  ]);
  const found = await team.client.get("/search?q=deal%205");
  expect(found.data.map(({ type, data: { name, title } }: Made) => [type, name ?? title])).toEqual([
    ["deal", "Deal 5"],
    ["task", "Call about deal 5"],
  ]);
  const lost = await team.client.post("/deals/search", {
    filter: {
      and: [
        { field: "lost_reason", op: "eq", value: "price" },
        { field: "company.name", op: "starts_with", value: "company" },
      ],
    },
  });
  expect(lost.data.map(({ name }: Made) => name)).toEqual(["Deal 4"]);
});
