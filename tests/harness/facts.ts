import type postgres from "postgres";
import { z } from "zod";
import { type Field, isNullable, type Resource, withDeleted } from "../../shared/resources/define.ts";
import { IMPORTABLE } from "../../shared/resources/imports.ts";
import { isTimestamp } from "../../shared/resources/schemas.ts";

/** A fact that stands on one side only, with the SQL to add or the fact to declare. */
export interface Difference {
  /** What it is about, such as `check contacts.first_name`; exceptions go by this name. */
  at: string;
  missing: string;
}

interface Column {
  table: string;
  name: string;
  type: string;
  nullable: boolean;
  labels: string[] | null;
  /** The columns that a generated one is made of. */
  sources: string[] | null;
  /** The value of its default, where that is a constant or an expression. */
  initial: string | null;
}

interface Check {
  table: string;
  name: string;
  columns: string[];
  expression: string;
  literals: string[];
}

interface Index {
  table: string;
  name: string;
  columns: string[];
  isUnique: boolean;
  isLive: boolean;
  method: string;
}

interface ForeignKey {
  table: string;
  name: string;
  columns: string[];
  target: string;
}

/** What Postgres knows of the tables in `crm`. */
export interface Catalog {
  columns: Column[];
  checks: Check[];
  indexes: Index[];
  foreignKeys: ForeignKey[];
  customizable: string[];
  registry: { name: string; scope: string | null; shown: string[] }[];
  importable: { policy: string; names: string[] }[];
}

export async function readCatalog(sql: postgres.Sql): Promise<Catalog> {
  const rows = async <Row>(query: string) => (await sql.unsafe(query)) as unknown as Row[];
  const names = (numbers: string, table: string) =>
    `array(select attname::text from unnest(${numbers}) with ordinality as place (number, nth) join pg_attribute on attrelid = ${table} and attnum = number order by nth)`;
  return {
    columns: await rows(`
      select relname::text as table, attname::text as name, format_type(atttypid, atttypmod) as type, not attnotnull as nullable,
        (select array_agg(enumlabel::text order by enumsortorder) from pg_enum where enumtypid = atttypid) as labels,
        case when attgenerated <> '' then (
          select array_agg(source.attname::text) from pg_depend
          join pg_attribute as source on source.attrelid = refobjid and source.attnum = refobjsubid
          where classid = 'pg_attrdef'::regclass and objid = pg_attrdef.oid and refobjid = adrelid and refobjsubid <> adnum
        ) end as sources,
        case when attgenerated = '' then pg_get_expr(adbin, adrelid) end as initial
      from pg_attribute join pg_class on pg_class.oid = attrelid
      left join pg_attrdef on adrelid = attrelid and adnum = attnum
      where relnamespace = 'crm'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped`),
    checks: await rows(`
      select relname::text as table, conname::text as name, ${names("conkey", "conrelid")} as columns, pg_get_expr(conbin, conrelid) as expression,
        array(select replace(found[1], '''''', '''') from regexp_matches(pg_get_expr(conbin, conrelid), '''((?:[^'']|'''')*)''::text', 'g') as found) as literals
      from pg_constraint join pg_class on pg_class.oid = conrelid
      where connamespace = 'crm'::regnamespace and contype = 'c'`),
    indexes: await rows(`
      select relation.relname::text as table, index.relname::text as name, ${names("indkey::int2[]", "indrelid")} as columns,
        indisunique as "isUnique", coalesce(pg_get_expr(indpred, indrelid), '(deleted_at IS NULL)') = '(deleted_at IS NULL)' as "isLive", amname::text as method
      from pg_index join pg_class as index on index.oid = indexrelid join pg_class as relation on relation.oid = indrelid
      join pg_am on pg_am.oid = index.relam
      where relation.relnamespace = 'crm'::regnamespace and not indisprimary`),
    foreignKeys: await rows(`
      select conrelid::regclass::text as table, conname::text as name, ${names("conkey", "conrelid")} as columns, confrelid::regclass::text as target
      from pg_constraint where connamespace = 'crm'::regnamespace and contype = 'f'`),
    customizable: (
      await rows<{ name: string }>(
        "select distinct relname::text as name from pg_trigger join pg_class on pg_class.oid = tgrelid where tgname = 'check_custom_fields'",
      )
    ).map(({ name }) => name),
    registry: await rows("select name, scope, crm.columns_of(source) as shown from crm.resources as source"),
    importable: await rows(`
      select polname::text as policy, array(
        select distinct found[1] from regexp_matches(pg_get_expr(coalesce(polqual, polwithcheck), polrelid), 'WHEN ''([^'']+)''', 'g') as found
      ) as names
      from pg_policy where polrelid = 'crm.imports'::regclass`),
  };
}

