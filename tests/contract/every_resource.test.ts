import { randomUUID } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { resourceNamed, resources } from "../../shared/resources/all.ts";
import { type Field, isNullable, type Resource } from "../../shared/resources/define.ts";
import type { Answer } from "../harness/client.ts";
import { type RecordData, Records, resourceOf } from "../harness/records.ts";
import { freshValue, shownAs, WRONG } from "../harness/samples.ts";
import { database } from "../harness/stack.ts";
import { createKey, createWorkspace } from "../harness/workspace.ts";

// What the contract promises of every record, for every resource, from its declaration. What is special
// about one has a suite of its own; lists are in every_list.test.ts.

const written = resources.filter(({ operations }) => operations.includes("create"));
const idsOf = (records: RecordData[]) => records.map(({ id }) => String(id));
const codeOf = ({ status, error }: Answer) => ({ status, code: error?.code });
const errorOf = ({ status, error }: Answer) => ({ status, error });
const fieldsWhere = (resource: Resource, keep: (field: Field, name: string) => unknown) =>
  Object.entries(resource.fields).filter(([name, field]) => keep(field, name));

test("every resource that is not written over the API is one that the API only shows", () => {
  const shown = resources.filter((resource) => !written.includes(resource)).map(({ plural }) => plural);
  expect(shown.filter((plural) => !plural.endsWith("_history"))).toEqual(["stage_changes", "users"]);
});

