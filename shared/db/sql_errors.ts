import { ApiError, type ErrorCode, type FieldErrors, fieldError, isErrorCode } from "../errors.ts";
import { Violations } from "../query/violations.ts";
import { nameOf, type Resource } from "../resources/define.ts";

/** What PostgREST says when a call fails; `code` is a SQLSTATE, a PGRST code, or empty when nothing answered. */
interface CallError {
  code: string;
  message: string;
  details: string | null;
}

/** One record of a write that SQL refused (`crm.write_record`). */
export interface FailedWrite {
  status: "failed";
  code?: string;
  details?: Record<string, unknown>;
  sqlstate?: string;
  constraint?: string;
  existing_id?: string | null;
}

const RETRY_AFTER_SECONDS = "2";
// 08 connection, 53 resources, 57P admin shutdown, 57014 timeout, 58 system, 25006 read-only standby, PGRST00x no connection.
const UNAVAILABLE = /^(08|53|57|58|25006|PGRST00)/;
const TRANSACTION_UNDONE = /^(40001|40P01)$/;

/** The whole call failed: nothing was written, or nothing can be known. */
export function sqlError(error: CallError, status: number, isRead = false): ApiError {
  // The statement timeout of what is read: asked again, it would take as long again.
  if (error.code === "57014" && isRead) {
    return new ApiError("query_too_expensive", { details: { reason: "timed_out" }, cause: { sqlstate: error.code } });
  }
  if (error.code === "AN001" && isErrorCode(error.message)) {
    return refusal(error.message, JSON.parse(error.details ?? "{}"));
  }
  if (TRANSACTION_UNDONE.test(error.code)) {
    return unavailable({ sqlstate: error.code, retryable: true });
  }
  // PostgREST says 500 without any code when Postgres broke off in the middle of a statement.
  if (
    !error.code ||
    status === 0 ||
    status === 502 ||
    status === 503 ||
    status === 504 ||
    UNAVAILABLE.test(error.code)
  ) {
    return unavailable({ sqlstate: error.code });
  }
  return new ApiError("internal_error", { cause: { sqlstate: error.code } });
}

/** The database can't be reached right now. */
export function unavailable(cause: unknown): ApiError {
  return new ApiError("service_unavailable", { headers: { "Retry-After": RETRY_AFTER_SECONDS }, cause });
}

/** One record was refused: constraint and field names become our codes and sentences. */
export function writeError(resource: Resource, failed: FailedWrite): ApiError {
  if (failed.code !== undefined && isErrorCode(failed.code))
    return refusal(failed.code, detailsInNamesOf(resource, failed.details ?? {}));
  const { sqlstate = "", constraint = "" } = failed;
  const field = fieldOf(resource, constraint);
  const unique = field === undefined ? undefined : resource.fields[field]?.unique;
  if (sqlstate === "23505" && field !== undefined && unique !== undefined) {
    return new ApiError(unique, { details: { field, existing_id: failed.existing_id ?? null } });
  }
  if (sqlstate === "23503" && field !== undefined) return refusal("reference_not_found", { field });
  if (/^2[23]/.test(sqlstate) && field !== undefined) {
    return fieldError("validation_error", field, `The ${field} field has a value that is not allowed.`);
  }
  return new ApiError("internal_error", { cause: failed });
}

/** What SQL says of columns, told of the fields that they are in this version of the API. */
function detailsInNamesOf(resource: Resource, details: Record<string, unknown>): Record<string, unknown> {
  if (!resource.isRenamed) return details;
  const { field, within, missing_fields: missing, problems, ...rest } = details;
  const named = (path: unknown) => nameOf(resource, String(path));
  const told = (sentence: string) =>
    sentence.replace(/(?<![\w.])\w+(?:\.\w+)*(?= field| nor | is given)/g, (path) => named(path));
  return {
    ...rest,
    ...(field !== undefined && { field: named(field) }),
    ...(within !== undefined && { within: named(within) }),
    ...(Array.isArray(missing) && { missing_fields: missing.map(named) }),
    ...(problems !== undefined && {
      problems: Object.fromEntries(
        Object.entries(problems as FieldErrors).map(([column, sentences]) => [named(column), sentences.map(told)]),
      ),
    }),
  };
}

function refusal(code: ErrorCode, details: Record<string, unknown>): ApiError {
  if (code === "reference_not_found") {
    const field = String(details["field"]);
    return fieldError(code, field, `The ${field} field names a record that does not exist.`);
  }
  if (code === "validation_error" || code === "unknown_field") return bodyProblems(details);
  const isPassing = ["idempotency_in_progress", "too_many_concurrent_requests", "idempotency_storage_full"].includes(
    code,
  );
  const wait = details["retry_after"] ?? (isPassing ? 1 : undefined);
  const headers: Record<string, string> = wait === undefined ? {} : { "Retry-After": String(wait) };
  return new ApiError(code, { ...sentenceOf(code, details), details, headers });
}

/** What a refusal is about, where that is not the same for all of its code. */
function sentenceOf(code: ErrorCode, details: Record<string, unknown>): { message?: string } {
  const { missing_fields: missing, options, stages } = details;
  if (Array.isArray(missing) && missing.length > 0)
    return { message: `The deal lacks fields that the stage requires: ${missing.join(", ")}.` };
  if (code === "field_in_use" && Array.isArray(options))
    return {
      message:
        "Records have the options that are missing from the list. Send the list with both old and new options, change the records, then leave the old ones out.",
    };
  if (code === "field_in_use" && stages !== undefined)
    return { message: "Stages require the custom field. Take it out of their required_fields first." };
  return {};
}

/** What SQL found wrong with a body: sentences by field, and some of the members that don't exist, with those that do. */
function bodyProblems(details: Record<string, unknown>): ApiError {
  const {
    problems = {},
    unknown = [],
    unknown_count: count = unknown.length,
    allowed = [],
    within = "custom_fields",
  } = details as {
    problems?: FieldErrors;
    unknown?: string[];
    unknown_count?: number;
    allowed?: string[];
    within?: string;
  };
  const violations = new Violations();
  for (const [field, sentences] of Object.entries(problems))
    for (const sentence of sentences) violations.add([field], "validation_error", () => sentence);
  const names = allowed.map((name) => `${within}.${name}`);
  for (const key of unknown)
    violations.add([within, key], "unknown_field", (field) => violations.telling.unknown("field", field, names));
  violations.addUntold("unknown_field", count - unknown.length);
  return violations.error();
}

// Constraints are named <table>_<field>_<kind>: contacts_email_live, contacts_owner_id_fkey, contacts_score_check;
// those that all tables share <field>_check.
function fieldOf(resource: Resource, constraint: string): string | undefined {
  const own = `${resource.table}_`;
  const name = constraint.startsWith(own) ? constraint.slice(own.length) : constraint;
  return resource.fieldOf.get(name.replace(/_(live|fkey|check)$/, ""));
}