/** Values about what a schema takes and what it does not, and how SQL says the same. */
interface Kind {
  types: readonly string[];
  samples: unknown[];
  check?: (column: string) => string;
}

const LARGEST_INTEGER = 2_147_483_647;
const MANY = 200_000;
const AMOUNTS = ["-1", "0", `${"9".repeat(15)}.9999`, `1${"0".repeat(15)}`];
const hosts = (length: number) => `${grouped(length - 3, 61, ".")}.co`;
const uuids = (nth: number) => `00000000-0000-7000-8000-${String(nth).padStart(12, "0")}`;

/** Texts of a length, of which one kind is what a schema takes. */
const TEXTS: ((length: number) => string)[] = [
  (length) => "x".repeat(length),
  (length) => `en-x-${grouped(length - 5, 9, "-")}`,
  hosts,
  (length) => `l@${hosts(length - 2)}`,
  (length) => `https://h.co/${"p".repeat(Math.max(0, length - 13))}`,
];
/** Letters of which every `size`th is a separator, none at the end. */
function grouped(length: number, size: number, separator: string): string {
  const isGap = (at: number) => at % size === size - 1 && at !== length - 1;
  return Array.from({ length }, (_, at) => (isGap(at) ? separator : "x")).join("");
}

/** Of what has a closed list. */
const LISTED = ["USD", "Europe/Berlin"];
const ENTRIES: ((nth: number) => unknown)[] = [
  (nth) => `entry ${nth}`,
  (nth) => `custom_fields.key_${nth}`,
  (nth) => ({ contact_id: uuids(nth) }),
];

function inner(schema: z.ZodType): z.ZodType {
  if ([z.ZodNullable, z.ZodOptional, z.ZodLazy].some((kind) => schema instanceof kind))
    return inner((schema as z.ZodLazy<z.ZodType>).unwrap());
  if (!(schema instanceof z.ZodPipe)) return schema;
  return inner((schema.out instanceof z.ZodTransform ? schema.in : schema.out) as z.ZodType);
}

function kindOf({ schema }: Field): Kind {
  const takes = (value: unknown) => schema.safeParse(value).success;
  const type = inner(schema);
  if (type instanceof z.ZodEnum) {
    const listed = type.options.map((option) => `'${option}'`).join(", ");
    return {
      types: ["text"],
      samples: [...type.options, "no such value"],
      check: (column) => `${column} in (${listed})`,
    };
  }
  if (isTimestamp(schema)) return { types: ["timestamp with time zone"], samples: [] };
  if (type instanceof z.ZodUUID) return { types: ["uuid"], samples: [] };
  if (type instanceof z.ZodBoolean) return { types: ["boolean"], samples: [] };
  if (type instanceof z.ZodNumber) return integerKind(type.minValue ?? -Infinity, type.maxValue ?? Infinity);
  if (type instanceof z.ZodArray) return listKind(takes, inner(type.element as z.ZodType) instanceof z.ZodObject);
  if (type instanceof z.ZodObject || type instanceof z.ZodRecord || type instanceof z.ZodUnknown)
    return {
      types: ["jsonb", "json"],
      samples: [{}, [1], "x", 1],
      check: (column) => `jsonb_typeof(${column}) = 'object'`,
    };
  if (takes(5))
    return { types: ["numeric"], samples: AMOUNTS, check: (column) => `${column} >= 0 and ${column} < 1e15` };
  if (takes("2026-03-21") && !takes("x")) return { types: ["date"], samples: [] };
  return textKind(takes);
}

function integerKind(min: number, max: number): Kind {
  const isOpen = max >= LARGEST_INTEGER;
  return {
    types: [max > LARGEST_INTEGER ? "bigint" : "integer"],
    samples: [min - 1, min, max, max + 1].filter((value) => Number.isSafeInteger(value) && value <= LARGEST_INTEGER),
    check: (column) => (isOpen ? `${column} >= ${min}` : `${column} between ${min} and ${max}`),
  };
}