describe.each(written.map((resource) => ({ resource, name: resource.plural })))("$name", ({ resource }) => {
  let records: Records;
  let path: string;
  const isPathField = (name: string) => name === resource.parent?.field;
  const given = fieldsWhere(resource, (field, name) => !field.readOnly && !isPathField(name));
  const changeable = given.filter(([, field]) => !field.createOnly);
  const unique = given.filter(([, field]) => field.unique);
  const required = given.filter(([, field]) => field.required).map(([name]) => name);

  beforeAll(async () => {
    records = new Records(await createWorkspace());
    path = await records.path(resource);
  });

  const create = (fields: RecordData = {}) => records.create(resource, fields);
  const body = (fields: RecordData = {}) => records.body(resource, fields);
  const read = async (id: string) => (await records.client.get(`${path}/${id}`)).data;
  const patch = (id: string, fields: RecordData, headers = {}) =>
    records.client.patch(`${path}/${id}`, fields, headers);
  const remove = (id: string) => records.client.delete(`${path}/${id}`);
  const bulk = (method: string, sent: RecordData, query = "", headers = {}) =>
    records.client.call(`${path}/bulk${query}`, { method, body: sent, headers });
  let plain: { name: string; values: unknown[] };
  /** A change of a plain field to its n-th value. */
  const plainly = (n: number): RecordData => ({ [plain.name]: plain.values[n] });

  beforeEach(() => {
    plain = records.plainField(resource);
  });

  describe("create", () => {
    test("answers 201 with a Location and an ETag that a read has too, all fields, stamps and defaults", async () => {
      const { status, data, headers } = await records.client.post(path, await body());
      expect(status).toBe(201);
      expect(headers.get("location")).toMatch(new RegExp(`/functions/v1/api/v1${path}/${data.id}$`));
      const again = await records.client.get(`${path}/${data.id}`);
      expect(again.data).toEqual(data);
      expect(headers.get("etag")).toMatch(/^"1\./);
      expect(again.headers.get("etag")).toBe(headers.get("etag"));
      expect(Object.keys(data)).toEqual(resource.names.all);
      const actor = { type: "api_key", id: records.workspace.id };
      expect(data).toMatchObject({ ...resource.defaults, version: 1, created_by: actor, updated_by: actor });
      expect(data.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
      expect(data.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
      expect(data.updated_at).toBe(data.created_at);
    });

    test.each(given)("keeps the %s that is given", async (name, field) => {
      for (const value of await records.samples(resource, name)) {
        const { id } = await create({ [name]: field.unique ? freshValue(field) : value });
        const expected = field.unique ? {} : { [name]: shownAs(field, value) };
        expect(await read(id)).toMatchObject(expected);
      }
    });

    test("tells all required fields that are missing at once, in the published style", async () => {
      const { status, error } = await records.client.post(path, {});
      const details = Object.fromEntries(required.map((name) => [name, [`The ${name} field is required.`]]));
      expect({ status, error }).toEqual({
        status: 400,
        error: { code: "validation_error", message: `The ${required[0]} field is required.`, details },
      });
    });
  });

  describe("update", () => {
    test.each(changeable)("changes the %s", async (name, field) => {
      const [first, ...others] = await records.samples(resource, name);
      for (const value of others.length > 0 ? others : [first]) {
        const { id } = await create(others.length > 0 ? { [name]: field.unique ? freshValue(field) : first } : {});
        const changed = field.unique ? freshValue(field) : value;
        const { status, data, body: answer } = await patch(id, await records.change(resource, { [name]: changed }));
        expect(status, JSON.stringify(answer)).toBe(200);
        expect(data).toMatchObject({ [name]: shownAs(field, changed) });
        expect(await read(id)).toEqual(data);
      }
    });

    test.each(changeable.filter(([, field]) => isNullable(field)))("clears the %s with null", async (name, field) => {
      const [first] = await records.samples(resource, name);
      const { id } = await create({ [name]: field.unique ? freshValue(field) : first });
      const { status, data, body: answer } = await patch(id, await records.change(resource, { [name]: null }));
      expect(status, JSON.stringify(answer)).toBe(200);
      const { [name]: unset } = await create();
      // A number that the server keeps in any case, such as the last position, is set anew.
      const isKept = field.references === undefined && typeof unset === "number";
      expect(data[name]).toEqual(isKept ? expect.any(Number) : shownAs(field, null));
    });

    test("refuses null in each field that must have a value, all at once", async () => {
      const must = changeable.filter(([, field]) => !isNullable(field)).map(([name]) => name);
      const { id } = await create();
      const { status, error } = await patch(id, Object.fromEntries(must.map((name) => [name, null])));
      expect({ status, details: error?.details }).toEqual({
        status: 400,
        details: Object.fromEntries(must.map((name) => [name, [`The ${name} field may not be null.`]])),
      });
    });

    test("that changes nothing keeps the version and the time, one that does adds 1 and moves it on", async () => {
      const before = await create(plainly(0));
      expect((await patch(before.id, {})).data).toEqual(before);
      expect((await patch(before.id, plainly(0))).data).toEqual(before);
      const { data } = await patch(before.id, plainly(1));
      expect(data).toEqual({ ...before, ...plainly(1), version: 2, updated_at: data.updated_at });
      expect(data.updated_at > String(before["updated_at"])).toBe(true);
    });

    test("is refused with 412 when If-Match is stale, and changes nothing", async () => {
      const { id } = await create(plainly(0));
      const tag = (await records.client.get(`${path}/${id}`)).headers.get("etag") ?? "";
      const fresh = await patch(id, plainly(1), { "if-match": tag });
      expect(fresh.status).toBe(200);
      expect(codeOf(await patch(id, plainly(2), { "if-match": tag }))).toEqual({
        status: 412,
        code: "precondition_failed",
      });
      expect(codeOf(await records.client.delete(`${path}/${id}`, { "if-match": tag }))).toEqual({
        status: 412,
        code: "precondition_failed",
      });
      expect(await read(id)).toEqual(fresh.data);
      const current = `"7", ${fresh.headers.get("etag")}`;
      expect((await patch(id, plainly(2), { "if-match": current })).status).toBe(200);
      expect((await records.client.delete(`${path}/${id}`, { "if-match": "*" })).status).toBe(200);
    });

    test("of ten at once with the same If-Match, one wins", async () => {
      const { id } = await create(plainly(0));
      const tag = (await records.client.get(`${path}/${id}`)).headers.get("etag") ?? "";
      const answers = await Promise.all(Array.from({ length: 10 }, () => patch(id, plainly(1), { "if-match": tag })));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(412)]);
    });
  });

  test("a read answers 304 to its ETag, until the record changes", async () => {
    const { id } = await create(plainly(0));
    const tag = (await records.client.get(`${path}/${id}`)).headers.get("etag") ?? "";
    for (const condition of [tag, `W/${tag}`, `"x", ${tag}`, "*"]) {
      const {
        status,
        body: nothing,
        headers,
      } = await records.client.get(`${path}/${id}`, { "if-none-match": condition });
      expect({ status, nothing, tag: headers.get("etag") }).toEqual({ status: 304, nothing: null, tag });
    }
    await patch(id, plainly(1));
    expect((await records.client.get(`${path}/${id}`, { "if-none-match": tag })).status).toBe(200);
  });

  describe("a body is refused", () => {
    test("with read-only fields, all at once, on creation and on change", async () => {
      const { id } = await create();
      const readOnly = fieldsWhere(resource, (field, name) => field.readOnly || isPathField(name)).map(
        ([name]) => name,
      );
});

/** What an action needs to get as far as looking for its record. */
const ACTION_BODIES: Record<string, RecordData> = {
  merge: { ids: [randomUUID()] },
  move: { stage_id: randomUUID() },
};

/** Every row that a workspace has, table by table. */
async function everyRow(workspaceId: string): Promise<Record<string, unknown[]>> {
  const sql = database();
  const tables = await sql`
    select relname from pg_attribute join pg_class on pg_class.oid = attrelid
    where attname = 'workspace_id' and relnamespace = 'crm'::regnamespace and relkind = 'r' order by relname`;
  const rows = tables.map(async ({ relname }) => {
    const found =
      await sql`select to_jsonb(found)::text as row from ${sql(`crm.${relname}`)} as found where workspace_id = ${workspaceId} order by 1`;
    return [relname, found.map(({ row }) => row)] as const;
  });
  return Object.fromEntries(await Promise.all(rows));
}
