import { z } from "zod";
import { MAX_BODY_BYTES, MAX_BULK_BODY_BYTES, MAX_BULK_RECORDS } from "../bounds.ts";
import type { ErrorCode } from "../errors.ts";
import { validate } from "../query/validation.ts";
import type { Resource } from "../resources/define.ts";
import type { Body } from "./route.ts";

/** What any body may be refused with. */
export const BODY_ERRORS: readonly ErrorCode[] = [
  "malformed_json",
  "payload_too_large",
  "unsupported_media_type",
  "request_timeout",
  "unknown_field",
];

/** A body of this schema; of a resource's record its read-only fields are told as such. */
export function jsonBody<Schema extends z.ZodType>(
  schema: Schema,
  { resource, maxBytes = MAX_BODY_BYTES }: { resource?: Resource; maxBytes?: number } = {},
): Body<z.output<Schema>> {
  return {
    schema,
    maxBytes,
    errors: resource === undefined ? BODY_ERRORS : [...BODY_ERRORS, "read_only_field"],
    parse: ({ body }) => validate(schema, body, { resource }) as z.output<Schema>,
  };
}

/** `{}`, or no body at all. */
export const emptyBody = jsonBody(z.strictObject({}));

const SIZE = `must have 1 to ${MAX_BULK_RECORDS} entries`;

/** Up to 1,000 records, of which each is checked by itself. */
export function recordsBody(record: z.ZodType): Body<{ records: unknown[] }> {
  return entriesBody("records", record);
}

/** Up to 1,000 ids, of which each is checked by itself. */
export const idsBody: Body<{ ids: unknown[] }> = entriesBody("ids", z.uuid());

function entriesBody<const Name extends "records" | "ids">(
  name: Name,
  entry: z.ZodType,
): Body<Record<Name, unknown[]>> {
  const entries = z.array(z.unknown(), "must be a list").min(1, SIZE).max(MAX_BULK_RECORDS, SIZE);
  const schema = z.strictObject({ [name]: entries });
  return {
    schema: z.strictObject({ [name]: z.array(entry).min(1).max(MAX_BULK_RECORDS) }),
    maxBytes: MAX_BULK_BODY_BYTES,
    recordsIn: name,
    errors: name === "ids" ? BODY_ERRORS : [...BODY_ERRORS, "read_only_field"],
    parse: ({ body }) => validate(schema, body) as Record<Name, unknown[]>,
  };
}
