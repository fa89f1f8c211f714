import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { eventsAfter } from "../harness/feed.ts";
import { mailsTo, mailTo } from "../harness/mailbox.ts";
import { createTeam, type Team } from "../harness/people.ts";
import { openReceiver } from "../harness/receiver.ts";
import type { Made } from "../harness/sales_team.ts";
import { database } from "../harness/stack.ts";
import { createKey, freshEmail } from "../harness/workspace.ts";

const SYSTEM = { type: "system", id: null };
const DAY_MS = 86_400_000;
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS);

let team: Team;
/** Where the owner gets mails, which nobody else does. */
let ownersAddress: string;
beforeEach(async () => {
  team = await createTeam();
  ownersAddress = freshEmail();
  await database()`update crm.members set email = ${ownersAddress} where id = ${team.owner.memberId}`;
});

/** The events of a name, oldest first. */
const told = (type: string, client = team.owner.client) => eventsAfter(client, 0, `&types=${type}`) as Promise<Made[]>;
/** Whom mails of a template are for, sent or not. */
const addressed = async (template: string, workspaceId = team.workspaceId): Promise<string[]> =>
  (
    await database()`select recipient from crm.mails where workspace_id = ${workspaceId} and template = ${template} order by recipient`
  ).map(({ recipient }) => recipient);
/** Has an address been written to so often today that no notice goes there. */
const exhaust = (recipient: string) => database()`
  insert into crm.mails (workspace_id, template, recipient, details, state)
  select ${team.workspaceId}, 'invitation', ${recipient}, '{}', 'sent' from generate_series(1, 10)`;

