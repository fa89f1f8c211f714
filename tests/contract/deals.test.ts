import { beforeAll, describe, expect, test } from "vitest";
import {
  createSalesTeam,
  expectRefused,
  freshName,
  type Made,
  refusal,
  type SalesTeam,
} from "../harness/sales_team.ts";
import { createKey } from "../harness/workspace.ts";

let team: SalesTeam;
beforeAll(async () => {
  team = await createSalesTeam();
});

const ids = (records: readonly Made[]) => records.map(({ id }) => id);

describe("a new deal", () => {
  test("goes to the first open stage of the default pipeline", async () => {
    const [home] = (await team.client.get("/pipelines?is_default=true")).data;
    const deal = await team.deal();
    expect(deal).toMatchObject({
      pipeline_id: home.id,
      stage_id: home.stages[0].id,
      status: "open",
      priority: "normal",
    });
    const before = await team.make(`/pipelines/${home.id}/stages`, { name: "Before all", position: 0 });
    await team.client.patch(`/pipelines/${home.id}/stages/${home.stages[0].id}`, { position: 1 });
    expect((await team.deal())["stage_id"]).toBe(before["id"]);
  });

  test("goes to the pipeline of its stage, or to the first open stage of its pipeline", async () => {
    const { id, stage } = await team.pipeline();
    expect(await team.deal({ stage_id: stage["second"] })).toMatchObject({ pipeline_id: id, status: "open" });
    expect(await team.deal({ stage_id: stage["lost"] })).toMatchObject({ pipeline_id: id, status: "lost" });
    expect(await team.deal({ pipeline_id: id })).toMatchObject({ stage_id: stage["first"] });
  });

  test("keeps its contacts with their roles, in order", async () => {
    const [ann, bob] = [await team.contact(), await team.contact()];
    const contacts = [
      { contact_id: bob["id"], role: "buyer" },
      { contact_id: ann["id"], role: null },
    ];
    const deal = await team.deal({ contacts: [contacts[0], { contact_id: String(ann["id"]).toUpperCase() }] });
    expect(deal["contacts"]).toEqual(contacts);
    expect((await team.read(`/deals/${deal["id"]}?include=stage,pipeline`))["stage"]).toMatchObject({
      id: deal["stage_id"],
    });
  });
});

test("a deal that only gets another pipeline starts at its first open stage, and the history says so", async () => {
  const [from, to] = [
    await team.pipeline(),
    await team.pipeline({ rules: { allow_skip: false, allow_backwards: false } }),
  ];
  const { id } = await team.deal({ pipeline_id: from.id, stage_id: from.stage["second"] });
  const moved = await team.client.patch(`/deals/${id}`, { pipeline_id: to.id });
  expect(moved.data).toMatchObject({ pipeline_id: to.id, stage_id: to.stage["first"], probability: 10 });
  const [last] = (await team.client.get(`/deals/${id}/stage_history`)).data;
  expect(last).toMatchObject({
    pipeline_id: to.id,
    from_stage_id: from.stage["second"],
    to_stage_id: to.stage["first"],
  });
});

test("a key for deals alone can win, lose, move and reopen them, and ask where they may go", async () => {
  const { id: pipeline_id, stage } = await team.pipeline();
  const { client } = await createKey({
    workspaceId: team.workspaceId,
    scope: "custom",
    permissions: { deals: "write" },
  });
  const deal = (await client.post("/deals", { name: "Mine", pipeline_id })).data;
  const act = async (action: string, body: Made = {}) => (await client.post(`/deals/${deal.id}/${action}`, body)).data;
  expect(await act("move", { stage_id: stage["second"] })).toMatchObject({ stage_id: stage["second"] });
  expect(await act("win")).toMatchObject({ status: "won", stage_id: stage["won"] });
  expect(await act("reopen")).toMatchObject({ status: "open", stage_id: stage["second"] });
  expect(await act("lose")).toMatchObject({ status: "lost", stage_id: stage["lost"] });
  expect((await client.get(`/deals/${deal.id}/transitions`)).data).toHaveLength(4);
  expect((await client.get("/deals/summary")).status).toBe(200);
  expect((await client.get(`/deals/${deal.id}/stage_history`)).meta.total).toBe(5);
  const reader = await createKey({ workspaceId: team.workspaceId, scope: "read_only" });
  for (const action of ["move", "win", "lose", "reopen"])
    expect(refusal(await reader.client.post(`/deals/${deal.id}/${action}`, {}))).toEqual({
      status: 403,
      code: "insufficient_scope",
    });
});

