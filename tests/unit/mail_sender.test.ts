import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Claims, Database } from "../../shared/db/database.ts";
import { TEMPLATES } from "../../shared/mail/letters.ts";
import { claimMail } from "../../shared/mail/send.ts";
import { deliver } from "../../shared/mail/service.ts";
import { type MailAnswer, startMailService, type TestMailService } from "../harness/mail_service.ts";

const RECIPIENT = "ann@secret.example";
const mail = { id: "mail-1", to: RECIPIENT, subject: "Hello", text: "Hello Ann", html: "<p>Hello Ann</p>" };

let theirs: TestMailService;
const service = () => ({ url: theirs.url, key: "s3cret", from: "Us <us@crm.example>" });
beforeEach(async () => {
  theirs = await startMailService();
});
afterEach(() => theirs.close());

test("a mail is handed over in Resend's shape, under its id", async () => {
  expect(await deliver(service(), mail)).toEqual({ kind: "accepted" });
  const { id, ...letter } = mail;
  expect(theirs.taken).toMatchObject([
    {
      headers: { authorization: "Bearer s3cret", "content-type": "application/json", "idempotency-key": id },
      body: { from: "Us <us@crm.example>", ...letter },
    },
  ]);
});

test.each([400, 404, 413, 422])("%i is about the mail: nobody will take it", async (status) => {
  theirs.answers.push({ status });
  expect(await deliver(service(), mail)).toEqual({ kind: "refused", status });
});

test.each([301, 401, 403, 408, 409, 429, 500, 502, 503])(
  "%i is about the moment or about us: later",
  async (status) => {
    theirs.answers.push({ status, headers: { location: `${theirs.url}/elsewhere` } });
    expect(await deliver(service(), mail)).toEqual({ kind: "deferred", status });
    expect(theirs.taken).toHaveLength(1);
  },
);

test("silence is cut off, and nobody at all is no failure of ours", async () => {
  theirs.answers.push("silence");
  expect(await deliver(service(), mail, 50)).toEqual({ kind: "deferred" });
  const { url } = theirs;
  await theirs.close();
  expect(await deliver({ ...service(), url }, mail)).toEqual({ kind: "deferred" });
  theirs = await startMailService();
});

test.each([
  ["120", 120],
  [new Date(Date.now() + 90_500).toUTCString(), 90],
  ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
  ["soon", undefined],
])("Retry-After: %s", async (retryAfter, seconds) => {
  theirs.answers.push({ status: 503, headers: { "retry-after": retryAfter } });
  const delivery = await deliver(service(), mail);
  const asked = delivery.kind === "deferred" ? delivery.retryAfterSeconds : Number.NaN;
  if (seconds === undefined) expect(asked).toBeUndefined();
  else expect(Math.abs((asked ?? Number.NaN) - seconds)).toBeLessThanOrEqual(1);
});

describe("a mail of the queue", () => {
  const details = { workspace_name: "Acme", key_name: "Shop", last_four: "4IgI", url: null, revoked_at: "2026-12-04" };
  let calls: [name: string, argument: Record<string, unknown>][];
  let lines: string[];

  beforeEach(() => {
    calls = [];
    lines = [];
  });

  /** Its next attempt, the nth, at a service that answers so. */
  async function attempt(nth: number, answer: MailAnswer): Promise<[name: string, argument: Record<string, unknown>]> {
    theirs.answers.push(answer);
    const database = {
      async call(name: string, argument: Record<string, unknown>, claims: Claims) {
        expect(claims).toEqual({ role: "crm_worker" });
        calls.push([name, argument]);
        if (name !== "claim_mail") return null;
        return { id: "mail-1", template: "leaked_key", recipient: RECIPIENT, details, attempts: nth };
      },
    } as unknown as Database;
    const slice = await claimMail(database, {
      service: service(),
      sources: { appUrl: "https://app.example", publicApiUrl: "https://api.example", masterKey: "m".repeat(32) },
      log: (...line) => lines.push(JSON.stringify(line)),
    });
    await slice?.run();
    const [claimed, ended] = calls.slice(-2);
    expect(claimed).toEqual(["claim_mail", { lease: ended?.[1]["lease"], templates: TEMPLATES }]);
    return ended as [string, Record<string, unknown>];
  }

  test("is noted as sent once it was taken", async () => {
    expect(await attempt(1, { status: 200 })).toMatchObject(["finish_mail", { id: "mail-1" }]);
    expect(lines).toEqual([]);
  });

  test("waits longer after each attempt that failed, and is given up within a day", async () => {
    const waits: unknown[] = [];
    let ended = await attempt(1, { status: 500 });
    while (ended[0] === "release_mail") {
      waits.push(ended[1]["wait"]);
      ended = await attempt(waits.length + 1, { status: 500 });
    }
    expect(ended).toMatchObject(["fail_mail", { id: "mail-1", error: { status: 500 } }]);
    expect(waits).toEqual([...waits].sort((a, b) => Number(a) - Number(b)));
    const total = waits.reduce<number>((sum, wait) => sum + Number(wait), 0);
    expect(total / 3600).toBeGreaterThan(20);
    expect(total / 3600).toBeLessThan(24);
  });

  test("waits as long as it is asked to, up to an hour, and never shorter than it would", async () => {
    const asked = (seconds: string) => ({ status: 429, headers: { "retry-after": seconds } });
    expect(await attempt(1, asked("60"))).toMatchObject(["release_mail", { wait: 60 }]);
    expect(await attempt(1, asked("86400"))).toMatchObject(["release_mail", { wait: 3600 }]);
    expect(await attempt(3, asked("1"))).toMatchObject(["release_mail", { wait: 300 }]);
  });

  test("is given up at once when it is refused", async () => {
    expect(await attempt(1, { status: 422 })).toMatchObject(["fail_mail", { id: "mail-1", error: { status: 422 } }]);
  });

  test("leaves nothing of its recipient or its text in the log", async () => {
    await attempt(1, { status: 500 });
    await attempt(1, { status: 422 });
    expect(lines).toHaveLength(2);
    expect(lines.join()).toMatch(/mail_deferred.*mail_failed/);
    expect(lines.join()).not.toMatch(/secret\.example|Acme|Shop|s3cret/);
  });
});
