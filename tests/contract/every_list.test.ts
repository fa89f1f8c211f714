import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { resources } from "../../shared/resources/all.ts";
import type { Field, Resource } from "../../shared/resources/define.ts";
import { testIf } from "../harness/cases.ts";
import type { Answer } from "../harness/client.ts";
import { OPERATORS, satisfies, sortedIds } from "../harness/evaluate.ts";
import { type RecordData, Records } from "../harness/records.ts";
import { freshValue, samplesOf } from "../harness/samples.ts";
import { resourceCases, useVersion } from "../harness/versions.ts";
import { createKey, createWorkspace } from "../harness/workspace.ts";

// What §6 of the contract promises of lists, for every resource, from its declaration. Each is compared
// with what evaluating the same over all its records gives.

const ROWS = 12;

const idsOf = (records: RecordData[]) => records.map(({ id }) => String(id));
const fieldsWhere = (resource: Resource, keep: (field: Field) => unknown) =>
  Object.entries(resource.fields).filter(([, field]) => keep(field));
const shownIn = (answer: Answer) => {
  // A cursor holds since when its total stands.
  const { request_id: _id, timestamp: _time, next_cursor: cursor, ...meta } = answer.meta ?? {};
  return { status: answer.status, data: answer.data, meta: { ...meta, goes_on: cursor !== null } };
};