describe("an action", () => {
  const actions: [action: string, body: Made, from: string][] = [
    ["move", { stage_id: "second" }, "first"],
    ["win", {}, "first"],
    ["lose", { lost_reason: "price" }, "first"],
    ["reopen", {}, "won"],
  ];

  test.each(actions)(
    "%s is tried out by a dry run, held off by a stale If-Match and done once per key",
    async (...one) => {
      const [action, { stage_id, ...rest }, from] = one;
      const { id: pipeline_id, stage } = await team.pipeline();
      const { id } = await team.deal({ pipeline_id, stage_id: stage[from] });
      const body = { ...rest, ...(stage_id && { stage_id: stage[stage_id] }) };
      const path = `/deals/${id}/${action}`;
      const before = await team.snapshot();
      const dry = await team.client.post(`${path}?dry_run=true`, body);
      expect({ status: dry.status, dry: dry.meta.dry_run }).toEqual({ status: 200, dry: true });
      expect(await team.snapshot()).toEqual(before);
      await expectRefused(team, () => team.client.post(path, body, { "if-match": '"7.x"' }), {
        status: 412,
        code: "precondition_failed",
      });
      await expectRefused(team, () => team.client.post(path, { ...body, nonsense: 1 }), {
        status: 400,
        code: "unknown_field",
      });
      const key = { "idempotency-key": freshName(action) };
      const [first, again] = [await team.client.post(path, body, key), await team.client.post(path, body, key)];
      expect(first.data).toMatchObject({ status: dry.data.status, stage_id: dry.data.stage_id, version: 2 });
      expect({ status: again.status, body: again.body }).toEqual({ status: 200, body: first.body });
      expect(again.headers.get("idempotent-replayed")).toBe("true");
    },
  );

  test("of an upsert obeys the rules too: a closed deal keeps its amount", async () => {
    const { id, external_id } = await team.deal({ external_id: freshName("crm"), amount: "1", currency: "EUR" });
    await team.client.post(`/deals/${id}/win`);
    const body = { external_id, name: "D", amount: "2", currency: "EUR" };
    for (const path of ["/deals?on_conflict=update", "/deals/bulk?on_conflict=update&atomic=true"])
      await expectRefused(team, () => team.client.post(path, path.includes("bulk") ? { records: [body] } : body), {
        status: 409,
        code: "deal_closed",
      });
    const same = await team.client.post("/deals?on_conflict=update", { ...body, name: "Renamed", amount: "1.0" });
    expect(same.data).toMatchObject({ id, name: "Renamed", status: "won" });
  });
});

test("a stage of a deleted pipeline is a stage that does not exist", async () => {
  const { id, stage } = await team.pipeline();
  const deal = await team.deal();
  await team.client.delete(`/pipelines/${id}`);
  const expected = {
    status: 422,
    code: "reference_not_found",
    details: { stage_id: ["The stage_id field names a record that does not exist."] },
  };
  const stage_id = stage["first"];
  await expectRefused(team, () => team.client.post("/deals", { name: "D", stage_id }), expected);
  await expectRefused(team, () => team.client.patch(`/deals/${deal["id"]}`, { stage_id }), expected);
  await expectRefused(team, () => team.client.post(`/deals/${deal["id"]}/move`, { stage_id }), expected);
});

