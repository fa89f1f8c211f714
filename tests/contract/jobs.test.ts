import { expect, test } from "vitest";
import { endOfJob, LARGE_CHANGES, MANY } from "../harness/large_changes.ts";
import { database } from "../harness/stack.ts";
import { createKey, createWorkspace, freshEmail } from "../harness/workspace.ts";

test.each(Object.entries(LARGE_CHANGES))(
  "when %s, which is too much for a request, a job does it",
  async (_what, prepare) => {
    const workspace = await createWorkspace();
    const { client } = workspace;
    const change = await prepare(workspace);
    expect(await change.count()).toEqual({ before: MANY, after: 0 });
    const { status, headers, data, body } = await change.request(client);
    expect(status, JSON.stringify(body)).toBe(202);
    expect(Object.keys(data)).toEqual(
      expect.arrayContaining(["id", "kind", "state", "done", "total", "created_at", "finished_at", "result", "error"]),
    );
    expect(headers.get("location")).toMatch(new RegExp(`/v1/jobs/${data.id}$`));
    const ended = await endOfJob(client, data.id);
    expect(ended).toMatchObject({ id: data.id, state: "succeeded", done: MANY, total: MANY, error: null });
    expect(await change.count()).toEqual({ before: 0, after: MANY });
    expect((await client.get("/jobs")).data).toEqual([ended]);
    expect((await client.post(`/jobs/${data.id}/cancel`)).error?.code).toBe("job_finished");
  },
);

test("a merge that was too much for a request is reverted by a job as well", async () => {
  const workspace = await createWorkspace();
  const { client } = workspace;
  const change = await LARGE_CHANGES["contacts are merged"]?.(workspace);
  const merged = await change?.request(client);
  await endOfJob(client, merged?.data.id);
  const [merge] = await database()`select id from crm.merges where workspace_id = ${workspace.workspaceId}`;
  const reverted = await client.post(`/merges/${merge?.["id"]}/revert`);
  expect(reverted.status).toBe(202);
  expect(await endOfJob(client, reverted.data.id)).toMatchObject({ state: "succeeded" });
  expect(await change?.count()).toEqual({ before: MANY, after: 0 });
});

test("a contact that is changed while its tag is renamed has the new name in the end, one that gets the old name afterwards keeps it", async () => {
  const workspace = await createWorkspace();
  const { client, workspaceId } = workspace;
  const change = await LARGE_CHANGES["a tag is renamed"]?.(workspace);
  const [last] =
    await database()`select id from crm.contacts where workspace_id = ${workspaceId} order by id desc limit 1`;
  // Before the job's first batch: the change is committed when its answer is there.
  const [answer] = await database().begin(async (transaction) => {
    await transaction`select from crm.contacts where workspace_id = ${workspaceId} order by id limit 1 for update`;
    const renamed = await change?.request(client);
    const touched = await client.patch(`/contacts/${last?.["id"]}`, { first_name: "Touched" });
    expect(touched.status).toBe(200);
    return [renamed];
  });
  const later = await client.post("/contacts", { email: freshEmail(), tags: ["old"] });
  await endOfJob(client, answer?.data.id);
  expect((await client.get(`/contacts/${last?.["id"]}`)).data.tags).toEqual(["new"]);
  expect(await change?.count()).toEqual({ before: 1, after: MANY });
  expect((await client.get(`/contacts/${later.data.id}`)).data.tags).toEqual(["old"]);
});

test("a repetition of the request is answered with the same job, and a dry run with the record and no job", async () => {
  const workspace = await createWorkspace();
  const { client } = workspace;
  const change = await LARGE_CHANGES["a tag is renamed"]?.(workspace);
  const [tag] = (await client.get("/tags?name=old")).data;
  const dry = await client.patch(`/tags/${tag.id}?dry_run=true`, { name: "new" });
  expect(dry.status).toBeLessThan(300);
  expect((await client.get("/jobs")).data).toEqual([]);
  expect(await change?.count()).toEqual({ before: MANY, after: 0 });
  const send = () => client.patch(`/tags/${tag.id}`, { name: "new" }, { "Idempotency-Key": "rename" });
  const [first, second] = [await send(), await send()];
  expect([first.status, second.status]).toEqual([202, 202]);
  expect(second.data.id).toBe(first.data.id);
  expect(second.headers.get("idempotent-replayed")).toBe("true");
  await endOfJob(client, first.data.id);
  expect((await client.get("/jobs")).data).toHaveLength(1);
});

test("a job is seen by who may read what it changes, of its workspace, and stopped by who may write it", async () => {
  const workspace = await createWorkspace();
  const { client, workspaceId } = workspace;
  const change = await LARGE_CHANGES["a tag is renamed"]?.(workspace);
  const { data } = (await change?.request(client)) ?? { data: {} };
  const path = `/jobs/${data.id}`;
  const other = await createWorkspace();
  const dealer = await createKey({ workspaceId, scope: "custom", permissions: { deals: "write" } });
  const reader = await createKey({ workspaceId, scope: "custom", permissions: { tags: "read", deals: "write" } });
  for (const stranger of [other.client, dealer.client]) {
    expect((await stranger.get(path)).status).toBe(404);
    expect((await stranger.get("/jobs")).data).toEqual([]);
  }
  expect((await reader.client.get(path)).data.id).toBe(data.id);
  expect((await other.client.post(`${path}/cancel`)).status).toBe(404);
  expect((await reader.client.post(`${path}/cancel`)).error?.code).toBe("insufficient_scope");
  await endOfJob(client, data.id);
});

test("what it would be to cancel a job is told by a dry run, and the job stays at work", async () => {
  const { client, workspaceId } = await createWorkspace();
  const [job] = await database()`
    insert into crm.jobs (workspace_id, kind, scope, arguments, state, lease_until)
    values (${workspaceId}, 'merge', 'contacts', '{}', 'running', now() + interval '1 hour') returning id`;
  const tried = await client.post(`/jobs/${job?.["id"]}/cancel?dry_run=true`);
  expect(tried).toMatchObject({ status: 200, data: { state: "cancelled" }, meta: { dry_run: true } });
  expect((await client.get(`/jobs/${job?.["id"]}`)).data).toMatchObject({ state: "running", finished_at: null });
  expect((await client.post(`/jobs/${job?.["id"]}/cancel`)).data.state).toBe("cancelled");
});
