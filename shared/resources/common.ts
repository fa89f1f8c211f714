import { z } from "zod";
import type { Fields } from "./define.ts";
import { customFields, oneOf, tags, text, timestamp, uuid } from "./schemas.ts";

const actor = z.object({ type: oneOf(["api_key", "user", "system"]), id: uuid().nullable() });

/** The fields that every record has. */
export const commonFields = {
  id: { schema: uuid(), readOnly: true, filter: "reference", sort: true },
  external_id: { schema: text(255).nullable(), unique: "duplicate_external_id", filter: "text" },
  owner_id: { schema: uuid().nullable(), references: "members", filter: "reference" },
  tags: { schema: tags(), default: [], filter: "tags" },
  custom_fields: { schema: customFields(), default: {}, merged: true },
  source: { schema: oneOf(["api", "import", "ui", "automation"]), readOnly: true, filter: "enum" },
  version: { schema: z.int(), readOnly: true },
  created_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
  updated_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
  created_by: { schema: actor, readOnly: true },
  updated_by: { schema: actor, readOnly: true },
} as const satisfies Fields;
