import { z } from "zod";
import { actor } from "./common.ts";
import { defineResource, type Resource } from "./define.ts";
import { integer, oneOf, timestamp, uuid } from "./schemas.ts";

const count = integer(0, Number.MAX_SAFE_INTEGER);

/** Changes that go on after their answer (platform.md §13). Whose scope one takes depends on what it changes. */
export const jobs: Resource = defineResource({
  singular: "job",
  plural: "jobs",
  operations: ["list", "get"],
  fields: {
    id: { schema: uuid(), readOnly: true, filter: "reference", sort: true },
    kind: {
      schema: oneOf([
        "delete_sandbox",
        "give_tag_back",
        "merge",
        "move_deals",
        "move_values",
        "replace_tags",
        "replay_webhook",
        "reset_sandbox",
        "revert_merge",
      ]),
      readOnly: true,
      filter: "enum",
    },
    state: {
      schema: oneOf(["queued", "running", "succeeded", "failed", "cancelled"]),
      readOnly: true,
      filter: "enum",
    },
    done: { schema: count, readOnly: true },
    total: { schema: count.nullable(), readOnly: true },
    created_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
    finished_at: { schema: timestamp().nullable(), readOnly: true, filter: "timestamp" },
    created_by: { schema: actor, readOnly: true },
    result: { schema: z.record(z.string(), z.unknown()).nullable(), readOnly: true },
    error: { schema: z.record(z.string(), z.unknown()).nullable(), readOnly: true },
  },
});
