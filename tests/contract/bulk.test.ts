import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

const people = (count: number) => Array.from({ length: count }, () => ({ email: freshEmail() }));

test("1,000 contacts are created in one request, in order, with 201", async () => {
  const { client } = await createWorkspace();
  const records = people(1000);
  const { status, data, meta } = await client.post("/contacts/bulk", { records });
  expect({ status, succeeded: meta.succeeded, failed: meta.failed }).toEqual({
    status: 201,
    succeeded: 1000,
    failed: 0,
  });
  expect(data.map((answer: { index: number; data: { email: string } }) => [answer.index, answer.data.email])).toEqual(
    records.map(({ email }, index) => [index, email]),
  );
  expect((await client.get("/contacts")).meta.total).toBe(1000);
});

test("when some fail, 207 says of each what became of it, in order", async () => {
  const { client } = await createWorkspace();
  const [first, second] = people(2);
  const { status, data } = await client.post("/contacts/bulk", {
    records: [first, { email: "no email" }, first, 7, second, { email: freshEmail(), owner_id: randomUUID() }],
  });
  expect(status).toBe(207);
  expect(
    data.map((one: { success: boolean; error?: { code: string } }) => (one.success ? "ok" : one.error?.code)),
  ).toEqual(["ok", "validation_error", "duplicate_email", "validation_error", "ok", "reference_not_found"]);
  expect(data[2].error.details.existing_id).toBe(data[0].data.id);
  expect((await client.get("/contacts")).meta.total).toBe(2);
});

test("atomic=true is all or nothing, and tells which ones failed", async () => {
  const { client } = await createWorkspace();
  const [taken] = people(1);
  await client.post("/contacts", taken);
  const conflict = await client.post("/contacts/bulk?atomic=true", { records: [...people(2), taken] });
  expect({
    status: conflict.status,
    code: conflict.error.code,
    index: conflict.error.details.records[0].index,
  }).toEqual({ status: 409, code: "duplicate_email", index: 2 });
  const invalid = await client.post("/contacts/bulk?atomic=true", { records: [...people(2), {}] });
  expect({ status: invalid.status, code: invalid.error.code }).toEqual({ status: 400, code: "validation_error" });
  expect((await client.get("/contacts")).meta.total).toBe(1);
  expect((await client.post("/contacts/bulk?atomic=true", { records: people(2) })).status).toBe(201);
});

test("two bulk writes over the same records in opposite orders both go through", async () => {
  const { client } = await createWorkspace();
  const { data } = await client.post("/contacts/bulk", { records: people(100) });
  const ids: string[] = data.map((one: { data: { id: string } }) => one.data.id);
  const write = (order: string[], score: number) =>
    client.patch("/contacts/bulk", { records: order.map((id) => ({ id, score })) });
  const answers = await Promise.all([1, 2, 3, 4].map((score) => write(score % 2 ? ids : ids.toReversed(), score)));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});

test("a bulk call costs one request", async () => {
  const { client } = await createWorkspace({ plan: "standard" });
  const { headers } = await client.post("/contacts/bulk", { records: people(50) });
  expect(headers.get("x-ratelimit-remaining")).toBe("99");
});

test.each(["?on_conflict=update", "?atomic=true", ""])(
  "bulk creates%s of the same people in opposite orders don't wait for each other in a circle",
  async (query) => {
    const { client } = await createWorkspace();
    const records = people(60);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        client.post(`/contacts/bulk${query}`, { records: i % 2 ? records : records.toReversed() }),
      ),
    );
    expect(answers.map(({ status }) => status).filter((status) => status >= 500)).toEqual([]);
    expect((await client.get("/contacts")).meta.total).toBe(60);
  },
);

test("a bulk change of one field keeps the totals, says what was unchanged, and finds what is missing", async () => {
  const { client } = await createWorkspace();
  const { data } = await client.post("/contacts/bulk", { records: people(20) });
  const ids: string[] = data.map((one: { data: { id: string } }) => one.data.id);
  const records = ids.map((id, index) => ({ id, status: index < 5 ? "active" : "bounced" }));
  const changed = await client.patch("/contacts/bulk", {
    records: [...records, { id: randomUUID(), status: "bounced" }],
  });
  expect(changed.status).toBe(207);
  expect(changed.data.map((one: { data?: { version: number } }) => one.data?.version)).toEqual([
    ...Array(5).fill(1),
    ...Array(15).fill(2),
    undefined,
  ]);
  expect((await client.get("/contacts?status=bounced")).meta.total).toBe(15);
});

test("what repeats within an upsert is one contact, and on_conflict=return gives back the holders", async () => {
  const { client } = await createWorkspace();
  const { data: held } = await client.post("/contacts", { email: freshEmail(), score: 1 });
  const [fresh] = people(1);
  const { status, data } = await client.post("/contacts/bulk?on_conflict=return", {
    records: [{ email: held.email, score: 9 }, fresh, fresh],
  });
  expect(status).toBe(200);
  expect(data[0].data).toEqual(held);
  expect(data[2].data.id).toBe(data[1].data.id);
});
