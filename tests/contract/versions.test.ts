import { beforeAll, describe, expect, test } from "vitest";
import { v2 } from "../fixtures/v2/v2.ts";
import { Client } from "../harness/client.ts";
import { endOf, rowsOf, runImport } from "../harness/import_jobs.ts";
import { database } from "../harness/stack.ts";
import { serveAllVersions } from "../harness/versions.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

// v2 has new names for fields of contacts, deals, stages and activities (tests/fixtures/v2), and both versions are served
// over one database. The generic suites run for v2 too (tests/harness/versions.ts); here is what is between the versions,
// and where names go beyond a record's own fields.

let inV1: Client;
let inV2: Client;
let workspaceId: string;
beforeAll(async () => {
  const baseUrl = await serveAllVersions();
  const { key, ...workspace } = await createWorkspace();
  workspaceId = workspace.workspaceId;
  inV1 = new Client(baseUrl, key);
  inV2 = new Client(baseUrl, key, v2);
});

type Data = Record<string, unknown> & { id: string };
const idsOf = (records: Data[]) => records.map(({ id }) => id);
const url = encodeURIComponent;

async function create(path: string, fields: Record<string, unknown>): Promise<Data> {
  const { data, status, body } = await inV2.post(path, fields);
  expect(status, JSON.stringify(body)).toBe(201);
  return data;
}
const createContact = (fields = {}) => create("/contacts", { mail: freshEmail(), first_name: "Ann", ...fields });

describe("a record", () => {
  test("is one in both versions, each with its own names", async () => {
    const made = await createContact({
      state: "inactive",
      home: { city: "Bonn", country: "DE" },
      phone: "0228 123456",
    });
    expect(made).toMatchObject({ state: "inactive", home: { city: "Bonn" }, phone_e164: "+49228123456" });
    const { data } = await inV1.get(`/contacts/${made.id}`);
    expect(data).toMatchObject({
      status: "inactive",
      email: made["mail"],
      address: made["home"],
      phone_e164: "+49228123456",
    });
    for (const name of ["state", "mail", "home"]) expect(data).not.toHaveProperty(name);
    for (const name of ["status", "email", "address"]) expect(made).not.toHaveProperty(name);
    await inV1.patch(`/contacts/${made.id}`, { status: "bounced" });
    expect((await inV2.get(`/contacts/${made.id}?fields=state`)).data).toEqual({ id: made.id, state: "bounced" });
  });

  test("takes the names of its version, and no others", async () => {
    const old = await inV2.post("/contacts", { mail: freshEmail(), status: "active" });
    expect(old.error).toMatchObject({ code: "unknown_field", details: { status: [expect.any(String)] } });
    const early = await inV1.post("/contacts", { email: freshEmail(), state: "active" });
    expect(early.error).toMatchObject({ code: "unknown_field", details: { state: [expect.any(String)] } });
    for (const query of ["status=active", "sort=status", "fields=status", "company_id[is_null]=true"])
      expect((await inV2.get(`/contacts?${query}`)).status, query).toBe(400);
  });

  test("is filtered by and shown with related records in the names of the version", async () => {
    const contact = await createContact({ state: "bounced" });
    const deal = await create("/deals", {
      name: "Skates",
      primary_contact_id: contact.id,
      value: "5.00",
      currency: "EUR",
    });
    const query = `primary_contact.state=bounced&primary_contact.mail=${url(String(contact["mail"]))}&include=primary_contact`;
    const found = await inV2.get(`/deals?${query}`);
    expect(idsOf(found.data)).toEqual([deal.id]);
    expect(found.data[0].primary_contact).toEqual(contact);
    const { data } = await inV1.get(`/deals/${deal.id}?include=primary_contact`);
    expect(data).toMatchObject({ amount: "5.00", primary_contact: { status: "bounced" } });
  });

  test("is found by search, merged, and in the timeline of another", async () => {
    const [winner, loser] = [await createContact(), await createContact({ born_on: "1815-12-10" })];
    await create("/activities", { kind: "call", person_id: winner.id, details: { status: "answered" } });
    const hits = (await inV2.get(`/search?q=${url(String(winner["mail"]))}`)).data;
    expect(hits[0]).toMatchObject({ type: "contact", id: winner.id, data: { mail: winner["mail"] } });
    const merged = await inV2.post(`/contacts/${winner.id}/merge`, { ids: [loser.id], prefer: "newest" });
    expect(merged.data).toMatchObject({ id: winner.id, born_on: "1815-12-10" });
    expect((await inV2.post(`/merges/${merged.meta.merge_id}/revert`)).data).toMatchObject({ born_on: null });
    const [entry] = (await inV2.get(`/contacts/${winner.id}/timeline`)).data;
    expect(entry.data).toMatchObject({ kind: "call", person_id: winner.id, details: { status: "answered" } });
  });

  test("is refused by rules in the names of the version", async () => {
    const alone = await inV2.post("/activities", { kind: "note" });
    const sentence = "The person_id field is required when neither company_id nor deal_id is given.";
    expect(alone.error).toMatchObject({
      code: "validation_error",
      message: sentence,
      details: { person_id: [sentence] },
    });
    const contact = await createContact();
    const call = await create("/activities", { kind: "call", person_id: contact.id });
    const wrong = await inV2.patch(`/activities/${call.id}`, {
      kind: "meeting",
      details: { recording_url: "https://a.example" },
    });
    expect(Object.keys(wrong.error.details)).toEqual(["details.recording_url"]);
    const other = await create("/activities", { kind: "custom", person_id: contact.id, details: { from: 5 } });
    const retyped = await inV2.patch(`/activities/${other.id}`, { kind: "call" });
    expect(retyped.error.details).toEqual({ "details.from": ["The details.from field must be text."] });
  });
});

