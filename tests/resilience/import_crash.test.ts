import { expect, onTestFinished, test } from "vitest";
import { Client } from "../harness/client.ts";
import { type HttpProxy, startHttpProxy } from "../harness/http_proxy.ts";
import { endOf } from "../harness/import_jobs.ts";
import { database, stack, startAnotherFunction } from "../harness/stack.ts";
import { createWorkspace } from "../harness/workspace.ts";

const ROWS = 6_000;
const NOBODY = "http://127.0.0.1:9/api";

/** Half of the rows are new, half change a contact that is there, and one in a hundred is wrong. */
async function prepare(client: Client, workspaceId: string): Promise<string> {
  await database()`
    insert into crm.contacts (workspace_id, email, first_name)
    select ${workspaceId}, 'row' || n || '@test.example', 'Before' from generate_series(0, ${ROWS - 1}, 2) as n`;
  const rows = Array.from({ length: ROWS }, (_, n) => `${n % 100 === 7 ? "" : `row${n}@test.example`},Name ${n}\r\n`);
  const { data } = await client.post("/imports", { resource: "contacts", format: "csv" });
  await client.post(`/imports/${data.id}/parts`, { part: 0, content: `email,first_name\r\n${rows.join("")}` });
  return data.id;
}

/** Another function, that nobody goes on for: the timer of the stack has the stack's own do that, when a lease is over. */
async function startVictim(proxy: HttpProxy) {
  const victim = await startAnotherFunction({ REST_URL: proxy.url, PUBLIC_API_URL: NOBODY });
  onTestFinished(async () => {
    await victim.stop();
    await proxy.close();
  });
  return victim;
}

/**
 * Starts an import on a function, until it is what happens that is waited for: the stack's own function may do all of
 * the work first, and then it is another import. `begin` hears which one it is.
 */
async function startOn(baseUrl: string, begin: (id: string) => void, hasHappened: () => boolean) {
  for (;;) {
    const { key, client, workspaceId } = await createWorkspace();
    const id = await prepare(client, workspaceId);
    begin(id);
    await new Client(baseUrl, key).post(`/imports/${id}/start`).catch(() => {}); // It may be killed before it answers.
    const isDone = async () => (await client.get(`/imports/${id}`)).data.status === "completed";
    await expect.poll(async () => hasHappened() || (await isDone()), { timeout: 60_000 }).toBe(true);
    if (hasHappened()) return { client, workspaceId, id };
  }
}

/** Whether a request takes that import on: what a function does for those of other tests is none of ours. */
function advances(id: string, path: string, body: Buffer): boolean {
  return path.includes("advance_import") && JSON.parse(body.toString()).id === id;
}

/** The rows among the first `count` that are no contact. */
const wrongOf = (count: number) => Math.floor((count + 92) / 100);

test.each([
  ["before a batch was written", "request"],
  ["after a batch was written, before it heard of it", "answer"],
] as const)(
  "a function killed in the middle, %s: another one goes on, and every row is there once",
  async (_when, at) => {
    let id = "none";
    let batches = 0;
    let underWay = 0;
    let isKilled = false;
    const kill = () => {
      isKilled = true;
      process.kill(victim.pid, "SIGKILL");
    };
    const proxy = await startHttpProxy(stack().restUrl, {
      onRequest(_method, path, body) {
        if (!advances(id, path, body)) return;
        if (isKilled) throw new Error("killed");
        batches += 1;
        if (batches === 2 && at === "request") {
          kill();
          throw new Error("killed");
        }
        underWay += 1;
      },
      async onAnswer(path, _status, body) {
        if (!advances(id, path, body)) return true;
        underWay -= 1;
        if (batches >= 2 && at === "answer" && !isKilled) kill();
        return !isKilled;
      },
    });
    const victim = await startVictim(proxy);
    const begin = (started: string) => {
      id = started;
      batches = 0;
    };
    const { client, workspaceId } = await startOn(victim.baseUrl, begin, () => isKilled);
    await victim.ended;
    // Of two batches under way the second may be written after the function has gone.
    await expect.poll(() => underWay, { timeout: 30_000 }).toBe(0);
    const { data: stopped } = await client.get(`/imports/${id}`);
    const processed = Number(stopped.rows_processed);
    expect(stopped.status).toBe("running");
    expect(processed).toBeGreaterThan(0);
    expect(processed).toBeLessThan(ROWS);
    const [row] =
      await database()`select count(*)::integer as names from crm.contacts where workspace_id = ${workspaceId} and first_name like 'Name %'`;
    expect(row?.["names"]).toBe(processed - wrongOf(processed));

    await database()`update crm.imports set lease_until = now() where id = ${id}`;
    const ended = await endOf(client, id);
    expect(ended).toMatchObject({
      status: "completed",
      created: (ROWS / 100) * 49,
      updated: (ROWS / 100) * 50,
      failed: ROWS / 100,
      rows_total: ROWS,
    });
    await expectEachRowOnce(workspaceId, id);
  },
  180_000,
);