describe("GET /deals/{id}/transitions", () => {
  test("says for each stage whether the deal may go there, why not, and what is missing", async () => {
    const { id: pipeline_id, stage } = await team.pipeline({
      rules: { allow_skip: false, allow_backwards: false, require_lost_reason: true },
      stages: [
        { name: "a" },
        { name: "b" },
        { name: "c", required_fields: ["amount", "company_id"] },
        { name: "d" },
        { name: "won", type: "won", required_fields: ["expected_close_date"] },
        { name: "lost", type: "lost" },
      ],
    });
    const deal = await team.deal({ pipeline_id, stage_id: stage["b"], company_id: (await team.company())["id"] });
    const transitions = await team.read(`/deals/${deal["id"]}/transitions`);
    const one = (name: string, position: number, more: Made) => ({
      stage_id: stage[name],
      name,
      position,
      type: name === "won" || name === "lost" ? name : "open",
      is_current: false,
      allowed: false,
      code: null,
      missing_fields: [],
      ...more,
    });
    expect(transitions).toEqual([
      one("a", 0, { code: "stage_transition_not_allowed" }),
      one("b", 1, { is_current: true }),
      one("c", 2, { code: "stage_requirements_unmet", missing_fields: ["amount"] }),
      one("d", 3, { code: "stage_transition_not_allowed" }),
      one("won", 4, { code: "stage_requirements_unmet", missing_fields: ["expected_close_date"] }),
      one("lost", 5, { code: "lost_reason_required", missing_fields: ["lost_reason"] }),
    ]);
    // What it says is what happens.
    for (const { stage_id, is_current, code } of transitions as Made[]) {
      if (is_current) continue;
      const moved = await team.client.post(`/deals/${deal["id"]}/move?dry_run=true`, { stage_id });
      expect(moved.error?.code ?? null).toBe(code);
    }
    await team.client.patch(`/deals/${deal["id"]}`, { amount: "1", currency: "EUR", lost_reason: "none yet" });
    const better: Made[] = (await team.client.get(`/deals/${deal["id"]}/transitions`)).data;
    expect(better.map(({ name, allowed }) => (allowed ? name : "")).join("")).toBe("clost");
  });

  test("of a closed deal allows nothing, of a stranger is 404", async () => {
    const deal = await team.deal();
    await team.client.post(`/deals/${deal["id"]}/win`);
    const transitions: Made = await team.read(`/deals/${deal["id"]}/transitions`);
    for (const { is_current, allowed, code } of transitions as Made[])
      expect({ allowed, code }).toEqual({ allowed: false, code: is_current ? null : "deal_closed" });
    const others = await createSalesTeam();
    expect((await others.client.get(`/deals/${deal["id"]}/transitions`)).status).toBe(404);
    expect((await others.client.get(`/deals/${deal["id"]}/stage_history`)).status).toBe(404);
    expect((await others.client.post(`/deals/${deal["id"]}/win`)).status).toBe(404);
  });
});

test("stage_history tells who moved a deal from where to where and when, from its first stage on", async () => {
  const { id: pipeline_id, stage } = await team.pipeline();
  const deal = await team.deal({ pipeline_id });
  const second = await createKey({ workspaceId: team.workspaceId });
  const moved = (await second.client.post(`/deals/${deal["id"]}/move`, { stage_id: stage["second"] })).data;
  const won = (await team.client.post(`/deals/${deal["id"]}/win`)).data;
  await team.client.patch(`/deals/${deal["id"]}`, { name: "No move" });
  const change = (from: string | null, to: string, record: Made, by: string, status = "open") => ({
    deal_id: deal["id"],
    pipeline_id,
    from_stage_id: from && stage[from],
    to_stage_id: stage[to],
    status,
    changed_at: record["stage_entered_at"],
    changed_by: { type: "api_key", id: by },
    id: expect.any(String),
  });
  const { data, meta } = await team.client.get(`/deals/${deal["id"]}/stage_history`);
  expect(data).toEqual([
    change("second", "won", won, team.id, "won"),
    change("first", "second", moved, second.id),
    change(null, "first", deal, team.id),
  ]);
  expect(meta.total).toBe(3);
  expect(ids(await team.client.all(`/deals/${deal["id"]}/stage_history?limit=1`))).toEqual(ids(data));
  const named = await team.client.get(
    `/deals/${deal["id"]}/stage_history?to_stage_id=${stage["won"]}&include=to_stage`,
  );
  expect(named.data.map(({ to_stage }: Made) => to_stage.name)).toEqual(["won"]);
  await expectRefused(team, () => team.client.post(`/deals/${deal["id"]}/stage_history`, {}), {
    status: 405,
    code: "method_not_allowed",
  });
});

