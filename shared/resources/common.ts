import { z } from "zod";
import type { Fields } from "./define.ts";
import { customFields, oneOf, tags, text, timestamp, uuid } from "./schemas.ts";

/** Who made or changed something. */
export const actor = z.object({ type: oneOf(["api_key", "user", "system"]), id: uuid().nullable() });

/** The fields of everything that is versioned. */
export const stampedFields = {
  id: { schema: uuid(), readOnly: true, filter: "reference", sort: true },
  version: { schema: z.int(), readOnly: true },
  created_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
  updated_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
  created_by: { schema: actor, readOnly: true },
  updated_by: { schema: actor, readOnly: true },
} as const satisfies Fields;

/** The fields that every record has. */
export const commonFields = {
  id: stampedFields.id,
  external_id: { schema: text(255).nullable(), unique: "duplicate_external_id", filter: "text" },
  owner_id: { schema: uuid().nullable(), references: "members", filter: "reference" },
  tags: { schema: tags(), default: [], filter: "tags" },
  custom_fields: { schema: customFields(), default: {}, merged: true },
  source: { schema: oneOf(["api", "import", "ui", "automation"]), readOnly: true, filter: "enum" },
  version: stampedFields.version,
  created_at: stampedFields.created_at,
  updated_at: stampedFields.updated_at,
  created_by: stampedFields.created_by,
  updated_by: stampedFields.updated_by,
} as const satisfies Fields;
