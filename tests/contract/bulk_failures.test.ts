import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Client } from "../harness/client.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

type Body = Record<string, unknown>;

/** Every second record of a bulk request is good, the others have this against them. */
const FAULTS: { fault: string; path: string; good: (ids: Ids) => Body; bad: (ids: Ids, n: number) => Body }[] = [
  {
    fault: "a value that a record has already",
    path: "/contacts",
    good: () => ({ email: freshEmail() }),
    bad: ({ taken }) => ({ email: taken }),
  },
  {
    fault: "a reference to nothing",
    path: "/contacts",
    good: () => ({ email: freshEmail() }),
    bad: () => ({ email: freshEmail(), company_id: randomUUID() }),
  },
  {
    fault: "an owner who is no member",
    path: "/contacts",
    good: () => ({ email: freshEmail() }),
    bad: () => ({ email: freshEmail(), owner_id: randomUUID() }),
  },
  {
    fault: "a custom field that does not exist",
    path: "/contacts",
    good: () => ({ email: freshEmail() }),
    bad: () => ({ email: freshEmail(), custom_fields: { nope: 1 } }),
  },
  {
    fault: "an amount without a currency",
    path: "/deals",
    good: () => ({ name: "Deal" }),
    bad: () => ({ name: "Deal", amount: "1" }),
  },
  {
    fault: "an amount with more places than its currency has",
    path: "/deals",
    good: () => ({ name: "Deal" }),
    bad: () => ({ name: "Deal", amount: "1.5", currency: "JPY" }),
  },
  {
    fault: "a reminder after it is due",
    path: "/tasks",
    good: () => ({ title: "Task" }),
    bad: () => ({ title: "Task", due_at: "2027-01-01T00:00:00Z", remind_at: "2027-01-02T00:00:00Z" }),
  },
  {
    fault: "a day to come",
    path: "/activities",
    good: ({ contact }) => ({ type: "note", subject: "Note", contact_id: contact }),
    bad: ({ contact }) => ({ type: "note", subject: "Note", contact_id: contact, occurred_at: "2099-01-01T00:00:00Z" }),
  },
];

interface Ids {
  contact: string;
  taken: string;
}

interface Answer {
  success: boolean;
  data?: { id: string };
  error?: { code: string; message: string; details: unknown };
}

async function someIds(client: Client): Promise<Ids> {
  const taken = freshEmail();
  const { data } = await client.post("/contacts", { email: taken });
  return { contact: data.id, taken };
}

test.for(FAULTS)("500 of 1,000 records that have $fault fail alone, as one does", async ({ path, good, bad }) => {
  const { client } = await createWorkspace();
  const ids = await someIds(client);
  const before = (await client.get(path)).meta.total;
  const single = await client.post(path, bad(ids, -1));
  const records = Array.from({ length: 1000 }, (_, n) => (n % 2 === 0 ? good(ids) : bad(ids, n)));
  const { status, data, meta } = await client.post(`${path}/bulk`, { records });
  expect({ status, succeeded: meta.succeeded, failed: meta.failed }).toEqual({
    status: 207,
    succeeded: 500,
    failed: 500,
  });
  const answers = data as Answer[];
  expect(answers.map(({ success }) => success)).toEqual(records.map((_, n) => n % 2 === 0));
  expect(answers[1]?.error).toEqual(single.error);
  expect((await client.get(path)).meta.total).toBe(before + 500);
});

test("500 of 1,000 changes to a value that another record has fail alone; what the batch itself gives up is free", async () => {
  const { client } = await createWorkspace();
  const { taken } = await someIds(client);
  const { data } = await client.post("/contacts/bulk", {
    records: Array.from({ length: 1000 }, () => ({ email: freshEmail() })),
  });
  const created = (data as { data: { id: string; email: string } }[]).map((one) => one.data);
  const { status, data: answers } = await client.patch("/contacts/bulk", {
    records: created.map(({ id }, n) => (n % 2 === 0 ? { id, score: 7 } : { id, score: 7, email: taken })),
  });
  expect(status).toBe(207);
  expect((answers as Answer[]).map(({ success, error }) => (success ? "ok" : error?.code))).toEqual(
    created.map((_, n) => (n % 2 === 0 ? "ok" : "duplicate_email")),
  );
  expect((await client.get("/contacts?score=7")).meta.total).toBe(500);

  const [first, second] = created;
  const handed = await client.patch("/contacts/bulk", {
    records: [
      { id: first?.id, email: freshEmail() },
      { id: second?.id, email: first?.email },
    ],
  });
  expect(handed.status).toBe(200);
});

test("of 1,000 records with the same 500 values the later ones are duplicates of the earlier", async () => {
  const { client } = await createWorkspace();
  const emails = Array.from({ length: 500 }, freshEmail);
  const { status, data } = await client.post("/contacts/bulk", {
    records: [...emails, ...emails].map((email) => ({ email })),
  });
  expect(status).toBe(207);
  const answers = data as (Answer & { error?: { details: { existing_id: string } } })[];
  expect(answers.slice(500).map(({ error }) => error?.details.existing_id)).toEqual(
    answers.slice(0, 500).map((one) => one.data?.id),
  );
});
