import fc from "fast-check";
import { expect } from "vitest";
import { resourceNamed } from "../../shared/resources/all.ts";
import { columnOf, type Field, isNullable, nameOf, type Resource } from "../../shared/resources/define.ts";
import { freshValue, samplesOf } from "./samples.ts";
import { database } from "./stack.ts";
import { version } from "./versions.ts";
import { type createWorkspace, freshEmail } from "./workspace.ts";

export type RecordData = Record<string, unknown>;
export type Workspace = Awaited<ReturnType<typeof createWorkspace>>;

/** How many different records a reference is given to choose from. */
const RELATED = 3;

// These tables have the names of columns.

/** What a rule asks for beside what is given (resources.md, "Business rules"); no declaration says it. */
const BESIDE: Record<string, (given: RecordData, records: Records) => Promise<RecordData> | RecordData> = {
  companies: ({ annual_revenue, currency }) => (annual_revenue == null ? {} : { currency: currency ?? "EUR" }),
  deals: async ({ amount, currency, stage_id, pipeline_id }, records) => {
    const home = stage_id == null ? undefined : await records.parentOf("stages");
    return {
      ...(amount != null && { currency: currency ?? "EUR" }),
      ...(home !== undefined && pipeline_id === undefined && { pipeline_id: home }),
      // A deal of another pipeline goes to the first stage there.
      ...(home !== undefined && pipeline_id !== undefined && pipeline_id !== home && { stage_id: undefined }),
    };
  },
  tasks: ({ remind_at, due_at }) =>
    remind_at == null ? {} : { due_at: String(due_at ?? "") > String(remind_at) ? due_at : remind_at },
  activities: async ({ contact_id, company_id, deal_id }, records) =>
    (contact_id ?? company_id ?? deal_id)
      ? {}
      : contact_id === null
        ? { company_id: await records.oneOf("companies") }
        : { contact_id: await records.oneOf("contacts") },
  custom_fields: ({ type, options }) => ({
    ...(options !== undefined && (options as unknown[]).length > 0 && { type: "multi_select" }),
    ...(/select/.test(String(type)) && options === undefined && { options: ["a", "b"] }),
  }),
};

/** Samples that the schema alone does not lead to. */
const SAMPLES: Record<string, (records: Records) => Promise<unknown[]> | unknown[]> = {
  "deals.contacts": async (records) => [[], [{ contact_id: await records.oneOf("contacts"), role: "buyer" }]],
  "pipelines.stages": () => [
    [
      { name: "First", probability: 10 },
      { name: "Won", type: "won" },
      { name: "Lost", type: "lost" },
    ].map((stage) => named(resourceOf("stages"), stage)),
  ],
};

/** Rows take these values only: another one would change other rows of the table. */
const ALONE: Record<string, unknown[]> = { "pipelines.is_default": [false] };

/** Values that a row takes for itself: in a place that is taken it would move the row that stands there. */
const OWN: Record<string, () => unknown> = { "stages.position": () => nextPosition++ };
let nextPosition = 100;

/** Makes records of every resource in one workspace, through the API where it can and below it where it can't. */
export class Records {
  private readonly related = new Map<string, Promise<string[]>>();
  private readonly parents = new Map<string, Promise<string>>();
  private readonly customFields = new Map<string, Promise<RecordData>>();

  constructor(readonly workspace: Workspace) {}

  get client() {
    return this.workspace.client;
  }

  /** The path of a resource's records; one that is nested stands below a record that is made for it. */
  async path(resource: Resource): Promise<string> {
    const parameters = await this.parameters(resource);
    return resource.path.replace(/\{(\w+)\}/g, (_, name: string) => parameters[name] ?? "");
  }

  /** The id of the record that a nested resource stands below. */
  async parentOf(plural: string): Promise<string> {
    const resource = resourceNamed(plural, version().resources);
    if (resource.parent === undefined) throw new Error(`${plural} has no parent`);
    return String((await this.parameters(resource))[resource.parent.field]);
  }

  private async parameters(resource: Resource): Promise<Record<string, string>> {
    const { parent } = resource;
    if (parent === undefined) return {};
    const above = parent.resource();
    const known = this.parents.get(above.plural) ?? this.make(above).then(({ id }) => String(id));
    this.parents.set(above.plural, known);
    return { ...(await this.parameters(above)), [parent.field]: await known };
  }

  /** The body of a valid new record: what is given, what is required and what a rule asks for. */
  async body(resource: Resource, given: RecordData = {}): Promise<RecordData> {
    const body = { ...given };
    for (const [name, field] of Object.entries(resource.fields)) {
      if (!field.required || Object.hasOwn(body, name)) continue;
      body[name] = field.unique ? freshValue(field) : (await this.samples(resource, name))[0];
    }
    return { ...body, ...(await this.beside(resource, body)) };
  }

