import { expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { startHttpProxy } from "../harness/http_proxy.ts";
import { endOfJob, LARGE_CHANGES, MANY } from "../harness/large_changes.ts";
import { database, stack, startAnotherFunction } from "../harness/stack.ts";
import { createWorkspace } from "../harness/workspace.ts";

const NOBODY = "http://127.0.0.1:9/api";

test.each(
  Object.entries(LARGE_CHANGES).map(
    ([what, prepare], n) => [what, n % 2 === 0 ? "request" : "answer", prepare] as const,
  ),
)(
  "when %s, the function is killed at the %s of a batch: another one goes on, and each record is changed once",
  async (_what, at, prepare) => {
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
      let workspace = await createWorkspace();
      let change = await prepare(workspace);
      // The stack's own may come first, or take over after the victim's slice; then it's another one.
      for (;;) {
        await change.request(new Client(baseUrl, workspace.key)).catch(() => {}); // It may be killed before it answers.
        await expect.poll(async () => isKilled || (await change.count()).before === 0, { timeout: 60_000 }).toBe(true);
        if (isKilled) break;
        batches = 0;
        workspace = await createWorkspace();
        change = await prepare(workspace);
      }
      await victim.ended;
      const { client, workspaceId } = workspace;
      const [job] = (await client.get("/jobs")).data;
      const stopped = await change.count();
      expect(stopped.before).toBeGreaterThan(0);
      expect(stopped.before + stopped.after).toBe(MANY);
      await database()`update crm.jobs set lease_until = now() where workspace_id = ${workspaceId} and state = 'running'`;
      expect(await endOfJob(client, job.id)).toMatchObject({ state: "succeeded", done: MANY });
      expect(await change.count()).toEqual({ before: 0, after: MANY });
    } finally {
      await victim?.stop();
      await proxy.close();
    }
  },
  // A job that the stack's own worker has come first for is waited for, and then there is another try.
  120_000,
);