function listKind(takes: (value: unknown) => boolean, isOfObjects: boolean): Kind {
  const entry = ENTRIES.find((entryOf) => takes([entryOf(0)])) ?? (() => "");
  const list = (length: number) => Array.from({ length }, (_, nth) => entry(nth));
  const max = longest((length) => takes(list(length)), 0, 2_000);
  return {
    types: [isOfObjects ? "jsonb" : "text[]"],
    samples: [[], list(max), list(max + 1), ...(isOfObjects ? [{}] : [])],
    check: (column) =>
      isOfObjects
        ? `case jsonb_typeof(${column}) when 'array' then jsonb_array_length(${column}) <= ${max} else false end`
        : `cardinality(${column}) <= ${max}`,
  };
}

function textKind(takes: (value: unknown) => boolean): Kind {
  for (const [nth, text] of TEXTS.entries()) {
    const lengths = nth === 0 ? [1] : Array.from({ length: 20 }, (_, length) => length + 1);
    const first = lengths.find((length) => takes(text(length)));
    if (first === undefined) continue;
    const max = longest((length) => takes(text(length)), first, MANY);
    const wide = nth === 0 ? ["é".repeat(max)] : [];
    const measure = wide.every(takes) ? "length" : "octet_length";
    return {
      types: ["text"],
      samples: ["", text(first), text(max), text(max + 1), ...wide],
      check: (column) => `${measure}(${column}) between 1 and ${max}`,
    };
  }
  // However SQL bounds it: which values there are changes with its standard, and is known to the function alone.
  const listed = LISTED.find(takes);
  if (listed === undefined) throw new Error("no text that the schema takes is known");
  return { types: ["text"], samples: [listed, "x".repeat(1_000)], check: (column) => `length(${column}) <= 100` };
}

/** The largest number from `low` to `high` that holds, where all below it do. */
function longest(holds: (length: number) => boolean, low: number, high: number): number {
  if (low >= high - 1) return holds(high) ? high : low;
  const middle = Math.floor((low + high) / 2);
  return holds(middle) ? longest(holds, middle, high) : longest(holds, low, middle);
}

/** What has a handful of values, most of them one, and is walked along created_at. */
const FEW_VALUES = ["source", "do_not_contact", "currency", "lost_reason", "direction", "outcome"];

/** Compares what some resources declare with the database, both ways. */
export async function differences(
  sql: postgres.Sql,
  catalog: Catalog,
  resources: readonly Resource[],
): Promise<Difference[]> {
  const found: Difference[] = [];
  for (const resource of resources) {
    const whole = resource.operations.includes("restore") ? withDeleted(resource) : resource;
    found.push(
      ...compareColumns(catalog, whole),
      ...(await compareChecks(sql, catalog, whole)),
      ...(await compareDefaults(sql, catalog, resource)),
      ...compareReferences(catalog, resource),
      ...compareUnique(catalog, resource),
      ...compareIndexes(catalog, resource),
      ...compareFacets(catalog, resource),
      ...compareTexts(catalog, resource),
      ...compareRegistry(catalog, resource),
    );
  }
  return found;
}

/** The column in which a field is kept. */
function columnOf(catalog: Catalog, { table, fields }: Resource, name: string): Column | undefined {
  const column = fields[name]?.column?.given ?? name;
  return catalog.columns.find((other) => other.table === table && other.name === column);
}

/** The column by which a field is compared. */
function keyOf(catalog: Catalog, { table }: Resource, name: string): string {
  const key = `${name}_key`;
  return catalog.columns.some((other) => other.table === table && other.name === key) ? key : name;
}

function shownBy(catalog: Catalog, { table }: Resource): string[] {
  return catalog.registry.find(({ name }) => name === table)?.shown ?? [];
}

