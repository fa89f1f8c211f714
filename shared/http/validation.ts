import { z } from "zod";
import { ApiError, type FieldErrors, fieldError } from "../errors.ts";
import { unknownName } from "../query/suggest.ts";
import type { Resource } from "../resources/define.ts";

type BodyErrorCode = "validation_error" | "unknown_field" | "read_only_field";

/**
 * Checks a body against a schema.
 * @throws ApiError with all violations at once; the code is `unknown_field` or `read_only_field` when
 * nothing else is wrong.
 */
export function validate<T>(schema: z.ZodType<T>, body: unknown, resource?: Resource): T {
  const checked = check(schema, body, resource);
  if (checked instanceof ApiError) throw checked;
  return checked;
}

/** As `validate`, for one record among many: the error is the record's answer, not the request's. */
export function validateRecord<T>(schema: z.ZodType<T>, body: unknown, resource: Resource): T | ApiError {
  return check(schema, body, resource);
}

function check<T>(schema: z.ZodType<T>, body: unknown, resource: Resource | undefined): T | ApiError {
  const parsed = schema.safeParse(body, { reportInput: true });
  const problems = new Problems(resource);
  problems.add(schema, parsed.error?.issues ?? []);
  const members = resource === undefined ? {} : typedMembers(resource, body);
  for (const [name, [typed, value]] of Object.entries(members)) {
    problems.add(typed, typed.safeParse(value, { reportInput: true }).error?.issues ?? [], [name]);
  }
  return parsed.success && problems.isEmpty ? parsed.data : problems.error();
}

/** The objects of a body whose members depend on another field, each with the schema of that field's value. */
function typedMembers(resource: Resource, body: unknown): Record<string, [z.ZodType, unknown]> {
  const given = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  return Object.fromEntries(
    Object.entries(resource.fields).flatMap(([name, { typedBy }]) => {
      const value = given[name];
      if (typedBy === undefined || typeof value !== "object" || value === null || Array.isArray(value)) return [];
      const type = given[typedBy.field];
      // An update that leaves the type alone must fit one of them; which one, the database knows.
      const schema =
        type === undefined ? fittingSchema(Object.values(typedBy.schemas), value) : typedBy.schemas[String(type)];
      return schema === undefined ? [] : [[name, [schema, value] as [z.ZodType, unknown]]];
    }),
  );
}

function fittingSchema(schemas: z.ZodObject[], value: object): z.ZodObject | undefined {
  const named = schemas.filter((schema) => Object.keys(value).every((key) => Object.hasOwn(schema.shape, key)));
  return named.find((schema) => schema.safeParse(value).success) ?? named[0];
}

/** Sentences by field, collected from zod's issues. */
class Problems {
  private readonly details: FieldErrors = {};
  private readonly codes = new Set<BodyErrorCode>();

  constructor(private readonly resource: Resource | undefined) {}

  get isEmpty(): boolean {
    return this.codes.size === 0;
  }

  add(schema: z.ZodType, issues: readonly z.core.$ZodIssue[], below: readonly PropertyKey[] = []): void {
    for (const issue of issues) {
      const path = [...below, ...issue.path];
      if (issue.code !== "unrecognized_keys") {
        this.note(path, "validation_error", (field) => sentenceOf(issue, field));
        continue;
      }
      for (const key of issue.keys) {
        const readOnly = path.length === 0 && this.resource?.names.readOnly.includes(key);
        if (readOnly) this.note([...path, key], "read_only_field", (field) => `The ${field} field is read-only.`);
        else
          this.note([...path, key], "unknown_field", () => unknownName("field", key, memberNames(schema, issue.path)));
      }
    }
  }

  error(): ApiError {
    const [only] = this.codes;
    return fieldError(this.codes.size === 1 && only !== undefined ? only : "validation_error", this.details);
  }

  private note(path: PropertyKey[], code: BodyErrorCode, sentence: (field: string) => string): void {
    const field = path.map(String).join(".").slice(0, 200) || "body";
    const before = Object.hasOwn(this.details, field) ? (this.details[field] ?? []) : [];
    this.details[field] = [...before, sentence(field)];
    this.codes.add(code);
  }
}

function sentenceOf(issue: z.core.$ZodIssue, field: string): string {
  const mistyped = issue.code === "invalid_type" || issue.code === "invalid_value";
  if (mistyped && issue.input === undefined) return `The ${field} field is required.`;
  if (mistyped && issue.input === null) return `The ${field} field may not be null.`;
  // Our schemas' messages continue the sentence; zod's own ones don't.
  const own = /^(must|may|has)\b/.test(issue.message);
  return own ? `The ${field} field ${issue.message}.` : `The ${field} field ${expected(issue)}.`;
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
  if (schema instanceof z.ZodArray) return memberNames(schema.element, path.slice(1));
  if (!(schema instanceof z.ZodObject)) return [];
  const [first, ...rest] = path;
  return first === undefined ? Object.keys(schema.shape) : memberNames(schema.shape[String(first)], rest);
}
