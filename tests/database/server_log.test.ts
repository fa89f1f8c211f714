import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createInvitationToken } from "../../shared/auth/invitation_token.ts";
import { generateApiKey } from "../../shared/auth/key_format.ts";
import { Client } from "../harness/client.ts";
import { startTestStack } from "../harness/global_setup.ts";
import { findLeaks, secretsIn } from "../harness/leaks.ts";

// What customers send stands in no log: not of Postgres, PostgREST, Redis, the gateway or the function, at the level that
// production has. On a stack of its own, whose processes log at that level.
const MARK = `qzmark${process.pid}x`;

let running: Awaited<ReturnType<typeof startTestStack>>;
let client: Client;
let superuser: postgres.Sql;
/** As PostgREST is connected. */
let authenticator: postgres.Sql;

beforeAll(async () => {
  running = await startTestStack({ LOG_LEVEL: "info" });
  const { info, dataDir } = running;
  client = new Client(info.apiUrl, info.keys["KEY_ENTERPRISE"] ?? "");
  superuser = postgres(info.databaseUrl, { max: 1, onnotice: () => {} });
  const url = new URL(info.databaseUrl);
  url.username = "authenticator";
  url.password = JSON.parse(readFileSync(join(dataDir, "secrets.json"), "utf8")).authenticatorPassword;
  authenticator = postgres(url.href, { max: 2, onnotice: () => {} });
});

afterAll(async () => {
  await Promise.all([superuser, authenticator].map((sql) => sql?.end({ timeout: 1 })));
  await running?.stop();
});

function logs(): Record<string, string> {
  const { dataDir } = running;
  const files = readdirSync(dataDir).filter((name) => name.endsWith(".log"));
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(dataDir, name), "utf8")]));
}

function expectNoMark(): void {
  for (const [name, text] of Object.entries(logs())) {
    const lines = text.split("\n").filter((line) => line.includes(MARK));
    expect(lines, name).toEqual([]);
  }
}

const messagesOf = (log: string, message: string) => (logs()[log] ?? "").split(message).length - 1;

test("values in writes and questions that fail reach no log", async () => {
  const email = `${MARK}@test.example`;
  const { data: contact } = await client.post("/contacts", { email, external_id: MARK, tags: [MARK] });
  const { data: field } = await client.post("/custom_fields", {
    resource: "contacts",
    key: "number",
    label: MARK,
    type: "number",
  });
  expect(field.label).toBe(MARK);
  const answers = await Promise.all([
    client.post("/contacts", { email }),
    client.post("/contacts", { email: `other.${email}`, external_id: MARK }),
    client.post("/contacts", {
      email: `x.${email}`,
      company_id: "00000000-0000-7000-8000-000000000000",
      first_name: MARK,
    }),
    client.post("/contacts", { email: `y.${email}`, custom_fields: { number: MARK } }),
    client.post("/contacts", { email: MARK, [MARK]: MARK }),
    client.post("/contacts", `{"email":"${MARK}`),
    client.patch(`/contacts/${contact.id}`, { first_name: MARK }, { "if-match": '"9"' }),
    client.post("/companies", { name: MARK, parent_company_id: contact.id }),
    client.get(`/contacts/${MARK}`),
    client.get(`/contacts?email=${MARK}&${MARK}=1`),
    client.get(`/contacts?search=${MARK}&cursor=${MARK}`),
    client.get(`/contacts?created_at[gte]=${MARK}`),
    client.post("/contacts/search", { filter: { field: "custom_fields.number", op: "eq", value: MARK } }),
    client.get("/contacts", { authorization: `Bearer ${MARK}` }),
  ]);
  expect(answers.map(({ status }) => status).filter((status) => status < 400)).toEqual([]);
  const bulk = await client.post("/contacts/bulk", { records: [{ email }, { email: `z.${email}` }, { email: MARK }] });
  expect(bulk.status).toBe(207);
  expect((await client.get(`/contacts?search=${MARK}`)).meta.total).toBeGreaterThan(0);
  expect(messagesOf("function.log", '"request"')).toBeGreaterThan(10);
  expectNoMark();
});

