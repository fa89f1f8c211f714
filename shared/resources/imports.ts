import { z } from "zod";
import { actor } from "./common.ts";
import { defineResource, type Resource } from "./define.ts";
import { boolean, integer, oneOf, text, timestamp, uuid } from "./schemas.ts";

/** What can be imported. */
export const IMPORTABLE = ["contacts", "companies", "deals", "tasks", "activities"] as const;

const count = { schema: integer(0, Number.MAX_SAFE_INTEGER), readOnly: true } as const;

/** Imports as they are shown and listed. Whose scope one takes depends on what it imports, so its routes are its own. */
export const imports: Resource = defineResource({
  singular: "import",
  plural: "imports",
  operations: ["list", "get"],
  fields: {
    id: { schema: uuid(), readOnly: true, filter: "reference", sort: true },
    resource: {
      schema: oneOf(IMPORTABLE),
      readOnly: true,
      filter: "enum",
    },
    delimiter: { schema: text(1).nullable(), readOnly: true },
    format: { schema: oneOf(["csv", "ndjson"]), readOnly: true, filter: "enum" },
    status: {
      schema: oneOf(["uploading", "queued", "running", "completed", "failed", "cancelled"]),
      readOnly: true,
      filter: "enum",
    },
    dry_run: { schema: boolean(), readOnly: true, filter: "boolean" },
    on_conflict: { schema: oneOf(["error", "return", "update"]), readOnly: true },
    match_by: { schema: text(100).nullable(), readOnly: true },
    mapping: { schema: z.record(z.string(), z.string().nullable()), readOnly: true },
    rows_total: { schema: count.schema.nullable(), readOnly: true },
    rows_processed: count,
    created: count,
    updated: count,
    unchanged: count,
    failed: count,
    failed_unlisted: count,
    bytes_total: count,
    bytes_processed: count,
    created_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
    started_at: { schema: timestamp().nullable(), readOnly: true },
    completed_at: { schema: timestamp().nullable(), readOnly: true },
    created_by: { schema: actor, readOnly: true },
    error: { schema: z.record(z.string(), z.unknown()).nullable(), readOnly: true },
  },
});
