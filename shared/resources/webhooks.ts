import { z } from "zod";
import { MAX_EVENT_PATTERNS, MAX_WEBHOOK_URL_LENGTH } from "../bounds.ts";
import { actor } from "./common.ts";
import { defineResource, type Resource } from "./define.ts";
import { EVENT_PATTERNS } from "./event_types.ts";
import { boolean, integer, list, oneOf, text, timestamp, uuid } from "./schemas.ts";

const position = integer(0, Number.MAX_SAFE_INTEGER);

const pattern = z.string().check((context) => {
  const { value } = context;
  if (EVENT_PATTERNS.includes(value)) return;
  const params = { unknown: { kind: "event", name: value, allowed: EVENT_PATTERNS } };
  context.issues.push({ code: "custom", params, message: "must be the name of an event", input: value });
});

const events = list(pattern, MAX_EVENT_PATTERNS, "must be a list of events such as contact.created, deal.* or *")
  .refine((given) => given.length > 0, `must have 1 to ${MAX_EVENT_PATTERNS} entries`)
  .transform((given) => [...new Set(given)]);

/** A tree of conditions. What it may name depends on `events`: shared/webhooks/filter.ts reads it. */
const filter = z.record(z.string(), z.unknown());

/** Endpoints that events are sent to (platform.md §15). */
export const webhooks: Resource = defineResource({
  singular: "webhook",
  plural: "webhooks",
  table: "webhooks_now",
  operations: ["list", "get"],
  fields: {
    id: { schema: uuid(), readOnly: true, filter: "reference", sort: true },
    url: { schema: text(MAX_WEBHOOK_URL_LENGTH), required: true },
    description: { schema: text(1000).nullable() },
    events: { schema: events, required: true },
    filter: { schema: filter.nullable() },
    mode: { schema: oneOf(["full", "thin", "doorbell"]), filter: "enum" },
    ordering: { schema: oneOf(["none", "record"]) },
    ignore_own: { schema: boolean() },
    state: { schema: oneOf(["active", "paused"]), readOnly: true, filter: "enum" },
    paused_reason: { schema: oneOf(["by_user", "failing", "gone", "creator_gone"]).nullable(), readOnly: true },
    position: { schema: position, readOnly: true },
    lag: { schema: position, readOnly: true },
    failing_since: { schema: timestamp().nullable(), readOnly: true },
    api_version: { schema: text(10), readOnly: true },
    readable: { schema: z.array(z.string()).nullable(), readOnly: true },
    old_secret_until: { schema: timestamp().nullable(), readOnly: true },
    version: { schema: integer(1, Number.MAX_SAFE_INTEGER), readOnly: true },
    created_by: { schema: actor, readOnly: true },
    created_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
    updated_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
  },
});
