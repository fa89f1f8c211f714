import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { expect, test } from "vitest";
import { answers, type Child, startChild, untilReady } from "../../scripts/stack/child.ts";
import { freePort } from "../../scripts/stack/ports.ts";
import { postgrestProgram } from "../../scripts/stack/postgrest.ts";
import { Client } from "../harness/client.ts";
import { eventsAfter, expectOrdered } from "../harness/feed.ts";
import { openReceiver } from "../harness/receiver.ts";
import type { Made } from "../harness/sales_team.ts";
import { stack, startAnotherFunction, useOwnStack } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

// What the feed promises holds whatever is killed, and whenever: the function with its dispatchers, PostgREST, Postgres.

const CHANGES = 10_000;
const BULK = 100;
const IMPORTED = 3_000;
const KILL_EVERY_MS = 1_200;

useOwnStack();

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A PostgREST of our own, to be killed. */
async function startRest(port: number): Promise<Child> {
  const { dataDir } = stack();
  const config = readFileSync(join(dataDir, "postgrest.conf"), "utf8").replace(
    /server-port = .*/,
    `server-port = ${port}`,
  );
  const file = join(dataDir, "victim.conf");
  writeFileSync(file, config, { mode: 0o600 });
  const child = startChild({ name: "postgrest-victim", dataDir, command: postgrestProgram(), args: [file], env: {} });
  await untilReady(child, () => answers(`http://127.0.0.1:${port}/`));
  return child;
}

/** On a connection of its own, tried again while Postgres recovers. */
async function query<T>(run: (sql: postgres.Sql) => PromiseLike<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const sql = postgres(stack().databaseUrl, { max: 1, connect_timeout: 5, onnotice: () => {} });
    try {
      return await run(sql);
    } catch (error) {
      if (attempt > 100) throw error;
      await pause(100);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
}

test("each committed version is in the feed once, in order and without a hole, and reaches each endpoint, whatever is killed", async () => {
  const { key, workspaceId, client: quiet } = await createWorkspace();
  const restPort = await freePort();
  let rest = await startRest(restPort);
  const start = () => startAnotherFunction({ REST_URL: `http://127.0.0.1:${restPort}` });
  let victim = await start();
  const [any, ordered] = [await openReceiver(), await openReceiver()];
  for (const [receiver, ordering] of [
    [any, "none"],
    [ordered, "record"],
  ] as const)
    expect((await quiet.post("/webhooks", { url: receiver.url, events: ["*"], ordering })).status).toBe(201);
  const begin = (await quiet.get("/events?limit=1")).meta.position as number;

  let changes = 0;
  let isRunning = true;
  /** Asks until it is answered; with its key, nothing is done twice. */
  async function insist(method: "post" | "patch", path: string, body: Made): Promise<Made> {
    const headers = { "idempotency-key": crypto.randomUUID() };
    for (;;) {
      const answer = await new Client(victim.baseUrl, key)[method](path, body, headers).catch(() => undefined);
      if (answer !== undefined && answer.status < 300) return answer.data;
      if (answer !== undefined && ![409, 429, 500, 503].includes(answer.status))
        throw new Error(JSON.stringify(answer.body));
      await pause(50);
    }
  }
  async function write(): Promise<void> {
    while (changes < CHANGES) {
      const contact = await insist("post", "/contacts", { email: freshEmail() });
      await insist("patch", `/contacts/${contact["id"]}`, { score: changes % 100 });
      const bulk = await insist("post", "/contacts/bulk", {
        records: Array.from({ length: BULK }, () => ({ email: freshEmail() })),
      });
      const [loser] = bulk as unknown as Made[];
      await insist("post", `/contacts/${contact["id"]}/merge`, { ids: [loser?.["data"].id] });
      changes += BULK + 4;
    }
  }
  async function importRows(): Promise<void> {
    const content = ["email", ...Array.from({ length: IMPORTED }, freshEmail)].join("\n");
    const { id } = await insist("post", "/imports", { resource: "contacts", format: "csv", content });
    await expect
      .poll(() => query(async (sql) => (await sql`select status from crm.imports where id = ${id}`)[0]?.["status"]), {
        timeout: 120_000,
        interval: 500,
      })
      .toBe("completed");
    changes += IMPORTED;
  }
  async function kill(): Promise<void> {
    for (let n = 0; isRunning; n++) {
      await pause(KILL_EVERY_MS * (0.5 + Math.random()));
      if (n % 3 === 0) {
        process.kill(victim.pid, "SIGKILL");
        await victim.ended;
        victim = await start();
      } else if (n % 3 === 1) {
        process.kill(rest.pid, "SIGKILL");
        await rest.ended;
        rest = await startRest(restPort);
      } else {
        const pids = await query(
          (sql) => sql`select pid from pg_stat_activity where usename = 'authenticator' limit 1`,
        );
        for (const { pid } of pids)
          try {
            process.kill(pid, "SIGKILL");
          } catch {
            // It has just ended.
          }
      }
    }
  }
  const killing = kill();
  await Promise.all([write(), write(), write(), importRows()]);
  isRunning = false;
  await killing;
  await victim.stop();
  await rest.stop();

  // The stack's own function goes on, once Postgres has recovered and the leases of the dead are over.
  await expect.poll(async () => (await quiet.get("/events?limit=1")).status, { timeout: 30_000 }).toBe(200);
  const events = await eventsAfter(quiet, begin);
  expectOrdered(events, begin);
  const told = new Map(
    events.filter(({ version }) => version !== null).map((event) => [event["record_id"], event["version"]]),
  );
  const stored = await query((sql) => sql`select id, version from crm.contacts where workspace_id = ${workspaceId}`);
  expect(stored.length).toBeGreaterThan(CHANGES / 2);
  for (const { id, version } of stored) expect(told.get(id)).toBe(Number(version));

  for (const receiver of [any, ordered]) {
    const ids = () => new Set(receiver.received.map(({ body }) => body["id"]));
    await expect.poll(() => ids().size, { timeout: 150_000, interval: 500 }).toBeGreaterThanOrEqual(events.length);
    const got = ids();
    expect(events.filter(({ id }) => !got.has(id))).toEqual([]);
  }
  const seen = new Map<string, number>();
  for (const { body } of ordered.received) {
    if (body["version"] === null) continue;
    const before = seen.get(body["record_id"]) ?? 0;
    expect(body["version"], body["record_id"]).toBeLessThanOrEqual(before + 1);
    seen.set(body["record_id"], Math.max(before, body["version"]));
  }
  await any.close();
  await ordered.close();
}, 400_000);
