import { z } from "zod";
import type { ErrorCode } from "../errors.ts";

/** How a field is compared in filters; decides the operators and how values are read. */
export type FilterKind = "text" | "enum" | "reference" | "timestamp" | "date" | "integer" | "boolean" | "tags";

/** The facts of one field. A field holds no behaviour: what generic code can't know is a handler or SQL. */
export interface Field {
  schema: z.ZodType;
  required?: true;
  readOnly?: true;
  /** Value on creation when none is given. */
  default?: unknown;
  /** The 409 when a live record of the workspace holds the value already. */
  unique?: ErrorCode;
  /** The table whose live record it must name. */
  references?: string;
  filter?: FilterKind;
  sort?: true;
  /** The generated column to compare and sort by, where it differs from the field. */
  keyColumn?: string;
  /** Part of the table's `search_text`, whose index then serves `contains` and `starts_with` too. */
  searched?: true;
  /** An object whose members change one by one in a PATCH. */
  merged?: true;
  /** The read-only field that holds this phone number in E.164. */
  e164?: string;
}

export type Fields = Record<string, Field>;

/** A related record that `include` embeds. */
export interface Include {
  /** The field that holds its id. */
  field: string;
  table: string;
  columns: readonly string[];
  /** Whose read scope is needed: the resource name of the related record. */
  resource: ResourceName;
}

/** Names as they appear in paths and scopes. */
export const RESOURCE_NAMES = [
  "contacts",
  "companies",
  "pipelines",
  "deals",
  "tasks",
  "activities",
  "users",
  "tags",
  "custom_fields",
] as const;
export type ResourceName = (typeof RESOURCE_NAMES)[number];

export interface Resource {
  singular: string;
  plural: ResourceName;
  fields: Fields;
  include: Record<string, Include>;
  /** Sets of columns whose combinations the database keeps totals for (`crm.track_totals`). */
  facetSets: readonly (readonly string[])[];
  /** Whole-body schemas, derived from the fields. */
  create: z.ZodType<Record<string, unknown>>;
  update: z.ZodType<Record<string, unknown>>;
  /** Derived once, because every request needs them. */
  names: {
    all: string[];
    writable: string[];
    readOnly: string[];
    unique: string[];
    merged: string[];
    timestamps: string[];
  };
  defaults: Record<string, unknown>;
}

interface Definition<F extends Fields> {
  singular: string;
  plural: ResourceName;
  fields: F;
  include?: Record<string, Include & { field: keyof F & string }>;
  facetSets?: readonly (readonly (keyof F & string)[])[];
}

/** Derives everything generic code needs from the facts of a resource. */
export function defineResource<const F extends Fields>(definition: Definition<F>): Resource {
  const all = Object.entries<Field>(definition.fields);
  const writable = all.filter(([, field]) => !field.readOnly);
  const names = (keep: (field: Field) => unknown) => all.filter(([, field]) => keep(field)).map(([name]) => name);
  return {
    singular: definition.singular,
    plural: definition.plural,
    fields: definition.fields,
    include: definition.include ?? {},
    facetSets: definition.facetSets ?? [],
    create: z.strictObject(shape(writable, (field) => (field.required ? field.schema : field.schema.optional()))),
    update: z.strictObject(shape(writable, (field) => field.schema.optional())),
    names: {
      all: names(() => true),
      writable: names((field) => !field.readOnly),
      readOnly: names((field) => field.readOnly),
      unique: [
        ...names((field) => field.unique && field.required),
        ...names((field) => field.unique && !field.required),
      ],
      merged: names((field) => field.merged),
      timestamps: names((field) => field.filter === "timestamp"),
    },
    defaults: Object.fromEntries(
      all.filter(([, field]) => field.default !== undefined).map(([name, field]) => [name, field.default]),
    ),
  };
}

/** Whether a field's column may hold null; decides how a sort over it is walked. */
export function isNullable(field: Field): boolean {
  return field.schema.safeParse(null).success;
}

function shape(fields: [string, Field][], schemaOf: (field: Field) => z.ZodType): Record<string, z.ZodType> {
  return Object.fromEntries(fields.map(([name, field]) => [name, schemaOf(field)]));
}