describe("GET /deals/summary", () => {
  let sums: SalesTeam;
  let color: string;
  const amounts = ["0.1", "0.2", "0.03", "1000000000.01", "33.33", "7", null];
  beforeAll(async () => {
    sums = await createSalesTeam();
    const { stage } = await sums.pipeline();
    const companies = [await sums.company({ industry: "Tools" }), await sums.company()];
    color = (await sums.field("deals", "select", { options: ["red", "blue"] }))["key"];
    const records = Array.from({ length: 40 }, (_, n) => ({
      name: n % 4 ? `Deal ${n}` : `Big deal ${n}`,
      stage_id: [stage["first"], stage["second"], stage["won"], stage["lost"], undefined][n % 5],
      amount: amounts[n % amounts.length],
      currency: n % 11 === 10 ? (amounts[n % amounts.length] == null ? null : "CLF") : n % 3 ? "EUR" : "USD",
      owner_id: n % 2 ? sums.ownerId : null,
      company_id: companies[n % 3]?.["id"] ?? null,
      priority: n % 6 ? "normal" : "urgent",
      type: n % 2 ? "new" : null,
      tags: n % 4 === 1 ? ["vip"] : [],
      expected_close_date: n % 5 === 4 ? null : `2026-${String((n % 3) + 1).padStart(2, "0")}-15`,
      custom_fields: n % 2 ? { [color]: n % 4 === 1 ? "red" : "blue" } : {},
    }));
    const { status, body } = await sums.client.post("/deals/bulk", { records });
    expect(status, JSON.stringify(body).slice(0, 500)).toBe(201);
    const gone = await sums.deal({ amount: "5", currency: "EUR" });
    await sums.client.delete(`/deals/${gone["id"]}`);
  });

  /** Decimals of up to four places, added up exactly. */
  function sum(values: readonly (string | null)[]): string {
    const total = values.reduce((all, value) => {
      const [whole = "0", places = ""] = (value ?? "0").split(".");
      return all + BigInt(whole + places.padEnd(4, "0"));
    }, 0n);
    return `${total / 10000n}.${String(total % 10000n).padStart(4, "0")}`;
  }
  const groupers: Record<string, (deal: Made) => unknown> = {
    month: (deal) => deal["expected_close_date"]?.slice(0, 7) ?? null,
    closed_month: (deal) => deal["closed_at"]?.slice(0, 7) ?? null,
    created_month: (deal) => deal["created_at"].slice(0, 7),
  };
  /** What a summary must be: the list's deals, grouped and added up here. */
  async function addedUp(groups: readonly string[], filter: string): Promise<Made[]> {
    const deals: Made[] = await sums.client.all(`/deals?limit=100${filter && `&${filter}`}`);
    const keys = [...new Set([...groups, "currency"])];
    const keyOf = (deal: Made) => keys.map((name) => (groupers[name] ?? ((one: Made) => one[name]))(deal));
    const grouped: Record<string, Made[]> = {};
    for (const deal of deals) {
      const key = JSON.stringify(keyOf(deal));
      grouped[key] ??= [];
      grouped[key].push(deal);
    }
    return Object.entries(grouped).map(([key, group]) => ({
      ...Object.fromEntries(JSON.parse(key).map((value: unknown, n: number) => [keys[n], value])),
      count: group.length,
      amount: sum(group.map(({ amount }) => amount)),
      weighted_amount: sum(group.map(({ weighted_amount }) => weighted_amount)),
    }));
  }
  const inOrder = (groups: readonly Made[]) =>
    groups.map((group) => JSON.stringify(Object.entries(group).sort())).sort();

  test.each([
    ["", ""],
    ["stage_id", ""],
    ["owner_id", ""],
    ["month", ""],
    ["currency", ""],
    ["status,month,owner_id", ""],
    ["closed_month,created_month", "status=won,lost"],
    ["pipeline_id,priority", "owner_id[is_null]=false"],
    ["company_id", "company.industry=Tools"],
    ["type", "tags=vip"],
    ["stage_id", "amount[gte]=0.2&expected_close_date[lt]=2026-03-01"],
    ["stage_id", "search=big"],
    ["stage_id", "custom_fields.COLOR=red"],
    ["stage_id", "custom_fields.COLOR[is_null]=true&status=open"],
    ["month", "name=nobody"],
  ])("by '%s' of the deals with '%s' is what adding up the list gives, to the last digit", async (groupBy, filter) => {
    const words = filter.replace("COLOR", color);
    const query = [groupBy && `group_by=${groupBy}`, words].filter(Boolean).join("&");
    const { status, data, meta, body } = await sums.client.get(`/deals/summary${query && `?${query}`}`);
    expect(status, JSON.stringify(body)).toBe(200);
    const groups = (groupBy || "stage_id").split(",");
    expect(meta.group_by).toEqual(groups);
    const shown = data.map((group: Made) => ({
      ...group,
      amount: sum([group["amount"]]),
      weighted_amount: sum([group["weighted_amount"]]),
    }));
    expect(inOrder(shown)).toEqual(inOrder(await addedUp(groups, words)));
  });

  test("refuses what it does not know, with a suggestion", async () => {
    const bad = async (query: string) => (await sums.client.get(`/deals/summary?${query}`)).error;
    expect(await bad("group_by=stage")).toMatchObject({ code: "validation_error" });
    expect((await bad("group_by=stge_id")).message).toContain("stage_id");
    expect(await bad("group_by=")).toMatchObject({ code: "validation_error" });
    expect(await bad("group_by=stage_id,owner_id,month,type")).toMatchObject({ code: "validation_error" });
    expect(await bad("groupby=stage_id")).toMatchObject({ code: "unknown_parameter" });
    expect(await bad("limit=5")).toMatchObject({ code: "unknown_parameter" });
    expect(await bad("status=opened")).toMatchObject({ code: "invalid_filter" });
    const custom = await createKey({
      workspaceId: sums.workspaceId,
      scope: "custom",
      permissions: { deals: "read", companies: "none" },
    });
    expect(refusal(await custom.client.get("/deals/summary?company.industry=Tools"))).toEqual({
      status: 403,
      code: "insufficient_scope",
    });
  });
});