/** Each contact was written by its row, once: those that were there before have their second version. */
async function expectEachRowOnce(workspaceId: string, id: string): Promise<void> {
  const rows = await database()`
    select email, first_name, version::integer from crm.contacts where workspace_id = ${workspaceId} order by length(email), email`;
  expect(rows.map(({ email, first_name, version }) => [email, first_name, version])).toEqual(
    Array.from({ length: ROWS }, (_, n) => n)
      .filter((n) => n % 100 !== 7)
      .map((n) => [`row${n}@test.example`, `Name ${n}`, n % 2 === 0 ? 2 : 1]),
  );
  const [noted] =
    await database()`select count(*)::integer as rows, min(row)::integer as first, max(row)::integer as last from crm.import_rows where import_id = ${id}`;
  expect(noted).toEqual({ rows: ROWS, first: 1, last: ROWS });
}

test("two functions take turns at the imports of several workspaces: each row is written once", async () => {
  const another = await startAnotherFunction({ PUBLIC_API_URL: NOBODY });
  onTestFinished(() => another.stop());
  const workspaces = await Promise.all(Array.from({ length: 3 }, () => createWorkspace()));
  const started = await Promise.all(
    workspaces.map(async ({ key, client, workspaceId }, n) => {
      const id = await prepare(client, workspaceId);
      const own = n % 2 === 0 ? client : new Client(another.baseUrl, key);
      expect((await own.post(`/imports/${id}/start`)).status).toBe(202);
      return { client, workspaceId, id };
    }),
  );
  for (const { client, workspaceId, id } of started) {
    expect(await endOf(client, id, 100_000)).toMatchObject({ status: "completed", rows_total: ROWS });
    await expectEachRowOnce(workspaceId, id);
  }
}, 180_000);

test("a worker that was taken for dead and comes back writes nothing", async () => {
  let id = "none";
  let isHeld = false;
  let isBack = false;
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const proxy = await startHttpProxy(stack().restUrl, {
    async onAnswer(path, _status, body, answer) {
      isBack ||= isHeld && advances(id, path, body);
      // It hears so late of the job that is its own, that somebody else has it.
      if (!path.includes("claim_import") || isHeld || !answer.includes(id)) return true;
      isHeld = true;
      await held;
      return true;
    },
  });
  onTestFinished(() => release());
  const slow = await startVictim(proxy);
  const begin = (started: string) => {
    id = started;
  };
  const { client, workspaceId } = await startOn(slow.baseUrl, begin, () => isHeld);
  const [own] = await database()`update crm.imports set lease_until = now() where id = ${id} returning lease`;
  const isTakenOver = async () =>
    (await database()`select from crm.imports where id = ${id} and lease <> ${own?.["lease"]}`).length > 0;
  await expect.poll(isTakenOver, { timeout: 30_000 }).toBe(true);
  release();
  await expect.poll(() => isBack, { timeout: 30_000 }).toBe(true);
  expect(await endOf(client, id)).toMatchObject({ status: "completed", rows_total: ROWS });
  await expectEachRowOnce(workspaceId, id);
}, 180_000);

test("without its database an import waits, and goes on when it is back", async () => {
  let id = "none";
  let failures = 0;
  const proxy = await startHttpProxy(stack().restUrl, {
    onRequest(_method, path, body) {
      if (advances(id, path, body) && ++failures < 3) throw new Error("away");
    },
  });
  const another = await startVictim(proxy);
  const begin = (started: string) => {
    id = started;
    failures = 0;
  };
  const { client, workspaceId } = await startOn(another.baseUrl, begin, () => failures >= 2);
  expect(await endOf(client, id)).toMatchObject({ status: "completed", failed: ROWS / 100, rows_total: ROWS });
  await expectEachRowOnce(workspaceId, id);
}, 180_000);
