import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { resources } from "../../shared/resources/all.ts";
import { contacts } from "../../shared/resources/contacts.ts";
import { deals } from "../../shared/resources/deals.ts";
import type { Field, Resource } from "../../shared/resources/define.ts";
import { imports } from "../../shared/resources/imports.ts";
import { jobs } from "../../shared/resources/jobs.ts";
import { integer, list, oneOf, text, timestamp } from "../../shared/resources/schemas.ts";
import { type Catalog, type Difference, differences, readCatalog } from "../harness/facts.ts";
import { database } from "../harness/stack.ts";

/** What one side alone knows, and why. */
const KNOWN: Record<string, string> = {
  "null pipelines.position": "given null, the database takes the next free place",
  "null stages.position": "given null, the database takes the next free place",
  "null stages.probability": "given null, the database takes what goes with the type",
  "check pipelines.position": "the next free place may be beyond what a request may give",
  "check stages.position": "the next free place may be beyond what a request may give",
  "check contacts.phone_e164": "the function computes it; its form is for whoever writes without the function",
  "check companies.phone_e164": "the function computes it; its form is for whoever writes without the function",
  "check custom_fields.resource": "which resources have custom fields, crm.check_custom_fields_of says",
  "check jobs.kind": "which kinds there are, the functions crm.job_<kind> say: the test below",
  "default activities.occurred_at": "the time of writing is no constant",
  "unique pipelines_is_default_live": "at most one is the default, which no value says",
  "key tags.name": "two names that differ in case are one tag, and still sorted and filtered as they are written",
  "search_text activities.body": "its beginning is searched; no filter looks into it",
  "field members.user_id": "members show it, the same people as users don't",
  "reference members.user_id": "Supabase's own table of users",
  "unique members_workspace_id_user_id_key": "whom the API does not show",
};

let catalog: Catalog;

beforeAll(async () => {
  catalog = await readCatalog(database());
});

test("each fact of a declaration stands in the database, and each of the database in a declaration", async () => {
  const found = await differences(database(), catalog, [...resources, imports, jobs]);
  expect(found.filter(({ at }) => KNOWN[at] === undefined)).toEqual([]);
  expect(Object.keys(KNOWN).filter((at) => !found.some((difference) => difference.at === at))).toEqual([]);
});

/** What dispatchers do, each as a part of its turn with an endpoint. */
const DISPATCHED = ["replay_webhook"];

test("each kind of job that is declared has its function, and each function is declared", async () => {
  const rows = await database()`
    select substring(proname from 5) as kind from pg_proc
    where pronamespace = 'crm'::regnamespace and oidvectortypes(proargtypes) = 'crm.jobs' and proname like 'job\\_%' order by 1`;
  const { schema } = jobs.fields["kind"] as Field;
  expect(rows.filter(({ kind }) => !schema.safeParse(kind).success)).toEqual([]);
  expect((await differences(database(), catalog, [jobs])).map(({ missing }) => missing).join()).toContain(
    [...rows.map(({ kind }) => kind), ...DISPATCHED]
      .sort()
      .map((kind) => `'${kind}'`)
      .join(", "),
  );
});

/** A resource with some facts of a field changed, or with a field that is new. */
function withField(resource: Resource, name: string, facts: Partial<Field>): Resource {
  const field = { schema: text(100).nullable(), ...resource.fields[name], ...facts };
  return { ...resource, fields: { ...resource.fields, [name]: field } };
}

const column = { table: "contacts", type: "text", nullable: true, labels: null, sources: null, initial: null };
const index = { table: "contacts", isUnique: false, isLive: true, method: "btree" };

