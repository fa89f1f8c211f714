import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHttpProxy } from "../harness/http_proxy.ts";
import { startMailService } from "../harness/mail_service.ts";
import { mailsTo } from "../harness/mailbox.ts";
import { database, stack, startAnotherFunction, useOwnStack } from "../harness/stack.ts";

useOwnStack();

// The stack's own function would send what these tests want another one to.
beforeAll(() => void process.kill(stack().pids["function"] ?? 0, "SIGSTOP"));
afterAll(() => void process.kill(stack().pids["function"] ?? 0, "SIGCONT"));

const details = {
  invitation_id: randomUUID(),
  workspace_name: "Acme",
  inviter_name: "Ann Smith",
  role: "member",
  expires_at: "2026-12-04T01:30:00+00:00",
};

async function queue(): Promise<{ id: string; address: string }> {
  const address = `${randomUUID()}@mail.example`;
  const [row] =
    await database()`select crm.send_mail(null, 'invitation', ${address}, ${JSON.stringify(details)}::text::jsonb) as id`;
  return { id: row?.["id"], address };
}

async function stateOf(id: string) {
  const [row] = await database()`
    select state, attempts, error, lease, extract(epoch from due_at - now())::float as wait from crm.mails where id = ${id}`;
  return row ?? {};
}

const polled = (id: string) => expect.poll(() => stateOf(id), { timeout: 20_000 });

/** Has a function do its work, as the timer does. */
async function drain({ baseUrl }: { baseUrl: string }): Promise<void> {
  const headers = { "x-cron-secret": stack().functionEnv["CRON_SECRET"] ?? "" };
  expect((await fetch(`${baseUrl}/internal/drain`, { method: "POST", headers })).status).toBe(202);
}

/** What a function does once a mail's pause, or the lease of one that is gone, is over. */
async function drainLater(worker: { baseUrl: string }, id: string): Promise<void> {
  await database()`update crm.mails set due_at = now() where id = ${id}`;
  await drain(worker);
}

test("a service that fails, limits us and then says nothing gets the mail in the end, the same one each time", async () => {
  const service = await startMailService();
  const worker = await startAnotherFunction({ MAIL_URL: service.url });
  try {
    service.answers.push({ status: 500 }, { status: 429, headers: { "retry-after": "60" } }, { status: 503 });
    const { id, address } = await queue();
    const waits: unknown[] = [];
    for (let attempts = 1; attempts <= 3; attempts++) {
      await drainLater(worker, id);
      await polled(id).toMatchObject({ state: "queued", attempts, lease: null });
      waits.push(Math.round((await stateOf(id))["wait"] / 10) * 10);
    }
    expect(waits).toEqual([expect.any(Number), 60, 300]);
    await drainLater(worker, id);
    await polled(id).toMatchObject({ state: "sent", attempts: 4 });
    expect(service.taken.map(({ headers }) => headers["idempotency-key"])).toEqual([id, id, id, id]);
    expect(new Set(service.taken.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(service.taken[0]?.body).toMatchObject({ to: address });
  } finally {
    await worker.stop();
    await service.close();
  }
});

test("a mail that the service refuses has failed, and keeps nobody else's waiting", async () => {
  const service = await startMailService();
  const worker = await startAnotherFunction({ MAIL_URL: service.url });
  try {
    service.answers.push({ status: 422 });
    const [refused, other] = [await queue(), await queue()];
    await drain(worker);
    await polled(other.id).toMatchObject({ state: "sent" });
    expect(await stateOf(refused.id)).toMatchObject({ state: "failed", attempts: 1, error: { status: 422 } });
    await drainLater(worker, refused.id);
    expect(service.taken).toHaveLength(2);
  } finally {
    await worker.stop();
    await service.close();
  }
});

test("a function killed between sending a mail and noting it does not send a second one", async () => {
  const { mailboxUrl } = stack();
  let victim: Awaited<ReturnType<typeof startAnotherFunction>> | undefined;
  const proxy = await startHttpProxy(mailboxUrl, {
    async onAnswer() {
      process.kill(victim?.pid ?? 0, "SIGKILL");
      await victim?.ended;
      return false;
    },
  });
  const { id, address } = await queue();
  try {
    victim = await startAnotherFunction({ MAIL_URL: `${proxy.url}/emails` });
    await drain(victim);
    await victim.ended;
    expect(await stateOf(id)).toMatchObject({ state: "queued", attempts: 1 });
    expect(await mailsTo(address)).toHaveLength(1);
  } finally {
    await proxy.close();
  }
  const worker = await startAnotherFunction();
  await drainLater(worker, id);
  await polled(id).toMatchObject({ state: "sent", attempts: 2 });
  expect(await mailsTo(address)).toHaveLength(1);
  await worker.stop();
});

test("without a key of the service mails wait, which is said once, and go out when there is one", async () => {
  const { id } = await queue();
  const keyless = await startAnotherFunction({ MAIL_API_KEY: undefined });
  for (let times = 0; times < 3; times++) await drain(keyless);
  await keyless.stop();
  const said = readFileSync(keyless.logFile, "utf8").match(/"mails_wait"/g);
  expect(said).toHaveLength(1);
  const worker = await startAnotherFunction();
  await drain(worker);
  await polled(id).toMatchObject({ state: "sent", attempts: 1 });
  await worker.stop();
});