describe.each(resourceCases)("$name", ({ resource, version }) => {
  useVersion(version);
  let records: Records;
  let path: string;
  let all: RecordData[];
  const searchable = fieldsWhere(resource, (field) => field.searched).length > 0;
  const hasSearch = resource.operations.includes("search");
  const includes = Object.entries(resource.include);

  beforeAll(async () => {
    records = new Records(await createWorkspace());
    path = await records.path(resource);
    const ids = await records.insert(resource, await records.rows(resource, ROWS));
    if (resource.customizable) await giveCustomValues(ids);
    all = (await get("limit=100")).data;
    expect(all.length).toBeGreaterThanOrEqual(ROWS);
  });

  async function giveCustomValues(ids: string[]) {
    const [few, many] = await records.samples(resource, "custom_fields");
    const changes = ids.slice(0, 6).map((id, index) => ({ id, custom_fields: index % 2 ? few : many }));
    const { status, body } = await records.client.patch(`${path}/bulk`, { records: changes });
    expect(status, JSON.stringify(body)).toBe(200);
  }

  const get = async (query: string) => {
    const answer = await records.client.get(`${path}?${query}`);
    expect(answer.status, `${query} ${JSON.stringify(answer.body)}`).toBe(200);
    return answer;
  };
  const search = async (body: RecordData) => {
    const answer = await records.client.post(`${path}/search`, body);
    expect(answer.status, `${JSON.stringify(body)} ${JSON.stringify(answer.body)}`).toBe(200);
    return answer;
  };

  /** What is filtered by, and the values that the records of a set show of it; undefined where they can't match at all. */
  interface Filtered {
    name: string;
    field: Field;
    set: RecordData[];
    shown: (record: RecordData) => unknown;
    /** Those of the operators of its kind that are tried; all unless given. */
    operators?: readonly string[];
  }

  /** Comparisons with a field find what they should: through the search, and equality through the URL too. */
  async function checkFilters({ name, field, set, shown, operators }: Filtered): Promise<void> {
    const held: unknown[] = [...new Set(set.flatMap(shown).filter((value) => value !== null && value !== undefined))];
    const known = field.filter === "reference" ? [randomUUID()] : samplesOf(field).flat();
    const absent = field.unique ? [freshValue(field)] : known.filter((value) => !held.includes(value)).slice(0, 1);
    const some = held.slice(0, 2);
    const comparisons = OPERATORS[field.filter ?? "text"]
      .filter((op) => operators === undefined || operators.includes(op))
      .flatMap((op) => {
        if (op === "is_null") return [true, false].map((value) => ({ op, value }));
        if (op === "in" || op === "nin") return [{ op, value: [...some, ...absent] }];
        return [...some.slice(0, 1), ...(op === "eq" ? absent : [])].map((value) => ({ op, value }));
      });
    await Promise.all(
      comparisons.map(async ({ op, value }) => {
        const what = `${name}[${op}]=${JSON.stringify(value)}`;
        const matching = set.filter((record) => {
          const seen = shown(record);
          return seen !== undefined && satisfies(field, seen, op, value);
        });
        const expected = { what, ids: idsOf(matching).sort(), total: matching.length };
        // In a URL a comma separates, so a list with a value that has one is asked for in a body.
        const isSplit = Array.isArray(value) && value.some((one) => String(one).includes(","));
        if (!isSplit && (op === "eq" || op === "in" || !hasSearch)) {
          const { data, meta } = await get(
            `limit=100&sort=id&fields=id&${name}[${op}]=${encodeURIComponent(String(value))}`,
          );
          expect({ what, ids: idsOf(data), total: meta.total }).toEqual(expected);
        }
        if (hasSearch) {
          const filter = { field: name, op, value };
          const { data, meta } = await search({ filter, sort: "id", limit: 100, fields: ["id"] });
          expect({ what, ids: idsOf(data), total: meta.total }).toEqual(expected);
        }
      }),
    );
  }

  test.each(fieldsWhere(resource, (field) => field.filter))("is filtered by %s", async (name, field) => {
    await checkFilters({ name, field, set: all, shown: (record) => record[name] });
  });

  testIf(resource.customizable)("is filtered and sorted by a custom field", async () => {
    const [sample = {}] = (await records.samples(resource, "custom_fields")) as RecordData[];
    const [key = ""] = Object.keys(sample);
    const field: Field = { schema: z.number(), filter: "decimal" };
    const customValue = (record: RecordData) => (record["custom_fields"] as RecordData)[key] ?? null;
    await checkFilters({ name: `custom_fields.${key}`, field, set: all, shown: customValue });
    const flat = all.map((record) => ({ id: record["id"], [key]: customValue(record) }));
    for (const direction of ["", "-"]) {
      const { data } = await get(`limit=100&sort=${direction}custom_fields.${key}`);
      expect(idsOf(data)).toEqual(sortedIds(flat, key, field, direction === "-"));
    }
  });

  test.each(fieldsWhere(resource, (field) => field.sort))("is sorted by %s in both directions", async (name, field) => {
    for (const direction of ["", "-"]) {
      const { data } = await get(`limit=100&fields=id&sort=${direction}${name}`);
      expect(idsOf(data), `${direction}${name}`).toEqual(sortedIds(all, name, field, direction === "-"));
    }
  });

  test("shows the fields that are asked for, and the id", async () => {
    await Promise.all(
      resource.names.all.map(async (name) => {
        const { data } = await get(`limit=100&sort=id&fields=${name}`);
        const expected = all.toSorted((a, b) => (String(a["id"]) < String(b["id"]) ? -1 : 1));
        expect(data).toEqual(expected.map((record) => ({ id: record["id"], [name]: record[name] })));
      }),
    );
  });

  test("has 25 a page unless asked, 1 to 100, and says what is left", async () => {
    const many = new Records(await createWorkspace());
    const at = await many.path(resource);
    await many.insert(resource, await many.rows(resource, 40, { seed: 2 }));
    const { data, meta } = await many.client.get(at);
    expect({ length: data.length, ...meta }).toMatchObject({ length: 25, limit: 25, has_more: true });
    const whole = await many.client.get(`${at}?limit=100&fields=id`);
    expect(whole.meta).toMatchObject({ total: whole.data.length, limit: 100, has_more: false, next_cursor: null });
    expect(meta.total).toBe(whole.data.length);
    const walked = await many.client.all(`${at}?limit=10&fields=id`);
    expect(idsOf(walked)).toEqual(idsOf(whole.data));
    expect((await many.client.get(`${at}?limit=1`)).data).toEqual(data.slice(0, 1));
    for (const limit of ["0", "101", "-1", "abc", "1.5", ""]) {
      const { status, error } = await records.client.get(`${path}?limit=${limit}`);
      expect({ limit, status, code: error?.code }).toEqual({ limit, status: 400, code: "validation_error" });
    }
  });

  test("refuses a cursor that is altered or from elsewhere, and says what differs", async () => {
    const [sortable = ""] = fieldsWhere(resource, (field) => field.sort).map(([name]) => name);
    const [filterable = ""] = fieldsWhere(resource, (field) => field.filter === "timestamp").map(([name]) => name);
    const filter = `${filterable}[gte]=2000-01-01`;
    const cursor = (await get(`limit=1&sort=${sortable}&${filter}`)).meta.next_cursor;
    expect((await get(`limit=7&sort=${sortable}&${filter}&fields=id&cursor=${cursor}`)).data.length).toBeGreaterThan(0);
    const refused = async (query: string, at = path, client = records.client) => {
      const { status, error } = await client.get(`${at}?limit=1&${query}&cursor=${cursor}`);
      return { status, code: error?.code, message: error?.message };
    };
    const because = (reason: string) => ({
      status: 400,
      code: "invalid_cursor",
      message: expect.stringContaining(reason),
    });
    expect(await refused(`sort=-${sortable}&${filter}`)).toEqual(because("sort"));
    expect(await refused(`sort=${sortable}&${filterable}[gte]=2001-01-01`)).toEqual(because("filters"));
    const another = new Records(await createWorkspace());
    const elsewhere = await refused(`sort=${sortable}&${filter}`, await another.path(resource), another.client);
    expect(elsewhere).toEqual(because("workspace"));
    for (const altered of [cursor.slice(0, -2), `${cursor}A`, cursor.toLowerCase(), "eyJpZCI6MTUwfQ"]) {
      const { error } = await records.client.get(`${path}?sort=${sortable}&${filter}&cursor=${altered}`);
      expect(error?.code, altered).toBe("invalid_cursor");
    }
  });

  test("refuses a misspelt filter, sort, field and related record, with what was probably meant", async () => {
    const misspelt = (name: string) => name.slice(0, -1) + (name.endsWith("x") ? "y" : "x");
    const cases = [
      ...fieldsWhere(resource, (field) => field.filter)
        .slice(0, 2)
        .map(([name]) => [`${misspelt(name)}=1`, "unknown_parameter", name]),
      ...fieldsWhere(resource, (field) => field.sort)
        .slice(-1)
        .map(([name]) => [`sort=-${misspelt(name)}`, "invalid_sort", name]),
      ...resource.names.all.slice(-1).map((name) => [`fields=${misspelt(name)}`, "validation_error", name]),
      ...includes.slice(0, 1).map(([name]) => [`include=${misspelt(name)}`, "validation_error", name]),
    ];
    for (const [query, code, meant] of cases) {
      const { status, error } = await records.client.get(`${path}?${query}`);
      expect({ query, status, code: error?.code, message: error?.message }).toEqual({
        query,
        status: 400,
        code,
        message: expect.stringContaining(`Did you mean ${meant}?`),
      });
    }
  });

  test("is open to a key that may read it, closed to one that may read all else", async () => {
    const { workspaceId } = records.workspace;
    const others = resources.map(({ scope }) => scope).filter((scope) => scope !== resource.scope);
    const reader = await createKey({ workspaceId, scope: "custom", permissions: { [resource.scope]: "read" } });
    const outsider = await createKey({
      workspaceId,
      scope: "custom",
      permissions: Object.fromEntries(others.map((scope) => [scope, "write"])),
    });
    expect(shownIn(await reader.client.get(`${path}?fields=id`))).toEqual(shownIn(await get("fields=id")));
    const { status, error } = await outsider.client.get(path);
    expect({ status, code: error.code, required: error.details.required_scope }).toEqual({
      status: 403,
      code: "insufficient_scope",
      required: `${resource.scope}:read`,
    });
  });

  describe.each(includes)("with its %s", (name, include) => {
    const target = include.resource();
    const relatedOf = (record: RecordData) => (record[name] ?? null) as RecordData | null;

    test("embeds the whole record, null where there is none", async () => {
      const embedded: RecordData[] = (await get(`limit=100&include=${name}`)).data;
      expect(embedded.some((record) => relatedOf(record) !== null)).toBe(true);
      await Promise.all(
        embedded.map(async (record) => {
          const related = relatedOf(record);
          expect(related?.["id"] ?? null).toBe(record[include.field]);
          if (related !== null) expect(related).toEqual(await read(target, related));
        }),
      );
    });

    test("is filtered by the fields of it", async () => {
      const all = (await get(`limit=100&include=${name}`)).data;
      for (const [field, facts] of fieldsWhere(target, (one) => one.filter)) {
        const shown = (record: RecordData) => relatedOf(record)?.[field];
        await checkFilters({
          name: `${name}.${field}`,
          field: facts,
          set: all,
          shown,
          operators: ["eq", "ne", "is_null"],
        });
      }
    });

    const isElsewhere = target.scope !== resource.scope;
    testIf(isElsewhere)("is closed to a key that may not read it, embedded or in a filter", async () => {
      const { workspaceId } = records.workspace;
      const { client } = await createKey({ workspaceId, scope: "custom", permissions: { [resource.scope]: "read" } });
      const [field = ""] = fieldsWhere(target, (one) => one.filter).map(([one]) => one);
      const value = randomUUID();
      const answers = [
        await client.get(`${path}?include=${name}`),
        await client.get(`${path}?${name}.${field}=${value}`),
        ...(hasSearch
          ? [await client.post(`${path}/search`, { filter: { not: { field: `${name}.${field}`, op: "eq", value } } })]
          : []),
        ...(hasSearch ? [await client.post(`${path}/search`, { include: [name] })] : []),
      ];
      for (const { status, error } of answers) {
        expect({ status, code: error?.code, required: error?.details.required_scope }).toEqual({
          status: 403,
          code: "insufficient_scope",
          required: `${target.scope}:read`,
        });
      }
    });
  });

  /** A related record as a read of it answers. */
  async function read(target: Resource, { id, ...related }: RecordData): Promise<RecordData> {
    const below = target.path.replace(/\{(\w+)\}/g, (_, field: string) => String(related[field]));
    const { data, status } = await records.client.get(`${below}/${id}`);
    expect(status, `${target.plural} ${id}`).toBe(200);
    return data;
  }

  testIf(resource.operations.includes("get"))(
    "is read by id too, with the fields asked for; one that is not there is 404",
    async () => {
      const [record = {}] = all;
      const [name = ""] = resource.names.all.slice(-1);
      const include = includes.slice(0, 3).map(([one]) => one);
      const query = include.length > 0 ? `?include=${include}` : "";
      const one = await records.client.get(`${path}/${record["id"]}`);
      expect({ status: one.status, data: one.data }).toEqual({ status: 200, data: record });
      expect((await records.client.get(`${path}/${record["id"]}?fields=${name}`)).data).toEqual({
        id: record["id"],
        [name]: record[name],
      });
      const [embedding] = (await get(`id=${record["id"]}${query.replace("?", "&")}`)).data;
      expect((await records.client.get(`${path}/${String(record["id"]).toUpperCase()}${query}`)).data).toEqual(
        embedding,
      );
      for (const absent of [randomUUID(), "42", String(record["id"]).replaceAll("-", "")]) {
        const { status, error } = await records.client.get(`${path}/${absent}${query}`);
        expect({ absent, status, code: error?.code }).toEqual({ absent, status: 404, code: "not_found" });
      }
    },
  );

  testIf(includes.length > 1)("embeds up to three related records", async () => {
    const names = includes.map(([name]) => name);
    const some = names.slice(0, 3).join(",");
    const [record = {}] = (await get(`limit=1&fields=id&include=${some}`)).data;
    expect(Object.keys(record)).toEqual(["id", ...names.slice(0, 3)]);
    if (names.length > 3) expect((await records.client.get(`${path}?include=${names.join(",")}`)).status).toBe(400);
  });

  testIf(hasSearch)("is the same list through POST /search", async () => {
    const [[sort = ""] = []] = fieldsWhere(resource, (field) => field.sort).slice(-1);
    const worded = fieldsWhere(resource, (one) => one.filter === "text" || one.filter === "enum");
    const held = worded.map(([name]) => [name, all.map((record) => record[name]).find((one) => one != null)] as const);
    const [filtered, value] = held.find(([, one]) => one !== undefined) ?? [];
    if (filtered === undefined) throw new Error(`no record here has a word to filter ${resource.plural} by`);
    const include = includes.map(([name]) => name).slice(0, 3);
    const cases: [string, RecordData][] = [
      ["", {}],
      [`sort=-${sort}&limit=3`, { sort: `-${sort}`, limit: 3 }],
      [`${filtered}[eq]=${encodeURIComponent(String(value))}`, { filter: { field: filtered, op: "eq", value } }],
      [`fields=${sort},${filtered}`, { fields: [sort, filtered] }],
      ...(include.length > 0 ? [[`include=${include}`, { include }] as [string, RecordData]] : []),
      ...(searchable ? [["search=ann", { search: "ann" }] as [string, RecordData]] : []),
    ];
    for (const [query, body] of cases) expect(shownIn(await search(body)), query).toEqual(shownIn(await get(query)));
    const first = await get("limit=2");
    const second = await search({ limit: 2, cursor: first.meta.next_cursor });
    expect(idsOf(second.data)).toEqual(idsOf((await get("limit=4")).data).slice(2));
  });

  testIf(searchable)("is searched by the words of its searched fields", async () => {
    for (const [name] of fieldsWhere(resource, (field) => field.searched)) {
      const values = [...new Set(all.map((record) => record[name]).filter((value) => value !== null))];
      expect(values.length, name).toBeGreaterThan(0);
      for (const value of values.slice(0, 3)) {
        const holders = all.filter((record) => record[name] === value);
        const { data } = await get(`limit=100&fields=id&search=${encodeURIComponent(String(value))}`);
        expect(idsOf(data), `${name}: ${value}`).toEqual(expect.arrayContaining(idsOf(holders)));
      }
    }
    expect((await get(`search=${randomUUID()}`)).meta.total).toBe(0);
  });

  testIf(!searchable)("takes no search, having no words", async () => {
    expect((await records.client.get(`${path}?search=x`)).error?.code).toBe("unknown_parameter");
    if (hasSearch)
      expect((await records.client.post(`${path}/search`, { search: "x" })).error?.code).toBe("validation_error");
  });

  testIf(resource.searchedThrough !== undefined)(
    "is found by the name of a related record, by a key that may read that",
    async () => {
      const include = resource.include[resource.searchedThrough ?? ""];
      const target = include?.resource() as Resource;
      const [[named = "", field] = []] = fieldsWhere(target, (one) => one.searched && !one.unique);
      const word = String(freshValue(field ?? { schema: z.string() }));
      const related = await records.create(target, { [named]: word });
      const { id } = await records.create(resource, { [include?.field ?? ""]: related.id });
      const { workspaceId } = records.workspace;
      const permissions = { [resource.scope]: "read" } as const;
      const narrow = await createKey({ workspaceId, scope: "custom", permissions });
      const wide = await createKey({
        workspaceId,
        scope: "custom",
        permissions: { ...permissions, [target.scope]: "read" },
      });
      for (const [key, ids] of [
        [wide, [id]],
        [narrow, []],
      ] as const) {
        const list = await key.client.get(`${path}?search=${word}`);
        const found = await key.client.post(`${path}/search`, { search: word });
        expect([idsOf(list.data), list.meta.total, idsOf(found.data)]).toEqual([ids, ids.length, ids]);
      }
    },
  );
});
