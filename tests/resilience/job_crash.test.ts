import { expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { startHttpProxy } from "../harness/http_proxy.ts";
import { endOfJob, LARGE_CHANGES, MANY } from "../harness/large_changes.ts";
import { database, stack, startAnotherFunction } from "../harness/stack.ts";
import { sessionToken } from "../harness/tokens.ts";
import { createWorkspace } from "../harness/workspace.ts";

const NOBODY = "http://127.0.0.1:9/api";

/** A change that takes many batches. */
interface Attempt {
  ask(baseUrl: string): Promise<unknown>;
  isDone(): Promise<boolean>;
  /** What holds once whoever was at it is gone. */
  check(): Promise<void>;
}

/** Has a function killed at the request or at the answer of the third batch of a change. */
async function killAt(at: "request" | "answer", prepare: () => Promise<Attempt>): Promise<void> {
  let victim: Awaited<ReturnType<typeof startAnotherFunction>> | undefined;
  let batches = 0;
  let isKilled = false;
  const kill = () => {
    isKilled = true;
    process.kill(victim?.pid ?? 0, "SIGKILL");
  };
  const proxy = await startHttpProxy(stack().restUrl, {
    onRequest(_method, path) {
      if (!path.includes("advance_job") || ++batches !== 3 || at !== "request") return;
      kill();
      throw new Error("killed");
    },
    async onAnswer(path) {
      if (!path.includes("advance_job") || batches !== 3 || at !== "answer") return true;
      kill();
      await victim?.ended;
      return false;
    },
  });
  try {
    // One that nobody goes on for at once; the timer of the stack does, when the lease is over.
    victim = await startAnotherFunction({ REST_URL: proxy.url, PUBLIC_API_URL: NOBODY });
    const { baseUrl } = victim;
    let attempt = await prepare();
    // The stack's own may come first, or take over after the victim's slice; then it's another one.
    for (;;) {
      await attempt.ask(baseUrl).catch(() => {}); // It may be killed before it answers.
      await expect.poll(async () => isKilled || (await attempt.isDone()), { timeout: 60_000 }).toBe(true);
      if (isKilled) break;
      batches = 0;
      attempt = await prepare();
    }
    await victim.ended;
    await attempt.check();
  } finally {
    await victim?.stop();
    await proxy.close();
  }
}

/** The only job of a workspace once another function has done the rest of it. */
async function restOfJob(client: Client, workspaceId: string): Promise<Record<string, unknown>> {
  const [job] = (await client.get("/jobs")).data;
  await database()`update crm.jobs set lease_until = now() where workspace_id = ${workspaceId} and state = 'running'`;
  return endOfJob(client, job.id);
}

// A job that the stack's own worker has come first for is waited for, and then there is another try.
const TIMEOUT_MS = 120_000;

test.each(
  Object.entries(LARGE_CHANGES).map(
    ([what, prepare], n) => [what, n % 2 === 0 ? "request" : "answer", prepare] as const,
  ),
)(
  "when %s, the function is killed at the %s of a batch: another one goes on, and each record is changed once",
  async (_what, at, prepare) => {
    await killAt(at, async () => {
      const workspace = await createWorkspace();
      const change = await prepare(workspace);
      return {
        ask: (baseUrl) => change.request(new Client(baseUrl, workspace.key)),
        isDone: async () => (await change.count()).before === 0,
        async check() {
          const stopped = await change.count();
          expect(stopped.before).toBeGreaterThan(0);
          expect(stopped.before + stopped.after).toBe(MANY);
          const { client, workspaceId } = workspace;
          expect(await restOfJob(client, workspaceId)).toMatchObject({ state: "succeeded", done: MANY });
          expect(await change.count()).toEqual({ before: 0, after: MANY });
        },
      };
    });
  },
  TIMEOUT_MS,
);

test.each([
  ["reset", "request"],
  ["deleted", "answer"],
] as const)(
  "when a sandbox is %s, the function is killed at the %s of a batch: another one goes on, and each row goes once",
  async (what, at) => {
    const sql = database();
    await killAt(at, async () => {
      const { workspaceId, userId } = await createWorkspace();
      const session = await sessionToken(userId);
      const owner = new Client(stack().apiUrl, session);
      const { data: sandbox } = await owner.post("/sandboxes", { name: "Crash", start_from: "empty" });
      await sql`
        insert into crm.contacts (workspace_id, email) select ${sandbox.id}, 'many' || n || '@test.example' from generate_series(1, ${MANY}) as n`;
      const counted = async (state: string) => {
        const [row] = await sql`
          select crm.count_going(jsonb_populate_record(sandbox, ${sql.json({ state })}), 1000000) as rows
          from crm.workspaces as sandbox where id = ${sandbox.id}`;
        return row?.["rows"];
      };
      const all = await counted(what === "reset" ? "resetting" : "deleting");
      const contacts = async () => (await sql`select from crm.contacts where workspace_id = ${sandbox.id}`).length;
      return {
        ask(baseUrl) {
          const client = new Client(baseUrl, session);
          const path = `/sandboxes/${sandbox.id}`;
          return what === "reset" ? client.post(`${path}/reset`) : client.delete(path);
        },
        isDone: async () => (await contacts()) === 0,
        async check() {
          const left = await contacts();
          expect(left).toBeGreaterThan(0);
          expect(left).toBeLessThan(MANY);
          expect(await restOfJob(owner, workspaceId)).toMatchObject({ state: "succeeded", done: all });
          const { status, data } = await owner.get(`/sandboxes/${sandbox.id}`);
          expect({ status, state: data?.state }).toEqual(
            what === "reset" ? { status: 200, state: "ready" } : { status: 404, state: undefined },
          );
          expect(await contacts()).toBe(0);
        },
      };
    });
  },
  TIMEOUT_MS,
);
