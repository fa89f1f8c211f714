import { z } from "zod";
import { MAX_QUOTED } from "../bounds.ts";
import type { CustomField } from "../query/query_context.ts";
import { Violations } from "../query/violations.ts";
import type { Resource } from "../resources/define.ts";
import type { Delimiter } from "./csv_rows.ts";
import { fieldOfHeader } from "./header_names.ts";

/** Where the values of a column go; null leaves it out. */
export type Column = null | {
  field: string;
  /** Of an object: `city` of address, the key of a custom field. */
  member?: string;
  /** The type of the custom field. */
  custom?: CustomField["type"];
};

/** The columns of a CSV, and what stands between its cells. */
export interface CsvColumns {
  delimiter: Delimiter;
  columns: Column[];
}

/** What a request maps: columns of a CSV or keys of NDJSON to fields, to members such as `address.city`, or to null. */
export type Mapping = Record<string, string | null>;

/**
 * What each column of a header becomes. A column that is not mapped is the field of its name, also in the words of other
 * programs; read-only fields are left out, so that an export can be imported again, and so are columns without a name.
 * @throws ApiError `unknown_field`, `read_only_field`, `validation_error`: what is wrong with the columns, at once
 */
export function resolveHeader(
  resource: Resource,
  header: readonly string[],
  mapping: Mapping,
  customFields: readonly CustomField[],
): { columns: Column[]; mapping: Mapping } {
  const violations = new Violations();
  const targets = new Targets(resource, customFields);
  const complete = new Map(
    header.map((name) => [name, Object.hasOwn(mapping, name) ? (mapping[name] ?? null) : targets.byDefault(name)]),
  );
  for (const name of Object.keys(mapping)) {
    if (!complete.has(name))
      violations.add(["mapping", name], "validation_error", () => violations.telling.unknown("header", name, header));
  }
  const columns = header.map((name) => targets.resolve(name, complete.get(name) ?? null, violations));
  const seen = new Set<string>();
  for (const [index, name] of header.entries()) {
    if (columns[index] !== null && seen.has(name))
      violations.add(["mapping", name], "validation_error", () => `The header names ${quoted(name)} more than once.`);
    seen.add(name);
  }
  refuseTwice(header, columns, violations);
  for (const [name, { required }] of Object.entries(resource.fields)) {
    if (required && !columns.some((column) => column?.field === name))
      violations.add([name], "validation_error", () => `The ${name} field is required, and nothing is mapped to it.`);
  }
  if (!violations.isEmpty) throw violations.error();
  return { columns, mapping: Object.fromEntries(complete) };
}

/** Whether a header names a field, in its own words or in those of other programs. */
export function isKnownHeader(resource: Resource, name: string): boolean {
  const target = new Targets(resource, []).byDefault(name);
  return target === null || target !== name || resource.names.all.includes(name);
}

/** What the mapped keys of NDJSON become. Which keys there are, each line says for itself. */
export function resolveKeys(
  resource: Resource,
  mapping: Mapping,
  customFields: readonly CustomField[],
): Record<string, Column> {
  const violations = new Violations();
  const targets = new Targets(resource, customFields);
  const keys = Object.keys(mapping);
  const columns = keys.map((key) => targets.resolve(key, mapping[key] ?? null, violations));
  refuseTwice(keys, columns, violations);
  if (!violations.isEmpty) throw violations.error();
  return Object.fromEntries(keys.map((key, index) => [key, columns[index] ?? null]));
}

/** What a column may be mapped to: the fields, the members of those that are objects, and the custom fields. */
class Targets {
  private readonly byName: ReadonlyMap<string, NonNullable<Column>>;

  constructor(
    private readonly resource: Resource,
    customFields: readonly CustomField[],
  ) {
    const { writable } = resource.names;
    const members = writable.flatMap((field) => membersOf(resource, field).map((member) => ({ field, member })));
    const customs = customFields.map(({ key, type }) => ({ field: "custom_fields", member: key, custom: type }));
    const columns: NonNullable<Column>[] = [...writable.map((field) => ({ field })), ...members, ...customs];
    this.byName = new Map(columns.map((column) => [targetOf(column), column]));
  }

  byDefault(name: string): string | null {
    if (name === "" || this.resource.names.readOnly.includes(name)) return null;
    return this.byName.has(name) ? name : (fieldOfHeader(this.resource, name, this.byName.keys()) ?? name);
  }

  resolve(name: string, target: string | null, violations: Violations): Column {
    const column = target === null ? null : this.byName.get(target);
    if (column !== undefined) return column;
    const path = ["mapping", name];
    const field = target ?? "";
    if (this.resource.names.readOnly.includes(field))
      violations.add(path, "read_only_field", () => `The ${field} field is read-only.`);
    else
      violations.add(path, "unknown_field", () => {
        const sentence = violations.telling.unknown("field", field, [...this.byName.keys()]);
        return name === target ? `${sentence} Map it to a field, or to null to leave it out.` : sentence;
      });
    return null;
  }
}

/** The name that a mapping gives a column: a field, or a member of one. */
export function targetOf({ field, member }: NonNullable<Column>): string {
  return member === undefined ? field : `${field}.${member}`;
}

/** The members of a field that is an object and can be given one by one. */
function membersOf(resource: Resource, name: string): string[] {
  const field = Object.hasOwn(resource.fields, name) ? resource.fields[name] : undefined;
  if (field === undefined || field.readOnly) return [];
  const typed = Object.values(field.typedBy?.schemas ?? {}).flatMap((schema) => Object.keys(schema.shape));
  const plain = unwrap(field.schema);
  return [...new Set([...typed, ...(field.merged && plain instanceof z.ZodObject ? Object.keys(plain.shape) : [])])];
}

/** A schema without what makes it optional, nullable or transformed. */
export function unwrap(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return unwrap(schema.unwrap());
  if (!(schema instanceof z.ZodPipe)) return schema;
  // A list is bounded before its entries are looked at, a choice trimmed, an object PHP's empty array before: what
  // comes out tells what it is.
  const tells = [z.ZodArray, z.ZodEnum, z.ZodObject].some((kind) => schema.out instanceof kind);
  return unwrap(tells ? schema.out : schema.in);
}

/** Two columns can't both be one field, or one the whole and one a part of it. */
function refuseTwice(names: readonly string[], columns: readonly Column[], violations: Violations): void {
  const first = new Map<string, string>();
  for (const [index, column] of columns.entries()) {
    const name = names[index] ?? "";
    if (column === null) continue;
    const target = targetOf(column);
    const whole = first.get(column.field);
    const other = first.get(target) ?? whole ?? (column.member === undefined ? first.get(`${target}.*`) : undefined);
    if (other !== undefined && other !== name)
      violations.add(
        ["mapping", name],
        "validation_error",
        () => `The ${quoted(name)} header is mapped to ${target}, and so is ${quoted(other)}.`,
      );
    for (const key of column.member === undefined ? [target] : [target, `${column.field}.*`])
      if (!first.has(key)) first.set(key, name);
  }
}

function quoted(name: string): string {
  return name.slice(0, MAX_QUOTED);
}
