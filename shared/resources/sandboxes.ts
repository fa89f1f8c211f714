import { defineResource, type Resource } from "./define.ts";
import { oneOf, text, timestamp, uuid } from "./schemas.ts";

/** Workspaces to try things in (platform.md §12): `id` is what `X-Workspace-Id` takes. */
export const sandboxes: Resource = defineResource({
  singular: "sandbox",
  plural: "sandboxes",
  table: "sandboxes_now",
  operations: ["list", "get"],
  fields: {
    id: { schema: uuid(), readOnly: true, filter: "reference", sort: true },
    name: { schema: text(100), required: true, sort: true },
    start_from: { schema: oneOf(["empty", "sample", "configuration"]), required: true, filter: "enum" },
    state: { schema: oneOf(["ready", "resetting", "deleting"]), readOnly: true, filter: "enum" },
    created_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
    reset_at: { schema: timestamp().nullable(), readOnly: true },
    expires_at: { schema: timestamp().nullable(), readOnly: true },
  },
});