  private async beside(resource: Resource, given: RecordData): Promise<RecordData> {
    return named(resource, (await BESIDE[resource.plural]?.(inColumns(resource, given), this)) ?? {});
  }

  /** The body of a change: what is given, and what a rule asks for beside it. */
  async change(resource: Resource, given: RecordData): Promise<RecordData> {
    const whole = { ...given, ...(await this.beside(resource, given)) };
    return Object.fromEntries(Object.entries(whole).filter(([name]) => !resource.fields[name]?.createOnly));
  }

  /** A field that can be changed with no consequence, and values for it. */
  plainField(resource: Resource): { name: string; values: unknown[] } {
    const plain = Object.entries(resource.fields).filter(
      ([, { readOnly, createOnly, references, filter }]) =>
        !readOnly && !createOnly && references === undefined && (filter === "text" || filter === "integer"),
    );
    const [name, field] = plain.find(([, one]) => !one.unique) ?? plain[0] ?? [];
    if (name === undefined || field === undefined) throw new Error(`${resource.plural} have no plain field`);
    const values = field.unique ? [1, 2, 3].map(() => freshValue(field)) : samplesOf(field);
    return { name, values };
  }

  async bodies(resource: Resource, count: number): Promise<RecordData[]> {
    return Promise.all(Array.from({ length: count }, () => this.body(resource)));
  }

  /** A new record, through the API. */
  async create(resource: Resource, given: RecordData = {}): Promise<RecordData & { id: string }> {
    const body = await this.body(resource, given);
    const { status, data, body: answer } = await this.client.post(await this.path(resource), body);
    expect(status, `${resource.plural} ${JSON.stringify(body)} → ${JSON.stringify(answer)}`).toBe(201);
    return data;
  }

  /** New records in one request, through the API. */
  async createMany(resource: Resource, count: number): Promise<(RecordData & { id: string })[]> {
    const records = await this.bodies(resource, count);
    const { status, data, body } = await this.client.post(`${await this.path(resource)}/bulk`, { records });
    expect(status, JSON.stringify(body).slice(0, 1000)).toBe(201);
    return data.map((one: { data: RecordData }) => one.data);
  }

  /** A new record of a resource that may have no way to create one over the API. */
  async make(resource: Resource): Promise<RecordData> {
    if (resource.operations.includes("create")) return this.create(resource);
    const [id] = await this.insert(resource, await this.rows(resource, 1));
    return { id };
  }

  /** The id of a record that others may refer to. */
  async oneOf(plural: string): Promise<string> {
    const [first = ""] = await this.some(plural);
    return first;
  }

  /** The ids of records that others may refer to: few, so that many refer to the same. */
  some(plural: string): Promise<string[]> {
    const known = this.related.get(plural) ?? this.makeSome(resourceNamed(plural, version().resources));
    this.related.set(plural, known);
    return known;
  }

  // Their own references stay empty, or companies would need companies; the first is as plain as can be.
  private async makeSome(resource: Resource): Promise<string[]> {
    const [first = {}, ...others] = await this.rows(resource, RELATED, { linked: false });
    const plain = Object.fromEntries(Object.keys(first).map((name) => [name, resource.defaults[name] ?? first[name]]));
    return this.insert(resource, [plain, ...others]);
  }

  /** Few valid values of a field, never null. */
  async samples(resource: Resource, name: string): Promise<unknown[]> {
    const field = resource.fields[name];
    if (field === undefined) throw new Error(`${resource.plural} have no ${name}`);
    const own = SAMPLES[`${resource.plural}.${columnOf(resource, name)}`];
    if (own !== undefined) return own(this);
    if (field.references !== undefined) return this.some(resourceOf(field.references).plural);
    if (name === "custom_fields") return this.customSamples(resource);
    const isE164 = Object.values(resource.fields).some(({ e164 }) => e164 === name);
    return samplesOf(field, { isE164 });
  }

  private async customSamples(resource: Resource): Promise<unknown[]> {
    const definition = { resource: resource.plural, type: "number" };
    const known = this.customFields.get(resource.plural) ?? this.create(resourceOf("custom_fields"), definition);
    this.customFields.set(resource.plural, known);
    const { key } = await known;
    return [{ [String(key)]: 5 }, { [String(key)]: 50 }];
  }

  // Below the API -------------------------------------------------------------------------------

