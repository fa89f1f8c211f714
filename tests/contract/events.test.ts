import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { EVENT_TYPES } from "../../shared/resources/event_types.ts";
import { Client } from "../harness/client.ts";
import { eventsAfter, expectOrdered, newestPosition } from "../harness/feed.ts";
import { createTeam, join, type Team } from "../harness/people.ts";
import { createSalesTeam, type Made, refusal, type SalesTeam } from "../harness/sales_team.ts";
import { database, stack } from "../harness/stack.ts";
import { createKey, freshEmail } from "../harness/workspace.ts";

let team: SalesTeam;
beforeAll(async () => {
  team = await createSalesTeam();
});

/** What was told of a record, by version. */
async function told(record: Made): Promise<Made[]> {
  const { status, data } = await team.client.get(`/events?record_id=${record["id"]}&limit=1000`);
  expect(status).toBe(200);
  return data;
}

const namesOf = (events: readonly Made[]) => events.map(({ types }) => types);

describe("an event", () => {
  test("is there for each version of a record, with the record as it is shown and what changed", async () => {
    const deal = await team.deal({ name: "Told", amount: "10", currency: "EUR" });
    const changed = await team.client.patch(`/deals/${deal["id"]}`, { name: "Told again", amount: "12.5" });
    await team.client.delete(`/deals/${deal["id"]}`);
    const restored = await team.client.post(`/deals/${deal["id"]}/restore`);
    const events = await told(deal);
    expect(events.map(({ type, version }) => [type, version])).toEqual([
      ["deal.created", 1],
      ["deal.updated", 2],
      ["deal.deleted", 3],
      ["deal.restored", 4],
    ]);
    expect(events[0]?.["data"]).toEqual(deal);
    expect(events[1]?.["data"]).toEqual(changed.data);
    expect(events[1]?.["changes"]).toMatchObject({
      name: { from: "Told", to: "Told again" },
      amount: { from: "10.00", to: "12.50" },
    });
    expect(events[2]?.["data"]).toMatchObject({ id: deal["id"], name: "Told again", deleted_at: expect.any(String) });
    expect(events[3]?.["data"]).toEqual(restored.data);
    expect(events[1]).toMatchObject({
      resource: "deals",
      record_id: deal["id"],
      occurred_at: changed.data.updated_at,
      actor: changed.data.updated_by,
      source: "api",
      request_id: changed.meta.request_id,
    });
  });

  test("has all names that hold, the most specific as its type", async () => {
    const { id, stage } = await team.pipeline();
    const deal = await team.deal({ pipeline_id: id, stage_id: stage["first"] });
    await team.client.patch(`/deals/${deal["id"]}`, { stage_id: stage["second"] });
    await team.client.post(`/deals/${deal["id"]}/win`);
    await team.client.post(`/deals/${deal["id"]}/reopen`);
    await team.client.post(`/deals/${deal["id"]}/lose`, { lost_reason: "price" });
    const task = await team.task();
    await team.client.post(`/tasks/${task["id"]}/complete`);
    await team.client.post(`/tasks/${task["id"]}/reopen`);
    expect(namesOf(await told(deal))).toEqual([
      ["deal.created"],
      ["deal.updated", "deal.stage_changed"],
      ["deal.updated", "deal.stage_changed", "deal.won"],
      ["deal.updated", "deal.stage_changed", "deal.reopened"],
      ["deal.updated", "deal.stage_changed", "deal.lost"],
    ]);
    expect(namesOf(await told(task))).toEqual([
      ["task.created"],
      ["task.updated", "task.completed"],
      ["task.updated", "task.reopened"],
    ]);
    const [, , won] = await told(deal);
    expect(won?.["type"]).toBe("deal.won");
  });

  test("of a merge says where the record went", async () => {
    const [winner, loser] = [await team.contact(), await team.contact({ job_title: "Engineer" })];
    await team.client.post(`/contacts/${winner["id"]}/merge`, { ids: [loser["id"]] });
    const events = await told(loser);
    expect(events.at(-1)).toMatchObject({
      type: "contact.merged",
      types: ["contact.deleted", "contact.merged"],
      data: { id: loser["id"], merged_into: winner["id"] },
    });
    expect((await told(winner)).at(-1)).toMatchObject({ type: "contact.updated", data: { job_title: "Engineer" } });
  });

  test("is made of everything that has versions", async () => {
    const own = await createSalesTeam();
    const { pipeline } = await own.pipeline();
    const field = await own.field("contacts", "text");
    const tag = await own.tag();
    const company = await own.company({ custom_fields: {}, tags: [tag["name"]] });
    await own.activity({ company_id: company["id"], body: "Called" });
    await own.client.patch(`/contacts/${(await own.contact({ custom_fields: { [field["key"]]: "a" } }))["id"]}`, {
      custom_fields: { [field["key"]]: "b" },
    });
    const events = await eventsAfter(own.client);
    expectOrdered(events);
    const types = new Set(events.map(({ type }) => type));
    for (const type of ["pipeline", "stage", "custom_field", "tag", "company", "activity", "contact"])
      expect(types).toContain(`${type}.created`);
    expect(events.at(-1)?.["changes"]).toEqual({ [`custom_fields.${field["key"]}`]: { from: "a", to: "b" } });
    expect(events.find(({ record_id: id }) => id === pipeline["id"])?.["data"]).toEqual(pipeline);
    for (const { types: names } of events) for (const name of names) expect(EVENT_TYPES).toContain(name);
  });

  test("is there for what is written in bulk, each record once, and for nothing that was refused or only tried", async () => {
    const own = await createSalesTeam();
    const before = await newestPosition(own.client);
    const email = freshEmail();
    const bulk = await own.client.post("/contacts/bulk", {
      records: [{ email }, { email: "no address" }, { email: freshEmail() }],
    });
    expect(bulk.status).toBe(207);
    await own.client.post("/contacts?dry_run=true", { email: freshEmail() });
    await own.client.post("/contacts", { email });
    await own.client.post("/contacts/bulk?atomic=true", { records: [{ email: freshEmail() }, { email }] });
    const events = await eventsAfter(own.client, before);
    expect(events.map(({ type }) => type)).toEqual(["contact.created", "contact.created"]);
    expect(new Set(events.map(({ request_id: id }) => id))).toEqual(new Set([bulk.meta.request_id]));
  });
});

