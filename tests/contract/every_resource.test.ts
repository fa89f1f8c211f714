import { randomUUID } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { resources } from "../../shared/resources/all.ts";
import { type Field, isNullable, nameOf, type Resource } from "../../shared/resources/define.ts";
import { testIf } from "../harness/cases.ts";
import type { Answer } from "../harness/client.ts";
import { FEED_TABLES } from "../harness/feed.ts";
import { type RecordData, Records, resourceOf } from "../harness/records.ts";
import { freshValue, shownAs, WRONG } from "../harness/samples.ts";
import { database } from "../harness/stack.ts";
import { resourceCases, useVersion } from "../harness/versions.ts";
import { createKey, createWorkspace } from "../harness/workspace.ts";

// What the contract promises of every record, for every resource, from its declaration. What is special
// about one has a suite of its own; lists are in every_list.test.ts.

const isWritten = ({ operations }: Resource) => operations.includes("create");
const idsOf = (records: RecordData[]) => records.map(({ id }) => String(id));
const codeOf = ({ status, error }: Answer) => ({ status, code: error?.code });
const errorOf = ({ status, error }: Answer) => ({ status, error });
const fieldsWhere = (resource: Resource, keep: (field: Field, name: string) => unknown) =>
  Object.entries(resource.fields).filter(([name, field]) => keep(field, name));

test("every resource that is not written over the API is one that the API only shows", () => {
  const shown = resources.filter((resource) => !isWritten(resource)).map(({ plural }) => plural);
  expect(shown.filter((plural) => !plural.endsWith("_history"))).toEqual(["stage_changes", "users"]);
});

