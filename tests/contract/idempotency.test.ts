import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { database } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

const withKey = (key: string) => ({ "idempotency-key": key });

test("the same key and body replays the first answer, byte for byte", async () => {
  const { client } = await createWorkspace();
  const key = randomUUID();
  const body = { email: freshEmail() };
  const first = await client.post("/contacts", body, withKey(key));
  const again = await client.post("/contacts", body, withKey(`"${key}"`));
  expect({
    status: again.status,
    body: again.body,
    etag: again.headers.get("etag"),
    location: again.headers.get("location"),
  }).toEqual({
    status: 201,
    body: first.body,
    etag: first.headers.get("etag"),
    location: first.headers.get("location"),
  });
  expect([first.headers.get("idempotent-replayed"), again.headers.get("idempotent-replayed")]).toEqual([null, "true"]);
  expect((await client.get("/contacts")).meta.total).toBe(1);
});

test("another body, path or parameter with the key is 422", async () => {
  const { client } = await createWorkspace();
  const key = randomUUID();
  const body = { email: freshEmail() };
  const { data } = await client.post("/contacts", body, withKey(key));
  const others = [
    () => client.post("/contacts", { email: freshEmail() }, withKey(key)),
    () => client.post("/contacts?on_conflict=return", body, withKey(key)),
    () => client.patch(`/contacts/${data.id}`, body, withKey(key)),
    () => client.post("/contacts/bulk", { records: [body] }, withKey(key)),
  ];
  for (const send of others) expect((await send()).error.code).toBe("idempotency_key_reused");
});

test("fifty at once with one key make one contact; each is the answer or 409 with Retry-After", async () => {
  const { client } = await createWorkspace();
  const key = randomUUID();
  const body = { email: freshEmail() };
  const answers = await Promise.all(Array.from({ length: 50 }, () => client.post("/contacts", body, withKey(key))));
  const made = answers.filter(({ status }) => status === 201);
  expect(new Set(made.map(({ data }) => data.id)).size).toBe(1);
  for (const { status, error, headers } of answers.filter((answer) => answer.status !== 201)) {
    expect({ status, code: error.code, retry: headers.get("retry-after") }).toEqual({
      status: 409,
      code: "idempotency_in_progress",
      retry: "1",
    });
  }
  expect((await client.get("/contacts")).meta.total).toBe(1);
});

test("failures and dry runs are not kept: the key is free for the corrected request", async () => {
  const { client } = await createWorkspace();
  const email = freshEmail();
  await client.post("/contacts", { email });
  expect((await client.post("/contacts", { emial: email }, withKey("k"))).status).toBe(400);
  expect((await client.post("/contacts", { email }, withKey("k"))).status).toBe(409);
  expect(
    (await client.post("/contacts/bulk?atomic=true", { records: [{ email: freshEmail() }, { email }] }, withKey("k")))
      .status,
  ).toBe(409);
  expect((await client.post("/contacts?dry_run=true", { email: freshEmail() }, withKey("k"))).status).toBe(201);
  expect((await client.post("/contacts", { email: freshEmail() }, withKey("k"))).status).toBe(201);
});

test("a key belongs to its workspace and lives a day", async () => {
  const mine = await createWorkspace();
  const sandbox = await createWorkspace({ parentId: mine.workspaceId });
  const body = { email: freshEmail() };
  const first = await mine.client.post("/contacts", body, withKey("k"));
  const elsewhere = await sandbox.client.post("/contacts", body, withKey("k"));
  expect(elsewhere.data.id).not.toBe(first.data.id);
  await database()`update crm.idempotency_keys set created_at = now() - interval '25 hours' where workspace_id = ${mine.workspaceId}`;
  const dayAfter = await mine.client.post("/contacts", { email: freshEmail() }, withKey("k"));
  expect({ status: dayAfter.status, replayed: dayAfter.headers.get("idempotent-replayed") }).toEqual({
    status: 201,
    replayed: null,
  });
  const again = await mine.client.post("/contacts", { email: dayAfter.data.email }, withKey("k"));
  expect(again.body).toEqual(dayAfter.body);
});