describe("the history", () => {
  test("has the changed fields by the names of the version that asks, which it is filtered by", async () => {
    const { id } = await createContact();
    await inV2.patch(`/contacts/${id}`, { state: "inactive", score: 5, job_title: "Analyst" });
    const fieldsOf = async (client: Client, query = "") => {
      const { data } = await client.get(`/contacts/${id}/history?version=2&${query}`);
      return data.map(({ field }: { field: string }) => field).sort();
    };
    expect(await fieldsOf(inV1)).toEqual(["job_title", "score", "status"]);
    expect(await fieldsOf(inV2)).toEqual(["job_title", "score", "state"]);
    expect(await fieldsOf(inV2, "field=state")).toEqual(["state"]);
    expect(await fieldsOf(inV2, "field=status")).toEqual([]);
    expect(await fieldsOf(inV2, "field[contains]=tat")).toEqual(["state"]);
    expect(await fieldsOf(inV2, "field[contains]=Tus")).toEqual([]);
    expect(await fieldsOf(inV2, "field[contains]=t")).toEqual(["job_title", "state"]);
    expect(await fieldsOf(inV2, "field[starts_with]=S")).toEqual(["score", "state"]);
    expect(await fieldsOf(inV1, "field[starts_with]=stat")).toEqual(["status"]);
  });
});

