import { beforeAll, describe, expect, test } from "vitest";
import { alphabetically } from "../harness/evaluate.ts";
import {
  createSalesTeam,
  expectRefused,
  freshName,
  type Made,
  refusal,
  type SalesTeam,
} from "../harness/sales_team.ts";
import { createKey, freshEmail } from "../harness/workspace.ts";

let team: SalesTeam;
beforeAll(async () => {
  team = await createSalesTeam();
});

const OPTIONS = ["red", "green", "blue, dark"];

/** For each type: values it takes, and values it refuses. */
const types: Record<string, { good: unknown[]; bad: unknown[] }> = {
  text: { good: ["a", "ü".repeat(500)], bad: ["", "x".repeat(501), 5, true, ["a"], {}] },
  number: { good: [0, -1.5, 1e15, 0.000001], bad: ["5", true, [1], {}] },
  boolean: { good: [true, false], bad: ["true", 0, [true]] },
  date: { good: ["2024-02-29", "0001-01-01"], bad: ["2023-02-29", "2024-1-1", "2024-02-29T00:00:00Z", 5, "today"] },
  datetime: {
    good: ["2026-03-21T10:30:00.000000Z", "2026-03-21T05:00:00.123456Z"],
    bad: ["2026-03-21", "2026-03-21T10:30:00", "2026-13-01T00:00:00Z", "now", 5],
  },
  select: { good: ["red", "blue, dark"], bad: ["Red", "yellow", ["red"], 5, ""] },
  multi_select: { good: [["red"], ["blue, dark", "red"], []], bad: ["red", ["yellow"], ["red", "red"], [5], {}] },
  url: { good: ["https://x.example/a?b=c", "http://x.example"], bad: ["x.example", "ftp://x.example", "https://", 5] },
  email: { good: ["a@x.example"], bad: ["a", "a@x", "a b@x.example", 5] },
};
const withOptions = (type: string) => (type.endsWith("select") ? { options: OPTIONS } : {});

describe("a definition", () => {
  test("has a readable slug as its key, a type, and options exactly where they are chosen from", async () => {
    const field = await team.make("/custom_fields", {
      resource: "contacts",
      key: "favourite_colour_2",
      label: "Favourite colour",
      type: "select",
      options: OPTIONS,
    });
    expect(field).toMatchObject({ key: "favourite_colour_2", required: false, options: OPTIONS, version: 1 });
    const valid = { resource: "contacts", key: "k", label: "L", type: "text" };
    for (const wrong of [
      { key: "Upper" },
      { key: "1st" },
      { key: "with space" },
      { key: "ümlaut" },
      { key: "_a" },
      { key: "a".repeat(64) },
      { type: "json" },
      { resource: "users" },
      { label: "" },
      { type: "select" },
      { type: "multi_select", options: [] },
      { type: "select", options: ["a", "a"] },
      { options: ["a"] },
      { required: "yes" },
    ])
      await expectRefused(team, () => team.client.post("/custom_fields", { ...valid, ...wrong }), {
        status: 400,
        code: "validation_error",
      });
    await expectRefused(team, () => team.client.post("/custom_fields", {}), { status: 400, code: "validation_error" });
  });

  test("keeps its key, type and resource for ever", async () => {
    const { id } = await team.field("contacts", "text");
    for (const change of [{ key: "other" }, { type: "number" }, { resource: "deals" }])
      await expectRefused(team, () => team.client.patch(`/custom_fields/${id}`, change), {
        status: 400,
        code: "read_only_field",
      });
  });

  test("has the same key once per resource, and again in another one", async () => {
    const { id, key } = await team.field("contacts", "text");
    await team.make("/custom_fields", { resource: "deals", key, label: "L", type: "number" });
    await expectRefused(
      team,
      () => team.client.post("/custom_fields", { resource: "contacts", key, label: "L", type: "url" }),
      { status: 409, code: "duplicate_name", details: { field: "key", existing_id: id } },
    );
  });

  test("that gets another label leaves records as they are, version and time too", async () => {
    const { id, key } = await team.field("contacts", "text");
    const contact = await team.contact({ custom_fields: { [key]: "x" } });
    expect((await team.client.patch(`/custom_fields/${id}`, { label: "Renamed" })).data.label).toBe("Renamed");
    expect(await team.read(`/contacts/${contact["id"]}`)).toEqual(contact);
  });

  test("may be for any resource that has records of its own", async () => {
    const { id: company_id } = await team.company();
    const made: Record<string, (custom_fields: Made) => Promise<Made>> = {
      contacts: (custom_fields) => team.contact({ custom_fields }),
      companies: (custom_fields) => team.company({ custom_fields }),
      pipelines: async (custom_fields) => (await team.pipeline({ custom_fields })).pipeline,
      deals: (custom_fields) => team.deal({ custom_fields }),
      tasks: (custom_fields) => team.task({ custom_fields }),
      activities: (custom_fields) => team.activity({ company_id, custom_fields }),
    };
    for (const [resource, make] of Object.entries(made)) {
      const { key } = await team.field(resource, "number");
      const { id } = await make({ [key]: 7 });
      await make({ [key]: 8 });
      const { data } = await team.client.get(`/${resource}?custom_fields.${key}=7&sort=-custom_fields.${key}`);
      expect(data.map((one: Made) => one["id"])).toEqual([id]);
      expect((await team.client.get(`/${resource}?sort=custom_fields.${key}&limit=1`)).data[0].id).toBe(id);
    }
  });
});

