import { expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { startHttpProxy } from "../harness/http_proxy.ts";
import { database, stack, startAnotherFunction } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

test("a function killed between commit and answer: the retry gives one row and the answer that was lost", async () => {
  const { key, client, workspaceId } = await createWorkspace();
  let victim: Awaited<ReturnType<typeof startAnotherFunction>> | undefined;
  const committed: number[] = [];
  const proxy = await startHttpProxy(stack().restUrl, {
    async onAnswer(path, status) {
      if (!path.includes("write_records")) return true;
      committed.push(status);
      process.kill(victim?.pid ?? 0, "SIGKILL");
      await victim?.ended;
      return false;
    },
  });
  try {
    victim = await startAnotherFunction({ REST_URL: proxy.url });
    const doomed = new Client(victim.baseUrl, key);
    expect((await doomed.get("/contacts?limit=1")).status).toBe(200);

    const contact = { email: freshEmail(), first_name: "Jane", tags: ["vip"] };
    const headers = { "idempotency-key": `order-${Date.now()}` };
    await expect(doomed.post("/contacts", contact, headers)).rejects.toThrow(/fetch failed/);
    expect(committed).toEqual([200]);
    const [row, ...more] =
      await database()`select id, version::integer, email from crm.contacts where workspace_id = ${workspaceId}`;
    expect(more).toEqual([]);

    const retry = await client.post("/contacts", contact, headers);
    expect(retry.status).toBe(201);
    expect(retry.headers.get("idempotent-replayed")).toBe("true");
    expect(retry.data).toMatchObject({ ...contact, id: row?.["id"], version: 1 });
    expect(retry.headers.get("location")).toMatch(new RegExp(`/v1/contacts/${row?.["id"]}$`));

    const again = await client.post("/contacts", contact, headers);
    expect({ data: again.data, meta: again.meta, status: again.status }).toEqual({
      data: retry.data,
      meta: retry.meta,
      status: 201,
    });
    expect((await client.get("/contacts")).meta.total).toBe(1);

    const other = await client.post("/contacts", { ...contact, first_name: "Joan" }, headers);
    expect(other.status).toBe(422);
    expect(other.error.code).toBe("idempotency_key_reused");
  } finally {
    await victim?.stop();
    await proxy.close();
  }
});
