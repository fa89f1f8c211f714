import { expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { startHttpProxy } from "../harness/http_proxy.ts";
import { endOf, type ImportRow } from "../harness/import_jobs.ts";
import { database, stack, startAnotherFunction } from "../harness/stack.ts";
import { createWorkspace } from "../harness/workspace.ts";

const ROWS = 6_000;
/** Rows that are one transaction. */
const SLICE = 1_500;
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

/** An import that a function has begun. The stack's own may come first, now and then; then it's another one. */
async function startOn(baseUrl: string, hasBegun: () => boolean) {
  for (;;) {
    const { key, client, workspaceId } = await createWorkspace();
    const id = await prepare(client, workspaceId);
    await new Client(baseUrl, key).post(`/imports/${id}/start`).catch(() => {}); // It may be killed before it answers.
    for (let tries = 0; tries < 200; tries++) {
      if (hasBegun()) return { client, workspaceId, id };
      if ((await client.get(`/imports/${id}`)).data.status === "completed") break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** An import that nobody carries on any more. */
async function atRest(client: Client, id: string): Promise<ImportRow> {
  for (let before: unknown; ; ) {
    const { data } = await client.get(`/imports/${id}`);
    if (data.rows_processed === before) return data;
    before = data.rows_processed;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

test.each([
  ["before a slice was written", "request"],
  ["after a slice was written, before it heard of it", "answer"],
] as const)(
  "a function killed in the middle, %s: another one goes on, and every row is there once",
  async (_when, at) => {
    let victim: Awaited<ReturnType<typeof startAnotherFunction>> | undefined;
    let slices = 0;
    const kill = () => process.kill(victim?.pid ?? 0, "SIGKILL");
    const proxy = await startHttpProxy(stack().restUrl, {
      onRequest(_method, path) {
        if (!path.includes("advance_import") || ++slices !== 3 || at !== "request") return;
        kill();
        throw new Error("killed");
      },
      async onAnswer(path) {
        if (!path.includes("advance_import") || slices !== 3 || at !== "answer") return true;
        kill();
        await victim?.ended;
        return false;
      },
    });
    try {
      // One that nobody goes on for at once; the timer of the stack does, when the lease is over.
      victim = await startAnotherFunction({ REST_URL: proxy.url, PUBLIC_API_URL: NOBODY });
      const { client, workspaceId, id } = await startOn(victim.baseUrl, () => slices > 0);
      await victim.ended;
      // Of two slices under way the second may be written after the function has gone.
      const stopped = await atRest(client, id);
      expect(stopped.status).toBe("running");
      expect(at === "answer" ? [2, 3] : [1, 2]).toContain(Number(stopped["rows_processed"]) / SLICE);
      const [row] =
        await database()`select count(*)::integer as names from crm.contacts where workspace_id = ${workspaceId} and first_name like 'Name %'`;
      expect(row?.["names"]).toBe((Number(stopped["rows_processed"]) * 99) / 100);

      await database()`update crm.imports set lease_until = now() where id = ${id}`;
      const ended = await endOf(client, id);
      expect(ended).toMatchObject({
        status: "completed",
        created: (ROWS / 100) * 49,
        updated: (ROWS / 100) * 50,
        failed: ROWS / 100,
        rows_total: ROWS,
      });
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
    } finally {
      await victim?.stop();
      await proxy.close();
    }
  },
);

test("a worker that was taken for dead and comes back writes nothing", async () => {
  const { client, workspaceId } = await createWorkspace();
  const id = await prepare(client, workspaceId);
  let isHeld = false;
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const proxy = await startHttpProxy(stack().restUrl, {
    async onAnswer(path) {
      // It hears so late of the job that is its own, that somebody else has finished it.
      if (!path.includes("claim_import") || isHeld) return true;
      isHeld = true;
      await held;
      return true;
    },
  });
  const slow = await startAnotherFunction({ REST_URL: proxy.url, PUBLIC_API_URL: NOBODY });
  try {
    await new Client(slow.baseUrl, client.key).post(`/imports/${id}/start`);
    await expect.poll(() => isHeld).toBe(true);
    await database()`update crm.imports set lease_until = now() where id = ${id} and lease is not null`;
    const ended = await endOf(client, id);
    release();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await client.get(`/imports/${id}`)).data).toEqual(ended);
    expect(ended).toMatchObject({ status: "completed", rows_total: ROWS });
    const [most] =
      await database()`select max(version)::integer as version, count(*)::integer as contacts from crm.contacts where workspace_id = ${workspaceId}`;
    expect(most).toEqual({ version: 2, contacts: (ROWS / 100) * 99 });
  } finally {
    release();
    await slow.stop();
    await proxy.close();
  }
});

test("without its database an import waits, and goes on when it is back", async () => {
  const { key, client, workspaceId } = await createWorkspace();
  const id = await prepare(client, workspaceId);
  let failures = 0;
  const proxy = await startHttpProxy(stack().restUrl, {
    onRequest(_method, path) {
      if (path.includes("advance_import") && ++failures < 3) throw new Error("away");
    },
  });
  const another = await startAnotherFunction({ REST_URL: proxy.url, PUBLIC_API_URL: NOBODY });
  try {
    await new Client(another.baseUrl, key).post(`/imports/${id}/start`);
    expect(await endOf(client, id)).toMatchObject({ status: "completed", failed: ROWS / 100, rows_total: ROWS });
    expect(failures).toBeGreaterThanOrEqual(2);
  } finally {
    await another.stop();
    await proxy.close();
  }
});
