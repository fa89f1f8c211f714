import { expect, test } from "vitest";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

test("a contact is created, read and listed", async () => {
  const { client } = await createWorkspace();
  const created = await client.post("/contacts", { email: freshEmail() });
  expect(created.status).toBe(201);
  const read = await client.get(`/contacts/${created.data.id}`);
  expect(read.data).toEqual(created.data);
  expect((await client.get("/contacts")).meta.total).toBe(1);
});