describe("a value", () => {
  test.each(Object.entries(types))(
    "of type %s is what the type says, on create and on PATCH",
    async (type, { good, bad }) => {
      const { key } = await team.field("contacts", type, withOptions(type));
      const contact = await team.contact();
      for (const value of good) {
        expect((await team.contact({ custom_fields: { [key]: value } }))["custom_fields"]).toEqual({ [key]: value });
        const { data } = await team.client.patch(`/contacts/${contact["id"]}`, { custom_fields: { [key]: value } });
        expect(data.custom_fields).toEqual({ [key]: value });
      }
      const records = bad.map((value) => ({ email: freshEmail(), custom_fields: { [key]: value } }));
      const changes = bad.map((value) => ({ id: contact["id"], custom_fields: { [key]: value } }));
      const created = await expectNothing(() => team.client.post("/contacts/bulk", { records }));
      expect(created.data).toHaveLength(bad.length);
      for (const { error } of created.data)
        expect(error).toMatchObject({
          code: "validation_error",
          details: { [`custom_fields.${key}`]: [error.message] },
        });
      for (const change of changes) {
        const { error } = await team.client.patch(
          `/contacts/${contact["id"]}`,
          change["custom_fields"] && {
            custom_fields: change["custom_fields"],
          },
        );
        expect({ value: change, code: error?.code }).toEqual({ value: change, code: "validation_error" });
      }
    },
  );

  /** A bulk request none of whose records is written. */
  async function expectNothing(call: () => ReturnType<SalesTeam["client"]["post"]>) {
    const answer = await call();
    expect(answer.status).toBe(207);
    expect(answer.meta.succeeded).toBe(0);
    return answer;
  }

  test("that is wrong is told together with all others, unknown ones with a suggestion", async () => {
    const fresh = await createSalesTeam();
    const defined = await Promise.all(
      Object.keys(types).map((type) =>
        fresh.make("/custom_fields", { resource: "deals", key: `the_${type}`, label: "L", type, ...withOptions(type) }),
      ),
    );
    await fresh.make("/custom_fields", {
      resource: "deals",
      key: "needed",
      label: "L",
      type: "text",
      required: true,
    });
    const custom_fields = Object.fromEntries(defined.map(({ key, type }) => [key, types[type]?.bad.at(-1)]));
    const body = { name: "D", custom_fields: { ...custom_fields, the_txt: "x" } };
    const { error } = await expectRefused(fresh, () => fresh.client.post("/deals", body), {
      status: 400,
      code: "validation_error",
    });
    expect(Object.keys(error.details).sort()).toEqual(
      [...defined.map(({ key }) => `custom_fields.${key}`), "custom_fields.needed", "custom_fields.the_txt"].sort(),
    );
    expect(error.details["custom_fields.the_txt"][0]).toContain("the_text");
    expect(error.details["custom_fields.needed"]).toEqual(["The custom_fields.needed field is required."]);
    const only = await expectRefused(
      fresh,
      () => fresh.client.post("/deals", { name: "D", custom_fields: { neded: "x", needed: "x" } }),
      { status: 400, code: "unknown_field" },
    );
    expect(only.error.message).toContain("Did you mean custom_fields.needed?");
    const bulk = await fresh.client.post("/deals/bulk", {
      records: [body, { name: "D", custom_fields: { needed: "x" } }, { name: "D" }],
    });
    expect(bulk.data.map((one: Made) => one["error"]?.code)).toEqual([
      "validation_error",
      undefined,
      "validation_error",
    ]);
    expect(bulk.data[0].error).toEqual({ code: error.code, message: error.message, details: error.details });
  });

  test("that is required is there from the start and can be changed, not cleared", async () => {
    const fresh = await createSalesTeam();
    const before = await fresh.contact();
    const { key } = await fresh.field("contacts", "text", { required: true });
    const required = { status: 400, code: "validation_error" };
    await expectRefused(fresh, () => fresh.client.post("/contacts", { email: freshEmail() }), required);
    await expectRefused(
      fresh,
      () => fresh.client.post("/contacts", { email: freshEmail(), custom_fields: { [key]: null } }),
      required,
    );
    const { id } = await fresh.contact({ custom_fields: { [key]: "a" } });
    const set = (custom_fields: Made) => fresh.client.patch(`/contacts/${id}`, { custom_fields });
    await expectRefused(fresh, () => set({ [key]: null }), required);
    expect((await set({ [key]: "b" })).data.custom_fields).toEqual({ [key]: "b" });
    // Who was there before the field is left alone.
    expect((await fresh.client.patch(`/contacts/${before["id"]}`, { score: 1 })).status).toBe(200);
  });

  test("is cleared by null, and the others stay", async () => {
    const [one, two] = [await team.field("tasks", "text"), await team.field("tasks", "number")];
    const task = await team.task({ custom_fields: { [one["key"]]: "x", [two["key"]]: 5 } });
    const path = `/tasks/${task["id"]}`;
    const { data } = await team.client.patch(path, { custom_fields: { [one["key"]]: null } });
    expect(data).toMatchObject({ custom_fields: { [two["key"]]: 5 }, version: 2 });
    expect((await team.client.patch(path, { custom_fields: { [one["key"]]: null } })).data.version).toBe(2);
    expect((await team.client.get(`/tasks?custom_fields.${one["key"]}[is_null]=false`)).meta.total).toBe(0);
    for (const wrong of [[1], "x", 5])
      expect(refusal(await team.client.patch(path, { custom_fields: wrong }))).toEqual({
        status: 400,
        code: "validation_error",
      });
  });
});

