import { z } from "zod";
import { actor } from "./common.ts";
import { defineResource, type Resource } from "./define.ts";
import { oneOf, timestamp, uuid } from "./schemas.ts";

/** What the database notes (`crm.note_act`). */
const ACTIONS = [
  "api_key.created",
  "api_key.updated",
  "api_key.rolled",
  "api_key.revoked",
  "api_key.leaked",
  "invitation.created",
  "invitation.revoked",
  "member.joined",
  "member.role_changed",
  "member.removed",
  "sandbox.created",
  "sandbox.reset",
  "sandbox.deleted",
  "webhook.failing",
  "webhook.tested",
  "webhook.redelivered",
  "webhook.replayed",
  "user.signed_in",
  "webhook.created",
  "webhook.updated",
  "webhook.deleted",
  "webhook.paused",
  "webhook.resumed",
  "webhook.secret_rotated",
  "workspace.created",
  "workspace.plan_changed",
] as const;

/** What was done to keys, people, sandboxes and the plan, and who signed in (platform.md §16). */
export const auditLog: Resource = defineResource({
  singular: "audit_log_entry",
  plural: "audit_log",
  operations: ["list", "get", "export"],
  fields: {
    id: { schema: uuid(), readOnly: true, filter: "reference", sort: true },
    occurred_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
    actor: { schema: actor.extend({ name: z.string().nullable() }), readOnly: true },
    action: { schema: oneOf(ACTIONS), readOnly: true, filter: "enum" },
    targets: {
      schema: z.array(z.object({ type: z.string(), id: z.uuid(), name: z.string().nullable().optional() })),
      readOnly: true,
    },
    context: {
      schema: z.object({
        ip: z.string().nullable(),
        user_agent: z.string().nullable(),
        request_id: z.string().nullable(),
      }),
      readOnly: true,
    },
    changes: {
      schema: z.record(z.string(), z.object({ from: z.unknown(), to: z.unknown() })).nullable(),
      readOnly: true,
    },
  },
  defaultSort: "-occurred_at",
  exportFormat: "ndjson",
});
