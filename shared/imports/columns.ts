import { z } from "zod";
import { type FieldErrors, fieldError } from "../errors.ts";
import type { CustomField } from "../query/query_context.ts";
import { unknownName } from "../query/suggest.ts";
import type { Resource } from "../resources/define.ts";

/** Where the values of a column go; null leaves it out. */
export type Column = null | {
  field: string;
  /** Of an object: `city` of address, the key of a custom field. */
  member?: string;
  /** The type of the custom field. */
  custom?: CustomField["type"];
};

/** What a request maps: columns of a CSV or keys of NDJSON to fields, to members such as `address.city`, or to null. */
export type Mapping = Record<string, string | null>;

/**
 * What each column of a header becomes. A column that is not mapped is the field of its name; read-only fields are
 * left out, so that an export can be imported again.
 * @throws ApiError `unknown_field`, `read_only_field`, `validation_error`: all that is wrong with the columns at once
 */
export function resolveHeader(
  resource: Resource,
  header: readonly string[],
  mapping: Mapping,
  customFields: readonly CustomField[],
): { columns: Column[]; mapping: Mapping } {
  const problems = new Problems();
  const complete = Object.fromEntries(
    header.map((name) => [
      name,
      Object.hasOwn(mapping, name) ? (mapping[name] ?? null) : defaultTarget(resource, name),
    ]),
  );
  for (const name of Object.keys(mapping)) {
    if (!header.includes(name)) problems.invalid(name, unknownName("header", name, header));
  }
  const columns = header.map((name) => resolveTarget(resource, name, complete[name] ?? null, customFields, problems));
  for (const [index, name] of header.entries()) {
    if (columns[index] !== null && header.indexOf(name) < index)
      problems.invalid(name, `The header names ${name} more than once.`);
  }
  refuseTwice(header, columns, problems);
  for (const [name, { required }] of Object.entries(resource.fields)) {
    if (required && !columns.some((column) => column?.field === name))
      problems.missing(name, `The ${name} field is required, and nothing is mapped to it.`);
  }
  problems.throwIfAny();
  return { columns, mapping: complete };
}

/** What the mapped keys of NDJSON become. Which keys there are, each line says for itself. */
export function resolveKeys(
  resource: Resource,
  mapping: Mapping,
  customFields: readonly CustomField[],
): Record<string, Column> {
  const problems = new Problems();
  const entries = Object.entries(mapping).map(
    ([key, target]) => [key, resolveTarget(resource, key, target, customFields, problems)] as const,
  );
  refuseTwice(
    entries.map(([key]) => key),
    entries.map(([, column]) => column),
    problems,
  );
  problems.throwIfAny();
  return Object.fromEntries(entries);
}

function defaultTarget(resource: Resource, name: string): string | null {
  return resource.names.readOnly.includes(name) ? null : name;
}

function resolveTarget(
  resource: Resource,
  name: string,
  target: string | null,
  customFields: readonly CustomField[],
  problems: Problems,
): Column {
  if (target === null) return null;
  if (resource.names.writable.includes(target)) return { field: target };
  const [field = "", ...rest] = target.split(".");
  const member = rest.join(".");
  const custom = field === "custom_fields" ? customFields.find(({ key }) => key === member) : undefined;
  if (custom !== undefined) return { field, member, custom: custom.type };
  if (membersOf(resource, field).includes(member)) return { field, member };
  if (resource.names.readOnly.includes(target)) problems.readOnly(name, `The ${target} field is read-only.`);
  else problems.unknown(name, unknownTarget(name, target, targetsOf(resource, customFields)));
  return null;
}

function unknownTarget(name: string, target: string, targets: readonly string[]): string {
  const sentence = unknownName("field", target, targets);
  return name === target ? `${sentence} Map it to one of them, or to null to leave it out.` : sentence;
}

function targetsOf(resource: Resource, customFields: readonly CustomField[]): string[] {
  const { writable } = resource.names;
  const members = writable.flatMap((field) => membersOf(resource, field).map((member) => `${field}.${member}`));
  return [...writable, ...members, ...customFields.map(({ key }) => `custom_fields.${key}`)];
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
  return schema instanceof z.ZodPipe ? unwrap(schema.in) : schema;
}

/** Two columns can't both be one field, or one the whole and one a part of it. */
function refuseTwice(names: readonly string[], columns: readonly Column[], problems: Problems): void {
  for (const [index, column] of columns.entries()) {
    const first = columns.findIndex(
      (other) =>
        column !== null &&
        other?.field === column.field &&
        (other.member === undefined || column.member === undefined || other.member === column.member),
    );
    const name = names[index] ?? "";
    if (column === null || first < 0 || first >= index || names[first] === name) continue;
    const target = column.member === undefined ? column.field : `${column.field}.${column.member}`;
    problems.invalid(name, `The ${name} header is mapped to ${target}, and so is ${names[first]}.`);
  }
}

/** Sentences by what they are about; one code when all are of a kind. */
class Problems {
  private readonly details: FieldErrors = {};
  private readonly codes = new Set<"unknown_field" | "read_only_field" | "validation_error">();

  unknown(column: string, sentence: string): void {
    this.note(`mapping.${column}`, "unknown_field", sentence);
  }

  readOnly(column: string, sentence: string): void {
    this.note(`mapping.${column}`, "read_only_field", sentence);
  }

  invalid(column: string, sentence: string): void {
    this.note(`mapping.${column}`, "validation_error", sentence);
  }

  missing(field: string, sentence: string): void {
    this.note(field, "validation_error", sentence);
  }

  throwIfAny(): void {
    const [only] = this.codes;
    if (only !== undefined) throw fieldError(this.codes.size === 1 ? only : "validation_error", this.details);
  }

  private note(at: string, code: "unknown_field" | "read_only_field" | "validation_error", sentence: string): void {
    const key = at.slice(0, 200);
    this.details[key] = [...(Object.hasOwn(this.details, key) ? (this.details[key] ?? []) : []), sentence];
    this.codes.add(code);
  }
}