describe("a timeline", () => {
  let company: Made;
  let contact: Made;
  let deal: Made;
  beforeAll(async () => {
    const { id: pipeline_id, stage } = await team.pipeline();
    company = await team.company();
    contact = await team.contact({ company_id: company["id"] });
    deal = await team.deal({
      pipeline_id,
      company_id: company["id"],
      contacts: [{ contact_id: contact["id"], role: "buyer" }],
    });
    const primary = await team.deal({ pipeline_id, primary_contact_id: contact["id"] });
    const links = { contact_id: contact["id"], company_id: company["id"], deal_id: deal["id"] };
    for (const n of [1, 2, 3, 4, 5]) {
      await team.activity({ ...links, occurred_at: `2026-03-0${n}T10:00:00Z`, subject: `Note ${n}` });
      await team.task({ ...links, title: `Task ${n}` });
    }
    await team.activity({ ...links, type: "meeting", occurred_at: "2099-01-01T00:00:00Z" });
    // Two at the very same time are told apart by id.
    await team.activity({ ...links, occurred_at: "2026-03-01T10:00:00Z" });
    await team.client.post(`/deals/${deal["id"]}/move`, { stage_id: stage["second"] });
    await team.client.post(`/deals/${primary["id"]}/win`);
    const gone = await team.task(links);
    await team.client.delete(`/tasks/${gone["id"]}`);
    const goneDeal = await team.deal({ company_id: company["id"], primary_contact_id: contact["id"] });
    await team.client.delete(`/deals/${goneDeal["id"]}`);
  });
  const subjects = (): [path: string, link: string, deals: string][] => [
    [`/contacts/${contact["id"]}`, `contact_id=${contact["id"]}`, "both"],
    [`/companies/${company["id"]}`, `company_id=${company["id"]}`, "one"],
    [`/deals/${deal["id"]}`, `deal_id=${deal["id"]}`, "one"],
  ];

  /** What a timeline must be: the lists it is made of, newest first. */
  async function expected(link: string, deals: string): Promise<Made[]> {
    const history = async (id: string) => team.client.all(`/deals/${id}/stage_history`);
    const primary = ids((await team.client.get(`/deals?primary_contact_id=${contact["id"]}`)).data);
    const changes = (await Promise.all([deal["id"], ...(deals === "both" ? primary : [])].map(history))).flat();
    const entries: Made[] = [
      ...(await team.client.all(`/activities?${link}`)).map((data: Made) => ({
        type: "activity",
        id: data["id"],
        occurred_at: data["occurred_at"],
        data,
      })),
      ...(await team.client.all(`/tasks?${link}`)).map((data: Made) => ({
        type: "task",
        id: data["id"],
        occurred_at: data["created_at"],
        data,
      })),
      ...changes.map((data: Made) => ({
        type: "stage_change",
        id: data["id"],
        occurred_at: data["changed_at"],
        data,
      })),
    ];
    const key = ({ occurred_at, id }: Made) =>
      `${new Date(occurred_at).toISOString()} ${occurred_at.padEnd(30, "0")} ${id}`;
    return entries.sort((a, b) => (key(a) < key(b) ? 1 : -1));
  }

  test("of a contact, company and deal is its activities, tasks and stage changes, newest first, with an exact total", async () => {
    for (const [path, link, deals] of subjects()) {
      const whole = await expected(link, deals);
      const { data, meta } = await team.client.get(`${path}/timeline?limit=100`);
      expect(data.map(({ type, occurred_at }: Made) => [type, occurred_at])).toEqual(
        whole.map(({ type, occurred_at }) => [type, occurred_at]),
      );
      expect(data).toEqual(whole);
      expect(meta).toMatchObject({ total: whole.length, has_more: false, next_cursor: null, limit: 100 });
      expect(await team.client.all(`${path}/timeline?limit=3`)).toEqual(whole);
    }
  });

  test("shows the types that are asked for, and refuses what is none", async () => {
    for (const [path, link, deals] of subjects()) {
      const whole = await expected(link, deals);
      for (const types of ["task", "activity,stage_change", "stage_change"]) {
        const { data, meta } = await team.client.get(`${path}/timeline?limit=100&types=${types}`);
        const asked = whole.filter(({ type }) => types.split(",").includes(type));
        expect(ids(data)).toEqual(ids(asked));
        expect(meta.total).toBe(asked.length);
      }
      const { error } = await team.client.get(`${path}/timeline?types=tasks`);
      expect(error.code).toBe("validation_error");
      expect(error.message).toContain("task");
      expect((await team.client.get(`${path}/timeline?type=task`)).error.code).toBe("unknown_parameter");
    }
  });

  test("hides what the key may not read, and its total too", async () => {
    const { client } = await createKey({
      workspaceId: team.workspaceId,
      scope: "custom",
      permissions: { contacts: "read", companies: "read", activities: "read" },
    });
    for (const [path] of subjects().slice(0, 2)) {
      const { data, meta } = await client.get(`${path}/timeline?limit=100`);
      expect(new Set(data.map(({ type }: Made) => type))).toEqual(new Set(["activity"]));
      expect(meta.total).toBe(data.length);
      expect((await client.get(`${path}/timeline?types=task`)).data).toEqual([]);
    }
    expect(refusal(await client.get(`/deals/${deal["id"]}/timeline`))).toEqual({
      status: 403,
      code: "insufficient_scope",
    });
  });

  test("paged while entries come and go gives each that stayed exactly once", async () => {
    for (const [path, link] of subjects()) {
      const [name = "", id = ""] = link.split("=");
      const extra = await team.activity({ [name]: id, occurred_at: "2026-02-01T00:00:00Z" });
      const before: Made[] = (await team.client.get(`${path}/timeline?limit=100`)).data;
      const seen: Made[] = [];
      let cursor: string | null = null;
      do {
        const page = await team.client.get(`${path}/timeline?limit=2${cursor === null ? "" : `&cursor=${cursor}`}`);
        seen.push(...page.data);
        cursor = page.meta.next_cursor;
        if (seen.length === 4) await team.client.delete(`/activities/${extra["id"]}`);
        await team.activity({ [name]: id, subject: "Came later" });
      } while (cursor !== null);
      expect(new Set(ids(seen)).size).toBe(seen.length);
      const stayed = ids(before).filter((one) => one !== extra["id"]);
      expect(ids(seen).filter((one) => stayed.includes(one))).toEqual(stayed);
    }
  });

  test("has cursors of its own: of another record, of other types, or tampered with they are refused", async () => {
    const [[path = ""] = [], [other = ""] = []] = subjects();
    const { meta } = await team.client.get(`${path}/timeline?limit=1`);
    const cursor = encodeURIComponent(meta.next_cursor);
    expect((await team.client.get(`${path}/timeline?limit=50&cursor=${cursor}`)).status).toBe(200);
    for (const wrong of [
      `${other}/timeline?cursor=${cursor}`,
      `${path}/timeline?types=task&cursor=${cursor}`,
      `/activities?cursor=${cursor}`,
      `${path}/timeline?cursor=${cursor}x`,
    ])
      expect(refusal(await team.client.get(wrong))).toEqual({ status: 400, code: "invalid_cursor" });
  });

  test("of a record that is none of ours, deleted or absent is 404", async () => {
    const others = await createSalesTeam();
    const gone = await team.contact({ first_name: freshName("Gone") });
    await team.client.delete(`/contacts/${gone["id"]}`);
    for (const path of [`/contacts/${contact["id"]}`, `/companies/${company["id"]}`, `/deals/${deal["id"]}`])
      expect(refusal(await others.client.get(`${path}/timeline`))).toEqual({ status: 404, code: "not_found" });
    expect((await team.client.get(`/contacts/${gone["id"]}/timeline`)).status).toBe(404);
    expect((await team.client.get("/contacts/nonsense/timeline")).status).toBe(404);
  });
});
