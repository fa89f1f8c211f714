import { z } from "zod";
import { defineResource, type Resource } from "./define.ts";
import { EVENT_TYPES } from "./event_types.ts";
import { integer, oneOf, text, timestamp, uuid } from "./schemas.ts";
import { webhooks } from "./webhooks.ts";

const nullableStatus = integer(100, 599).nullable();

/** What is delivered: events, and to a doorbell that there are some. */
const type = oneOf(["events.available", ...EVENT_TYPES]);

/** One try to deliver: what was answered, or why nothing was. */
const attempt = z.strictObject({
  at: z.string(),
  status: nullableStatus,
  duration_ms: z.int(),
  error: z.string().nullable(),
  response: z.string().nullable(),
});

/** What was tried to be delivered to an endpoint, or must be tried again. */
export const webhookDeliveries: Resource = defineResource({
  singular: "webhook_delivery",
  plural: "webhook_deliveries",
  table: "webhook_deliveries_now",
  scope: "webhooks",
  path: "/webhooks/{webhook_id}/deliveries",
  parent: { field: "webhook_id", resource: () => webhooks },
  operations: ["list"],
  fields: {
    id: { schema: uuid(), readOnly: true, filter: "reference", sort: true },
    webhook_id: { schema: uuid(), readOnly: true },
    event_id: { schema: uuid(), readOnly: true, filter: "reference" },
    position: { schema: integer(1, Number.MAX_SAFE_INTEGER).nullable(), readOnly: true },
    type: { schema: type, readOnly: true, filter: "enum" },
    resource: { schema: text(100).nullable(), readOnly: true },
    record_id: { schema: uuid().nullable(), readOnly: true, filter: "reference" },
    lane: { schema: oneOf(["live", "bulk", "replay", "test"]), readOnly: true, filter: "enum" },
    state: { schema: oneOf(["pending", "succeeded", "failed"]), readOnly: true, filter: "enum" },
    attempt_count: { schema: z.int(), readOnly: true },
    last_status: { schema: nullableStatus, readOnly: true },
    next_attempt_at: { schema: timestamp().nullable(), readOnly: true },
    created_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
    finished_at: { schema: timestamp().nullable(), readOnly: true },
  },
});

/** A delivery by its id: with every attempt. */
export const deliveryWithAttempts = webhookDeliveries.record.extend({ attempts: z.array(attempt) });
