import { beforeAll, expect, test } from "vitest";
import { resources } from "../../shared/resources/all.ts";
import { contacts } from "../../shared/resources/contacts.ts";
import { FEED_TABLES } from "../harness/feed.ts";
import { Records, type Workspace } from "../harness/records.ts";
import { database, stack } from "../harness/stack.ts";
import { functionToken } from "../harness/tokens.ts";
import { createKey, createWorkspace, type TestKey } from "../harness/workspace.ts";

// Who holds a token that the function mints for a key of few scopes, and calls every function there is with what the
// function sends, changed at random. PLAN_FUZZ_SEED changes others, PLAN_FUZZ_CALLS more.

const SEED = Number(process.env["PLAN_FUZZ_SEED"] ?? 1);
const CALLS = Number(process.env["PLAN_FUZZ_CALLS"] ?? 800);
const PARALLEL = 4;
const TELLTALE = "zqxtelltale";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

let victim: Workspace;
let mine: Workspace;
let key: TestKey;
let functions: string[];
let before: string;

beforeAll(async () => {
  victim = await createWorkspace();
  mine = await createWorkspace();
  // Beyond the tenant: another workspace. Beyond the scope: the own companies and deals, their jobs and imports.
  for (const workspace of [victim, mine]) {
    const records = new Records(workspace);
    for (const resource of resources) await records.make(resource);
    await database()`update crm.companies set description = ${TELLTALE}, name = ${`${TELLTALE} inc`} where workspace_id = ${workspace.workspaceId}`;
    await database()`update crm.deals set name = ${TELLTALE} where workspace_id = ${workspace.workspaceId}`;
    await database()`
      insert into crm.jobs (workspace_id, kind, scope, arguments, state, result)
      values (${workspace.workspaceId}, 'merge', 'deals', ${database().json({ name: TELLTALE })}, 'succeeded', ${database().json({ name: TELLTALE })})`;
    await database()`
      insert into crm.imports (workspace_id, resource, format, status, dry_run, on_conflict, mapping)
      values (${workspace.workspaceId}, 'deals', 'csv', 'cancelled', false, 'error', ${database().json({ [TELLTALE]: "name" })})`;
  }
  await database()`
    insert into crm.imports (id, workspace_id, resource, format, status, dry_run, on_conflict, mapping)
    values (${id}, ${mine.workspaceId}, 'contacts', 'csv', 'uploading', false, 'error', '{}')`;
  await new Records(victim).create(contacts, { first_name: TELLTALE, tags: [TELLTALE] });
  key = await createKey({ workspaceId: mine.workspaceId, scope: "custom", permissions: { contacts: "write" } });
  functions = (
    await database()`
      select proname from pg_proc
      where pronamespace = 'api'::regnamespace and has_function_privilege('crm_api', oid, 'execute') and pronargs > 0 order by proname`
  ).map((row) => String(row["proname"]));
  before = await untouchable();
});

/** What no call may change: everything of the victim, and the own records that the key has no scope for. */
async function untouchable(): Promise<string> {
  const tables = await database()`
    select relname from pg_class join pg_attribute on attrelid = pg_class.oid and attname = 'workspace_id'
    where relnamespace = 'crm'::regnamespace and relkind = 'r' and relname !~ ${FEED_TABLES} order by relname`;
  const sums: string[] = [];
  for (const { relname } of tables) {
    const theirs = /^(companies|deals|stages|pipelines|tasks|activities|members|custom_fields)(_history)?$/.test(
      relname,
    )
      ? [victim.workspaceId, mine.workspaceId]
      : [victim.workspaceId];
    const [row] = await database().unsafe(
      `select md5(coalesce(string_agg(row::text, '' order by row::text), '')) as sum from crm.${relname} as row where workspace_id = any ($1)`,
      [theirs],
    );
    sums.push(`${relname} ${row?.["sum"]}`);
  }
  return sums.join("\n");
}

