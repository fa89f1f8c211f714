import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import type { Role } from "../../shared/rights.ts";
import { Client } from "../harness/client.ts";
import { deadlocksDuring } from "../harness/deadlocks.ts";
import { endOfJob, MANY } from "../harness/large_changes.ts";
import { join } from "../harness/people.ts";
import { database, stack } from "../harness/stack.ts";
import { sessionToken } from "../harness/tokens.ts";
import { createWorkspace, freshEmail, type TestKey } from "../harness/workspace.ts";

type StartFrom = "empty" | "sample" | "configuration";

/** A workspace with somebody of each role, signed in. */
interface Team extends Record<Role, Client> {
  live: TestKey & { userId: string };
}

const freshName = () => `Sandbox ${randomUUID()}`;
const clientOf = (key: string) => new Client(stack().apiUrl, key);
const inside = (sandboxId: string) => ({ "x-workspace-id": sandboxId });

/** Sandboxes are counted: who makes many has a workspace of their own. */
async function team(): Promise<Team> {
  const live = await createWorkspace();
  return {
    live,
    owner: clientOf(await sessionToken(live.userId)),
    admin: (await join(live.workspaceId, "admin")).client,
    member: (await join(live.workspaceId, "member")).client,
  };
}

async function make({ owner }: Team, start_from: StartFrom = "empty"): Promise<string> {
  const { status, data, body } = await owner.post("/sandboxes", { name: freshName(), start_from });
  expect(status, JSON.stringify(body)).toBe(201);
  return data.id;
}

/** A key that somebody makes under the sandbox's X-Workspace-Id. */
async function keyOf({ owner }: Team, sandboxId: string): Promise<Client & { key: string }> {
  const { status, data } = await owner.post("/api_keys", { name: "Test", scope: "full_access" }, inside(sandboxId));
  expect({ status, prefix: data.prefix }).toEqual({ status: 201, prefix: "anx_test" });
  return clientOf(data.key) as Client & { key: string };
}

/** More than goes in one request. */
async function fillUp(sandboxId: string): Promise<void> {
  await database()`
    insert into crm.contacts (workspace_id, email, tags)
    select ${sandboxId}, 'many' || n || '@test.example', '{many}' from generate_series(1, ${MANY}) as n`;
}

/** Jobs of a workspace that only begin once `release` was called. */
async function withJobsHeld(workspaceId: string): Promise<{ release(): Promise<void> }> {
  const sql = database();
  const [held] = await sql`
    insert into crm.jobs (workspace_id, kind, scope, arguments, state, lease_until)
    values (${workspaceId}, 'merge', 'contacts', '{}', 'running', now() + interval '1 hour') returning id`;
  return {
    async release() {
      await sql`delete from crm.jobs where id = ${held?.["id"]}`;
    },
  };
}

/** The tables that still have a row of a workspace. */
async function tablesWith(workspaceId: string): Promise<string[]> {
  const sql = database();
  const tables = await sql`
    select relname from pg_class join pg_attribute on attrelid = pg_class.oid and attname = 'workspace_id'
    where relnamespace = 'crm'::regnamespace and relkind = 'r' order by relname`;
  const found: string[] = [];
  for (const { relname } of tables)
    if ((await sql`select from ${sql(`crm.${relname}`)} where workspace_id = ${workspaceId} limit 1`).length > 0)
      found.push(relname);
  return found;
}

const LISTS = ["contacts", "companies", "deals", "tasks", "activities", "pipelines", "tags", "custom_fields"];

/** What there is of each kind, to the sandbox's key. */
async function totalsOf(client: Client): Promise<Record<string, number>> {
  const totals: Record<string, number> = {};
  for (const list of LISTS) totals[list] = (await client.get(`/${list}?limit=1`)).meta.total;
  return totals;
}

const NOTHING = { ...Object.fromEntries(LISTS.map((list) => [list, 0])), pipelines: 1 };

