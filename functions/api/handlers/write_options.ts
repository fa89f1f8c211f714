import { z } from "zod";
import { type ApiError, fieldError } from "../../../shared/errors.ts";

const ON_CONFLICT = ["error", "return", "update"] as const;

/** A parameter that is `true` or `false`. @throws ApiError `validation_error` */
export function readFlag(options: Map<string, string>, name: string): boolean {
  const value = options.get(name) ?? "false";
  if (value !== "true" && value !== "false") throw invalid(name, `The ${name} parameter must be true or false.`);
  return value === "true";
}

/** What a create does when a unique value is taken. @throws ApiError `validation_error` */
export function readOnConflict(options: Map<string, string>): (typeof ON_CONFLICT)[number] {
  const value = options.get("on_conflict") ?? "error";
  const known = ON_CONFLICT.find((choice) => choice === value);
  if (known === undefined)
    throw invalid("on_conflict", `The on_conflict parameter must be one of: ${ON_CONFLICT.join(", ")}.`);
  return known;
}

/** Another record's id, which takes what refers to a deleted one. @throws ApiError `validation_error` */
export function readMoveTo(options: Map<string, string>): string | undefined {
  const value = options.get("move_to");
  if (value === undefined || z.uuid().safeParse(value).success) return value?.toLowerCase();
  throw invalid("move_to", "The move_to parameter must be a UUID.");
}

function invalid(name: string, sentence: string): ApiError {
  return fieldError("validation_error", { [name]: [sentence] });
}