describe("a pipeline", () => {
  const stages = (needs: string[]) => [
    { name: "Open", chance: 10 },
    { name: "Close", chance: 90, needs },
    { name: "Won", type: "won" },
    { name: "Lost", type: "lost" },
  ];

  test("has stages by the names of the version, and what they need by those of its deals", async () => {
    const made = await create("/pipelines", {
      name: `Sales ${Date.now()}`,
      stages: stages(["value"]),
    });
    const shown = made["stages"] as Data[];
    expect(shown[1]).toMatchObject({ name: "Close", chance: 90, needs: ["value"] });
    expect((await inV2.get(`/pipelines/${made.id}/stages/${shown[1]?.id}`)).data).toMatchObject(shown[1] ?? {});
    const { data } = await inV1.get(`/pipelines/${made.id}`);
    expect(data.stages[1]).toMatchObject({ name: "Close", probability: 90, required_fields: ["amount"] });
    const wrong = await inV2.post("/pipelines", { name: "x", stages: stages(["amount"]) });
    expect(wrong.error.details).toEqual({ "stages.1.needs.0": [expect.stringContaining("must be a field of deals")] });
    const old = await inV2.post("/pipelines", { name: "x", stages: [{ name: "Open", probability: 5 }] });
    expect(Object.keys(old.error.details)).toContain("stages.0.probability");
  });

  test("moves its deals by actions, transitions and summaries in the names of the version", async () => {
    const pipeline = await create("/pipelines", {
      name: `Moves ${Date.now()}`,
      stages: stages(["value"]),
      rules: { require_lost_reason: true },
    });
    const [open, close, , lost] = pipeline["stages"] as [Data, Data, Data, Data];
    const deal = await create("/deals", { name: "Skates", pipeline_id: pipeline.id });
    const unmet = await inV2.post(`/deals/${deal.id}/move`, { step_id: close.id });
    expect(unmet.error).toMatchObject({
      code: "stage_requirements_unmet",
      message: "The deal lacks fields that the stage requires: value.",
      details: { missing_fields: ["value"] },
    });
    const missing = async (client: Client) => {
      const { data } = await client.get(`/deals/${deal.id}/transitions`);
      expect(data[0]).toHaveProperty(client === inV2 ? "step_id" : "stage_id");
      return data.map((one: { missing_fields: string[] }) => one.missing_fields);
    };
    expect(await missing(inV2)).toEqual([[], ["value"], [], ["reason"]]);
    expect(await missing(inV1)).toEqual([[], ["amount"], [], ["lost_reason"]]);
    expect((await inV2.post(`/deals/${deal.id}/lose`)).error).toMatchObject({ details: { field: "reason" } });
    const old = await inV2.post(`/deals/${deal.id}/move`, { stage_id: close.id });
    expect(Object.keys(old.error.details).sort()).toEqual(["stage_id", "step_id"]);

    await inV2.patch(`/deals/${deal.id}`, { value: "7.50", currency: "EUR" });
    expect((await inV2.post(`/deals/${deal.id}/move`, { step_id: close.id })).data.step_id).toBe(close.id);
    const asked = `pipeline_id=${pipeline.id}&group_by=step_id,currency`;
    const [group] = (await inV2.get(`/deals/summary?${asked}`)).data;
    expect(group).toEqual({ step_id: close.id, currency: "EUR", count: 1, value: "7.50", weighted_amount: "6.75" });
    expect((await inV2.get(`/deals/summary?pipeline_id=${pipeline.id}`)).meta.group_by).toEqual(["step_id"]);
    expect((await inV2.get("/deals/summary?group_by=stage_id")).status).toBe(400);
    const gone = await inV2.post(`/deals/${deal.id}/lose`, { reason: "Price" });
    expect(gone.data).toMatchObject({ step_id: lost.id, reason: "Price" });
    expect(open["needs"]).toEqual([]);
  });
});