/** A workspace's pipelines, custom fields and tags, without what tells one copy from another. */
async function configurationOf(client: Client) {
  const own = ["id", "created_at", "updated_at", "created_by", "updated_by", "version", "owner_id", "count"];
  const without = (record: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(record)
        .filter(([name]) => !own.includes(name))
        .map(([name, value]) => [name, name === "stages" ? (value as Record<string, unknown>[]).map(without) : value]),
    );
  const of = async (path: string) => (await client.get(path)).data.map(without);
  return {
    pipelines: await of("/pipelines?sort=name"),
    custom_fields: await of("/custom_fields?sort=key"),
    tags: await of("/tags?sort=name"),
  };
}

let mine: Team;
beforeAll(async () => {
  mine = await team();
});

describe("a sandbox", () => {
  test("is made, told where it is, listed and read", async () => {
    const name = freshName();
    const { status, data, headers } = await mine.admin.post("/sandboxes", { name, start_from: "empty" });
    expect({ status, data }).toEqual({
      status: 201,
      data: {
        id: expect.any(String),
        name,
        start_from: "empty",
        state: "ready",
        created_at: expect.any(String),
        reset_at: null,
        expires_at: expect.any(String),
      },
    });
    expect(headers.get("location")).toBe(`${stack().apiUrl}/v1/sandboxes/${data.id}`);
    expect((Date.parse(data.expires_at) - Date.parse(data.created_at)) / 86_400_000).toBeCloseTo(90, 2);
    expect((await mine.member.get(`/sandboxes/${data.id}`)).data).toEqual(data);
    expect((await mine.member.get("/sandboxes?state=ready&sort=-created_at&limit=1")).data).toEqual([data]);
    expect((await mine.member.get("/sandboxes?state=deleting")).data).toEqual([]);
    expect((await mine.owner.get("/audit_log?action=sandbox.created&limit=1")).data[0]).toMatchObject({
      targets: [{ type: "sandbox", id: data.id, name }],
      changes: { start_from: { from: null, to: "empty" } },
    });
  });

  test.each([
    [{ start_from: "empty" }, "name"],
    [{ name: "x" }, "start_from"],
    [{ name: "", start_from: "empty" }, "name"],
    [{ name: "x".repeat(101), start_from: "empty" }, "name"],
    [{ name: "x", start_from: "production" }, "start_from"],
    [{ name: "x", start_from: "empty", state: "ready" }, "state"],
  ])("is not made of %j", async (body, field) => {
    const { status, error } = await mine.owner.post("/sandboxes", body);
    expect(status).toBe(400);
    expect(error.details).toHaveProperty(field);
  });

  test("has a name of its own, and only ten have room, also when many are made at once", async () => {
    const many = await team();
    const make = (name: string) => many.owner.post("/sandboxes", { name, start_from: "empty" });
    const first = await make("One");
    expect((await make("One")).error).toMatchObject({
      code: "duplicate_name",
      details: { existing_id: first.data.id },
    });
    const same = await Promise.all([make("Two"), make("Two"), make("Two")]);
    expect(same.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
    const others = [];
    for (let nth = 0; nth < 7; nth++) others.push((await make(freshName())).status);
    expect(others).toEqual(Array(7).fill(201));
    const last = await Promise.all([make(freshName()), make(freshName()), make(freshName())]);
    expect(last.map(({ status, error }) => error?.code ?? status).sort()).toEqual([
      201,
      "sandbox_limit_reached",
      "sandbox_limit_reached",
    ]);
    expect((await many.owner.get("/sandboxes")).meta.total).toBe(10);
    expect((await many.owner.delete(`/sandboxes/${first.data.id}`)).status).toBe(200);
    expect((await make("One")).status).toBe(201);
  });

  test("is the same at a repetition with an Idempotency-Key, and none at a dry run", async () => {
    const body = { name: freshName(), start_from: "sample" };
    const dry = await mine.owner.post("/sandboxes?dry_run=true", body);
    expect(dry).toMatchObject({ status: 201, data: { name: body.name, state: "ready" }, meta: { dry_run: true } });
    expect(dry.headers.get("location")).toBeNull();
    const send = () => mine.owner.post("/sandboxes", body, { "Idempotency-Key": body.name });
    const [first, second] = [await send(), await send()];
    expect(second.data).toEqual(first.data);
    expect(second.headers.get("idempotent-replayed")).toBe("true");
  });

  test("has the people of its workspace, in the same roles, as they come, change and go", async () => {
    const own = await team();
    const id = await make(own);
    const roleOf = async (client: Client) => {
      const { status, data } = await client.get("/me", inside(id));
      return status === 200 ? data.role : status;
    };
    expect(await Promise.all([own.owner, own.admin, own.member].map(roleOf))).toEqual(["owner", "admin", "member"]);
    const late = await join(own.live.workspaceId, "member");
    expect(await roleOf(late.client)).toBe("member");
    expect((await late.client.post("/contacts", { email: freshEmail() }, inside(id))).status).toBe(201);
    await own.owner.patch(`/members/${late.memberId}`, { role: "admin" });
    // What a user may do is known for some seconds.
    await expect.poll(() => roleOf(late.client), { timeout: 12_000 }).toBe("admin");
    expect((await late.client.post("/api_keys", { name: "x", scope: "read_only" }, inside(id))).status).toBe(201);
    await own.owner.delete(`/members/${late.memberId}`);
    expect((await late.client.get("/contacts", inside(id))).error.code).toBe("workspace_not_found");
    expect(await roleOf((await join((await createWorkspace()).workspaceId, "owner")).client)).toBe(404);
  });

  test("has no sandboxes and no people to manage inside, and is not seen from there", async () => {
    const id = await make(mine);
    const at = inside(id);
    expect((await mine.owner.get("/sandboxes", at)).data).toEqual([]);
    expect((await mine.owner.get(`/sandboxes/${id}`, at)).status).toBe(404);
    const body = { name: freshName(), start_from: "empty" };
    for (const answer of [
      await mine.owner.post("/sandboxes", body, at),
      await mine.owner.post(`/sandboxes/${id}/reset`, {}, at),
      await mine.owner.delete(`/sandboxes/${id}`, at),
    ])
      expect(answer.error.code).toBe("live_workspace_required");
  });

  test("has nothing of its workspace, nor that of it, by key or by X-Workspace-Id", async () => {
    const own = await team();
    const [id, other] = [await make(own, "sample"), await make(own, "sample")];
    const key = await keyOf(own, id);
    const kinds = [...LISTS, "users", "members", "api_keys"];
    const sees = async (client: Client, headers: Record<string, string>, path: string) =>
      (await client.get(path, headers)).status;
    for (const kind of kinds) {
      const isForPeople = kind === "members" || kind === "api_keys";
      const idIn = async (headers: Record<string, string>) => (await own.owner.get(`/${kind}`, headers)).data[0]?.id;
      const places = [
        { headers: inside(own.live.workspaceId), client: isForPeople ? own.owner : own.live.client },
        { headers: inside(id), client: isForPeople ? own.owner : key },
        { headers: inside(other), client: own.owner },
      ];
      for (const [n, from] of places.entries()) {
        const known = await idIn(from.headers);
        if (known === undefined) continue; // Of live there is less.
        for (const [m, { client, headers }] of places.entries()) {
          const expected = n === m ? 200 : 404;
          const path = `/${kind}/${known}`;
          expect(await sees(own.owner, headers, path), `${kind} of ${n} to a person in ${m}`).toBe(expected);
          expect(await sees(client, client === own.owner ? headers : {}, path), `${kind} of ${n} to ${m}`).toBe(
            expected,
          );
        }
      }
    }
  });
});

describe("starts from", () => {
  test("nothing: an empty one has what each new workspace has", async () => {
    const id = await make(mine);
    expect(await totalsOf(await keyOf(mine, id))).toEqual(NOTHING);
  });

  test("the configuration of its workspace, as that is at the time of each reset", async () => {
    const own = await team();
    const { client } = own.live;
    const made = async (path: string, body: unknown) => {
      const answer = await client.post(path, body);
      expect(answer.status, JSON.stringify(answer.body)).toBe(201);
      return answer.data;
    };
    await made("/custom_fields", {
      resource: "deals",
      key: "region",
      label: "Region",
      type: "select",
      options: ["N", "S"],
    });
    await made("/custom_fields", { resource: "contacts", key: "shoe", label: "Shoe", type: "number", required: false });
    const renewals = await made("/pipelines", {
      name: "Renewals",
      is_default: true,
      currency: "EUR",
      rules: { require_lost_reason: true },
      tags: ["vip"],
      external_id: "renewals",
      stages: [
        { name: "Start", probability: 10, rotting_days: 7 },
        { name: "Middle", required_fields: ["amount", "custom_fields.region"] },
        { name: "In", type: "won" },
        { name: "Out", type: "lost" },
      ],
    });
    await made("/contacts", { email: freshEmail(), tags: ["newsletter"] });
    const id = await make(own, "configuration");
    const key = await keyOf(own, id);
    const expected = await configurationOf(client);
    expect(expected.pipelines).toHaveLength(2);
    expect(await configurationOf(key)).toEqual(expected);
    expect((await totalsOf(key))["contacts"]).toBe(0);
    expect((await key.get("/pipelines?is_default=true")).data[0].name).toBe("Renewals");

    await client.patch(`/pipelines/${renewals.id}`, { name: "Renewals 2" });
    await key.post("/pipelines", { name: "Gone" });
    expect((await own.owner.post(`/sandboxes/${id}/reset`)).status).toBe(200);
    expect(await configurationOf(key)).toEqual(await configurationOf(client));
  });

  test("a sample: always the same, found by search, totals and filters, with recent dates", async () => {
    const own = await team();
    const keys = [await keyOf(own, await make(own, "sample")), await keyOf(own, await make(own, "sample"))] as const;
    const [first, second] = await Promise.all(keys.map(totalsOf));
    expect(first).toEqual(second);
    expect(first).toMatchObject({ companies: 24, contacts: 48, deals: 30, tasks: 24, activities: 72, pipelines: 1 });
    const [key, other] = keys;
    const fields = "first_name,last_name,email,phone,job_title,tags,custom_fields,score";
    const contactsOf = async (client: Client) =>
      (await client.get(`/contacts?sort=email&limit=100&fields=${fields}`)).data.map(
        ({ id: _, ...rest }: Record<string, unknown>) => rest,
      );
    const contacts = await contactsOf(key);
    expect(await contactsOf(other)).toEqual(contacts);
    const [one] = contacts;
    expect((await key.get(`/search?q=${one.first_name}+${one.last_name}`)).data[0].data.email).toBe(one.email);
    for (const status of ["open", "won", "lost"])
      expect((await key.get(`/deals?status=${status}`)).meta.total).toBeGreaterThan(2);
    const stages = new Set((await key.get("/deals?limit=100")).data.map((deal: { stage_id: string }) => deal.stage_id));
    expect(stages.size).toBe(5);
    const since = new Date(Date.now() - 60 * 86_400_000).toISOString();
    expect((await key.get(`/activities?occurred_at[gte]=${since}`)).meta.total).toBe(72);
    expect((await key.get(`/tasks?status=open&due_at[gte]=${new Date().toISOString()}`)).meta.total).toBeGreaterThan(3);
    expect((await key.get("/contacts?custom_fields.preferred_channel=Email")).meta.total).toBe(16);
    const deal = (await key.get("/deals?status=won&include=company,owner&limit=1")).data[0];
    expect(deal).toMatchObject({ company: { name: expect.any(String) }, created_by: { type: "system" } });
  });
});

describe("a reset", () => {
  test("takes all that came since, and leaves keys, people and what was noted", async () => {
    const own = await team();
    const id = await make(own, "sample");
    const key = await keyOf(own, id);
    const before = await totalsOf(key);
    const idempotent = { "Idempotency-Key": "one" };
    const body = { email: freshEmail(), tags: ["fresh"] };
    const { data: contact } = await key.post("/contacts", body, idempotent);
    await key.patch(`/contacts/${contact.id}`, { first_name: "Changed" });
    const pipeline = (await key.get("/pipelines")).data[0];
    await key.post("/custom_fields", { resource: "contacts", key: "fresh", label: "Fresh", type: "text" });
    await key.post("/pipelines", { name: "Fresh", is_default: true });
    const started = await key.post("/imports", { resource: "contacts", format: "csv" });
    await key.post(`/imports/${started.data.id}/parts`, { part: 0, content: "email" });
    await database()`
      insert into crm.jobs (workspace_id, kind, scope, arguments, state, finished_at)
      values (${id}, 'merge', 'contacts', '{}', 'succeeded', now())`;
    expect(await totalsOf(key)).not.toEqual(before);

    const dry = await own.owner.post(`/sandboxes/${id}/reset?dry_run=true`);
    expect(dry).toMatchObject({ status: 200, data: { id, state: "ready" }, meta: { dry_run: true } });
    expect((await key.get(`/contacts/${contact.id}`)).status).toBe(200);

    const { status, data } = await own.admin.post(`/sandboxes/${id}/reset`);
    expect({ status, data }).toMatchObject({ status: 200, data: { id, state: "ready", reset_at: expect.any(String) } });
    expect((Date.parse(data.expires_at) - Date.parse(data.reset_at)) / 86_400_000).toBeCloseTo(90, 2);
    expect(await totalsOf(key)).toEqual(before);
    for (const path of [`/contacts/${contact.id}`, `/pipelines/${pipeline.id}`, `/imports/${started.data.id}`])
      expect((await key.get(path)).status, path).toBe(404);
    expect((await key.get("/jobs")).data).toEqual([]);
    expect((await key.get("/imports")).data).toEqual([]);
    expect((await key.post("/contacts", body, idempotent)).headers.get("idempotent-replayed")).toBeNull();
    expect((await own.member.get("/members", inside(id))).meta.total).toBe(3);
    expect((await own.owner.get("/audit_log?action=api_key.created", inside(id))).data).toHaveLength(1);
    expect((await own.owner.get("/audit_log?action=sandbox.reset")).data).toMatchObject([{ targets: [{ id }] }]);
  });

  test("of many records goes on in a job, which people of the workspace see, and the sandbox is used meanwhile", async () => {
    const own = await team();
    const id = await make(own);
    const key = await keyOf(own, id);
    await fillUp(id);
    const held = await withJobsHeld(own.live.workspaceId);
    const { status, data, headers } = await own.owner.post(`/sandboxes/${id}/reset`);
    expect({ status, kind: data.kind }).toEqual({ status: 202, kind: "reset_sandbox" });
    expect(headers.get("location")).toMatch(new RegExp(`/v1/jobs/${data.id}$`));
    expect((await own.owner.get(`/sandboxes/${id}`)).data.state).toBe("resetting");
    for (const again of [await own.owner.post(`/sandboxes/${id}/reset`), await own.owner.delete(`/sandboxes/${id}`)])
      expect(again.error).toMatchObject({ code: "sandbox_not_ready", details: { state: "resetting" } });
    expect((await own.live.client.get(`/jobs/${data.id}`)).status).toBe(404);
    expect((await own.owner.get("/jobs", inside(id))).data).toEqual([]);
    expect((await own.member.post(`/jobs/${data.id}/cancel`)).error.code).toBe("insufficient_role");
    expect((await key.post("/deals", { name: "Meanwhile" })).status).toBe(201);
    await held.release();
    expect(await endOfJob(own.member, data.id)).toMatchObject({ state: "succeeded", error: null });
    expect((await own.owner.get(`/sandboxes/${id}`)).data).toMatchObject({
      state: "ready",
      reset_at: expect.any(String),
    });
    expect(await totalsOf(key)).toEqual(NOTHING);
  });

  test("that was cancelled leaves the sandbox as it is, to be reset again or deleted", async () => {
    const own = await team();
    const id = await make(own);
    await fillUp(id);
    const held = await withJobsHeld(own.live.workspaceId);
    const { data } = await own.owner.post(`/sandboxes/${id}/reset`);
    expect((await own.admin.post(`/jobs/${data.id}/cancel`)).data.state).toBe("cancelled");
    expect((await own.owner.get(`/sandboxes/${id}`)).data.state).toBe("resetting");
    const again = await own.owner.post(`/sandboxes/${id}/reset`);
    expect(again.status).toBe(202);
    await held.release();
    await endOfJob(own.owner, again.data.id);
    expect((await own.owner.get(`/sandboxes/${id}`)).data.state).toBe("ready");
  });

  test("beside those who write: each answer is one that tells what to do, and what is there in the end is whole", async () => {
    const own = await team();
    const id = await make(own, "sample");
    const key = await keyOf(own, id);
    const expected = await totalsOf(key);
    let isOver = false;
    const statuses = new Set<number>();
    const write = async (nth: number) => {
      while (!isOver) {
        const { data: company, status } = await key.post("/companies", { name: `Company ${nth}` });
        statuses.add(status);
        if (status !== 201) continue;
        for (const answer of [
          await key.post("/contacts", { email: freshEmail(), company_id: company.id, tags: [`tag ${nth}`] }),
          await key.post("/deals", { name: "Deal", company_id: company.id }),
          await key.post("/contacts/bulk", { records: [{ email: freshEmail(), company_id: company.id }] }),
        ])
          statuses.add(answer.status);
      }
    };
    const deadlocks = await deadlocksDuring(async () => {
      const writers = [1, 2, 3].map(write);
      for (let round = 0; round < 4; round++) {
        const { status, body } = await own.owner.post(`/sandboxes/${id}/reset`);
        expect([200, 202], JSON.stringify(body)).toContain(status);
        if (status === 202) await endOfJob(own.owner, body.data.id);
      }
      isOver = true;
      await Promise.all(writers);
    });
    expect(deadlocks).toBe(0);
    expect([...statuses].filter((status) => ![200, 201, 207, 404, 422, 429].includes(status))).toEqual([]);
    expect((await own.owner.post(`/sandboxes/${id}/reset`)).status).toBe(200);
    expect(await totalsOf(key)).toEqual(expected);
    const [{ count } = {}] = await database()`
      select coalesce(sum(records), 0)::integer as count from crm.contacts_by_owner_id where workspace_id = ${id}`;
    expect(count).toBe(expected["contacts"]);
  }, 120_000);
});

describe("a deletion", () => {
  test("by the purge, beside a reset and a deletion that somebody asks for, is no circle of waiting", async () => {
    const own = await team();
    const deadlocks = await deadlocksDuring(async () => {
      for (let round = 0; round < 4; round++) {
        const id = await make(own);
        await database()`update crm.workspaces set expires_at = now() - interval '1 second' where id = ${id}`;
        const [reset, deleted] = await Promise.all([
          own.owner.post(`/sandboxes/${id}/reset`),
          own.admin.delete(`/sandboxes/${id}`),
          database()`call crm.purge_all()`,
        ]);
        for (const { status } of [reset, deleted]) expect([200, 404, 409]).toContain(status);
        if (reset.status === 200 && deleted.status !== 200) await own.owner.delete(`/sandboxes/${id}`);
        expect(await tablesWith(id)).toEqual([]);
      }
    });
    expect(deadlocks).toBe(0);
  });

  test("beside a reset, or another deletion, happens once and nobody waits for ever", async () => {
    const own = await team();
    const answers: string[] = [];
    const deadlocks = await deadlocksDuring(async () => {
      for (let round = 0; round < 4; round++) {
        const id = await make(own, "sample");
        const [reset, first, second] = await Promise.all([
          own.owner.post(`/sandboxes/${id}/reset`),
          own.owner.delete(`/sandboxes/${id}`),
          own.admin.delete(`/sandboxes/${id}`),
        ]);
        expect([200, 404]).toContain(reset.status);
        answers.push(...[first.status, second.status].map(String));
        expect(await tablesWith(id)).toEqual([]);
      }
    });
    expect(answers.sort()).toEqual([...Array(4).fill("200"), ...Array(4).fill("404")]);
    expect(deadlocks).toBe(0);
  });

  const isShut = async ({ owner }: Team, id: string, key: Client) => {
    expect((await key.get("/contacts")).error.code).toBe("invalid_api_key");
    expect((await owner.get("/contacts", inside(id))).error.code).toBe("workspace_not_found");
  };

  test("leaves nothing of the sandbox but what was noted", async () => {
    const own = await team();
    const id = await make(own, "sample");
    const key = await keyOf(own, id);
    const rolled = (await own.owner.get("/api_keys", inside(id))).data[0];
    await own.owner.post(`/api_keys/${rolled.id}/roll`, { grace_period_seconds: 600 }, inside(id));
    const started = await key.post("/imports", { resource: "contacts", format: "csv" });
    await key.post(`/imports/${started.data.id}/parts`, { part: 0, content: "email" });
    await key.patch(`/contacts/${(await key.get("/contacts")).data[0].id}`, { first_name: "Changed" });

    const dry = await own.owner.delete(`/sandboxes/${id}?dry_run=true`);
    expect(dry).toMatchObject({ status: 200, data: { id }, meta: { dry_run: true } });
    expect((await key.get("/contacts")).status).toBe(200);

    expect(await own.admin.delete(`/sandboxes/${id}`)).toMatchObject({ status: 200, data: { id } });
    await isShut(own, id, key);
    expect((await own.owner.get(`/sandboxes/${id}`)).status).toBe(404);
    expect((await own.owner.delete(`/sandboxes/${id}`)).status).toBe(404);
    expect(await tablesWith(id)).toEqual(["audit_log"]);
    expect((await own.owner.get("/audit_log?action=sandbox.deleted")).data).toMatchObject([{ targets: [{ id }] }]);
  });

  test("of many records lets nobody in from its answer on, and goes on in a job; a second one is refused", async () => {
    const own = await team();
    const id = await make(own);
    const key = await keyOf(own, id);
    await fillUp(id);
    const held = await withJobsHeld(own.live.workspaceId);
    const answers = await Promise.all([own.owner.delete(`/sandboxes/${id}`), own.admin.delete(`/sandboxes/${id}`)]);
    const [refused, accepted] = answers.sort((a, b) => b.status - a.status);
    expect(accepted).toMatchObject({ status: 202, data: { kind: "delete_sandbox" } });
    expect(refused?.error).toMatchObject({ code: "sandbox_not_ready", details: { state: "deleting" } });
    await isShut(own, id, key);
    expect((await own.owner.get(`/sandboxes/${id}`)).data.state).toBe("deleting");
    // Who joins now is not let in either.
    const late = await join(own.live.workspaceId, "owner");
    expect((await late.client.get("/contacts", inside(id))).error.code).toBe("workspace_not_found");
    await held.release();
    expect(await endOfJob(own.owner, accepted?.data.id)).toMatchObject({ state: "succeeded" });
    expect((await own.owner.get(`/sandboxes/${id}`)).status).toBe(404);
    expect(await tablesWith(id)).toEqual(["audit_log"]);
  });

  test("that was cancelled is asked for again, and nothing else of the sandbox is", async () => {
    const own = await team();
    const id = await make(own);
    await fillUp(id);
    const held = await withJobsHeld(own.live.workspaceId);
    const { data } = await own.owner.delete(`/sandboxes/${id}`);
    await own.owner.post(`/jobs/${data.id}/cancel`);
    await held.release();
    expect((await own.owner.post(`/sandboxes/${id}/reset`)).error).toMatchObject({
      code: "sandbox_not_ready",
      details: { state: "deleting" },
    });
    const again = await own.owner.delete(`/sandboxes/${id}`);
    expect(again.status).toBe(202);
    await endOfJob(own.owner, again.data.id);
    expect(await tablesWith(id)).toEqual([]);
  });

  test("comes by itself when the sandbox has expired, and to no other", async () => {
    const own = await team();
    const [expired, kept] = [await make(own, "sample"), await make(own)];
    await database()`update crm.workspaces set expires_at = now() - interval '1 second' where id = ${expired}`;
    await database()`call crm.purge_all(100)`;
    expect(await tablesWith(expired)).toEqual([]);
    expect((await own.owner.get("/sandboxes")).data.map(({ id }: { id: string }) => id)).toEqual([kept]);
    expect((await own.owner.get("/audit_log?action=sandbox.deleted")).data).toMatchObject([
      { actor: { type: "system" }, targets: [{ id: expired }] },
    ]);
  });
});