function compareColumns(catalog: Catalog, resource: Resource): Difference[] {
  const { table, fields } = resource;
  const found: Difference[] = [];
  const shown = shownBy(catalog, resource);
  for (const [name, field] of Object.entries(fields)) {
    const { types, check } = kindOf(field);
    const column = columnOf(catalog, resource, name);
    const at = `${table}.${name}`;
    if (!shown.includes(name)) {
      const rest = `${isNullable(field) ? "" : " not null"}${check === undefined ? "" : ` check (${check(name)})`}`;
      found.push({ at: `column ${at}`, missing: `alter table crm.${table} add column ${name} ${types[0]}${rest};` });
    }
    if (column === undefined) continue; // It is computed, by crm.<table>_<name>.
    if (!types.includes(column.type) && column.labels === null)
      found.push({
        at: `type ${at}`,
        missing: `alter table crm.${table} alter column ${column.name} type ${types[0]};`,
      });
    const clears = field.schema.safeParse(null);
    const isNull = clears.success && clears.data === null;
    if (isNull !== column.nullable && field.column?.given === undefined)
      found.push({
        at: `null ${at}`,
        missing: `alter table crm.${table} alter column ${column.name} ${isNull ? "drop" : "set"} not null;`,
      });
    if ((field.column?.compared ?? name) !== keyOf(catalog, resource, name))
      found.push({
        at: `key ${at}`,
        missing: `column: { compared: "${keyOf(catalog, resource, name)}" } in the declaration, or that column in crm.${table}`,
      });
  }
  const undeclared = shown.filter((name) => fields[name] === undefined);
  return [
    ...found,
    ...undeclared.map((name) => ({
      at: `field ${table}.${name}`,
      missing: `${name}: { schema: … } in the fields of ${resource.plural}`,
    })),
  ];
}

async function compareChecks(sql: postgres.Sql, catalog: Catalog, resource: Resource): Promise<Difference[]> {
  const { table, fields } = resource;
  const found: Difference[] = [];
  const explained = new Set<string>();
  for (const [name, field] of Object.entries(fields)) {
    const column = columnOf(catalog, resource, name);
    if (column === undefined || column.sources !== null || field.column?.given !== undefined) continue;
    const checks = catalog.checks.filter((check) => check.table === table && check.columns.join() === name);
    const kind = kindOf(field);
    const literals = [...checks.flatMap((check) => check.literals), ...(column.labels ?? [])];
    const isEnum = inner(field.schema) instanceof z.ZodEnum;
    // What nobody gives needs no bounds; those that it has must be the declared ones.
    if (field.readOnly && !isEnum && checks.length === 0) continue;
    const samples = kind.types[0] === "text" ? [...new Set([...kind.samples, ...literals])] : kind.samples;
    const answers = samples.map((sample) => field.schema.safeParse(sample));
    const values = answers.map((answer, nth) => (answer.success ? answer.data : samples[nth]));
    const refusals =
      column.labels === null
        ? await Promise.all(checks.map((check) => refusedBy(sql, check, values)))
        : [values.map((value) => !column.labels?.includes(String(value)))];
    for (const [nth, check] of checks.entries()) if (refusals[nth]?.includes(true)) explained.add(check.name);
    const wrong = answers.some(({ success }, nth) => success === refusals.some((refused) => refused[nth]));
    if (!wrong) continue;
    const drop = checks.map((check) => ` drop constraint ${check.name},`).join("");
    found.push({
      at: `check ${table}.${name}`,
      missing: `alter table crm.${table}${drop} add check (${kind.check?.(name)}); -- or that in the declaration`,
    });
  }
  const others = catalog.checks.filter((check) => check.table === table && !explained.has(check.name));
  const seen = new Set(found.map(({ at }) => at));
  return [
    ...found,
    ...others
      .map((check) => ({
        at: `check ${table}.${check.columns.join("+")}`,
        missing: `a schema that refuses what ${check.name} does: ${check.expression}`,
      }))
      .filter(({ at }) => !seen.has(at)),
  ];
}

/** Which of some values a check constraint refuses. */
async function refusedBy(
  sql: postgres.Sql,
  { table, columns, expression }: Check,
  values: unknown[],
): Promise<boolean[]> {
  const rows = await sql.unsafe(
    `select not coalesce((${expression}), true) as refused from jsonb_array_elements($1::text::jsonb) with ordinality as given (sample_, nth_)
     cross join lateral jsonb_populate_record(null::crm.${table}, jsonb_build_object($2::text, sample_)) order by nth_`,
    [JSON.stringify(values), columns[0] ?? ""],
  );
  return rows.map(({ refused }) => refused);
}