describe("a key that comes within seven days of its end", () => {
  const sweep = () => database()`call crm.purge_all()`;
  const make = async (fields: Made = {}): Promise<Made> => {
    const { status, body, data } = await team.owner.client.post("/api_keys", {
      name: "Shop",
      scope: "read_only",
      ...fields,
    });
    expect(status, JSON.stringify(body)).toBe(201);
    return data;
  };
  const endAt = (id: string, at: Date) => database()`update crm.api_keys set expires_at = ${at} where id = ${id}`;

  test("is told once, by an event and by mail to owners", async () => {
    const key = await make({ expires_at: inDays(30).toISOString() });
    await sweep();
    expect(await told("api_key.expiring")).toEqual([]);
    const end = inDays(6.9);
    await endAt(key["id"], end);
    await Promise.all([sweep(), sweep()]);
    await sweep();
    const events = await told("api_key.expiring");
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ resource: "api_keys", record_id: key["id"], actor: SYSTEM, request_id: null });
    expect(events[0]?.["data"]).toEqual((await team.owner.client.get(`/api_keys/${key["id"]}`)).data);
    expect(events[0]?.["data"].state).toBe("expiring");
    const mail = await mailTo(ownersAddress);
    expect(mail.subject).toContain('The API key "Shop" of Test expires on');
    expect(mail.text).toContain(`which ends in ${key["last_four"]}, expires on`);
    expect(JSON.stringify([mail, events])).not.toContain(key["key"]);
    expect(await addressed("expiring_key")).toEqual([ownersAddress]);
    const log = (await team.owner.client.get("/audit_log")).data;
    expect(log.map(({ action }: Made) => action)).not.toContain("api_key.expiring"); // It is no act of anybody.
  });

  test("is told again when it is to end at another time", async () => {
    const key = await make({ expires_at: inDays(30).toISOString() });
    await endAt(key["id"], inDays(6));
    await sweep();
    await endAt(key["id"], inDays(5));
    await sweep();
    const ends = (await told("api_key.expiring")).map(({ data }) => data.expires_at);
    expect(new Set(ends).size).toBe(2);
    expect(await addressed("expiring_key")).toEqual([ownersAddress, ownersAddress]);
  });

  test("is told at once, and to nobody by mail, when somebody has just made, changed or rolled it so", async () => {
    const { client } = team.owner;
    const made = await make({ expires_at: inDays(2).toISOString() });
    const changed = await make();
    await client.patch(`/api_keys/${changed["id"]}`, { expires_at: inDays(3).toISOString() });
    await client.patch(`/api_keys/${changed["id"]}`, { name: "Renamed" });
    const rolled = await make();
    await client.post(`/api_keys/${rolled["id"]}/roll?dry_run=true`, { grace_period_seconds: 3600 });
    const roll = await client.post(`/api_keys/${rolled["id"]}/roll`, { grace_period_seconds: 3600 });
    const events = await told("api_key.*");
    expect(events.map(({ type, record_id: id }) => [type, id])).toEqual([
      ["api_key.created", made["id"]],
      ["api_key.expiring", made["id"]],
      ["api_key.created", changed["id"]],
      ["api_key.updated", changed["id"]],
      ["api_key.expiring", changed["id"]],
      ["api_key.updated", changed["id"]],
      ["api_key.created", rolled["id"]],
      ["api_key.rolled", rolled["id"]],
      ["api_key.expiring", rolled["id"]],
    ]);
    expect(events.at(-1)).toMatchObject({
      actor: SYSTEM,
      request_id: roll.meta.request_id,
      data: { rolled_to: roll.data.id },
    });
    await sweep();
    expect(await told("api_key.*")).toHaveLength(events.length);
    expect(await addressed("expiring_key")).toEqual([]);
  });

  test("is not told of when it is revoked, has expired, or was rolled without grace", async () => {
    const [revoked, expired, rolled] = [await make(), await make(), await make()];
    await endAt(revoked["id"], inDays(3));
    await team.owner.client.delete(`/api_keys/${revoked["id"]}`);
    await endAt(expired["id"], inDays(-1));
    await team.owner.client.post(`/api_keys/${rolled["id"]}/roll`, { grace_period_seconds: 0 });
    await sweep();
    expect(await told("api_key.expiring")).toEqual([]);
    expect(await addressed("expiring_key")).toEqual([]);
  });

  test("of a sandbox is told in its feed, and to its owners", async () => {
    const { data: sandbox } = await team.owner.client.post("/sandboxes", { name: "Trial", start_from: "empty" });
    const { id, client } = await createKey({ workspaceId: sandbox.id, expiresAt: inDays(1) });
    await sweep();
    expect((await told("api_key.expiring", client)).map(({ record_id: told }) => told)).toEqual([id]);
    expect(await told("api_key.expiring")).toEqual([]);
    expect(await addressed("expiring_key", sandbox.id)).toEqual([ownersAddress]);
    expect((await mailTo(ownersAddress)).subject).toContain("of Trial");
  });

  test("is told by its event where its owner has had ten mails that day", async () => {
    await exhaust(ownersAddress);
    const key = await make();
    await endAt(key["id"], inDays(1));
    await sweep();
    expect(await told("api_key.expiring")).toHaveLength(1);
    expect(await addressed("expiring_key")).toEqual([]);
  });

  test("of many in one sweep leaves none out", async () => {
    const sql = database();
    await sql`
      insert into crm.api_keys (workspace_id, name, prefix, last_four, key_hash, scope, expires_at)
      select ${team.workspaceId}, 'many', 'anx_live', 'abcd', sha256(gen_random_uuid()::text::bytea), 'read_only', now() + interval '1 day'
      from generate_series(1, 40)`;
    const turns = [sql`select crm.watch_api_keys(7) as told`, sql`select crm.watch_api_keys(7) as told`];
    for (const [turn] of await Promise.all(turns)) expect(turn?.["told"]).toBeLessThanOrEqual(7);
    await sweep();
    const ids = (await told("api_key.expiring")).map(({ record_id: id }) => id);
    expect([ids.length, new Set(ids).size]).toEqual([40, 40]);
    expect(await addressed("expiring_key")).toHaveLength(10);
  });
});