describe("GET /events", () => {
  test("has the event of a write in the very next read, and says the newest position", async () => {
    for (let n = 0; n < 5; n++) {
      const contact = await team.contact();
      const { data, meta } = await team.client.get(`/events?record_id=${contact["id"]}`);
      expect(data).toHaveLength(1);
      expect(meta).toMatchObject({ position: data[0].position, has_more: false, next_cursor: null });
    }
  });

  test("is walked by cursor or position, a page at a time", async () => {
    const own = await createSalesTeam();
    for (let n = 0; n < 7; n++) await own.tag();
    const all = await eventsAfter(own.client);
    const walked = (await own.client.all("/events?limit=3")) as Made[];
    expect(walked).toEqual(all);
    const page = await own.client.get("/events?limit=2");
    expect(page.meta).toMatchObject({ total: all.length, limit: 2, has_more: true, position: all.length });
    expect(page.headers.get("x-event-position")).toBe(String(all.length));
    expect((await own.client.get(`/events?after=${all.length - 1}`)).data).toEqual([all.at(-1)]);
    expect((await own.client.get(`/events?after=${all.length}`)).data).toEqual([]);
  });

  test("chooses by name, resource, record and time", async () => {
    const own = await createSalesTeam();
    const deal = await own.deal();
    await own.client.post(`/deals/${deal["id"]}/win`);
    const task = await own.task();
    const typesOf = async (query: string) =>
      (await own.client.get(`/events?${query}`)).data.map(({ type }: Made) => type);
    expect(await typesOf("types=deal.*")).toEqual(["deal.created", "deal.won"]);
    expect(await typesOf("types=deal.updated,task.created")).toEqual(["deal.won", "task.created"]);
    expect(await typesOf("types=*&resource=tasks")).toEqual(["task.created"]);
    expect(await typesOf(`record_id=${deal["id"]}`)).toEqual(["deal.created", "deal.won"]);
    expect(await typesOf(`created_at[gte]=${task["created_at"]}`)).toEqual(["task.created"]);
    expect(await typesOf("created_at[gte]=2099-01-01T00:00:00Z")).toEqual([]);
    expect(await typesOf(`record_id=${randomUUID()}`)).toEqual([]);
    expect((await own.client.get("/events?total=false")).meta.total).toBeNull();
  });

  test.each([
    ["types=deal.wun", "types", "deal.won"],
    ["resource=deal", "resource", "deals"],
    ["limit=1001", "limit", "1 to 1000"],
    ["after=-1", "after", "whole number"],
    ["wait=21", "wait", "1 to 20"],
    ["record_id=x", "record_id", "UUID"],
    ["created_at[gte]=monday", "created_at[gte]", "timestamp"],
  ])("%s is refused with what it takes", async (query, parameter, sentence) => {
    const { status, error } = await team.client.get(`/events?${query}`);
    expect(status).toBe(400);
    expect(error.details[parameter].join(" ")).toContain(sentence);
  });

  test("waits for what comes, and no longer", async () => {
    const own = await createSalesTeam();
    const position = await newestPosition(own.client);
    const waiting = own.client.get(`/events?after=${position}&wait=15`);
    await new Promise((resolve) => setTimeout(resolve, 600));
    const contact = await own.contact();
    expect((await waiting).data.map(({ record_id: id }: Made) => id)).toEqual([contact["id"]]);
    const { status, data } = await own.client.get(`/events?after=${position + 1}&wait=1`);
    expect({ status, data }).toEqual({ status: 200, data: [] });
  });

  test("lets ten requests of a workspace wait at once", async () => {
    const own = await createSalesTeam();
    const position = await newestPosition(own.client);
    const waiting = Array.from({ length: 13 }, () => own.client.get(`/events?after=${position}&wait=2`));
    const answers = await Promise.all(waiting);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(10);
    for (const answer of answers.filter(({ status }) => status !== 200))
      expect(refusal(answer)).toEqual({ status: 429, code: "too_many_concurrent_requests" });
  });

  test("answers 410 with the oldest position for what is not kept any more", async () => {
    const own = await createSalesTeam();
    await own.contact();
    const newest = await newestPosition(own.client);
    await database()`delete from crm.events where workspace_id = ${own.workspaceId} and position < ${newest}`;
    await database()`select crm.forget_events()`;
    const expired = await own.client.get("/events?after=0");
    expect({ ...refusal(expired), details: expired.error.details }).toEqual({
      status: 410,
      code: "events_expired",
      details: { oldest: newest },
    });
    expect((await own.client.get(`/events?after=${newest - 1}`)).data).toHaveLength(1);
    const { data, meta } = await own.client.get("/events");
    expect([data.length, meta.oldest_position, meta.total]).toEqual([1, newest, 1]);
  });

  test("shows a custom key the events of what it may read, and none without the permission webhooks", async () => {
    const own = await createSalesTeam();
    await own.contact();
    await own.deal();
    const keyOf = async (permissions: Record<string, "read" | "write">) =>
      (await createKey({ workspaceId: own.workspaceId, scope: "custom", permissions })).client;
    const { data, meta } = await (await keyOf({ webhooks: "read", deals: "read" })).get("/events");
    expect(new Set(data.map(({ resource }: Made) => resource))).toEqual(new Set(["deals"]));
    expect(meta.total).toBeNull();
    expect(refusal(await (await keyOf({ deals: "write" })).get("/events"))).toEqual({
      status: 403,
      code: "insufficient_scope",
    });
  });

  test("shows nothing of another workspace", async () => {
    const other = await createSalesTeam();
    const contact = await other.contact();
    expect((await team.client.get(`/events?record_id=${contact["id"]}`)).data).toEqual([]);
  });
});

