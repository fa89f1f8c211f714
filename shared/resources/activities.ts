import { Buffer } from "node:buffer";
import { z } from "zod";
import { MAX_ACTIVITY_BODY_BYTES } from "../bounds.ts";
import { commonFields } from "./common.ts";
import { companies } from "./companies.ts";
import { contacts } from "./contacts.ts";
import { deals } from "./deals.ts";
import { defineResource, type Resource } from "./define.ts";
import { plainText } from "./plain_text.ts";
import { customFields, email, httpsUrl, integer, list, oneOf, text, timestamp, uuid } from "./schemas.ts";
import { users } from "./users.ts";

const body = z
  .string()
  .transform(plainText)
  .pipe(
    z
      .string()
      .min(1, "must not be empty")
      .refine(
        (value) => Buffer.byteLength(value) <= MAX_ACTIVITY_BODY_BYTES,
        `may not be longer than ${MAX_ACTIVITY_BODY_BYTES / 1024} kB`,
      ),
  );

const data = {
  call: z.strictObject({
    from: text(100).nullable().optional(),
    to: text(100).nullable().optional(),
    status: text(100).nullable().optional(),
    recording_url: httpsUrl().nullable().optional(),
  }),
  meeting: z.strictObject({
    starts_at: timestamp().nullable().optional(),
    ends_at: timestamp().nullable().optional(),
    location: text(500).nullable().optional(),
    join_url: httpsUrl().nullable().optional(),
    status: text(100).nullable().optional(),
  }),
  email: z.strictObject({
    message_id: text(1000).nullable().optional(),
    from: text(320).nullable().optional(),
    to: list(email(), 500, "must be a list of email addresses").nullable().optional(),
    sent_at: timestamp().nullable().optional(),
  }),
};

export const activities: Resource = defineResource({
  singular: "activity",
  plural: "activities",
  fields: {
    ...commonFields,
    external_id: { ...commonFields.external_id, within: ["type"] },
    type: {
      schema: oneOf(["note", "call", "email", "meeting", "sms", "custom"]),
      required: true,
      filter: "enum",
      sort: true,
    },
    occurred_at: { schema: timestamp(), filter: "timestamp", sort: true },
    direction: { schema: oneOf(["inbound", "outbound"]).nullable(), filter: "enum" },
    subject: { schema: text(255).nullable(), filter: "text", searched: true },
    body: { schema: body.nullable() },
    duration_seconds: { schema: integer(0, 2_147_483_647).nullable(), filter: "integer", sort: true },
    outcome: { schema: text(100).nullable(), filter: "text" },
    data: {
      schema: customFields(),
      default: {},
      merged: true,
      typedBy: { field: "type", schemas: data },
    },
    contact_id: { schema: uuid().nullable(), references: "contacts", filter: "reference" },
    company_id: { schema: uuid().nullable(), references: "companies", filter: "reference" },
    deal_id: { schema: uuid().nullable(), references: "deals", filter: "reference" },
  },
  include: {
    owner: { field: "owner_id", resource: () => users },
    contact: { field: "contact_id", resource: () => contacts },
    company: { field: "company_id", resource: () => companies },
    deal: { field: "deal_id", resource: () => deals },
  },
  customizable: true,
  rules: { write: ["end_before_start", "occurred_in_future"] },
  facetSets: [["type"], ["owner_id"], ["contact_id"], ["company_id"], ["deal_id"]],
});