async function compareDefaults(sql: postgres.Sql, catalog: Catalog, resource: Resource): Promise<Difference[]> {
  const found: Difference[] = [];
  for (const [name, field] of Object.entries(resource.fields)) {
    const column = columnOf(catalog, resource, name);
    if (column === undefined || field.readOnly) continue;
    const [row] = await sql.unsafe(`select to_jsonb(${column.initial ?? "null::text"}) as value`);
    const initial = JSON.stringify(row?.["value"] ?? null);
    const declared = JSON.stringify(field.default ?? null);
    if (initial !== declared)
      found.push({
        at: `default ${resource.table}.${name}`,
        missing: `alter table crm.${resource.table} alter column ${name} set default '${declared}'; -- or default: ${initial} in the declaration`,
      });
  }
  return found;
}

function compareReferences(catalog: Catalog, resource: Resource): Difference[] {
  const { table, fields, parent } = resource;
  const keys = catalog.foreignKeys.filter((key) => key.table === `crm.${table}` && key.target !== "crm.workspaces");
  const declared = Object.entries(fields).flatMap(([name, { references }]) =>
    references ? [{ name, references }] : [],
  );
  const isDeclared = (key: ForeignKey) =>
    key.columns.at(-1) === parent?.field ||
    declared.some(({ name, references }) => key.columns.at(-1) === name && key.target === `crm.${references}`);
  return [
    ...declared
      .filter(
        ({ name, references }) =>
          !keys.some((key) => key.columns.join() === `workspace_id,${name}` && key.target === `crm.${references}`),
      )
      .map(({ name, references }) => ({
        at: `reference ${table}.${name}`,
        missing: `alter table crm.${table} add constraint ${table}_${name}_fkey foreign key (workspace_id, ${name}) references crm.${references} (workspace_id, id);`,
      })),
    ...keys
      .filter((key) => !isDeclared(key))
      .map((key) => ({
        at: `reference ${table}.${key.columns.at(-1)}`,
        missing: `references: "${key.target.slice(4)}" in the declaration`,
      })),
  ];
}

function compareUnique(catalog: Catalog, resource: Resource): Difference[] {
  const { table, fields } = resource;
  const columnsOf = ([name, { within = [] }]: [string, Field]) =>
    [...within, keyOf(catalog, resource, name)].sort().join();
  const declared = Object.entries(fields).filter(([, { unique }]) => unique);
  const indexes = catalog.indexes
    .filter((index) => index.table === table && index.isUnique)
    .map(({ name, columns }) => ({
      name,
      columns: columns
        .filter((column) => column !== "workspace_id")
        .sort()
        .join(),
    }))
    .filter(({ columns }) => columns !== "id");
  return [
    ...declared
      .filter(
        (entry) =>
          !indexes.some(({ name, columns }) => columns === columnsOf(entry) && name === `${table}_${entry[0]}_live`),
      )
      .map((entry) => ({
        at: `unique ${table}.${entry[0]}`,
        missing: `create unique index ${table}_${entry[0]}_live on crm.${table} (workspace_id, ${columnsOf(entry)}) where deleted_at is null;`,
      })),
    ...indexes
      .filter(({ columns }) => !declared.some((entry) => columns === columnsOf(entry)))
      .map(({ name, columns }) => ({
        at: `unique ${name}`,
        missing: `unique: "duplicate_…" in the declaration, for ${columns}`,
      })),
  ];
}

function compareIndexes(catalog: Catalog, resource: Resource): Difference[] {
  const { table, fields, facetSets } = resource;
  // Those that can be large: the others have as many rows as a person has set up, or are below one record.
  if (facetSets.length === 0) return [];
  const indexes = catalog.indexes.filter((index) => index.table === table);
  const begins = (columns: string[]) => indexes.some((index) => index.columns.join().startsWith(columns.join()));
  const serves = (columns: string[]) =>
    indexes.some(
      (index) =>
        index.isLive &&
        (index.columns.join() === columns.join() || (index.isUnique && `${index.columns},id` === columns.join())),
    );
  const missing = (name: string, columns: string[]) => ({
    at: `index ${table}.${name}`,
    missing: `create index on crm.${table} (${columns.join(", ")}) where deleted_at is null;`,
  });
  return [
    ...Object.entries(fields).flatMap(([name, { sort, filter, column: { compared } = {} }]) => {
      const column = compared ?? name;
      const isFound =
        begins(["workspace_id", column]) ||
        indexes.some((index) => index.method === "gin" && index.columns.includes(column));
      const own = column === "id" ? ["workspace_id", "id"] : ["workspace_id", column, "id"];
      if (sort && !serves(own)) return [missing(name, own)];
      if (filter && !isFound && !FEW_VALUES.includes(name))
        return [missing(name, ["workspace_id", column, "created_at", "id"])];
      return [];
    }),
    ...indexes
      .filter(({ columns, method }) => method === "btree" && columns[0] === "workspace_id" && columns[1] !== undefined)
      .filter(({ columns, isUnique }) => {
        const name = (columns[1] ?? "").replace(/_key$/, "");
        return !isUnique && name !== "deleted_at" && !fields[name]?.filter && !fields[name]?.sort;
      })
      .map(({ name, columns }) => ({
        at: `index ${table}.${columns[1]}`,
        missing: `filter or sort in the declaration, for ${name}`,
      })),
  ];
}

