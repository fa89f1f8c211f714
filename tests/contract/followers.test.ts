import { describe, expect, test } from "vitest";
import { eventsAfter } from "../harness/feed.ts";
import { runImport } from "../harness/import_jobs.ts";
import { createSalesTeam, type Made, type SalesTeam } from "../harness/sales_team.ts";
import { freshEmail } from "../harness/workspace.ts";

// Two ways to keep a copy in step with the CRM, beside writers of every kind.

/** Single writes, a bulk of 1,000 and an import, all at once. */
async function writeALot(team: SalesTeam): Promise<void> {
  const bulk = team.client.post("/contacts/bulk", {
    records: Array.from({ length: 1000 }, () => ({ email: freshEmail(), first_name: "bulk" })),
  });
  const csv = ["email,first_name", ...Array.from({ length: 3000 }, () => `${freshEmail()},import`)].join("\n");
  const imported = runImport(team.client, { resource: "contacts", format: "csv", content: csv });
  const single = async () => {
    for (let n = 0; n < 20; n++) {
      const contact = await team.contact({ first_name: "single" });
      await team.client.patch(`/contacts/${contact["id"]}`, { job_title: "changed" });
      if (n % 4 === 0) await team.client.delete(`/contacts/${contact["id"]}`);
    }
  };
  const [{ status }] = await Promise.all([bulk, imported, single(), single()]);
  expect(status).toBe(201);
}

describe("a copy of the contacts", () => {
  test("that begins with a list or an export and follows the feed from the position it names is exact", async () => {
    const team = await createSalesTeam();
    for (let n = 0; n < 130; n++) await team.contact();
    const writing = writeALot(team);

    const copy = new Map<string, Made>();
    let cursor: string | null = null;
    let position: number | undefined;
    do {
      const page = await team.client.get(`/contacts?limit=50${cursor === null ? "" : `&cursor=${cursor}`}`);
      position ??= page.meta.event_position;
      expect(page.meta.event_position).toBe(position);
      expect(page.headers.get("x-event-position")).toBe(String(position));
      for (const contact of page.data) copy.set(contact.id, contact);
      cursor = page.meta.next_cursor;
    } while (cursor !== null);
    await writing;

    for (const event of await eventsAfter(team.client, position, "&resource=contacts")) {
      const held = copy.get(event["record_id"]);
      if (held !== undefined && held["version"] >= event["version"]) continue;
      if (event["data"].deleted_at) copy.delete(event["record_id"]);
      else copy.set(event["record_id"], event["data"]);
    }
    const all = (await team.client.all("/contacts?limit=100")) as Made[];
    expect(all.length).toBeGreaterThan(4000);
    expect(copy.size).toBe(all.length);
    for (const contact of all) expect(copy.get(contact["id"])).toEqual(contact);
  });

  test("an export names the position that it began at", async () => {
    const team = await createSalesTeam();
    const contact = await team.contact();
    const { position } = (await team.client.get("/events?limit=1")).meta;
    const file = await team.client.get("/contacts/export?format=ndjson");
    expect(file.headers.get("x-event-position")).toBe(String(position));
    await team.client.patch(`/contacts/${contact["id"]}`, { score: 9 });
    expect((await eventsAfter(team.client, position)).map(({ type }) => type)).toEqual(["contact.updated"]);
  });

  // shared/cases/Y1: the newest updated_at that was seen is no bookmark, as what is under way commits later with an earlier one.
  test("that asks again and again for what is newer than meta.updated_through misses nothing", async () => {
    const team = await createSalesTeam();
    const copy = new Map<string, Made>();
    let bookmark = "2000-01-01T00:00:00Z";
    async function poll(): Promise<void> {
      let cursor: string | null = null;
      let next: string | undefined;
      do {
        const query = `updated_at[gte]=${bookmark}&sort=updated_at&limit=100&total=false`;
        const page = await team.client.get(`/contacts?${query}${cursor === null ? "" : `&cursor=${cursor}`}`);
        expect(page.status, JSON.stringify(page.body)).toBe(200);
        next ??= page.meta.updated_through;
        expect(page.meta.updated_through).toBe(next);
        for (const contact of page.data) copy.set(contact.id, contact);
        cursor = page.meta.next_cursor;
      } while (cursor !== null);
      bookmark = next as string;
    }
    let isOver = false;
    const writing = writeALot(team).finally(() => {
      isOver = true;
    });
    while (!isOver) await poll();
    await writing;
    await poll();
    const all = (await team.client.all("/contacts?limit=100")) as Made[];
    for (const contact of all) expect(copy.get(contact["id"])).toEqual(contact);
    expect(Date.now() - Date.parse(bookmark)).toBeLessThan(60_000);
  });

  test("a bookmark is told where updated_at is asked about, and nowhere else", async () => {
    const team = await createSalesTeam();
    const throughOf = async (query: string) => (await team.client.get(`/contacts?${query}`)).meta.updated_through;
    expect(await throughOf("sort=-updated_at")).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z$/);
    expect(await throughOf("updated_at[gte]=2026-01-01")).toBeDefined();
    expect(await throughOf("sort=-created_at")).toBeUndefined();
  });
});