describe("filters and sorts", () => {
  let found: SalesTeam;
  let records: Made[];
  const keys: Record<string, string> = {};
  const samples: Record<string, unknown[]> = {
    text: ["apple", "Banana", "cherry pie", "50%_\\off", "zoë"],
    number: [0, -3, 2.5, 10, 1e12],
    boolean: [true, false],
    date: ["2024-02-29", "1999-12-31", "2026-03-21"],
    datetime: [
      "2026-03-21T10:30:00Z",
      "2026-03-21T10:30:00+01:00",
      "2026-03-21T10:30:00.000001Z",
      "1999-01-01T00:00:00Z",
    ],
    select: ["red", "green"],
    multi_select: [["red"], ["red", "green"], ["green"], ["blue, dark"]],
    url: ["https://a.example", "https://b.example/x"],
    email: ["a@x.example", "b@y.example"],
  };
  beforeAll(async () => {
    found = await createSalesTeam();
    for (const type of Object.keys(types)) keys[type] = (await found.field("contacts", type, withOptions(type)))["key"];
    const made = await found.client.post("/contacts/bulk", {
      records: Array.from({ length: 23 }, (_, n) => ({
        email: freshEmail(),
        score: n % 3,
        custom_fields: Object.fromEntries(
          Object.entries(samples).flatMap(([type, values], m) =>
            (n + m) % 4 === 3 ? [] : [[keys[type], values[(n * 7 + m) % values.length]]],
          ),
        ),
      })),
    });
    expect(made.status, JSON.stringify(made.body).slice(0, 500)).toBe(201);
    records = made.data.map(({ data }: Made) => data);
    const gone = await found.contact({ custom_fields: { [String(keys["text"])]: "apple" } });
    await found.client.delete(`/contacts/${gone["id"]}`);
  });

  const comparable = (type: string, value: unknown) =>
    type === "datetime" ? Date.parse(String(value)) * 1000 + Number(/\.000001/.test(String(value))) : value;
  const customValue = (record: Made, type: string): unknown => record["custom_fields"][String(keys[type])];
  const fold = (value: unknown) =>
    String(value)
      .normalize("NFD")
      .replace(/[\u0300-\u036f]/g, "")
      .toLowerCase();
  /** Whether a record's value satisfies an operator, as a person means it: what has no value is not equal to any. */
  function satisfies(type: string, value: unknown, op: string, given: unknown[]): boolean {
    if (op === "is_null") return (value === undefined) === (given[0] === true);
    const members = value === undefined ? [] : Array.isArray(value) ? value : [value];
    const some = (test: (member: never, one: never) => boolean) =>
      members.some((member) =>
        given.some((one) => test(comparable(type, member) as never, comparable(type, one) as never)),
      );
    switch (op) {
      case "eq":
      case "in":
        return some((a, b) => a === b);
      case "ne":
      case "nin":
        return !some((a, b) => a === b);
      case "gt":
        return some((a, b) => a > b);
      case "gte":
        return some((a, b) => a >= b);
      case "lt":
        return some((a, b) => a < b);
      case "lte":
        return some((a, b) => a <= b);
      case "contains":
        return some((a, b) => fold(a).includes(fold(b)));
      default:
        return some((a, b) => fold(a).startsWith(fold(b)));
    }
  }
  const ordered = ["number", "date", "datetime"];
  const operators = (type: string): [string, unknown[][]][] => {
    const single = [...new Set((samples[type] ?? []).flat())].map((value) => [value]);
    const several = [single.slice(0, 2).flat()];
    const textual = ["text", "select", "multi_select", "url", "email"].includes(type);
    return [
      ...["eq", "ne", ...(ordered.includes(type) ? ["gt", "gte", "lt", "lte"] : [])].map(
        (op): [string, unknown[][]] => [op, single],
      ),
      ["in", several],
      ["nin", several],
      ["is_null", [[true], [false]]],
      ...(textual
        ? ([
            ["contains", [["E"], ["zoe"], ["%"], ["pie"], ["xample"]]],
            ["starts_with", [["b"], ["https://a"], ["50%_"], ["re"]]],
          ] as [string, unknown[][]][])
        : []),
    ];
  };

  test.each(Object.keys(types))(
    "by type %s find with every operator exactly the records that satisfy it",
    async (type) => {
      const field = `custom_fields.${keys[type]}`;
      for (const [op, cases] of operators(type))
        for (const given of cases) {
          const value = op === "in" || op === "nin" ? given : given[0];
          const expected = records.filter((record) => satisfies(type, customValue(record, type), op, given));
          const { status, data, meta, body } = await found.client.post("/contacts/search", {
            filter: { field, op, value },
            sort: "id",
            limit: 100,
          });
          const what = `${type} ${op} ${JSON.stringify(given)}: ${JSON.stringify(body).slice(0, 300)}`;
          expect(status, what).toBe(200);
          expect(
            data.map(({ id }: Made) => id),
            what,
          ).toEqual(expected.map(({ id }) => id));
          expect(meta.total, what).toBe(expected.length);
          if (given !== cases[0] || given.some((one) => String(one).includes(","))) continue;
          const words = new URLSearchParams({ [`${field}[${op}]`]: given.join(","), fields: "email", limit: "100" });
          expect((await found.client.get(`/contacts?${words}`)).meta.total, what).toBe(expected.length);
        }
      const op = ordered.includes(type) ? "contains" : "gt";
      expect(refusal(await found.client.get(`/contacts?${field}[${op}]=1`))).toEqual({
        status: 400,
        code: "invalid_filter",
      });
    },
  );

  const sortable = Object.keys(types).filter((type) => type !== "multi_select");
  // Text is compared as an alphabet is, as every sort of names is.
  const before = (a: unknown, b: unknown) => {
    if (typeof a !== "string") return Number(a) - Number(b);
    return alphabetically(a, String(b));
  };

  test.each(sortable)("sort by type %s in both directions, page by page, those without a value last", async (type) => {
    for (const direction of [1, -1]) {
      const sorted = [...records].sort((a, b) => {
        const [one, two] = [a, b].map((record) => {
          const value = customValue(record, type);
          return value === undefined ? undefined : comparable(type, value);
        });
        if ((one === undefined) !== (two === undefined)) return one === undefined ? 1 : -1;
        const byValue = one === undefined ? 0 : before(one, two);
        return (byValue || (a["id"] < b["id"] ? -1 : 1)) * direction;
      });
      const sort = `${direction < 0 ? "-" : ""}custom_fields.${keys[type]}`;
      const pages: Made[] = await found.client.all(`/contacts?sort=${sort}&limit=4&fields=custom_fields`);
      expect(
        pages.map(({ id }) => id),
        sort,
      ).toEqual(sorted.map(({ id }) => id));
      const filtered: Made[] = await found.client.all(`/contacts?sort=${sort}&limit=3&score=1`);
      expect(filtered.map(({ id }) => id)).toEqual(sorted.filter(({ score }) => score === 1).map(({ id }) => id));
    }
  });

  test("go together with other sorts and filters", async () => {
    const number = `custom_fields.${keys["number"]}`;
    for (const [first, second] of [
      ["score", `-${number}`],
      ["-score", number],
    ] as const) {
      const pages: Made[] = await found.client.all(`/contacts?sort=${first},${second}&limit=5`);
      expect(pages).toHaveLength(records.length);
      const down = first.startsWith("-") ? -1 : 1;
      for (const [n, one] of pages.entries()) {
        const next = pages[n + 1];
        if (next === undefined) break;
        expect((next["score"] - one["score"]) * down).toBeGreaterThanOrEqual(0);
        if (next["score"] !== one["score"]) continue;
        const [a, b] = [customValue(one, "number"), customValue(next, "number")];
        if (b !== undefined) expect((Number(b) - Number(a)) * -down).toBeGreaterThanOrEqual(0);
      }
    }
    const [text, colour] = [`custom_fields.${keys["text"]}`, `custom_fields.${keys["multi_select"]}`];
    const { data } = await found.client.post("/contacts/search", {
      filter: {
        or: [{ field: text, op: "eq", value: "apple" }, { not: { field: colour, op: "in", value: ["red", "green"] } }],
      },
      sort: `${number},-${text}`,
      limit: 100,
    });
    const expected = records.filter(
      (record) =>
        customValue(record, "text") === "apple" ||
        !satisfies("multi_select", customValue(record, "multi_select"), "in", ["red", "green"]),
    );
    expect(new Set(data.map(({ id }: Made) => id))).toEqual(new Set(expected.map(({ id }) => id)));
  });

  test("by what is no field, or has no order, are refused with a suggestion", async () => {
    const nearly = `custom_fields.${String(keys["text"]).slice(0, -1)}x`;
    const filter = await found.client.get(`/contacts?${nearly}=x`);
    expect(filter.error).toMatchObject({ code: "unknown_parameter" });
    expect(filter.error.message).toContain("custom_fields.");
    expect((await found.client.get(`/contacts?sort=${nearly}`)).error.code).toBe("invalid_sort");
    const many = await found.client.get(`/contacts?sort=custom_fields.${keys["multi_select"]}`);
    expect(many.error.code).toBe("invalid_sort");
    expect((await found.client.get(`/contacts?custom_fields.${keys["number"]}=ten`)).error.code).toBe("invalid_filter");
    expect((await team.client.get(`/contacts?custom_fields.${keys["text"]}=apple`)).error.code).toBe(
      "unknown_parameter",
    );
  });

  test("work for a key that may read the resource but not the definitions", async () => {
    const { client } = await createKey({
      workspaceId: found.workspaceId,
      scope: "custom",
      permissions: { contacts: "write" },
    });
    const { data } = await client.get(`/contacts?custom_fields.${keys["text"]}=apple&limit=100`);
    expect(data).toHaveLength(records.filter((record) => customValue(record, "text") === "apple").length);
    expect(refusal(await client.get("/custom_fields"))).toEqual({ status: 403, code: "insufficient_scope" });
    const made = await client.post("/contacts", {
      email: freshEmail(),
      custom_fields: { [String(keys["number"])]: "5" },
    });
    expect(made.error.code).toBe("validation_error");
  });
});