  /**
   * Records as rows that SQL inserts have them, read-only columns among them: few different values, so that ties and nulls
   * are everywhere. Unique values are made on insertion, so a row can be inserted again.
   */
  async arbitraryRow(resource: Resource, { linked = true } = {}): Promise<fc.Arbitrary<RecordData>> {
    const columns = await columnsOf(resource);
    const columnAt = (name: string) => columns.get(columnOf(resource, name));
    const fields = Object.entries(resource.fields).filter(
      ([name, field]) => name !== "id" && columnAt(name) && (columnAt(name)?.needed || field.filter || field.sort),
    );
    const values = fields.map(async ([name, field]) => {
      const nulls = isNullable(field) && !columnAt(name)?.filled ? [null] : [];
      return [name, fc.constantFrom(...nulls, ...(await this.columnValues(resource, name, field, linked)))];
    });
    return fc.record(Object.fromEntries(await Promise.all(values)));
  }

  private async columnValues(resource: Resource, name: string, field: Field, linked: boolean): Promise<unknown[]> {
    if (name === resource.parent?.field) return [await this.parentOf(resource.plural)];
    if (field.references !== undefined && isNullable(field) && !linked) return [];
    const included = Object.values(resource.include).find((include) => include.field === name);
    return included
      ? this.some(included.resource().plural)
      : (ALONE[`${resource.plural}.${columnOf(resource, name)}`] ?? this.samples(resource, name));
  }

  /** Rows of such values, for a seed always the same. */
  async rows(resource: Resource, count: number, { linked = true, seed = 1 } = {}): Promise<RecordData[]> {
    return fc.sample(await this.arbitraryRow(resource, { linked }), { numRuns: count, seed });
  }

  /** Inserts rows in one statement, past the API and its policies. Answers their ids. */
  async insert(resource: Resource, rows: readonly RecordData[]): Promise<string[]> {
    const whole = await this.wholeRows(resource, rows);
    const sql = database();
    const table = sql(`crm.${resource.table}`);
    const columns = sql([...new Set(whole.flatMap(Object.keys))]);
    const inserted = await sql`
      insert into ${table} (${columns})
      select ${columns} from jsonb_populate_recordset(null::${table}, ${sql.json(whole as never)}) returning id`;
    return inserted.map((row) => String(row["id"]));
  }

  /** Rows as they are inserted: with the workspace, unique values of their own, and what a rule asks for. */
  wholeRows(resource: Resource, rows: readonly RecordData[]): Promise<RecordData[]> {
    return Promise.all(rows.map((row) => this.wholeRow(resource, row)));
  }

  private async wholeRow(resource: Resource, record: RecordData): Promise<RecordData> {
    const row = inColumns(resource, record);
    const unique = Object.entries(resource.fields).filter(([name, field]) => field.unique && record[name] != null);
    const own = Object.keys(row).filter((name) => OWN[`${resource.plural}.${name}`]);
    const whole = {
      ...row,
      ...Object.fromEntries(unique.map(([name, field]) => [columnOf(resource, name), freshValue(field)])),
      ...Object.fromEntries(own.map((name) => [name, OWN[`${resource.plural}.${name}`]?.()])),
      ...(resource.table === "members" && { user_id: await createUser() }),
      workspace_id: this.workspace.workspaceId,
    };
    return { ...whole, ...(await BESIDE[resource.plural]?.(whole, this)) };
  }
}

/** A record of the suite's version by the names of its columns, and the other way. */
function inColumns(resource: Resource, record: RecordData): RecordData {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [columnOf(resource, name), value]));
}
function named(resource: Resource, row: RecordData): RecordData {
  return Object.fromEntries(Object.entries(row).map(([column, value]) => [nameOf(resource, column), value]));
}

async function createUser(): Promise<string> {
  const [user] =
    await database()`insert into auth.users (id, email) values (gen_random_uuid(), ${freshEmail()}) returning id`;
  return user?.["id"];
}

interface Column {
  /** Must be given a value, for it has no default. */
  needed: boolean;
  /** Has a default because it may not be null. */
  filled: boolean;
}

/** The columns of a table that can be given a value. */
async function columnsOf({ table }: Resource): Promise<Map<string, Column>> {
  const columns = await database()`
    select attname as name, attnotnull and not atthasdef as needed, attnotnull and atthasdef as filled
    from pg_attribute
    where attrelid = ${`crm.${table}`}::regclass and attnum > 0 and not attisdropped and attgenerated = ''`;
  return new Map(columns.map(({ name, needed, filled }) => [name, { needed, filled }]));
}

/** The resource of the suite's version that shows the rows of a table. */
export function resourceOf(table: string): Resource {
  const resource = version().resources.find((one) => one.table === table);
  if (resource === undefined) throw new Error(`no resource shows crm.${table}`);
  return resource;
}
