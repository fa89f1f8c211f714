import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { readInvitationToken } from "../../shared/auth/invitation_token.ts";
import { mailsTo, mailTo } from "../harness/mailbox.ts";
import { database, stack } from "../harness/stack.ts";
import { createWorkspace } from "../harness/workspace.ts";

const details = {
  invitation_id: randomUUID(),
  workspace_name: "Acme",
  inviter_name: "Ann Smith",
  role: "member",
  expires_at: "2026-12-04T01:30:00+00:00",
};
const freshAddress = () => `${randomUUID()}@mail.example`;

/** Queues a mail, as SQL does; its id. */
async function queue(recipient: string, workspaceId: string | null = null, sql = database()): Promise<string> {
  const [row] =
    await sql`select crm.send_mail(${workspaceId}, 'invitation', ${recipient}, ${JSON.stringify(details)}::text::jsonb) as id`;
  return row?.["id"];
}

/** Sends a mail to the mailbox, as a program does. */
async function post(body: unknown, headers: Record<string, string> = {}): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${stack().mailboxUrl}/emails`, {
    method: "POST",
    headers: { authorization: `Bearer ${stack().functionEnv["MAIL_API_KEY"]}`, ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

test("a mail that was queued comes, with a link that nothing in the database opens", async () => {
  const address = freshAddress();
  const id = await queue(address);
  const mail = await mailTo(address);
  const token = /inv_\S+/.exec(mail.text)?.[0] ?? "";
  expect(readInvitationToken(stack().functionEnv["MASTER_KEY"] ?? "", token)).toBe(details.invitation_id);
  const row = () => database()`select * from crm.mails where id = ${id}`;
  await expect.poll(async () => (await row())[0]?.["state"], { timeout: 20_000 }).toBe("sent");
  const [kept] = await row();
  expect(kept).toMatchObject({ recipient: address, details, attempts: 1, error: null, lease: null });
  expect(JSON.stringify(kept)).not.toContain(token.slice(-43));
});

test("a mail is sent if and only if what it tells is committed", async () => {
  const [undone, done] = [freshAddress(), freshAddress()];
  const undo = new Error("undo");
  await database()
    .begin(async (transaction) => {
      await queue(undone, null, transaction as unknown as ReturnType<typeof database>);
      throw undo;
    })
    .catch((error: unknown) => {
      if (error !== undo) throw error;
    });
  await queue(done);
  await mailTo(done);
  expect(await mailsTo(undone)).toEqual([]);
});

test("a workspace sends 200 mails in 24 hours, and others are none the wiser", async () => {
  const [{ workspaceId }, other] = [await createWorkspace(), await createWorkspace()];
  const sent = (count: number, age: string) => database()`
    insert into crm.mails (workspace_id, template, recipient, details, state, created_at)
    select ${workspaceId}, 'invitation', 'a@mail.example', '{}', 'sent', now() - ${age}::interval from generate_series(1, ${count}::integer)`;
  await sent(50, "24 hours 1 minute");
  await sent(199, "23 hours");
  await queue(freshAddress(), workspaceId);
  const refused = await queue(freshAddress(), workspaceId).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "AN001", message: "too_many_mails" });
  const { max_per_day, retry_after } = JSON.parse((refused as { detail: string }).detail);
  expect([max_per_day, Math.round(retry_after / 60)]).toEqual([200, 60]);
  await queue(freshAddress(), other.workspaceId);
});

test("of two mails that wait, workers take one each, and only who has it may end it", async () => {
  const ask = async (name: string, argument: Record<string, unknown>) =>
    (await database()`select ${database()(`api.${name}`)}(${JSON.stringify(argument)}::text::json) as answer`)[0]?.[
      "answer"
    ];
  // A kind that only this test knows, or the stack's own worker would have them.
  const template = `test_${randomUUID()}`;
  for (let n = 0; n < 2; n++) await database()`select crm.send_mail(null, ${template}, ${freshAddress()}, '{}'::jsonb)`;
  const [mine, theirs] = [randomUUID(), randomUUID()];
  const claims = await Promise.all([mine, theirs].map((lease) => ask("claim_mail", { lease, templates: [template] })));
  const ids = claims.map(({ id }) => id);
  expect(new Set(ids).size).toBe(2);
  expect(await ask("claim_mail", { lease: randomUUID(), templates: [template] })).toBeNull();

  await ask("finish_mail", { id: ids[0], lease: theirs });
  await ask("fail_mail", { id: ids[0], lease: theirs, error: {} });
  await ask("release_mail", { id: ids[1], lease: theirs, wait: 0 });
  const states = async () =>
    Object.fromEntries(
      (await database()`select id, state from crm.mails where template = ${template}`).map((row) => [
        row["id"],
        row["state"],
      ]),
    );
  expect(await states()).toEqual({ [ids[0]]: "queued", [ids[1]]: "queued" });
  const again = await ask("claim_mail", { lease: mine, templates: [template] });
  expect(again).toMatchObject({ id: ids[1], attempts: 2 });
  await ask("finish_mail", { id: ids[0], lease: mine });
  await ask("fail_mail", { id: ids[1], lease: mine, error: { status: 422 } });
  expect(await states()).toEqual({ [ids[0]]: "sent", [ids[1]]: "failed" });
  expect(await ask("claim_mail", { lease: mine, templates: [template] })).toBeNull();
});

test("mails are deleted after 30 days, whatever became of them", async () => {
  const { workspaceId } = await createWorkspace();
  for (const days of [29, 31])
    for (const state of ["sent", "failed"])
      await database()`
        insert into crm.mails (workspace_id, template, recipient, details, state, created_at)
        values (${workspaceId}, 'invitation', 'a@mail.example', jsonb_build_object('days', ${days}::integer), ${state}, now() - ${`${days} days`}::interval)`;
  await database()`call crm.purge_all()`;
  const left = await database()`select details ->> 'days' as days from crm.mails where workspace_id = ${workspaceId}`;
  expect(left).toEqual([{ days: "29" }, { days: "29" }]);
});

test("the mailbox takes one mail for one Idempotency-Key", async () => {
  const to = freshAddress();
  const mail = { from: "us@crm.example", to, subject: "Once", text: "Hello" };
  const key = { "idempotency-key": randomUUID() };
  const first = await post(mail, key);
  expect(first.status).toBe(200);
  expect(await post(mail, key)).toEqual(first);
  expect(await post({ ...mail, text: "Bye" }, key)).toMatchObject({
    status: 409,
    body: { name: "invalid_idempotent_request" },
  });
  expect((await post(mail)).status).toBe(200);
  expect(await mailsTo(to)).toHaveLength(2);
});

test.each([
  ["without from", { to: "a@mail.example", subject: "s", text: "t" }, {}, 422, "missing_required_field"],
  ["without to", { from: "a@mail.example", subject: "s", text: "t" }, {}, 422, "missing_required_field"],
  ["without a text", { from: "a@mail.example", to: "b@mail.example", subject: "s" }, {}, 422, "missing_required_field"],
  ["with a number for a subject", { from: "a", to: "b", subject: 1, text: "t" }, {}, 422, "validation_error"],
  ["without a body", undefined, {}, 422, "missing_required_field"],
  ["with another key", {}, { authorization: "Bearer another" }, 401, "validation_error"],
])("the mailbox refuses a mail %s as Resend does", async (_what, mail, headers, statusCode, name) => {
  const { status, body } = await post(mail, headers);
  expect({ status, body }).toMatchObject({
    status: statusCode,
    body: { statusCode, name, message: expect.any(String) },
  });
});

test("a person reads the mailbox as a page, on which nothing that a mail holds runs or loads", async () => {
  const { mailboxUrl } = stack();
  const to = freshAddress();
  const link = "https://app.example/accept?token=abc";
  const script = "<script>alert(1)</script>";
  const { body } = await post({
    from: "us@crm.example",
    to: [to],
    subject: script,
    text: `Here:\n${link}\n${script}`,
    html: script,
  });
  const { id } = body as { id: string };
  const asPage = { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } };
  const page = await fetch(mailboxUrl, asPage);
  const text = await page.text();
  expect(page.headers.get("content-type")).toMatch(/^text\/html/);
  expect(page.headers.get("content-security-policy")).toMatch(/^default-src 'none'; style-src/);
  expect(text).toContain(to);
  expect(text).toContain(`<a href="${link}"`);
  expect(text).toContain(`/mail/${id}`);
  expect(text).not.toContain("<script");

  const version = await fetch(`${mailboxUrl}/${id}`, asPage);
  expect(await version.text()).toBe(script);
  expect(version.headers.get("content-security-policy")).toMatch(/default-src 'none'.*; sandbox(?!.*allow-scripts)/);
  const asJson = await fetch(`${mailboxUrl}/${id}`, { headers: { accept: "application/json" } });
  expect(await asJson.json()).toMatchObject({ id, to: [to], subject: script, html: script });
  expect((await mailsTo(to)).map((mail) => mail.id)).toEqual([id]);
  expect((await fetch(`${mailboxUrl}/unknown`)).status).toBe(404);
});
