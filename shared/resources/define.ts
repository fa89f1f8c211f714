import { z } from "zod";
import type { ErrorCode } from "../errors.ts";
import { answered } from "./answered.ts";
import { isTimestamp, timestamp, uuid } from "./schemas.ts";

/** How a field is compared in filters; decides the operators and how values are read. */
export type FilterKind =
  | "text"
  | "host"
  | "enum"
  | "reference"
  | "timestamp"
  | "date"
  | "integer"
  | "decimal"
  | "boolean"
  | "tags";

/** The columns of one field. */
export interface Columns {
  /** What is shown. */
  shown: string;
  /** What takes a value that is given: another one where the field itself is computed from other tables. */
  given: string;
  /** What filters and sorts look at: a generated key where letters count without their case. */
  compared: string;
}

/** The facts of one field. A field holds no behaviour: what generic code can't know is a handler or SQL. */
export interface Field {
  schema: z.ZodType;
  required?: true;
  readOnly?: true;
  /** Given on creation, never changed. */
  createOnly?: true;
  /** Value on creation when none is given. */
  default?: unknown;
  /** The 409 when a live record of the workspace holds the value already. */
  unique?: ErrorCode;
  /** Unique only among the records that are alike in these fields. */
  within?: readonly string[];
  /** The table whose live record it must name. */
  references?: string;
  filter?: FilterKind;
  sort?: true;
  /** Where SQL has it, when that is not a column of the field's name. */
  column?: Partial<Columns>;
  about?: About;
  /** Part of the table's `search_text`, whose index then serves `contains` and `starts_with` too. */
  searched?: true;
  /** No value holds a blank: one in a URL was a plus that nobody escaped. */
  spaceless?: true;
  /** An object whose members change one by one in a PATCH. */
  merged?: true;
  /** The read-only field that holds this phone number in E.164. */
  e164?: string;
  /** The members that an object has, by the value of another field; other values leave it free. */
  typedBy?: { field: string; schemas: Record<string, z.ZodObject> };
}

/** What a field's values have of another resource: names of its fields, or records of it. */
export interface About {
  resource: () => Resource;
  /** The member that names the field of that resource whose values these are. */
  valuesOf?: string;
  /** What the field takes, in the names that a version of the API has for the resource. */
  schema?: (resource: () => Resource) => z.ZodType;
}

export type Fields = Record<string, Field>;

/** A related record that `include` embeds whole and that filters reach into (`company.industry`). */
export interface Include {
  /** The field that holds its id. */
  field: string;
  resource: () => Resource;
}

