import { commonFields } from "./common.ts";
import { defineResource, type Resource } from "./define.ts";
import {
  address,
  currency,
  host,
  httpsUrl,
  integer,
  lifecycleStage,
  merge,
  money,
  oneOf,
  text,
  uuid,
} from "./schemas.ts";
import { users } from "./users.ts";

export const companies: Resource = defineResource({
  singular: "company",
  plural: "companies",
  fields: {
    ...commonFields,
    name: { schema: text(255), required: true, filter: "text", sort: true, searched: true },
    domain: { schema: host().nullable(), unique: "duplicate_domain", filter: "host", searched: true },
    website: { schema: httpsUrl().nullable() },
    industry: { schema: text(100).nullable(), filter: "text", sort: true },
    employee_count: { schema: integer(0, 10_000_000).nullable(), filter: "integer", sort: true },
    annual_revenue: { schema: money().nullable(), filter: "decimal", sort: true },
    currency: { schema: currency().nullable(), filter: "text" },
    phone: { schema: text(50).nullable(), filter: "text", searched: true, e164: "phone_e164" },
    phone_e164: { schema: text(16).nullable(), readOnly: true, filter: "text", searched: true, spaceless: true },
    address: { schema: address().nullable(), merged: true },
    type: {
      schema: oneOf(["prospect", "customer", "partner", "vendor", "other"]).nullable(),
      filter: "enum",
      sort: true,
    },
    lifecycle_stage: { schema: lifecycleStage().nullable(), filter: "enum", sort: true },
    parent_company_id: { schema: uuid().nullable(), references: "companies", filter: "reference" },
    description: { schema: text(10_000).nullable() },
    linkedin_url: { schema: httpsUrl().nullable() },
    contacts_count: { schema: integer(0, Number.MAX_SAFE_INTEGER), readOnly: true },
    open_deals_count: { schema: integer(0, Number.MAX_SAFE_INTEGER), readOnly: true },
  },
  include: {
    owner: { field: "owner_id", resource: () => users },
    parent_company: { field: "parent_company_id", resource: () => companies },
  },
  customizable: true,
  mergeable: true,
  // What was below the losers may come to stand too deep.
  actions: { merge: { ...merge, errors: [...merge.errors, "circular_reference", "hierarchy_too_deep"] } },
  rules: { write: ["currency_required", "circular_reference", "hierarchy_too_deep"] },
  facetSets: [["industry", "type"], ["lifecycle_stage"], ["owner_id"]],
});
