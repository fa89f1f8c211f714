import { z } from "zod";
import { actor } from "./common.ts";
import { defineResource, type Resource } from "./define.ts";
import { text, timestamp, uuid } from "./schemas.ts";

/** The changes of one record, field by field (`crm.keep_history`). */
export function historyOf(resource: Resource): Resource {
  const value = {
    schema: z.unknown(),
    readOnly: true,
    about: { resource: () => resource, valuesOf: "field" },
  } as const;
  return defineResource({
    singular: `${resource.singular}_change`,
    plural: `${resource.plural}_history`,
    scope: resource.scope,
    path: `${resource.path}/{record_id}/history`,
    parent: { field: "record_id", resource: () => resource },
    operations: ["list"],
    fields: {
      id: { schema: uuid(), readOnly: true, sort: true },
      record_id: { schema: uuid(), readOnly: true },
      field: { schema: text(100), readOnly: true, filter: "text", about: { resource: () => resource } },
      from: value,
      to: value,
      version: { schema: z.int(), readOnly: true, filter: "integer" },
      changed_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
      changed_by: { schema: actor, readOnly: true },
    },
    defaultSort: "-changed_at",
  });
}
