import { z } from "zod";
import { type ApiError, type FieldErrors, fieldError } from "../errors.ts";
import { unknownName } from "../query/suggest.ts";
import type { Resource } from "../resources/define.ts";

type BodyErrorCode = "validation_error" | "unknown_field" | "read_only_field";

/**
 * Checks a body against a schema.
 * @throws ApiError with all violations at once; the code is `unknown_field` or `read_only_field` when
 * nothing else is wrong.
 */
export function validate<T>(schema: z.ZodType<T>, body: unknown, resource?: Resource): T {
  const parsed = schema.safeParse(body, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw violations(schema, parsed.error, resource);
}

/** As `validate`, for one record among many: the error is the record's answer, not the request's. */
export function validateRecord<T>(schema: z.ZodType<T>, body: unknown, resource: Resource): T | ApiError {
  const parsed = schema.safeParse(body, { reportInput: true });
  return parsed.success ? parsed.data : violations(schema, parsed.error, resource);
}

function violations(schema: z.ZodType, error: z.ZodError, resource: Resource | undefined): ApiError {
  const details: FieldErrors = {};
  const codes = new Set<BodyErrorCode>();
  const add = (path: PropertyKey[], code: BodyErrorCode, sentence: (field: string) => string) => {
    const field = path.map(String).join(".").slice(0, 200) || "body";
    details[field] = [...(Object.hasOwn(details, field) ? (details[field] ?? []) : []), sentence(field)];
    codes.add(code);
  };
  for (const issue of error.issues) {
    if (issue.code !== "unrecognized_keys") {
      add(issue.path, "validation_error", (field) => sentenceOf(issue, field));
      continue;
    }
    for (const key of issue.keys) {
      const readOnly = issue.path.length === 0 && resource?.names.readOnly.includes(key);
      if (readOnly) add([...issue.path, key], "read_only_field", (field) => `The ${field} field is read-only.`);
      else add([...issue.path, key], "unknown_field", () => unknownName("field", key, memberNames(schema, issue.path)));
    }
  }
  const [only] = codes;
  return fieldError(codes.size === 1 && only !== undefined ? only : "validation_error", details);
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
