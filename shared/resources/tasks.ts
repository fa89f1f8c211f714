import { z } from "zod";
import { commonFields } from "./common.ts";
import { companies } from "./companies.ts";
import { contacts } from "./contacts.ts";
import { deals } from "./deals.ts";
import { defineResource, type Resource } from "./define.ts";
import { oneOf, priority, text, timestamp, uuid } from "./schemas.ts";
import { users } from "./users.ts";

export const tasks: Resource = defineResource({
  singular: "task",
  plural: "tasks",
  fields: {
    ...commonFields,
    title: { schema: text(255), required: true, filter: "text", sort: true, searched: true },
    description: { schema: text(10_000).nullable() },
    type: { schema: oneOf(["todo", "call", "email", "meeting", "follow_up"]), default: "todo", filter: "enum" },
    status: {
      schema: oneOf(["open", "in_progress", "completed", "cancelled"]),
      default: "open",
      filter: "enum",
      sort: true,
    },
    priority: { schema: priority(), default: "normal", filter: "enum", sort: true },
    due_at: { schema: timestamp().nullable(), filter: "timestamp", sort: true },
    remind_at: { schema: timestamp().nullable(), filter: "timestamp", sort: true },
    assignee_id: { schema: uuid().nullable(), references: "members", filter: "reference" },
    completed_at: { schema: timestamp().nullable(), readOnly: true, filter: "timestamp", sort: true },
    contact_id: { schema: uuid().nullable(), references: "contacts", filter: "reference" },
    company_id: { schema: uuid().nullable(), references: "companies", filter: "reference" },
    deal_id: { schema: uuid().nullable(), references: "deals", filter: "reference" },
  },
  include: {
    owner: { field: "owner_id", resource: () => users },
    assignee: { field: "assignee_id", resource: () => users },
    contact: { field: "contact_id", resource: () => contacts },
    company: { field: "company_id", resource: () => companies },
    deal: { field: "deal_id", resource: () => deals },
  },
  searchedThrough: "company",
  customizable: true,
  actions: {
    complete: { body: z.strictObject({}), errors: ["task_already_completed", "task_cancelled"] },
    reopen: { body: z.strictObject({}), errors: ["task_not_closed"] },
  },
  rules: { write: ["reminder_after_due", "task_cancelled"] },
  facetSets: [
    ["status", "type", "priority"],
    ["assignee_id", "status"],
    ["owner_id"],
    ["contact_id"],
    ["company_id"],
    ["deal_id"],
  ],
});