describe("files", () => {
  const csv = (content: string, more = {}) => ({ resource: "contacts", format: "csv", content, ...more });

  test("are exported in the names of the version", async () => {
    const { id, mail } = await createContact({ state: "unsubscribed" });
    const text = async (format: string) => {
      const path = `/v2/contacts/export?format=${format}&fields=mail,state&mail=${url(String(mail))}`;
      return (await fetch(inV2.baseUrl + path, { headers: { authorization: `Bearer ${inV2.key}` } })).text();
    };
    expect(await text("csv")).toBe(`id,mail,state\r\n${id},${mail},unsubscribed\r\n`);
    expect(JSON.parse(await text("ndjson"))).toEqual({ id, mail, state: "unsubscribed" });
  });

  test("are imported in the version that they were sent in: columns, other programs' words, what finds records, errors", async () => {
    const { id, mail } = await createContact();
    const next = freshEmail();
    const content = `E-mail Address,Geburtstag,state,organization_id\n${mail},1815-12-10,bounced,\n${next},,gone,\n${next},,active,${id}\n`;
    const ended = await runImport(inV2, csv(content, { match_by: "mail" }));
    expect(ended).toMatchObject({ status: "completed", updated: 1, failed: 2, match_by: "mail" });
    expect(ended["mapping"]).toEqual({
      "E-mail Address": "mail",
      Geburtstag: "born_on",
      state: "state",
      organization_id: "organization_id",
    });
    expect((await inV1.get(`/contacts/${id}`)).data).toMatchObject({ birthday: "1815-12-10", status: "bounced" });
    for (const client of [inV2, inV1]) {
      const failed = await rowsOf(client, ended.id, "failed");
      expect(failed.map(({ error }) => Object.keys(error.details))).toEqual([["state"], ["organization_id"]]);
    }
    expect((await inV2.get("/imports?fields=match_by&limit=1")).data).toEqual([{ id: ended.id, match_by: "mail" }]);
    const ndjson = { resource: "contacts", format: "ndjson", content: JSON.stringify({ mail, score: 7 }) };
    expect(await runImport(inV2, ndjson)).toMatchObject({ updated: 1, match_by: "mail" });
    const unknown = await inV2.post("/imports", csv(content, { match_by: "email" }));
    expect(unknown.error.details).toEqual({ match_by: [expect.stringMatching(/mail/)] });
  });

  test("that were begun in one version are read in it, whichever starts them", async () => {
    const mail = freshEmail();
    const { data } = await inV2.post("/imports", {
      resource: "contacts",
      format: "csv",
      match_by: "mail",
      mapping: { State: "state" },
    });
    await inV1.post(`/imports/${data.id}/parts`, { part: 0, content: `mail,State\n${mail},bounced\n` });
    const started = await inV1.post(`/imports/${data.id}/start`);
    expect(started.data.mapping).toEqual({ mail: "mail", State: "state" });
    expect(started.headers.get("location")).toContain(`/v1/imports/${data.id}`);
    expect(await endOf(inV1, data.id)).toMatchObject({ status: "completed", created: 1 });
    expect((await inV1.get(`/contacts?email=${url(mail)}`)).data).toMatchObject([{ status: "bounced" }]);
  });

  test("of a version that is not known wait, hold up no other one, and fail when it has not come back for a day", async () => {
    const [waiting] = await database()`
      insert into crm.imports (workspace_id, resource, api_version, format, status, dry_run, on_conflict, match_by, match_column, mapping, columns)
      values (${workspaceId}, 'contacts', 'v9', 'csv', 'queued', false, 'update', 'email', 'email', '{}', '{}') returning id`;
    const id = waiting?.["id"];
    const next = () => runImport(inV1, csv(`email\n${freshEmail()}\n`));
    for (let n = 0; n < 3; n++) expect(await next()).toMatchObject({ status: "completed", created: 1 });
    expect((await inV1.get(`/imports/${id}`)).data).toMatchObject({ status: "queued", started_at: null });
    await database()`update crm.imports set touched_at = now() - interval '25 hours' where id = ${id}`;
    await next();
    expect(await endOf(inV1, id)).toMatchObject({
      status: "failed",
      error: { code: "unknown_version", message: expect.stringMatching(/^The API version v9 does not exist\./) },
    });
  });

  test("that are to be tried again later hold up no other one of their workspace", async () => {
    const [waiting] = await database()`
      insert into crm.imports (workspace_id, resource, format, status, dry_run, on_conflict, match_by, match_column, mapping, columns, lease_until)
      values (${workspaceId}, 'contacts', 'csv', 'running', false, 'update', 'email', 'email', '{}', '{}', now() + interval '1 hour') returning id`;
    expect(await runImport(inV1, csv(`email\n${freshEmail()}\n`))).toMatchObject({ status: "completed" });
    await inV1.post(`/imports/${waiting?.["id"]}/cancel`);
  });
});

describe("each answer", () => {
  test("says where something is in the version that asked", async () => {
    const { headers } = await inV2.post("/contacts", { mail: freshEmail() });
    expect(headers.get("location")).toMatch(/\/v2\/contacts\/[0-9a-f-]{36}$/);
    await createContact();
    const next = (await inV2.get("/contacts?limit=1")).headers.get("link");
    expect(next).toMatch(/^<[^>]+\/v2\/contacts\?limit=1&cursor=[^>]+>; rel="next"$/);
  });

  test("announces the end of a deprecated version, beside the next page too, and no other's", async () => {
    await createContact();
    await createContact();
    const notice = '<https://docs.example/v2>; rel="deprecation"';
    for (const path of ["/contacts?limit=1", "~/contacts?limit=1"]) {
      const { headers } = await inV1.get(path);
      expect(headers.get("deprecation")).toBe("@1805587200");
      expect(headers.get("sunset")).toBe("Tue, 21 Mar 2028 00:00:00 GMT");
      expect(headers.get("link")?.split(", ")).toEqual([expect.stringMatching(/limit=1&cursor=.*rel="next"$/), notice]);
    }
    expect((await inV1.get("/contacts?nonsense=1")).headers.get("link")).toBe(notice);
    const { headers } = await inV2.get("/contacts?limit=1");
    expect([headers.get("deprecation"), headers.get("sunset")]).toEqual([null, null]);
    expect(headers.get("link")).not.toContain("deprecation");
  });

  test("to a version that there is not is 404 with those that there are", async () => {
    const { status, error } = await inV1.get("~/v9/contacts");
    expect({ status, error }).toMatchObject({
      status: 404,
      error: { code: "unknown_version", details: { supported: ["v1", "v2"] } },
    });
    expect((await inV2.get("/nothing")).error).toMatchObject({ code: "not_found" });
  });
});