function compareFacets(catalog: Catalog, { table, facetSets }: Resource): Difference[] {
  const declared = facetSets.map((facets) => facets.join());
  const kept = new Map<string, string[]>();
  for (const column of catalog.columns)
    if (column.table.startsWith(`${table}_by_`) && !["id", "workspace_id", "cell", "records"].includes(column.name))
      kept.set(column.table, [...(kept.get(column.table) ?? []), column.name]);
  const tallied = [...kept.values()].map((facets) => facets.join());
  return [
    ...declared
      .filter((facets) => !tallied.includes(facets))
      .map((facets) => ({
        at: `facets ${table}.${facets}`,
        missing: `select crm.track_totals('${table}', '${facets}');`,
      })),
    ...tallied
      .filter((facets) => !declared.includes(facets))
      .map((facets) => ({
        at: `facets ${table}.${facets}`,
        missing: `${JSON.stringify(facets.split(","))} in facetSets`,
      })),
  ];
}

/** What is searched, and what filters look parts of texts up in. */
function compareTexts(catalog: Catalog, { table, fields }: Resource): Difference[] {
  const facts: [string, string, (field: Field) => boolean][] = [
    ["search_text", "searched: true", (field) => field.searched === true],
    ["filter_text", 'filter: "text"', (field) => field.filter === "text" || field.filter === "host"],
  ];
  return facts.flatMap(([text, fact, has]) => {
    const sources = catalog.columns.find((column) => column.table === table && column.name === text)?.sources ?? [];
    const declared = Object.entries(fields).flatMap(([name, field]) => (has(field) ? [name] : []));
    return [
      ...declared
        .filter((name) => !sources.includes(name))
        .map((name) => ({
          at: `${text} ${table}.${name}`,
          missing: `alter table crm.${table} alter column ${text} set expression as (… ${name} …);`,
        })),
      ...sources
        .filter((name) => !declared.includes(name))
        .map((name) => ({ at: `${text} ${table}.${name}`, missing: `${fact} in the declaration of ${name}` })),
    ];
  });
}

function compareRegistry(catalog: Catalog, { plural, table, scope, customizable, mergeable }: Resource): Difference[] {
  const found: Difference[] = [];
  const say = (fact: string, missing: string) => found.push({ at: `${fact} ${table}`, missing });
  const entry = catalog.registry.find(({ name }) => name === table);
  if (entry === undefined) say("registry", `insert into crm.resources (name, scope) values ('${table}', '${scope}');`);
  else if (entry.scope !== null && entry.scope !== scope)
    say("scope", `update crm.resources set scope = '${scope}' where name = '${table}'; -- or scope: "${entry.scope}"`);
  if (catalog.customizable.includes(table) !== customizable)
    say("customizable", customizable ? `select crm.check_custom_fields_of('${table}');` : "customizable: true");
  const isMerged = catalog.columns.some((column) => column.table === table && column.name === "merged_into");
  if (isMerged !== mergeable)
    say("mergeable", mergeable ? `alter table crm.${table} add column merged_into uuid;` : "mergeable: true");
  for (const { policy, names } of plural === "imports" ? catalog.importable : [])
    if (names.toSorted().join() !== [...IMPORTABLE].sort().join())
      say(`policy "${policy}"`, `policies of crm.imports for ${IMPORTABLE}`);
  return found;
}