/** What can be done with a resource over its generic routes. */
export const OPERATIONS = [
  "list",
  "search",
  "export",
  "get",
  "create",
  "update",
  "delete",
  "restore",
  "bulk",
  "history",
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** What a resource does beyond the generic routes: `POST /<resource>/{id}/<action>`. */
export interface Action {
  body: z.ZodObject;
  /** The codes of the rules that it may break. */
  errors: readonly ErrorCode[];
  /** What its answer's `meta` has beside what every write's has. */
  meta?: z.ZodRawShape;
}

export interface Resource {
  singular: string;
  /** Its name: in operations, cursors and errors, and of the view in `api`. */
  plural: string;
  table: string;
  /** The name of the scope it takes: its own plural for most. */
  scope: string;
  /** `/contacts`, or below the record it belongs to: `/pipelines/{pipeline_id}/stages`. */
  path: string;
  /** The field and the resource of the record that the path names first. */
  parent?: Include;
  operations: readonly Operation[];
  actions: Record<string, Action>;
  /** The codes of the rules in SQL that a write, or a deletion, may break. */
  rules: { write: readonly ErrorCode[]; delete: readonly ErrorCode[] };
  fields: Fields;
  /** The columns of each field, and the field of each shown column. */
  columns: Readonly<Record<string, Columns>>;
  fieldOf: ReadonlyMap<string, string>;
  /** Whether a row's column names are not the names of its fields. */
  isRenamed: boolean;
  include: Record<string, Include>;
  /** What it can be filtered by beside its fields: the contacts that take part in a deal. */
  filteredBy: Record<string, "contact">;
  /** What it is called: a search for exactly that finds it first. */
  title: readonly string[];
  /** A related record whose name finds this one too: a contact by its company. */
  searchedThrough?: string;
  /** Whether workspaces may define custom fields for it. */
  customizable: boolean;
  /** Whether records can be merged; the losers then lead to the winner (`merged_into`). */
  mergeable: boolean;
  /** Whether `DELETE …?move_to=` gives what refers to it to another record first. */
  movable: boolean;
  defaultSort: string;
  /** What an export is where none is asked for. */
  exportFormat: "csv" | "ndjson";
  /** Sets of columns whose combinations the database keeps totals for (`crm.track_totals`). */
  facetSets: readonly (readonly string[])[];
  /** Whole-body schemas, derived from the fields: what is sent, and what is answered. */
  create: z.ZodObject;
  update: z.ZodObject;
  record: z.ZodObject;
  /** Derived once, because every request needs them. */
  names: {
    all: string[];
    writable: string[];
    readOnly: string[];
    unique: string[];
    merged: string[];
    timestamps: string[];
    /** Objects whose members depend on another field. */
    typed: string[];
    /** Those whose values have names of another resource's fields. */
    about: string[];
  };
  defaults: Record<string, unknown>;
}

interface Definition<F extends Fields> {
  singular: string;
  plural: string;
  fields: F;
  table?: string;
  scope?: string;
  path?: string;
  parent?: Include & { field: keyof F & string };
  operations?: readonly Operation[];
  actions?: Record<string, Action>;
  rules?: { write?: readonly ErrorCode[]; delete?: readonly ErrorCode[] };
  include?: Record<string, Include & { field: keyof F & string }>;
  filteredBy?: Record<string, "contact">;
  title?: readonly (keyof F & string)[];
  searchedThrough?: string;
  customizable?: boolean;
  mergeable?: boolean;
  movable?: boolean;
  defaultSort?: string;
  exportFormat?: "csv" | "ndjson";
  facetSets?: readonly (readonly (keyof F & string)[])[];
}

/** What a field with names or records of another resource takes. */
export function about(resource: () => Resource, schema: (resource: () => Resource) => z.ZodType) {
  return { schema: schema(resource), about: { resource, schema } };
}

/** Derives everything generic code needs from the facts of a resource. */
export function defineResource<const F extends Fields>(definition: Definition<F>): Resource {
  const { plural, include = {}, operations = OPERATIONS, parent, searchedThrough } = definition;
  const all = Object.entries<Field>(definition.fields);
  const names = (keep: (field: Field) => unknown) => all.filter(([, field]) => keep(field)).map(([name]) => name);
  const isPathField = (name: string) => name === parent?.field;
  const given = all.filter(([name, field]) => !field.readOnly && !isPathField(name));
  return {
    singular: definition.singular,
    plural,
    table: definition.table ?? plural,
    scope: definition.scope ?? plural,
    path: definition.path ?? `/${plural}`,
    ...(parent && { parent }),
    operations,
    actions: definition.actions ?? {},
    rules: { write: [], delete: [], ...definition.rules },
    fields: definition.fields,
    ...columnsOf(definition.fields),
    include,
    filteredBy: definition.filteredBy ?? {},
    title: definition.title ?? names((field) => field.searched).slice(0, 1),
    ...(searchedThrough !== undefined && { searchedThrough }),
    customizable: definition.customizable ?? false,
    mergeable: definition.mergeable ?? false,
    movable: definition.movable ?? false,
    defaultSort: definition.defaultSort ?? "-created_at",
    exportFormat: definition.exportFormat ?? "csv",
    facetSets: definition.facetSets ?? [],
    create: z.strictObject(shape(given, (field) => (field.required ? field.schema : field.schema.optional()))),
    update: z.strictObject(
      shape(
        given.filter(([, field]) => !field.createOnly),
        (field) => field.schema.optional(),
      ),
    ),
    record: z.strictObject(shape(all, (field) => answered(field.schema))),
    names: {
      all: names(() => true),
      writable: names((field) => !field.readOnly),
      readOnly: all
        .filter(([name, field]) => field.readOnly || field.createOnly || isPathField(name))
        .map(([name]) => name),
      unique: [
        ...names((field) => field.unique && field.required),
        ...names((field) => field.unique && !field.required),
      ],
      merged: names((field) => field.merged),
      timestamps: names((field) => isTimestamp(field.schema)),
      typed: names((field) => field.typedBy),
      about: names((field) => field.about),
    },
    defaults: Object.fromEntries(
      all.filter(([, field]) => field.default !== undefined).map(([name, field]) => [name, field.default]),
    ),
  };
}

function columnsOf(fields: Fields): Pick<Resource, "columns" | "fieldOf" | "isRenamed"> {
  const all = Object.entries(fields).map(([name, { column = {} }]) => {
    const { shown = name, given = shown, compared = shown } = column;
    return [name, { shown, given, compared }] as const;
  });
  return {
    columns: Object.fromEntries(all),
    fieldOf: new Map(all.map(([name, { shown }]) => [shown, name])),
    isRenamed: all.some(([name, { shown }]) => shown !== name),
  };
}

/** A soft-deleted resource as a list with `deleted=` shows it: with what tells when a record went, and where. */
export function withDeleted(resource: Resource): Resource {
  const known = WITH_DELETED.get(resource);
  if (known !== undefined) return known;
  const fields: Fields = {
    ...resource.fields,
    deleted_at: { schema: timestamp().nullable(), readOnly: true, filter: "timestamp", sort: true },
    ...(resource.mergeable && { merged_into: { schema: uuid().nullable(), readOnly: true, filter: "reference" } }),
  };
  const added = Object.keys(fields).filter((name) => !Object.hasOwn(resource.fields, name));
  const { names } = resource;
  const extended: Resource = {
    ...resource,
    fields,
    ...columnsOf(fields),
    record: resource.record.extend(
      shape(
        added.map((name) => [name, fields[name] as Field]),
        (field) => answered(field.schema),
      ),
    ),
    facetSets: [], // The tallies count what lives.
    names: { ...names, all: [...names.all, ...added], timestamps: [...names.timestamps, "deleted_at"] },
  };
  WITH_DELETED.set(resource, extended);
  return extended;
}

const WITH_DELETED = new WeakMap<Resource, Resource>();

/** What the API calls a column, or a member of one: `address.city`. */
export function nameOf({ fieldOf }: Resource, path: string): string {
  return path.replace(/^[^.]+/, (column) => fieldOf.get(column) ?? column);
}

/** The column of a field, or of a member of one. What is no name of a field has none: not even that of a column. */
export function columnOf({ columns, fieldOf }: Resource, path: string): string {
  return path.replace(/^[^.]+/, (name) => columns[name]?.shown ?? (fieldOf.has(name) ? "" : name));
}

/** Whether a field is compared by a key of its own, in which letters count without their case. */
export function hasKey({ column }: Field): boolean {
  return column?.compared !== undefined && column.compared !== column.shown;
}

/** Whether a field's column may hold null; decides how a sort over it is walked. */
export function isNullable(field: Field): boolean {
  return field.schema.safeParse(null).success;
}

function shape(fields: [string, Field][], schemaOf: (field: Field) => z.ZodType): Record<string, z.ZodType> {
  return Object.fromEntries(fields.map(([name, field]) => [name, schemaOf(field)]));
}