const cases = resourceCases.filter(({ resource }) => isWritten(resource));
describe.each(cases)("$name", ({ resource, version }) => {
  useVersion(version);
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
      expect(headers.get("location")).toMatch(new RegExp(`/functions/v1/api/${version.name}${path}/${data.id}$`));
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
      const samples = await records.samples(resource, name);
      const values = field.unique ? [freshValue(field)] : samples;
      const made = await Promise.all(values.map((value) => create({ [name]: value })));
      for (const [index, value] of values.entries())
        expect(made[index]).toMatchObject({ [name]: shownAs(field, value) });
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
      const [first, ...others] = field.unique
        ? [freshValue(field), freshValue(field)]
        : await records.samples(resource, name);
      await Promise.all(
        (others.length > 0 ? others : [first]).map(async (value) => {
          const { id } = await create(others.length > 0 && !field.unique ? { [name]: first } : {});
          const { status, data, body: answer } = await patch(id, await records.change(resource, { [name]: value }));
          expect(status, JSON.stringify(answer)).toBe(200);
          expect(data).toMatchObject({ [name]: shownAs(field, value) });
        }),
      );
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
      const { data, headers } = await patch(before.id, plainly(1));
      expect(data).toEqual({ ...before, ...plainly(1), version: 2, updated_at: data.updated_at });
      expect(data.updated_at > String(before["updated_at"])).toBe(true);
      const read = await records.client.get(`${path}/${before.id}`);
      expect({ data: read.data, tag: read.headers.get("etag") }).toEqual({ data, tag: headers.get("etag") });
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
      expect((await patch(id, plainly(2), { "if-match": '"nonsense"' })).status).toBe(412);
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
      const fixed = given.filter(([, field]) => field.createOnly).map(([name]) => name);
      for (const [names, answer] of [
        [
          readOnly,
          await records.client.post(path, {
            ...(await body()),
            ...Object.fromEntries(readOnly.map((name) => [name, 1])),
          }),
        ],
        [
          [...readOnly, ...fixed],
          await patch(id, Object.fromEntries([...readOnly, ...fixed].map((name) => [name, 1]))),
        ],
      ] as const) {
        expect(codeOf(answer)).toEqual({ status: 400, code: "read_only_field" });
        expect(answer.error.details).toEqual(
          Object.fromEntries(names.map((name) => [name, [`The ${name} field is read-only.`]])),
        );
      }
    });

    test("with a misspelt field, and says what was probably meant", async () => {
      const [meant = ""] = changeable.slice(-1).map(([name]) => name);
      const misspelt = `${meant.slice(0, -1)}_`;
      const { id } = await create();
      for (const answer of [
        await records.client.post(path, { ...(await body()), [misspelt]: 1 }),
        await patch(id, { [misspelt]: 1 }),
      ]) {
        expect(codeOf(answer)).toEqual({ status: 400, code: "unknown_field" });
        expect(answer.error.details).toEqual({ [misspelt]: [answer.error.message] });
        expect(answer.error.message).toContain(`Did you mean ${meant}?`);
      }
    });

    test("with values of a wrong type, all at once", async () => {
      const { id } = await create();
      for (const wrong of WRONG) {
        const refusing = changeable.filter(([, field]) => !field.schema.safeParse(wrong).success).map(([name]) => name);
        const sent = Object.fromEntries(refusing.map((name) => [name, wrong]));
        for (const answer of [await records.client.post(path, { ...(await body()), ...sent }), await patch(id, sent)]) {
          expect(answer.status, JSON.stringify(answer.body)).toBe(400);
          const { _more: more = 0, ...details } = answer.error.details;
          const told = new Set(Object.keys(details).map((at) => at.split(".")[0]));
          // Twenty are told, the rest is counted (contract §5).
          expect([...told].every((name) => refusing.includes(name ?? ""))).toBe(true);
          if (more === 0) expect([...told].sort()).toEqual(refusing.toSorted());
          else expect(Object.values(details).flat()).toHaveLength(20);
          expect(answer.error.message).toBe(Object.values(answer.error.details).flat()[0]);
        }
      }
    });
  });

  describe.each(unique)("a %s that is taken", (name, field) => {
    const isTaken = (holder: unknown) => ({
      status: 409,
      error: { code: field.unique, message: expect.any(String), details: { field: name, existing_id: holder } },
    });

    test("is refused on creation with the record that holds it", async () => {
      const value = freshValue(field);
      const holder = await create({ [name]: value });
      expect(errorOf(await records.client.post(path, await body({ [name]: value })))).toEqual(isTaken(holder.id));
    });

    testIf(!field.createOnly)("is refused on change, and not to its holder", async () => {
      const value = freshValue(field);
      const holder = await create({ [name]: value });
      const other = await create();
      expect(errorOf(await patch(other.id, { [name]: value }))).toEqual(isTaken(holder.id));
      expect((await patch(holder.id, { [name]: value })).data).toEqual(holder);
    });

    test("is free after its holder is deleted, which then can't come back before it is free again", async () => {
      const value = freshValue(field);
      const first = await create({ [name]: value });
      await remove(first.id);
      const second = await create({ [name]: value });
      expect(errorOf(await records.client.post(`${path}/${first.id}/restore`))).toEqual(isTaken(second.id));
      await remove(second.id);
      expect((await records.client.post(`${path}/${first.id}/restore`)).status).toBe(200);
    });

    testIf(isNullable(field))("is free after null", async () => {
      const value = freshValue(field);
      const first = await create({ [name]: value });
      await patch(first.id, { [name]: null });
      await create({ [name]: value });
    });

    test("is given to one of ten at once, and their upserts are one record", async () => {
      const value = freshValue(field);
      const bodies = await Promise.all(Array.from({ length: 10 }, () => body({ [name]: value })));
      // Other unique fields would stand in the way.
      const alike = bodies.map(() => bodies[0] ?? {});
      const answers = await Promise.all(alike.map((sent) => records.client.post(path, sent)));
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)]);
      const another = await body({ [name]: freshValue(field) });
      const upserts = await Promise.all(alike.map(() => records.client.post(`${path}?on_conflict=update`, another)));
      expect(upserts.map(({ status }) => status).sort()).toEqual([...Array(9).fill(200), 201]);
      expect(new Set(upserts.map(({ data }) => data.id)).size).toBe(1);
    });

    test("is returned or updated by on_conflict, one by one and in bulk", async () => {
      const value = freshValue(field);
      const holder = await create({ ...plainly(0), [name]: value });
      const again = { ...(await body(plainly(1))), [name]: value };
      // Of several unique fields the holder's own are given, or the record would be two.
      for (const [other] of unique) if (Object.hasOwn(again, other)) again[other] = holder[other];
      const returned = await records.client.post(`${path}?on_conflict=return`, again);
      expect({ status: returned.status, data: returned.data }).toEqual({ status: 200, data: holder });
      const returnedMany = await bulk("POST", { records: [again] }, "?on_conflict=return");
      expect({ status: returnedMany.status, data: returnedMany.data[0].data }).toEqual({ status: 200, data: holder });
      expect(await read(holder.id)).toEqual(holder);

      const updated = await records.client.post(`${path}?on_conflict=update`, again);
      const expected = {
        ...holder,
        ...shownOf(again),
        version: updated.data.version,
        updated_at: updated.data.updated_at,
      };
      expect({ status: updated.status, data: updated.data }).toEqual({ status: 200, data: expected });
      const news = await body(plainly(2));
      const updatedMany = await bulk(
        "POST",
        { records: [{ ...again, ...(name in plainly(2) ? {} : plainly(2)) }, news] },
        "?on_conflict=update",
      );
      expect(updatedMany.status, JSON.stringify(updatedMany.body)).toBe(200);
      expect(updatedMany.data[0].data.id).toBe(holder.id);
      expect((await bulk("POST", { records: await records.bodies(resource, 2) }, "?on_conflict=update")).status).toBe(
        201,
      );
    });
  });

  /** A body as the record shows it. */
  function shownOf(sent: RecordData): RecordData {
    return Object.fromEntries(
      Object.entries(sent).map(([name, value]) => [name, shownAs(resource.fields[name] as Field, value)]),
    );
  }

  describe.each(given.filter(([, field]) => field.references !== undefined))("a %s", (name, field) => {
    test("that is absent, deleted or another workspace's is 422 reference_not_found, the same answer", async () => {
      const target = resourceOf(field.references ?? "");
      const there = new Records(await createWorkspace());
      const [deleted = ""] = await records.insert(target, await records.rows(target, 1, { linked: false, seed: 3 }));
      await database()`update ${database()(`crm.${target.table}`)} set deleted_at = now() where id = ${deleted}`;
      const expected = {
        status: 422,
        error: {
          code: "reference_not_found",
          message: `The ${name} field names a record that does not exist.`,
          details: { [name]: [`The ${name} field names a record that does not exist.`] },
        },
      };
      const { id } = await create();
      for (const absent of [randomUUID(), deleted, await there.oneOf(target.plural)]) {
        const sent = await records.change(resource, { [name]: absent });
        expect(errorOf(await records.client.post(path, await body(sent))), `create ${absent}`).toEqual(expected);
        expect(errorOf(await patch(id, sent)), `update ${absent}`).toEqual(expected);
      }
    });
  });

  const loose = Object.entries(resource.include).filter(([, { field, resource: target }]) => {
    const facts = resource.fields[field];
    return facts !== undefined && isNullable(facts) && target().operations.includes("delete");
  });
  test.each(loose)(
    "a %s that is deleted is kept as a reference, and shows as null until it is back",
    async (name, include) => {
      const target = include.resource();
      const related = await records.create(target);
      const { id } = await create({ ...plainly(0), [include.field]: related.id });
      const at = `${await records.path(target)}/${related.id}`;
      const shown = async () => (await records.client.get(`${path}/${id}?include=${name}`)).data;
      expect((await shown())[name].id).toBe(related.id);
      await records.client.delete(at);
      expect(await shown()).toMatchObject({ [include.field]: related.id, [name]: null });
      const list = await records.client.get(`${path}?${name}.id=${related.id}`);
      expect(list.meta.total).toBe(0);
      const same = await patch(id, { ...plainly(1), [include.field]: related.id });
      expect({ status: same.status, data: same.data }).toMatchObject({ status: 200, data: plainly(1) });
      await records.client.post(`${at}/restore`);
      expect((await shown())[name].id).toBe(related.id);
    },
  );

  test("an id that is unknown, deleted or another workspace's is 404 for every verb, the same answer", async () => {
    const there = new Records(await createWorkspace());
    const foreign = String((await there.make(resource))["id"]);
    const { id: deleted } = await create();
    await remove(deleted);
    const verbs = (id: string) => [
      records.client.get(`${path}/${id}`),
      patch(id, plainly(0)),
      remove(id),
      ...(id === deleted ? [] : [records.client.post(`${path}/${id}/restore`)]),
      ...Object.keys(resource.actions).map((action) =>
        records.client.post(`${path}/${id}/${action}`, actionBody(resource, action)),
      ),
    ];
    const notFound = { status: 404, error: { code: "not_found", message: expect.any(String), details: {} } };
    for (const id of [randomUUID(), deleted, foreign, "42"]) {
      for (const answer of await Promise.all(verbs(id))) expect(errorOf(answer), id).toEqual(notFound);
    }
    expect((await there.client.get(`${await there.path(resource)}/${foreign}`)).status).toBe(200);
  });

  describe("delete and restore", () => {
    test("a deleted record is gone from reads, lists, search and totals, and comes back as it was", async () => {
      const before = await create(plainly(0));
      const total = async () => (await records.client.get(`${path}?limit=1`)).meta.total;
      const [all, one] = [await total(), `${path}?id=${before.id}`];
      const deleted = await remove(before.id);
      expect({ status: deleted.status, data: deleted.data }).toEqual({ status: 200, data: { id: before.id } });
      expect((await records.client.get(`${path}/${before.id}`)).status).toBe(404);
      expect((await records.client.get(one)).meta.total).toBe(0);
      expect(await total()).toBe(all - 1);
      expect((await remove(before.id)).status).toBe(404);

      const restored = await records.client.post(`${path}/${before.id}/restore`);
      expect(restored.status).toBe(200);
      expect(restored.data).toEqual({ ...before, version: 3, updated_at: restored.data.updated_at });
      expect(restored.headers.get("etag")).toBe((await records.client.get(`${path}/${before.id}`)).headers.get("etag"));
      expect((await records.client.get(one)).meta.total).toBe(1);
      expect(await total()).toBe(all);
      expect((await records.client.post(`${path}/${before.id}/restore`)).data).toEqual(restored.data);
    });

    test("after 90 days there is nothing to restore, and the row goes", async () => {
      const { id } = await create();
      await remove(id);
      const table = database()(`crm.${resource.table}`);
      await database()`update ${table} set deleted_at = now() - interval '91 days' where id = ${id}`;
      expect((await records.client.post(`${path}/${id}/restore`)).status).toBe(404);
      await database()`call crm.purge_all()`;
      expect(await database()`select from ${table} where id = ${id}`).toHaveLength(0);
    });
  });

  test("its history has each changed field with from, to, when, by whom and at which version", async () => {
    const sent = changeable.filter(([, field]) => !field.unique && field.typedBy === undefined);
    await Promise.all(
      sent.map(async ([name, field]) => {
        const [first, ...others] = await records.samples(resource, name);
        // Two that are written differently may be one value: "Ann" and "ann" are the same locale.
        const shown = (value: unknown) => JSON.stringify(shownAs(field, value));
        const second = others.find((value) => shown(value) !== shown(first)) ?? null;
        const before = await create({ [name]: first });
        const change = await records.change(resource, { [name]: second });
        const { data: after, status } = await patch(before.id, change);
        expect({ name, status, version: after?.version }).toEqual({ name, status: 200, version: 2 });
        const { data: history } = await records.client.get(`${path}/${before.id}/history?limit=100`);
        const [key = ""] = name === "custom_fields" ? Object.keys(first as RecordData) : [];
        expect(history.map(({ field }: RecordData) => field)).toContain(key === "" ? name : `${name}.${key}`);
        const valueIn = (record: RecordData, field: string) =>
          field === `custom_fields.${key}` ? (record["custom_fields"] as RecordData)[key] : record[field];
        for (const { id, field, ...entry } of history) {
          expect({ field, ...entry }).toEqual({
            record_id: before.id,
            field,
            from: valueIn(before, field),
            to: valueIn(after, field),
            version: 2,
            changed_at: after.updated_at,
            changed_by: after.updated_by,
          });
          expect(id).toMatch(/^[0-9a-f-]{36}$/);
        }
      }),
    );
  });

  test("a dry run of any write answers what would be and changes no row of any table", async () => {
    const here = new Records(await createWorkspace());
    const at = await here.path(resource);
    const kept = await here.create(resource, plainly(0));
    const gone = await here.create(resource);
    await here.client.delete(`${at}/${gone.id}`);
    const [fresh, more] = await here.bodies(resource, 2);
    const [[name = "", field] = []] = unique;
    const taken = {
      ...(await here.body(resource)),
      [name]: field?.unique ? (kept[name] ?? freshValue(field)) : null,
    };
    const before = await everyRow(here.workspace.workspaceId);
    const call = (method: string, below: string, sent: RecordData | undefined, query = "") =>
      here.client.call(`${at}${below}?dry_run=true${query}`, { method, ...(sent && { body: sent }) });
    const answers = {
      create: await call("POST", "", fresh),
      upsert: await call("POST", "", taken, "&on_conflict=update"),
      update: await call("PATCH", `/${kept.id}`, plainly(1)),
      delete: await call("DELETE", `/${kept.id}`, undefined),
      restore: await call("POST", `/${gone.id}/restore`, {}),
      "bulk create": await call("POST", "/bulk", { records: [fresh, more] }),
      "bulk upsert": await call("POST", "/bulk", { records: [taken, more] }, "&on_conflict=update"),
      "bulk update": await call("PATCH", "/bulk", { records: [{ id: kept.id, ...plainly(1) }] }),
      "bulk delete": await call("DELETE", "/bulk", { ids: [kept.id] }),
      "atomic bulk": await call("POST", "/bulk", { records: [fresh, more] }, "&atomic=true"),
    };
    for (const [write, { status, meta, headers, body: answer }] of Object.entries(answers)) {
      expect([200, 201], `${write} ${JSON.stringify(answer)}`).toContain(status);
      expect({ write, dry: meta.dry_run, location: headers.get("location") }).toEqual({
        write,
        dry: true,
        location: null,
      });
    }
    expect(answers.create.status).toBe(201);
    expect(answers.update.data).toMatchObject({ ...plainly(1), version: 2 });
    expect(answers.delete.data).toEqual({ id: kept.id });
    expect(answers.restore.data.id).toBe(gone.id);
    expect(await everyRow(here.workspace.workspaceId)).toEqual(before);
  });

  describe("an Idempotency-Key", () => {
    test("replays the first answer of a creation, a change, a restore and a bulk, which happen once", async () => {
      const { id } = await create(plainly(0));
      const { id: gone } = await create();
      await remove(gone);
      const [first, second, third] = await records.bodies(resource, 3);
      const total = async () => (await records.client.get(`${path}?limit=1`)).meta.total;
      const before = await total();
      const keyed = () => ({ "idempotency-key": randomUUID() });
      const sends = [
        (headers: Record<string, string>) => records.client.post(path, first, headers),
        (headers: Record<string, string>) => patch(id, plainly(1), headers),
        (headers: Record<string, string>) => records.client.post(`${path}/${gone}/restore`, {}, headers),
        (headers: Record<string, string>) => bulk("POST", { records: [second, third, {}] }, "", headers),
        (headers: Record<string, string>) => bulk("PATCH", { records: [{ id, ...plainly(2) }] }, "", headers),
        (headers: Record<string, string>) => bulk("DELETE", { ids: [id] }, "", headers),
      ];
      for (const send of sends) {
        const headers = keyed();
        const [one, again] = [await send(headers), await send(headers)];
        expect(one.status, JSON.stringify(one.body)).toBeLessThan(300);
        expect({
          status: again.status,
          body: again.body,
          etag: again.headers.get("etag"),
          location: again.headers.get("location"),
        }).toEqual({
          status: one.status,
          body: one.body,
          etag: one.headers.get("etag"),
          location: one.headers.get("location"),
        });
        expect([one.headers.get("idempotent-replayed"), again.headers.get("idempotent-replayed")]).toEqual([
          null,
          "true",
        ]);
      }
      expect(await total()).toBe(before + 3);
    });

    test("of another body is 422, and is kept by no failure", async () => {
      const headers = { "idempotency-key": randomUUID() };
      expect((await records.client.post(path, {}, headers)).status).toBe(400);
      expect((await records.client.post(path, await body(), headers)).status).toBe(201);
      expect(codeOf(await records.client.post(path, await body(plainly(1)), headers))).toEqual({
        status: 422,
        code: "idempotency_key_reused",
      });
    });
  });

  describe("bulk", () => {
    test("creates in order with 201, changes and deletes with 200", async () => {
      const bodies = await records.bodies(resource, 5);
      const made = await bulk("POST", { records: bodies });
      expect({ status: made.status, succeeded: made.meta.succeeded, failed: made.meta.failed }).toEqual({
        status: 201,
        succeeded: 5,
        failed: 0,
      });
      made.data.forEach((one: RecordData, index: number) => {
        expect(one).toMatchObject({ index, success: true, data: { ...shownOf(bodies[index] ?? {}), version: 1 } });
      });
      const ids = idsOf(made.data.map(({ data }: { data: RecordData }) => data));
      expect((await Promise.all(ids.map(read))).map(({ version }) => version)).toEqual([1, 1, 1, 1, 1]);
      const order = ids.toReversed();
      const { name } = plain;
      const field = resource.fields[name];
      const change = order.map((id) => ({ id, ...(field?.unique ? { [name]: freshValue(field) } : plainly(1)) }));
      const changed = await bulk("PATCH", { records: change });
      expect([changed.status, changed.data.map((one: { data: RecordData }) => one.data["id"])]).toEqual([200, order]);
      const removed = await bulk("DELETE", { ids: order });
      expect({ status: removed.status, data: removed.data }).toEqual({
        status: 200,
        data: order.map((id, index) => ({ index, success: true, data: { id } })),
      });
      expect((await records.client.get(`${path}?id=${ids.slice(0, 100)}`)).meta.total).toBe(0);
    });

    test("refuses a request that names a record twice, in any letters", async () => {
      const { id } = await create();
      const ids = [id, id.toUpperCase()];
      for (const answer of [
        await bulk("PATCH", { records: ids.map((one) => ({ id: one, ...plainly(1) })) }),
        await bulk("DELETE", { ids }),
      ])
        expect(codeOf(answer)).toEqual({ status: 400, code: "validation_error" });
      expect((await read(id)).version).toBe(1);
    });

    test("answers 207 with what became of each when some fail, and nothing is written with atomic=true", async () => {
      const { id } = await create(plainly(0));
      const [first, second] = await records.bodies(resource, 2);
      const cases: [string, RecordData, (string | undefined)[]][] = [
        [
          "POST",
          { records: [first, {}, 7, { ...second, nonsense: 1 }, second] },
          [undefined, "validation_error", "validation_error", "unknown_field", undefined],
        ],
        [
          "PATCH",
          { records: [{ id, ...plainly(1) }, { id: randomUUID(), ...plainly(1) }, plainly(1)] },
          [undefined, "not_found", "validation_error"],
        ],
        ["DELETE", { ids: [id, randomUUID(), "42"] }, [undefined, "not_found", "not_found"]],
      ];
      for (const [method, sent, codes] of cases) {
        const before = await everyRow(records.workspace.workspaceId);
        const whole = await bulk(method, sent, "?atomic=true");
        const failures = codes.flatMap((code, index) => (code === undefined ? [] : [{ index, code }]));
        const told = whole.error.details.records.map((one: { index: number; error: { code: string } }) => ({
          index: one.index,
          code: one.error.code,
        }));
        expect(failures, method).toEqual(expect.arrayContaining(told));
        expect(whole.error.code).toBe(told[0].code);
        expect(await everyRow(records.workspace.workspaceId)).toEqual(before);
        const each = await bulk(method, sent);
        expect(each.status, method).toBe(207);
        expect(each.data.map((one: { error?: { code: string } }) => one.error?.code)).toEqual(codes);
      }
    });
  });

  test("a key that may only read it reads it, and writes nothing", async () => {
    const { id } = await create();
    const { workspaceId } = records.workspace;
    const permissions = Object.fromEntries(
      resources.map(({ scope }) => [scope, scope === resource.scope ? "read" : "write"] as const),
    );
    const readers = [
      await createKey({ workspaceId, scope: "read_only" }),
      await createKey({ workspaceId, scope: "custom", permissions }),
    ];
    const expected = { status: 403, code: "insufficient_scope", required: `${resource.scope}:write` };
    for (const { client } of readers) {
      expect((await client.get(`${path}/${id}`)).status).toBe(200);
      const answers = [
        await client.post(path, await body()),
        await client.patch(`${path}/${id}`, plainly(1)),
        await client.delete(`${path}/${id}`),
        await client.post(`${path}/${id}/restore`),
        await client.post(`${path}/bulk`, { records: [await body()] }),
        await client.patch(`${path}/bulk`, { records: [{ id, ...plainly(1) }] }),
        await client.call(`${path}/bulk`, { method: "DELETE", body: { ids: [id] } }),
        ...(await Promise.all(
          Object.keys(resource.actions).map((action) => client.post(`${path}/${id}/${action}`, {})),
        )),
      ];
      for (const { status, error } of answers)
        expect({ status, code: error?.code, required: error?.details.required_scope }).toEqual(expected);
    }
    expect((await read(id)).version).toBe(1);
  });

  testIf(resource.parent)("below another parent it is not there, for any verb", async () => {
    const { id } = await create();
    const parent = resource.parent?.resource() as Resource;
    const other = await records.create(parent);
    const elsewhere = path.replace(await records.parentOf(resource.plural), other.id);
    const gone = await create();
    await remove(gone.id);
    const below = (method: string, at: string, sent?: RecordData) =>
      records.client.call(`${elsewhere}/${at}`, { method, ...(sent && { body: sent }) });
    const answers = {
      read: await below("GET", id),
      "history of": await below("GET", `${id}/history`),
      update: await below("PATCH", id, plainly(1)),
      delete: await below("DELETE", id),
      restore: await below("POST", `${gone.id}/restore`),
    };
    for (const [verb, answer] of Object.entries(answers))
      expect({ verb, ...codeOf(answer) }).toEqual({ verb, status: 404, code: "not_found" });
    const changed = await below("PATCH", "bulk", { records: [{ id, ...plainly(1) }] });
    const removed = await below("DELETE", "bulk", { ids: [id] });
    for (const { data } of [changed, removed]) expect(data[0].error?.code).toBe("not_found");
    expect((await read(id)).version).toBe(1);
  });

  testIf(resource.parent)("below a deleted parent nothing is there", async () => {
    const here = new Records(await createWorkspace());
    const { id } = await here.create(resource);
    const at = await here.path(resource);
    const parent = resource.parent?.resource() as Resource;
    await here.client.delete(`${await here.path(parent)}/${await here.parentOf(resource.plural)}`);
    const answers = {
      list: await here.client.get(at),
      create: await here.client.post(at, await here.body(resource)),
      bulk: await here.client.patch(`${at}/bulk`, { records: [{ id, ...plainly(1) }] }),
      read: await here.client.get(`${at}/${id}`),
      update: await here.client.patch(`${at}/${id}`, plainly(1)),
      delete: await here.client.delete(`${at}/${id}`),
      restore: await here.client.post(`${at}/${id}/restore`),
    };
    for (const [verb, answer] of Object.entries(answers))
      expect({ verb, ...codeOf(answer) }).toEqual({ verb, status: 404, code: "not_found" });
  });

  const inUnique = new Set(unique.flatMap(([name, { within = [] }]) => [name, ...within]));
  const fixed = given.filter(([name, field]) => field.createOnly && !inUnique.has(name));
  test.each(fixed)("an upsert leaves the %s alone, which is given on creation only", async (name) => {
    const [[key = "", field] = []] = unique.filter(([, one]) => !isNullable(one));
    const value = field && freshValue(field);
    const [first, second] = await records.samples(resource, name);
    const holder = await create({ ...(await body({ [key]: value, [name]: first })), ...plainly(0) });
    const again = { [key]: value, [name]: second ?? first };
    const one = await records.client.post(`${path}?on_conflict=update`, await body({ ...again, ...plainly(0) }));
    expect({ status: one.status, data: one.data }).toEqual({ status: 200, data: holder });
    const many = await bulk("POST", { records: [await body({ ...again, ...plainly(1) })] }, "?on_conflict=update");
    expect(many.data[0].data).toMatchObject({ id: holder.id, [name]: holder[name], ...plainly(1), version: 2 });
  });
});

/** What an action needs to get as far as looking for its record. */
function actionBody(resource: Resource, action: string): RecordData {
  if (action === "merge") return { ids: [randomUUID()] };
  return action === "move" ? { [nameOf(resource, "stage_id")]: randomUUID() } : {};
}

/** Every row that a workspace has, table by table. */
async function everyRow(workspaceId: string): Promise<Record<string, unknown[]>> {
  const sql = database();
  const tables = await sql`
    select relname from pg_attribute join pg_class on pg_class.oid = attrelid
    where attname = 'workspace_id' and relnamespace = 'crm'::regnamespace and relkind = 'r' and relname !~ ${FEED_TABLES} order by relname`;
  const rows = tables.map(async ({ relname }) => {
    const found =
      await sql`select to_jsonb(found)::text as row from ${sql(`crm.${relname}`)} as found where workspace_id = ${workspaceId} order by 1`;
    return [relname, found.map(({ row }) => row)] as const;
  });
  return Object.fromEntries(await Promise.all(rows));
}