/** A generator of numbers in [0, 1) from a seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const id = "01999999-9999-7999-8999-999999999999";

/** What the function sends, of every kind that it does. A function that is not here is called with all of them. */
function wellMade(): Record<string, Json> {
  const list = (shape: Record<string, Json>, ...values: string[]): Json => ({
    shape: {
      resource: "contacts",
      columns: ["id", "email", "first_name"],
      include: [],
      segments: [{ order: [["id", "asc"]] }],
      ...shape,
    },
    values: ["100", ...values],
  });
  const where = {
    and: [
      { column: "first_name", op: "eq", value: 3 },
      { or: [{ op: "text", value: 4 }, { not: { op: "filter", match: "like", value: 5 } }] },
      { row: ["created_at", "id"], op: "lt", value: [6, 7] },
    ],
  };
  const custom = (use: string) => [{ name: "custom_0", field: 3, kind: "text", use }];
  const write: Record<string, Json> = {
    resource: "contacts",
    operation: "create",
    records: [{ id, email: "fuzz@test.example", first_name: "Fuzz", tags: ["fuzz"] }],
    on_conflict: "update",
    atomic: false,
    dry_run: true,
  };
  return {
    read_records: list(
      {
        segments: [
          {
            where,
            order: [
              ["created_at", "desc"],
              ["id", "desc"],
            ],
          },
        ],
        search: true,
        total: { where },
      },
      "a",
      "%a%",
      "%a%",
      "2026-01-01T00:00:00Z",
      id,
    ),
    plain: list({ total: { tally: "contacts_by_owner_id" }, deleted: "include" }),
    related: list(
      {
        segments: [
          {
            where: { related: "companies", column: "company_id", where: { op: "text", value: 3 }, few: true },
            order: [["id", "asc"]],
          },
        ],
        search: true,
        include: [{ as: "company", resource: "companies", column: "company_id", columns: ["id", "name"] }],
      },
      `%${TELLTALE}%`,
    ),
    sorted: list(
      {
        custom_columns: ["custom_0"],
        search: true,
        segments: [
          {
            custom: custom("values"),
            order: [
              ["custom_0", "asc"],
              ["custom_record_id", "asc"],
            ],
          },
          { custom: custom("none"), order: [["id", "asc"]] },
        ],
      },
      id,
    ),
    jobs: list({ resource: "jobs", columns: ["id", "kind", "result"], total: {} }),
    imports: list({ resource: "imports", columns: ["id", "mapping"], total: {} }),
    export_records: list(
      {
        segments: [{ where: { op: "text", value: 3 }, order: [["id", "asc"]] }],
        format: "csv",
        names: ["id", "email", "first_name"],
        position: ["id"],
        search: true,
      },
      "%a%",
    ),
    summarize_deals: {
      shape: { group_by: ["status"], where: { op: "text", value: 2 }, search: true },
      values: [`%${TELLTALE}%`],
    },
    read_timeline: {
      shape: {
        subject: "contact",
        types: ["activity", "task", "stage_change"],
        columns: { activity: ["id"], task: ["id"], stage_change: ["id"] },
        total: true,
        continued: false,
      },
      id,
      limit: 10,
    },
    search_everything: {
      types: [{ type: "contact", table: "contacts", columns: ["id", "email"] }],
      patterns: ["%a%"],
      phrase: "a",
      word_starts: ["% a%"],
      limit: 10,
      total: true,
    },
    custom_fields_of: { resource: "contacts" },
    merged_into: { resource: "contacts", ids: [id] },
    read_phones: { resource: "contacts", keys: { id: [id] } },
    write_records: write,
    merge: { ...write, operation: "merge", records: [{ id, ids: [id], prefer: "primary" }] },
    create_import: {
      import: {
        resource: "contacts",
        format: "csv",
        dry_run: true,
        on_conflict: "error",
        mapping: {},
        bytes_processed: 0,
        lines_processed: 0,
      },
      bounds: { max_unfinished: 50, max_bytes: 1000, max_workspace_bytes: 1000 },
    },
    put_import_part: { id, part: 0, content: "email", bounds: { max_bytes: 1000, max_workspace_bytes: 1000 } },
    start_import: {
      id,
      api_version: "v1",
      match_by: "email",
      match_column: "email",
      mapping: {},
      columns: {},
      bytes_processed: 0,
      lines_processed: 0,
    },
    cancel_job: { id },
    read_import_rows: { id, after: 0, limit: 10 },
  };
}

const WORDS = [
  "companies",
  "deals",
  "jobs",
  "imports",
  "members",
  "api_keys",
  "contacts_history",
  "workspaces",
  "contacts_by_owner_id",
  "companies_by_owner_id",
  "key_hash",
  "search_text",
  "filter_text",
  "email_key",
  "workspace_id",
  "arguments",
  "name",
  "description",
  "id",
  "text",
  "like",
  "regex",
  "has_any",
  "has_contact",
  "custom",
  "only",
  "include",
  "csv",
  "xml",
  "values",
  "look up",
  "asc",
  "1) or (true",
  "2) or (true",
  "x; select 1",
  "(select crm.replace_tags(null, null, null, null, 1))",
  '"',
  "'",
  "$1",
  "",
  TELLTALE,
  "%",
  "\\",
  "merge",
  "revert_merge",
  "record",
  "move_to",
  "delete",
];
const MEMBERS = [
  "where",
  "search",
  "deleted",
  "total",
  "related",
  "column",
  "op",
  "value",
  "custom",
  "few",
  "negated",
  "match",
  "format",
  "kind",
  "resource",
  "scope",
  "and",
  "or",
  "x",
];

