import { z } from "zod";
import type { ApiError } from "../errors.ts";
import type { Field, Resource } from "../resources/define.ts";
import { type Telling, Violations } from "./violations.ts";

/** What is checked: the body of a resource's record, any other body, or the parameters of a URL. */
interface Subject {
  resource?: Resource | undefined;
  kind?: "field" | "parameter";
}

/**
 * Checks a body, or the parameters of a URL, against a schema.
 * @throws ApiError with the violations (contract §4); the code is `unknown_field` or `read_only_field` when nothing
 * else is wrong.
 */
export function validate<T>(schema: z.ZodType<T>, given: unknown, subject: Subject = {}): T {
  const { data, violations } = check(schema, given, new Violations(), subject);
  if (!violations.isEmpty) throw violations.error();
  return data as T;
}

/** As `validate`, for one record among many: the error is the record's answer, not the request's. */
export function validateRecord<T>(
  schema: z.ZodType<T>,
  record: unknown,
  resource: Resource,
  telling?: Telling,
): T | ApiError {
  const { data, violations } = check(schema, record, new Violations(telling), { resource });
  return violations.isEmpty ? (data as T) : violations.error();
}

function check<T>(
  schema: z.ZodType<T>,
  given: unknown,
  violations: Violations,
  subject: Subject,
): { data: T | undefined; violations: Violations } {
  const { resource } = subject;
  const parsed = schema.safeParse(given, { reportInput: true });
  addIssues(violations, subject, schema, parsed.error?.issues ?? []);
  const members = resource === undefined ? {} : typedMembers(resource, given);
  const typedData: Record<string, unknown> = {};
  for (const [name, [typed, value]] of Object.entries(members)) {
    const result = typed.safeParse(value, { reportInput: true });
    addIssues(violations, subject, typed, result.error?.issues ?? [], [name]);
    typedData[name] = result.data;
  }
  return { data: parsed.data && { ...parsed.data, ...typedData }, violations };
}

/** The objects of a body whose members depend on another field, each with the schema of that field's value. */
function typedMembers(resource: Resource, body: unknown): Record<string, [z.ZodType, unknown]> {
  const given = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const members: Record<string, [z.ZodType, unknown]> = {};
  for (const name of resource.names.typed) {
    const { typedBy } = resource.fields[name] as Field;
    const value = given[name];
    if (typedBy === undefined || typeof value !== "object" || value === null || Array.isArray(value)) continue;
    const type = given[typedBy.field];
    // An update that leaves the type alone must fit one of them; which one, the database knows.
    const schema =
      type === undefined ? fittingSchema(Object.values(typedBy.schemas), value) : typedBy.schemas[String(type)];
    if (schema !== undefined) members[name] = [schema, value];
  }
  return members;
}

function fittingSchema(schemas: z.ZodObject[], value: object): z.ZodObject | undefined {
  const named = schemas.filter((schema) => Object.keys(value).every((key) => Object.hasOwn(schema.shape, key)));
  return named.find((schema) => schema.safeParse(value).success) ?? named[0];
}

function addIssues(
  violations: Violations,
  { resource, kind = "field" }: Subject,
  schema: z.ZodType,
  issues: readonly z.core.$ZodIssue[],
  below: readonly PropertyKey[] = [],
): void {
  for (const issue of issues) {
    const path = [...below, ...issue.path];
    if (issue.code !== "unrecognized_keys") {
      const unknown = unknownIn(issue);
      const say = (name: string) =>
        unknown === undefined
          ? sentenceOf(issue, `The ${name} ${kind}`)
          : violations.telling.unknown(unknown.kind, unknown.name, unknown.allowed);
      violations.add(path, "validation_error", say);
      continue;
    }
    const isReadOnly = (key: string) => path.length === 0 && resource?.names.readOnly.includes(key);
    for (const key of issue.keys) {
      if (isReadOnly(key)) violations.add([key], "read_only_field", (field) => `The ${field} field is read-only.`);
      else
        violations.add([...path, key], "unknown_field", () =>
          violations.telling.unknown("field", key, memberNames(schema, issue.path)),
        );
    }
  }
}

/** A value that is none of the names that there are, where a schema says so (`params.unknown`). */
function unknownIn(issue: z.core.$ZodIssue): { kind: string; name: string; allowed: readonly string[] } | undefined {
  return issue.code === "custom" ? issue.params?.["unknown"] : undefined;
}

function sentenceOf(issue: z.core.$ZodIssue, subject: string): string {
  if (issue.code === "custom" && typeof issue.params?.["sentence"] === "string") return issue.params["sentence"];
  const mistyped = issue.code === "invalid_type" || issue.code === "invalid_value";
  if (mistyped && issue.input === undefined) return `${subject} is required.`;
  if (mistyped && issue.input === null) return `${subject} may not be null.`;
  // Our schemas' messages continue the sentence; zod's own ones don't.
  const own = /^(must|may|has|takes)\b/.test(issue.message);
  return own ? `${subject} ${issue.message}.` : `${subject} ${expected(issue)}.`;
}

function expected(issue: z.core.$ZodIssue): string {
  if (issue.code !== "invalid_type") return "has a value that is not allowed";
  const names: Record<string, string> = {
    string: "text",
    array: "a list",
    object: "an object",
    record: "an object",
    number: "a number",
    int: "a whole number",
    boolean: "true or false",
  };
  return `must be ${names[issue.expected] ?? issue.expected}`;
}

/** The members of the object that a path leads to. */
function memberNames(schema: unknown, path: readonly PropertyKey[]): string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return memberNames(schema.unwrap(), path);
  if (schema instanceof z.ZodPipe) return memberNames(schema.out, path);
  if (schema instanceof z.ZodLazy) return memberNames(schema.unwrap(), path);
  if (schema instanceof z.ZodArray) return memberNames(schema.element, path.slice(1));
  if (!(schema instanceof z.ZodObject)) return [];
  const [first, ...rest] = path;
  return first === undefined ? Object.keys(schema.shape) : memberNames(schema.shape[String(first)], rest);
}
