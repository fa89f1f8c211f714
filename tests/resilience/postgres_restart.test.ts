import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createApiKey } from "../../scripts/api_keys.ts";
import { type Answer, Client } from "../harness/client.ts";
import { startTestStack } from "../harness/global_setup.ts";
import { freshEmail } from "../harness/workspace.ts";

const CRASHES = 4;
const WRITERS = 8;
const MIN_WRITES = 100;
const RECOVERY_MS = 20_000;

let stack: Awaited<ReturnType<typeof startTestStack>>;

// Not the shared stack: other suites are using that one's Postgres.
beforeAll(async () => {
  stack = await startTestStack();
});

afterAll(async () => {
  await stack?.stop();
});

test("Postgres crashes and recovers under load: no 2xx is lost, no key writes twice, errors are 503, nothing needs a restart", async () => {
  const client = new Client(stack.info.functionUrl, await benchmarkKey());
  const reader = new Client(stack.info.functionUrl, client.key);
  const confirmed = new Map<string, string>(); // email → id
  const failures: Answer[] = [];
  let running = true;

  async function write(): Promise<void> {
    while (running) {
      const email = freshEmail();
      const headers = { "idempotency-key": email };
      let answer = await client.post("/contacts", { email }, headers);
      while (answer.status === 503) {
        failures.push(answer);
        await pause(100);
        answer = await client.post("/contacts", { email }, headers);
      }
      expect(answer.status, JSON.stringify(answer.body)).toBe(201);
      confirmed.set(email, answer.data.id);
    }
  }

  async function read(): Promise<void> {
    while (running) {
      const answer = await reader.get("/contacts?limit=5");
      if (answer.status !== 200) failures.push(answer);
      await pause(20);
    }
  }

  const load = Promise.all([...Array.from({ length: WRITERS }, write), read(), read()]);
  load.catch(() => {
    running = false;
  });
  const confirmedAfter: number[] = []; // each start: the first, and those after the crashes
  for (let start = 0; start <= CRASHES && running; start++) {
    const before = confirmed.size;
    const deadline = Date.now() + RECOVERY_MS;
    while (running && confirmed.size < before + MIN_WRITES && Date.now() < deadline) await pause(20);
    confirmedAfter.push(confirmed.size - before);
    if (start < CRASHES) await crashPostgres();
  }
  running = false;
  await load;

  expect(confirmedAfter).toHaveLength(CRASHES + 1);
  expect(Math.min(...confirmedAfter), `writes after each start: ${confirmedAfter}`).toBeGreaterThanOrEqual(MIN_WRITES);
  // Every crash was felt, or this test proves nothing.
  expect(failures.length).toBeGreaterThanOrEqual(CRASHES);
  for (const { status, error, headers } of failures) {
    expect({ status, code: error.code }).toEqual({ status: 503, code: "service_unavailable" });
    expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  }
  const stored = await query((sql) => sql`select email, id from crm.contacts where email like '%@test.example'`);
  expect(new Map(stored.map((row) => [row["email"], row["id"]]))).toEqual(confirmed);
  expect(stored).toHaveLength(confirmed.size);
  expect((await client.get("/contacts?limit=1")).meta.total).toBe(confirmed.size);
  for (const pid of Object.values(stack.info.pids)) expect(process.kill(pid, 0)).toBe(true);
}, 90_000);

/** Ends one of PostgREST's sessions as the kernel would: Postgres drops all sessions, recovers from its log and starts again. */
async function crashPostgres(): Promise<void> {
  const pid = await query(async (sql) => {
    const [session] =
      await sql`select pid from pg_stat_activity where usename = 'authenticator' order by (state = 'active') desc limit 1`;
    if (session === undefined) throw new Error("PostgREST is not connected.");
    return session["pid"] as number;
  });
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    await crashPostgres(); // That session has just ended; another one will do.
  }
}

async function benchmarkKey(): Promise<string> {
  return await query(async (sql) => {
    const [workspace] = await sql`insert into crm.workspaces (name, plan) values ('Crash', 'benchmark') returning id`;
    return (await createApiKey(sql, { workspaceId: workspace?.["id"], name: "test" })).key;
  });
}

/** On a connection of its own, tried again while Postgres is recovering. */
async function query<T>(run: (sql: postgres.Sql) => PromiseLike<T>): Promise<T> {
  const deadline = Date.now() + RECOVERY_MS;
  while (true) {
    const sql = postgres(stack.info.databaseUrl, { max: 1, connect_timeout: 5, onnotice: () => {} });
    try {
      return await run(sql);
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await pause(100);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
