import { commonFields } from "./common.ts";
import { defineResource } from "./define.ts";
import { address, boolean, date, email, httpsUrl, integer, locale, oneOf, text, timestamp, timezone, uuid } from "./schemas.ts";

export const contacts = defineResource({
  singular: "contact",
  plural: "contacts",
  fields: {
    ...commonFields,
    email: { schema: email(), required: true, unique: "duplicate_email", filter: "text", sort: true, keyColumn: "email_key", searched: true },
    first_name: { schema: text(100).nullable(), filter: "text", sort: true, searched: true },
    last_name: { schema: text(100).nullable(), filter: "text", sort: true, searched: true },
    phone: { schema: text(50).nullable(), filter: "text", searched: true, e164: "phone_e164" },
    phone_e164: { schema: text(16).nullable(), readOnly: true, filter: "text", searched: true },
    company_id: { schema: uuid().nullable(), references: "companies", filter: "reference" },
    job_title: { schema: text(200).nullable(), filter: "text", searched: true },
    department: { schema: text(200).nullable() },
    status: { schema: oneOf(["active", "inactive", "unsubscribed", "bounced"]), default: "active", filter: "enum", sort: true },
    lifecycle_stage: {
      schema: oneOf(["subscriber", "lead", "mql", "sql", "opportunity", "customer", "evangelist", "other"]).nullable(),
      filter: "enum",
      sort: true,
    },
    lead_source: { schema: text(100).nullable(), filter: "text" },
    address: { schema: address().nullable(), merged: true },
    linkedin_url: { schema: httpsUrl().nullable() },
    website: { schema: httpsUrl().nullable() },
    timezone: { schema: timezone().nullable() },
    locale: { schema: locale().nullable() },
    birthday: { schema: date().nullable(), filter: "date", sort: true },
    do_not_contact: { schema: boolean(), default: false, filter: "boolean" },
    score: { schema: integer(0, 100).nullable(), filter: "integer", sort: true },
    last_activity_at: { schema: timestamp().nullable(), readOnly: true, filter: "timestamp", sort: true },
  },
  include: {
    owner: { field: "owner_id", table: "members", columns: ["id", "name", "email", "role"], resource: "users" },
    company: { field: "company_id", table: "companies", columns: ["id", "name", "domain", "website", "industry"], resource: "companies" },
  },
  facetSets: [["status", "lifecycle_stage"], ["owner_id"]],
});