describe("an endpoint", () => {
  const make = async (client = team.owner.client, url = "http://127.0.0.1:45671/crm?token=s3cret"): Promise<Made> => {
    const { status, body, data } = await client.post("/webhooks", { url, events: ["contact.created"] });
    expect(status, JSON.stringify(body)).toBe(201);
    return data;
  };
  /** Moves the clock: it has been failing for so many hours. */
  const failFor = async (id: string, hours: number) => {
    await database()`update crm.webhooks set failing_since = now() - ${hours} * interval '1 hour' where id = ${id}`;
    await database()`select crm.watch_webhooks()`;
  };
  const waits = { timeout: 15_000 };

  test("that fails is told to who made it after an hour, a day before it is paused, and then", async () => {
    const { id } = await make(team.admin.client);
    const failing = () => told("webhook.failing");
    await failFor(id, 0.9);
    await database()`select crm.watch_webhooks()`;
    expect(await failing()).toEqual([]);

    await failFor(id, 1.1);
    await expect.poll(failing, waits).toHaveLength(1); // The stack's dispatchers are who notices.
    expect((await failing())[0]).toMatchObject({
      record_id: id,
      actor: SYSTEM,
      data: { failing_since: expect.any(String) },
    });
    const first = await mailTo(team.admin.email);
    expect(first.subject).toBe("Webhooks to 127.0.0.1:45671 have been failing for an hour");
    expect(first.text).toMatch(new RegExp(`^http\\S+/webhooks/${id}$`, "m"));
    expect(first.text + first.html).not.toContain("s3cret");

    await failFor(id, 95);
    await database()`select crm.watch_webhooks()`;
    expect(await failing()).toHaveLength(1);
    await failFor(id, 97);
    await expect.poll(failing, waits).toHaveLength(2);
    await expect.poll(() => mailsTo(team.admin.email), waits).toHaveLength(2);
    expect((await mailsTo(team.admin.email))[0]?.subject).toMatch(/failing for days and are paused on /);

    await failFor(id, 121);
    await expect.poll(() => told("webhook.paused"), waits).toHaveLength(1);
    expect((await team.owner.client.get(`/webhooks/${id}`)).data).toMatchObject({
      state: "paused",
      paused_reason: "failing",
    });
    await expect.poll(() => mailsTo(team.admin.email), waits).toHaveLength(3);
    expect((await mailsTo(team.admin.email))[0]?.text).toContain("It has failed for five days.");
    expect(await mailsTo(ownersAddress)).toEqual([]);
  }, 90_000);

  test("that a key made is told to owners, with what came of the last attempt", async () => {
    const receiver = await openReceiver();
    receiver.answer(503);
    const { id } = await make(team.key, receiver.url);
    await team.key.post("/contacts", { email: freshEmail() });
    await receiver.until(1);
    await expect.poll(async () => (await team.key.get(`/webhooks/${id}`)).data.failing_since, waits).not.toBeNull();
    await failFor(id, 2);
    expect((await mailTo(ownersAddress)).text).toContain("What came of an attempt: status 503.");
    expect(await addressed("failing_webhook")).toEqual([ownersAddress]);
    await receiver.close();
  }, 60_000);

  test("that says it is gone is paused, and that is told", async () => {
    const receiver = await openReceiver();
    receiver.answer(410);
    await make(team.owner.client, receiver.url);
    await team.key.post("/contacts", { email: freshEmail() });
    const mail = await mailTo(ownersAddress);
    expect(mail.subject).toBe(`Webhooks to ${new URL(receiver.url).host} are paused`);
    expect(mail.text).toContain("410 Gone");
    expect((await told("webhook.paused"))[0]).toMatchObject({ actor: SYSTEM, data: { paused_reason: "gone" } });
    await receiver.close();
  }, 60_000);

  test("whose creator is gone is told to owners, be it a key or a person, and one that somebody pauses to nobody", async () => {
    const ofKey = await createKey({ workspaceId: team.workspaceId });
    await make(ofKey.client);
    await make(team.admin.client);
    const byHand = await make();
    await team.owner.client.post(`/webhooks/${byHand["id"]}/pause`);
    expect((await team.owner.client.delete(`/api_keys/${ofKey.id}`)).status).toBeLessThan(300);
    expect((await team.owner.client.delete(`/members/${team.admin.memberId}`)).status).toBeLessThan(300);
    expect(await told("webhook.paused")).toHaveLength(3);
    expect(await addressed("paused_webhook")).toEqual([ownersAddress, ownersAddress]);
    expect((await mailTo(ownersAddress)).text).toContain("The key that made it was revoked");
  });

  test("is paused all the same where no further mail goes to its owner", async () => {
    await exhaust(ownersAddress);
    const ofKey = await createKey({ workspaceId: team.workspaceId });
    const { id } = await make(ofKey.client);
    expect((await team.owner.client.delete(`/api_keys/${ofKey.id}`)).status).toBeLessThan(300);
    expect((await told("webhook.paused")).map(({ record_id: told }) => told)).toEqual([id]);
    expect(await addressed("paused_webhook")).toEqual([]);
  });

  test("of a sandbox that is deleted goes without a word", async () => {
    const name = `Trial ${randomUUID()}`;
    const { data: sandbox } = await team.owner.client.post("/sandboxes", { name, start_from: "empty" });
    const { client } = await createKey({ workspaceId: sandbox.id });
    await make(client);
    expect((await team.owner.client.delete(`/sandboxes/${sandbox.id}`)).status).toBeLessThan(300);
    const left = await database()`select recipient from crm.mails where details ->> 'workspace_name' = ${name}`;
    expect(left).toEqual([]);
  });
});