describe("what people do is told", () => {
  let people: Team;
  beforeAll(async () => {
    people = await createTeam();
  });
  const lastOf = async (type: string) =>
    (await people.owner.client.get(`/events?types=${type}&limit=1000`)).data.at(-1) as Made;

  test("keys that are made, rolled and revoked, without what opens them", async () => {
    const made = await people.owner.client.post("/api_keys", { name: "Told", scope: "read_only" });
    const rolled = await people.owner.client.post(`/api_keys/${made.data.id}/roll`, {});
    await people.owner.client.delete(`/api_keys/${rolled.data.id}`);
    const created = await lastOf("api_key.created");
    expect(created).toMatchObject({
      resource: "api_keys",
      record_id: made.data.id,
      version: null,
      actor: { type: "user", id: people.owner.userId },
      request_id: made.meta.request_id,
      data: { id: made.data.id, name: "Told", scope: "read_only", state: "active" },
    });
    expect((await lastOf("api_key.rolled"))["record_id"]).toBe(made.data.id);
    expect((await lastOf("api_key.revoked"))["data"]).toMatchObject({ id: rolled.data.id, state: "revoked" });
    const all = JSON.stringify((await people.owner.client.get("/events?limit=1000")).data);
    for (const secret of [made.data.key, rolled.data.key]) expect(all).not.toContain(secret);
  });

  test("members and sandboxes", async () => {
    const member = await join(people.workspaceId, "member");
    await people.owner.client.patch(`/members/${member.memberId}`, { role: "admin" });
    await people.owner.client.delete(`/members/${member.memberId}`);
    const invited = await people.owner.client.post("/invitations", { email: freshEmail(), role: "member" });
    const sandbox = await people.owner.client.post("/sandboxes", { name: "Told", start_from: "empty" });
    expect(await lastOf("member.role_changed")).toMatchObject({
      record_id: member.memberId,
      data: { role: "admin" },
      changes: { role: { from: "member", to: "admin" } },
    });
    expect(await lastOf("member.removed")).toMatchObject({ record_id: member.memberId });
    expect(await lastOf("member.invited")).toMatchObject({ data: { email: invited.data.email } });
    expect(await lastOf("sandbox.created")).toMatchObject({ data: sandbox.data });
  });

  test("a sandbox has a feed of its own, which a reset doesn't take back", async () => {
    const { data: sandbox } = await people.owner.client.post("/sandboxes", { name: "Fed", start_from: "empty" });
    const { client } = await createKey({ workspaceId: sandbox.id });
    await client.post("/contacts", { email: freshEmail() });
    const before = await newestPosition(client);
    expect(before).toBeGreaterThan(0);
    const reset = await people.owner.client.post(`/sandboxes/${sandbox.id}/reset`);
    expect(reset.status).toBe(200);
    const events = await eventsAfter(client, before);
    expectOrdered(events, before);
    expect(events.map(({ type }) => type)).toContain("pipeline.created");
    expect(refusal(await client.get(`/events?after=${before - 1}`)).code).toBe("events_expired");
    await people.owner.client.delete(`/sandboxes/${sandbox.id}`);
    const [left] = await database()`
      select (select count(*) from crm.events where workspace_id = ${sandbox.id})
        + (select count(*) from crm.outbox where workspace_id = ${sandbox.id}) as rows`;
    expect(Number(left?.["rows"])).toBe(0);
  });

  test("no session of a stranger reads them", async () => {
    const stranger = await createTeam();
    const answer = await stranger.owner.client.get("/events", { "x-workspace-id": people.workspaceId });
    expect(refusal(answer)).toEqual({ status: 404, code: "workspace_not_found" });
    expect((await new Client(stack().apiUrl, null).get("/events")).status).toBe(401);
  });
});