test.each<[string, Resource, string]>([
  [
    "a column",
    withField(contacts, "nickname", {}),
    "alter table crm.contacts add column nickname text check (length(nickname) between 1 and 100);",
  ],
  [
    "a type",
    withField(contacts, "score", { schema: timestamp().nullable() }),
    "alter table crm.contacts alter column score type timestamp with time zone;",
  ],
  [
    "a longer text",
    withField(contacts, "first_name", { schema: text(101).nullable() }),
    "add check (length(first_name) between 1 and 101)",
  ],
  [
    "a shorter text",
    withField(contacts, "first_name", { schema: text(99).nullable() }),
    "add check (length(first_name) between 1 and 99)",
  ],
  [
    "a wider number",
    withField(contacts, "score", { schema: integer(0, 101).nullable() }),
    "add check (score between 0 and 101)",
  ],
  [
    "a longer list",
    withField(contacts, "tags", { schema: list(text(100), 51, "") }),
    "add check (cardinality(tags) <= 51)",
  ],
  [
    "a value more",
    withField(contacts, "status", { schema: oneOf(["active", "inactive", "unsubscribed", "bounced", "new"]) }),
    "add check (status in ('active', 'inactive', 'unsubscribed', 'bounced', 'new'))",
  ],
  [
    "a value less",
    withField(contacts, "status", { schema: oneOf(["active", "inactive", "bounced"]) }),
    "add check (status in ('active', 'inactive', 'bounced'))",
  ],
  [
    "a value of an SQL type less",
    withField(deals, "priority", { schema: oneOf(["low", "normal", "high"]) }),
    "add check (priority in ('low', 'normal', 'high'))",
  ],
  [
    "an object that was a list",
    withField(deals, "contacts", { schema: z.object({}) }),
    "add check (jsonb_typeof(contacts) = 'object')",
  ],
  [
    "no null",
    withField(contacts, "first_name", { schema: text(100) }),
    "alter table crm.contacts alter column first_name set not null;",
  ],
  [
    "null",
    withField(contacts, "status", { schema: oneOf(["active", "inactive", "unsubscribed", "bounced"]).nullable() }),
    "alter column status drop not null;",
  ],
  [
    "a default",
    withField(contacts, "status", { default: "inactive" }),
    "alter column status set default '\"inactive\"'",
  ],
  [
    "a reference",
    withField(contacts, "id", { references: "companies" }),
    "foreign key (workspace_id, id) references crm.companies (workspace_id, id);",
  ],
  [
    "no reference",
    { ...contacts, fields: { ...contacts.fields, company_id: { schema: z.uuid().nullable(), filter: "reference" } } },
    'references: "companies" in the declaration',
  ],
  [
    "a unique value",
    withField(contacts, "phone", { unique: "duplicate_name" }),
    "create unique index contacts_phone_live on crm.contacts (workspace_id, phone) where deleted_at is null;",
  ],
  [
    "one that is unique within others",
    withField(contacts, "external_id", { within: ["status"] }),
    "create unique index contacts_external_id_live",
  ],
  [
    "a filter",
    withField(contacts, "department", { filter: "enum" }),
    "create index on crm.contacts (workspace_id, department, created_at, id) where deleted_at is null;",
  ],
  [
    "a sort",
    withField(contacts, "department", { sort: true }),
    "create index on crm.contacts (workspace_id, department, id) where deleted_at is null;",
  ],
  [
    "a facet set",
    { ...contacts, facetSets: [...contacts.facetSets, ["lead_source"]] },
    "select crm.track_totals('contacts', 'lead_source');",
  ],
  [
    "what is searched",
    withField(contacts, "department", { searched: true }),
    "alter column search_text set expression as (… department …);",
  ],
  [
    "a filter by a part of a text",
    withField(contacts, "department", { filter: "text" }),
    "alter column filter_text set expression as (… department …);",
  ],
  [
    "a column to compare by",
    withField(contacts, "first_name", { column: { compared: "first_name_key" } }),
    'column: { compared: "first_name" } in the declaration',
  ],
  ["a scope", { ...contacts, scope: "people" }, "update crm.resources set scope = 'people' where name = 'contacts';"],
  ["custom fields", { ...imports, customizable: true }, "select crm.check_custom_fields_of('imports');"],
  ["that it is merged", { ...deals, mergeable: true }, "alter table crm.deals add column merged_into uuid;"],
])("the test tells the SQL for what is declared anew: %s", async (_what, changed, missing) => {
  expect(told(await differences(database(), catalog, [changed]))).toContain(missing);
});

test.each<[string, Resource, Partial<Catalog>, string]>([
  [
    "a column",
    contacts,
    { registry: [{ name: "contacts", scope: "contacts", shown: ["nickname"] }] },
    "nickname: { schema: … } in the fields of contacts",
  ],
  [
    "a check constraint",
    contacts,
    {
      checks: [
        { table: "contacts", name: "no_bob", columns: ["first_name"], expression: "first_name <> 'Bob'", literals: [] },
      ],
    },
    "a schema that refuses what no_bob does",
  ],
  [
    "a stricter value",
    contacts,
    {
      checks: [
        {
          table: "contacts",
          name: "no_bob",
          columns: ["first_name"],
          expression: "first_name <> 'Bob'",
          literals: ["Bob"],
        },
      ],
    },
    "add check (length(first_name) between 1 and 100)",
  ],
  [
    "a check of several columns",
    contacts,
    {
      checks: [
        {
          table: "contacts",
          name: "two",
          columns: ["first_name", "last_name"],
          expression: "first_name <> last_name",
          literals: [],
        },
      ],
    },
    "a schema that refuses what two does",
  ],
  [
    "a foreign key",
    contacts,
    { foreignKeys: [{ table: "crm.contacts", name: "key", columns: ["workspace_id", "score"], target: "crm.deals" }] },
    'references: "deals" in the declaration',
  ],
  [
    "a unique index",
    contacts,
    { indexes: [{ ...index, isUnique: true, name: "contacts_phone_live", columns: ["workspace_id", "phone"] }] },
    'unique: "duplicate_…" in the declaration, for phone',
  ],
  [
    "an index",
    contacts,
    { indexes: [{ ...index, name: "contacts_department", columns: ["workspace_id", "department"] }] },
    "filter or sort in the declaration, for contacts_department",
  ],
  [
    "a tally",
    contacts,
    { columns: [{ ...column, table: "contacts_by_score", name: "score" }] },
    '["score"] in facetSets',
  ],
  [
    "what is searched",
    contacts,
    { columns: [{ ...column, name: "search_text", sources: ["department"] }] },
    "searched: true in the declaration of department",
  ],
  ["what is imported", imports, { importable: [{ policy: "p", names: ["contacts"] }] }, "policies of crm.imports"],
])("the test tells the fact for what is in the database anew: %s", async (_what, resource, more, missing) => {
  const names = Object.keys(more) as (keyof Catalog)[];
  const changed = {
    ...catalog,
    ...Object.fromEntries(names.map((name) => [name, [...(more[name] ?? []), ...catalog[name]]])),
  };
  expect(told(await differences(database(), changed, [resource]))).toContain(missing);
});

function told(found: readonly Difference[]): string {
  return found.map(({ missing }) => missing).join("\n");
}
