import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { startTestStack } from "../harness/global_setup.ts";

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
