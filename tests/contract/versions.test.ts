import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { v2 } from "../fixtures/v2/v2.ts";
import { Client } from "../harness/client.ts";
import { endOf } from "../harness/import_jobs.ts";
import { startAnotherFunction } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

// v2 calls the status of a contact its state (tests/fixtures/v2). Both versions are served beside each other, over one database.

let inV1: Client;
let inV2: Client;
beforeAll(async () => {
  const both = await startAnotherFunction({}, fileURLToPath(new URL("../fixtures/v2/main.ts", import.meta.url)));
  const { key } = await createWorkspace();
  inV1 = new Client(both.baseUrl, key);
  inV2 = new Client(both.baseUrl, key, v2);
});

async function create(state = "active") {
  const { data, status, error } = await inV2.post("/contacts", { email: freshEmail(), first_name: "Ann", state });
  expect(status, JSON.stringify(error)).toBe(201);
  return data;
}

test("a body gives the field by its new name, and each version shows it by its own", async () => {
  const made = await create("inactive");
  expect(made).toMatchObject({ state: "inactive" });
  expect(made).not.toHaveProperty("status");
  const { data } = await inV1.get(`/contacts/${made.id}`);
  expect(data).toMatchObject({ status: "inactive" });
  expect(data).not.toHaveProperty("state");
  expect((await inV2.get(`/contacts/${made.id}`)).data).toEqual(made);
  expect((await inV2.get(`/contacts/${made.id}?fields=state`)).data).toEqual({ id: made.id, state: "inactive" });
  const changed = await inV2.patch(`/contacts/${made.id}`, { state: "bounced" });
  expect(changed.data).toMatchObject({ state: "bounced", version: 2 });
  expect((await inV1.get(`/contacts/${made.id}`)).data.status).toBe("bounced");
});

test("in bulk too, and what was written says so in the version that asked", async () => {
  const records = [
    { email: freshEmail(), state: "unsubscribed" },
    { email: freshEmail(), status: "active" },
  ];
  const { status, data } = await inV2.post("/contacts/bulk", { records });
  expect(status).toBe(207);
  expect(data[0].data).toMatchObject({ state: "unsubscribed" });
  expect(data[1].error).toMatchObject({ code: "unknown_field" });
  const updated = await inV2.patch("/contacts/bulk", { records: [{ id: data[0].data.id, state: "active" }] });
  expect(updated.data[0].data).toMatchObject({ state: "active" });
});

test("errors name the field as the version does, and know no other name", async () => {
  const wrong = await inV2.post("/contacts", { email: freshEmail(), state: "gone" });
  expect(Object.keys(wrong.error.details)).toEqual(["state"]);
  expect(wrong.error.message).toMatch(/^The state field must be one of/);
  const old = await inV2.post("/contacts", { email: freshEmail(), status: "active" });
  expect(old.error).toMatchObject({ code: "unknown_field", details: { status: [expect.any(String)] } });
  const early = await inV1.post("/contacts", { email: freshEmail(), state: "active" });
  expect(early.error).toMatchObject({ code: "unknown_field", details: { state: [expect.any(String)] } });
});

test("filters, sorts and cursors have the new name, in the URL, in a search and through a related record", async () => {
  const tag = `t${Date.now()}`;
  const made = [];
  for (const state of ["active", "bounced", "inactive"])
    made.push((await inV2.post("/contacts", { email: freshEmail(), state, tags: [tag] })).data);
  const ids = (records: { id?: unknown }[]) => records.map(({ id }) => id);
  expect(ids((await inV2.get(`/contacts?tags=${tag}&state=bounced`)).data)).toEqual([made[1].id]);
  expect(ids(await inV2.all(`/contacts?tags=${tag}&sort=-state&limit=1`))).toEqual(ids(made).reverse());
  const filter = {
    and: [
      { field: "tags", op: "eq", value: tag },
      { field: "state", op: "ne", value: "active" },
    ],
  };
  expect((await inV2.post("/contacts/search", { filter, sort: "state" })).data).toMatchObject([
    { state: "bounced" },
    { state: "inactive" },
  ]);
  for (const query of ["status=active", "sort=status", "fields=status"])
    expect((await inV2.get(`/contacts?${query}`)).status, query).toBe(400);
  const deal = await inV2.post("/deals", { name: tag, primary_contact_id: made[1].id });
  const found = await inV2.get(`/deals?primary_contact.state=bounced&name=${tag}&include=primary_contact`);
  expect(ids(found.data)).toEqual([deal.data.id]);
  expect(found.data[0].primary_contact).toEqual(made[1]);
  expect((await inV1.get(`/deals/${deal.data.id}?include=primary_contact`)).data.primary_contact.status).toBe(
    "bounced",
  );
});

test("history, search and merges speak the version too", async () => {
  const [made, loser] = [await create(), await create("bounced")];
  await inV2.patch(`/contacts/${made.id}`, { state: "inactive" });
  const changes = async (client: Client, query = "") =>
    (await client.get(`/contacts/${made.id}/history${query}`)).data.map(({ field }: { field: string }) => field);
  expect(await changes(inV2)).toContain("state");
  expect(await changes(inV2)).not.toContain("status");
  expect(await changes(inV1)).toContain("status");
  expect(await changes(inV2, "?field=state")).toEqual(
    (await changes(inV2)).filter((field: string) => field === "state"),
  );
  const hits = (await inV2.get(`/search?q=${encodeURIComponent(made.email)}`)).data;
  expect(hits[0]).toMatchObject({ type: "contact", id: made.id, data: { state: "inactive" } });
  const merged = await inV2.post(`/contacts/${made.id}/merge`, { ids: [loser.id] });
  expect(merged.data).toMatchObject({ state: "inactive" });
  expect((await inV2.get(`/contacts/${made.id}/timeline`)).status).toBe(200);
});

test("an export is written and an import is read in its version, whichever isolate runs it", async () => {
  const made = await create("unsubscribed");
  const text = async (format: string) =>
    (
      await fetch(
        `${inV2.baseUrl}/v2/contacts/export?format=${format}&fields=email,state&email=${encodeURIComponent(made.email)}`,
        {
          headers: { authorization: `Bearer ${inV2.key}` },
        },
      )
    ).text();
  expect(await text("csv")).toBe(`id,email,state\r\n${made.id},${made.email},unsubscribed\r\n`);
  expect(JSON.parse(await text("ndjson"))).toEqual({ id: made.id, email: made.email, state: "unsubscribed" });

  const [one, two] = [freshEmail(), freshEmail()];
  const content = `email,state\n${one},bounced\n${two},gone\n`;
  const started = await inV2.post("/imports", { resource: "contacts", format: "csv", content });
  expect(started.data.mapping).toEqual({ email: "email", state: "state" });
  expect(await endOf(inV2, started.data.id)).toMatchObject({ status: "completed", created: 1, failed: 1 });
  const { data: rows } = await inV2.get(`/imports/${started.data.id}/rows?status=failed`);
  expect(Object.keys(rows[0].error.details)).toEqual(["state"]);
  expect((await inV1.get(`/contacts?email=${encodeURIComponent(one)}`)).data).toMatchObject([{ status: "bounced" }]);
});

test("where something is, is said in the version that asked", async () => {
  const { headers } = await inV2.post("/contacts", { email: freshEmail() });
  expect(headers.get("location")).toMatch(/\/v2\/contacts\/[0-9a-f-]{36}$/);
  await create();
  expect((await inV2.get("/contacts?limit=1")).headers.get("link")).toMatch(/\/v2\/contacts\?/);
});
