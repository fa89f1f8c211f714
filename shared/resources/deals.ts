import { z } from "zod";
import type { ErrorCode } from "../errors.ts";
import { actor, commonFields } from "./common.ts";
import { companies } from "./companies.ts";
import { contacts } from "./contacts.ts";
import { defineResource, type Resource } from "./define.ts";
import { pipelines, stages } from "./pipelines.ts";
import { currency, date, integer, list, money, oneOf, priority, text, timestamp, uuid } from "./schemas.ts";
import { users } from "./users.ts";

const status = oneOf(["open", "won", "lost"]);
const lostReason = text(500).nullable();

const dealContacts = list(
  z.strictObject({ contact_id: uuid(), role: text(100).nullable().optional() }),
  100,
  "must be a list of objects with contact_id and role",
)
  .refine(
    (contacts) => new Set(contacts.map(({ contact_id }) => contact_id.toLowerCase())).size === contacts.length,
    "must not name a contact twice",
  )
  .transform((contacts) =>
    contacts.map(({ contact_id, role = null }) => ({ contact_id: contact_id.toLowerCase(), role })),
  );

/** What may stand against a move, as a PATCH of `stage_id` is one too. */
const MOVE: readonly ErrorCode[] = [
  "deal_closed",
  "reference_not_found",
  "stage_not_in_pipeline",
  "stage_requirements_unmet",
  "stage_transition_not_allowed",
  "lost_reason_required",
];

export const deals: Resource = defineResource({
  singular: "deal",
  plural: "deals",
  fields: {
    ...commonFields,
    name: { schema: text(255), required: true, filter: "text", sort: true, searched: true },
    pipeline_id: { schema: uuid(), references: "pipelines", filter: "reference" },
    stage_id: { schema: uuid(), references: "stages", filter: "reference" },
    status: { schema: status, readOnly: true, filter: "enum", sort: true },
    amount: { schema: money().nullable(), filter: "decimal", sort: true },
    currency: { schema: currency().nullable(), filter: "text" },
    probability: { schema: integer(0, 100), filter: "integer", sort: true },
    weighted_amount: { schema: money().nullable(), readOnly: true, filter: "decimal", sort: true },
    expected_close_date: { schema: date().nullable(), filter: "date", sort: true },
    closed_at: { schema: timestamp().nullable(), readOnly: true, filter: "timestamp", sort: true },
    lost_reason: { schema: lostReason, filter: "text" },
    company_id: { schema: uuid().nullable(), references: "companies", filter: "reference" },
    primary_contact_id: { schema: uuid().nullable(), references: "contacts", filter: "reference" },
    contacts: { schema: dealContacts, default: [] },
    type: { schema: oneOf(["new", "renewal", "upsell"]).nullable(), filter: "enum" },
    priority: { schema: priority(), default: "normal", filter: "enum", sort: true },
    stage_entered_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
  },
  include: {
    owner: { field: "owner_id", resource: () => users },
    company: { field: "company_id", resource: () => companies },
    primary_contact: { field: "primary_contact_id", resource: () => contacts },
    pipeline: { field: "pipeline_id", resource: () => pipelines },
    stage: { field: "stage_id", resource: () => stages },
  },
  filteredBy: { contact_id: "contact" },
  searchedThrough: "company",
  customizable: true,
  actions: {
    move: { body: z.strictObject({ stage_id: uuid(), lost_reason: lostReason.optional() }), errors: MOVE },
    win: { body: z.strictObject({}), errors: [...MOVE, "deal_already_won"] },
    lose: { body: z.strictObject({ lost_reason: lostReason.optional() }), errors: [...MOVE, "deal_already_lost"] },
    reopen: { body: z.strictObject({}), errors: ["deal_not_closed"] },
  },
  rules: { write: [...MOVE, "currency_required"] },
  facetSets: [
    ["pipeline_id", "stage_id", "status"],
    ["owner_id", "status"],
    ["company_id", "status"],
    ["primary_contact_id"],
  ],
});

/** Who moved a deal when, from its first stage on. */
export const stageChanges: Resource = defineResource({
  singular: "stage_change",
  plural: "stage_changes",
  scope: "deals",
  path: "/deals/{deal_id}/stage_history",
  parent: { field: "deal_id", resource: () => deals },
  operations: ["list"],
  fields: {
    id: { schema: uuid(), readOnly: true, sort: true },
    deal_id: { schema: uuid(), readOnly: true },
    pipeline_id: { schema: uuid(), readOnly: true, filter: "reference" },
    from_stage_id: { schema: uuid().nullable(), readOnly: true, filter: "reference" },
    to_stage_id: { schema: uuid(), readOnly: true, filter: "reference" },
    status: { schema: status, readOnly: true, filter: "enum" },
    changed_at: { schema: timestamp(), readOnly: true, filter: "timestamp", sort: true },
    changed_by: { schema: actor, readOnly: true },
  },
  include: {
    from_stage: { field: "from_stage_id", resource: () => stages },
    to_stage: { field: "to_stage_id", resource: () => stages },
  },
  defaultSort: "-changed_at",
});