/** A plan with one to three things in it changed: a word, a number, a member, a list, or another plan's part. */
function mutate(plan: Json, parts: readonly Json[], random: () => number): Json {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const strange = (): Json =>
    pick<() => Json>([
      () => pick(WORDS),
      () => pick(WORDS),
      () => pick([0, 1, 2, 3, 9, -1, 1.5, 10_000, 1e300]),
      () => pick([true, false, null]),
      () => [],
      () => ({}),
      () => pick(parts),
      () => [pick(WORDS)],
    ])();
  const change = (node: Json): Json => {
    if (node === null || typeof node !== "object" || random() < 0.08) return strange();
    if (Array.isArray(node)) {
      if (node.length === 0 || random() < 0.2) return [...node, strange()];
      const at = Math.floor(random() * node.length);
      if (random() < 0.15) return node.filter((_, place) => place !== at);
      return node.map((child, place) => (place === at ? change(child) : child));
    }
    const names = Object.keys(node);
    if (names.length === 0 || random() < 0.2) return { ...node, [pick(MEMBERS)]: strange() };
    const name = pick(names);
    if (random() < 0.15) return Object.fromEntries(Object.entries(node).filter(([other]) => other !== name));
    return { ...node, [name]: change(node[name] ?? null) };
  };
  let changed = plan;
  for (let times = 1 + Math.floor(random() * 3); times > 0; times--) changed = change(changed);
  return changed;
}

/** All objects and lists within. */
function partsOf(node: Json): Json[] {
  if (node === null || typeof node !== "object") return [];
  return [node, ...Object.values(node).flatMap(partsOf)];
}

async function call(name: string, argument: Json): Promise<{ status: number; text: string }> {
  const claims = {
    role: "crm_api",
    key_id: key.id,
    workspace_id: mine.workspaceId,
    exp: Math.floor(Date.now() / 1000) + 60,
  };
  const response = await fetch(`${stack().restUrl}/rpc/${name}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${await functionToken(claims)}`,
      "content-type": "application/json",
      "content-profile": "api",
      accept: "application/json, text/plain, application/octet-stream",
    },
    body: JSON.stringify(argument),
  });
  return { status: response.status, text: await response.text() };
}

// A rule's refusal, a value or plan that can't be, what the key may not touch, the timeout, what is unique or referred to.
const REFUSALS = /^(AN001|22...|23...|42501|57014|54...|PGRST1..|PGRST2..)$/;

test(
  `no plan reads or writes beyond the workspace and the scopes of its key, and none is a fault of ours (PLAN_FUZZ_SEED=${SEED})`,
  async () => {
    const plans = wellMade();
    const parts = Object.values(plans).flatMap(partsOf);
    const told: string[] = [];
    let answered = 0;
    const run = async (random: () => number, calls: number) => {
      for (let n = 0; n < calls; n++) {
        const name = functions[Math.floor(random() * functions.length)] ?? "";
        const sent = Object.entries(plans).filter(
          ([kind]) => kind === name || !functions.includes(kind) || random() < 0.1,
        );
        const argument = mutate(sent[Math.floor(random() * sent.length)]?.[1] ?? {}, parts, random);
        const { status, text } = await call(name, argument);
        if (status < 300) answered += 1;
        const code = status < 300 ? "" : String(JSON.parse(text).code);
        const echoes = JSON.stringify(argument).includes(TELLTALE) && status >= 300;
        if ((status >= 300 && !REFUSALS.test(code)) || (text.includes(TELLTALE) && !echoes))
          told.push(`${name} ${JSON.stringify(argument)} → ${status} ${text.slice(0, 300)}`);
      }
    };
    await Promise.all(
      Array.from({ length: PARALLEL }, (_, lane) => run(randomOf(SEED + lane), Math.ceil(CALLS / PARALLEL))),
    );
    expect(told.slice(0, 5)).toEqual([]);
    expect(answered).toBeGreaterThan(0);
    expect(await untouchable()).toBe(before);
  },
  CALLS * 50 + 60_000,
);

test.each(Object.keys(wellMade()).filter((name) => !["related", "summarize_deals"].includes(name)))(
  "what is changed at random is no nonsense to begin with: %s",
  async (name) => {
    const fits = functions.includes(name) ? name : name === "merge" ? "write_records" : "read_records";
    const { status, text } = await call(fits, wellMade()[name] ?? {});
    expect(status === 200 || /"message":"(not_found|self_merge|import_not_uploading)"/.test(text), text).toBe(true);
  },
);

test.each<[string, Json]>([
  [
    "create_import",
    {
      ...(wellMade()["create_import"] as object),
      content: "email",
      import: { resource: "contacts", match_column: "first_name" },
    },
  ],
  ["start_import", { ...(wellMade()["start_import"] as object), match_column: "first_name" }],
  ["read_phones", { resource: "contacts", keys: { first_name: ["Ada"] } }],
])("%s finds records by what is unique, and by nothing else", async (name, argument) => {
  expect(JSON.parse((await call(name, argument)).text)).toMatchObject({ code: "22023" });
});