test("keys, tokens and passwords reach no log, no column and no answer but the one that makes them", async () => {
  const { info, dataDir } = running;
  const { SUPABASE_URL = "", SUPABASE_PUBLISHABLE_KEY = "", DEMO_OWNER_EMAIL, DEMO_PASSWORD = "" } = info.signIn;
  const auth = async (path: string, body: unknown) => {
    const headers = { apikey: SUPABASE_PUBLISHABLE_KEY, "content-type": "application/json" };
    const response = await fetch(`${SUPABASE_URL}/auth/v1/${path}`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
    return (await response.json()) as { access_token: string; refresh_token: string };
  };
  const session = await auth("token?grant_type=password", { email: DEMO_OWNER_EMAIL, password: DEMO_PASSWORD });
  const owner = new Client(info.apiUrl, session.access_token);
  const headers = { "idempotency-key": crypto.randomUUID() };
  const made = await owner.post("/api_keys", { name: "Secret", scope: "full_access" }, headers);
  await owner.post("/api_keys", { name: "Secret", scope: "full_access" }, headers);
  const rolled = await owner.post(`/api_keys/${made.data.id}/roll`, { grace_period_seconds: 60 });
  const secrets: string[] = [
    session.access_token,
    session.refresh_token,
    DEMO_PASSWORD,
    made.data.key,
    rolled.data.key,
  ];
  const { key: unknown } = generateApiKey("live");
  await Promise.all([
    ...[made.data.key, rolled.data.key].flatMap((key) => [
      new Client(info.apiUrl, key).get("/contacts"),
      new Client(info.apiUrl, key).post("/api_keys", { name: key, scope: "nothing" }),
      new Client(info.apiUrl, key).get(`/contacts?search=${key}&nonsense=${key}`),
      fetch(`${info.apiUrl}/v1/contacts?api_key=${key}`, { headers: { authorization: key, "user-agent": "curl/8" } }),
    ]),
    new Client(info.apiUrl, unknown).get("/contacts"),
    new Client(info.apiUrl, `${session.access_token}x`).get("/me"),
    auth("token?grant_type=password", { email: DEMO_OWNER_EMAIL, password: `${DEMO_PASSWORD}wrong` }),
  ]);
  const invited = await owner.post("/invitations", { email: `${MARK}.invited@test.example`, role: "member" });
  const token = createInvitationToken(info.functionEnv["MASTER_KEY"] ?? "", invited.data.id);
  expect((await owner.post("/invitations/accept", { token })).error.code).toBe("invitation_for_another_address");
  await expect
    .poll(async () => (await superuser`select from crm.mails where state = 'sent'`).length, { timeout: 30_000 })
    .toBeGreaterThan(0);
  await owner.delete(`/api_keys/${made.data.id}`);
  await new Client(info.apiUrl, rolled.data.key).post("/api_keys/current/revoke");

  const configured = ["JWT_SIGNING_KEY", "CURSOR_SECRET", "CRON_SECRET", "MASTER_KEY", "MAIL_API_KEY"].map(
    (name) => info.functionEnv[name] ?? "",
  );
  expect(await findLeaks(dataDir, superuser, [...secrets, unknown, token, ...configured])).toEqual([]);
  const answers = await Promise.all(
    ["/api_keys", "/audit_log", "/invitations", "/members", "/me"].map((path) => owner.get(path)),
  );
  expect(answers.flatMap(({ body }) => secretsIn(JSON.stringify(body)))).toEqual([]);
});

test("values in a write that waits for a lock until it is ended reach no log", async () => {
  const { data: contact } = await client.post("/contacts", { email: `locked.${MARK}@test.example` });
  const before = messagesOf("postgres.log", "canceling statement");
  await superuser.begin(async (sql) => {
    await sql`select from crm.contacts where id = ${contact.id} for update`;
    const { status } = await client.patch(`/contacts/${contact.id}`, { first_name: MARK });
    expect(status).toBeGreaterThanOrEqual(409);
  });
  expect(messagesOf("postgres.log", "canceling statement")).toBeGreaterThan(before);
  expectNoMark();
});

test("values in rules that are broken below, in deadlocks, and in what a library of Postgres says reach no log", async () => {
  const before = messagesOf("postgres.log", "deadlock detected");
  const details = authenticator.json({ value: MARK });
  const broken = authenticator.begin(async (sql) => {
    await sql`set local role crm_api`;
    await sql`select crm.fail('duplicate_email', ${details})`;
  });
  await expect(broken).rejects.toMatchObject({ code: "AN001" });
  await expect(authenticator`select ${`{"a": ${MARK}`}::text::json`).rejects.toMatchObject({ code: "22P02" });

  // Each takes its own lock and then, when both have, the other's.
  const locks = [`${MARK} one`, `${MARK} two`];
  let arrived = 0;
  let goOn = () => {};
  const bothHave = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const take = (order: string[]) =>
    authenticator.begin(async (sql) => {
      await sql`select pg_advisory_xact_lock(hashtext(${order[0] ?? ""}))`;
      arrived += 1;
      if (arrived === 2) goOn();
      await bothHave;
      await sql`select pg_advisory_xact_lock(hashtext(${order[1] ?? ""}))`;
    });
  const ends = await Promise.allSettled([take(locks), take(locks.toReversed())]);
  expect(ends.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  expect(messagesOf("postgres.log", "deadlock detected")).toBeGreaterThan(before);
  expectNoMark();
});