describe("what is in use", () => {
  test("stays an option; another can be added, renamed order kept, and an unused one removed", async () => {
    const { id, key } = await team.field("companies", "multi_select", { options: ["a", "b", "c"] });
    const company = await team.company({ custom_fields: { [key]: ["a", "b"] } });
    const set = (options: string[]) => team.client.patch(`/custom_fields/${id}`, { options });
    await expectRefused(team, () => set(["b", "c"]), {
      status: 409,
      code: "field_in_use",
      details: { records: 1, options: ["a"] },
    });
    expect((await set(["b", "c"])).error.message).toBe(
      "Records have the options that are missing from the list. Send the list with both old and new options, change the records, then leave the old ones out.",
    );
    expect((await set(["d", "b", "a"])).data.options).toEqual(["d", "b", "a"]);
    await team.client.patch(`/companies/${company["id"]}`, { custom_fields: { [key]: ["d"] } });
    expect((await set(["d"])).status).toBe(200);
    await expectRefused(team, () => set([]), { status: 400, code: "validation_error" });
  });

  test("is a field while a live record has a value; then it can go, and is unknown", async () => {
    const { id, key } = await team.field("companies", "text");
    const company = await team.company({ custom_fields: { [key]: "x" } });
    await expectRefused(team, () => team.client.delete(`/custom_fields/${id}`), {
      status: 409,
      code: "field_in_use",
      details: { records: 1 },
    });
    await team.client.patch(`/companies/${company["id"]}`, { custom_fields: { [key]: null } });
    expect((await team.client.delete(`/custom_fields/${id}`)).status).toBe(200);
    await expectRefused(team, () => team.client.post("/companies", { name: "C", custom_fields: { [key]: "x" } }), {
      status: 400,
      code: "unknown_field",
    });
    expect((await team.client.get(`/companies?custom_fields.${key}=x`)).error.code).toBe("unknown_parameter");
  });

  test("is no value of a deleted record: it comes back without what is not defined any more, whatever the key is now", async () => {
    const { id, key } = await team.field("companies", "text");
    const [one, two] = [
      await team.company({ custom_fields: { [key]: "abc" } }),
      await team.company({ custom_fields: { [key]: "abc" } }),
    ];
    for (const company of [one, two]) await team.client.delete(`/companies/${company["id"]}`);
    expect((await team.client.delete(`/custom_fields/${id}`)).status).toBe(200);
    const first = await team.client.post(`/companies/${one["id"]}/restore`);
    expect(first.data?.custom_fields, JSON.stringify(first.body)).toEqual({});
    await team.make("/custom_fields", { resource: "companies", key, label: "Now a number", type: "number" });
    const second = await team.client.post(`/companies/${two["id"]}/restore`);
    expect(second.data?.custom_fields, JSON.stringify(second.body)).toEqual({});
  });

  test("is never a field that was deleted while values came in", async () => {
    for (let round = 0; round < 4; round++) {
      const { id, key } = await team.field("tasks", "select", { options: ["x", "y"] });
      const [gone, ...made] = await Promise.all([
        round % 2
          ? team.client.patch(`/custom_fields/${id}`, { options: ["y"] })
          : team.client.delete(`/custom_fields/${id}`),
        ...Array.from({ length: 4 }, () =>
          team.client.post("/tasks", { title: freshName("T"), custom_fields: { [key]: "x" } }),
        ),
      ]);
      const created = made.filter(({ status }) => status === 201).length;
      expect(gone?.status === 200 ? created : gone?.error.code).toBe(gone?.status === 200 ? 0 : "field_in_use");
    }
  });

  test("?move_to= takes only values that the other field takes", async () => {
    const [from, to] = [
      await team.field("companies", "select", { options: ["a", "b"] }),
      await team.field("companies", "select", { options: ["b"] }),
    ];
    const [one, two] = [
      await team.company({ custom_fields: { [from["key"]]: "a" } }),
      await team.company({ custom_fields: { [from["key"]]: "b" } }),
    ];
    const move = () => team.client.delete(`/custom_fields/${from["id"]}?move_to=${to["id"]}`);
    const { error } = await expectRefused(team, move, { status: 400, code: "validation_error" });
    expect(Object.keys(error.details)).toEqual([`custom_fields.${to["key"]}`]);
    await team.client.patch(`/custom_fields/${to["id"]}`, { options: ["a", "b"] });
    expect((await team.client.delete(`/custom_fields/${from["id"]}?move_to=${to["id"]}&dry_run=true`)).status).toBe(
      200,
    );
    expect((await team.read(`/companies/${one["id"]}`))["custom_fields"]).toEqual({ [from["key"]]: "a" });
    expect((await move()).status).toBe(200);
    for (const [company, value] of [
      [one, "a"],
      [two, "b"],
    ] as const)
      expect(await team.read(`/companies/${company["id"]}`)).toMatchObject({
        custom_fields: { [to["key"]]: value },
        version: 2,
      });
  });
});
