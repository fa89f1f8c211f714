import { z } from "zod";
import { readBlock, writeBlock } from "../standards/address_blocks.ts";
import { shown } from "./answered.ts";
import { actor } from "./common.ts";
import { defineResource, type Resource } from "./define.ts";
import { list, members, oneOf, text, timestamp, uuid } from "./schemas.ts";

const permission = oneOf(["none", "read", "write"]);

/** The scopes that there are: those of resources, and `webhooks`. */
export const scopeNames = (resources: readonly Resource[]): string[] =>
  [...new Set([...resources.map(({ scope }) => scope), "webhooks"])].sort();

/** What a custom key may do, by scope. */
export const permissionsOf = (resources: readonly Resource[]) => {
  return members(Object.fromEntries(scopeNames(resources).map((name) => [name, permission.optional()]))).refine(
    (given) => Object.keys(given).length > 0,
    { error: "must name at least one resource", when: ({ issues }) => issues.length === 0 },
  );
};

const block = z
  .string("must be an address or a CIDR block such as 192.0.2.0/24 or 2001:db8::/32")
  .transform((value, context) => {
    const read = readBlock(value.trim());
    if (read !== undefined) return writeBlock(read);
    context.addIssue("must be an address or a CIDR block such as 192.0.2.0/24 or 2001:db8::/32");
    return z.NEVER;
  });

/** Where a key may be used; null and an empty list are anywhere. */
const allowedIps = shown(
  list(block, 50, "must be a list of addresses and CIDR blocks")
    .nullable()
    .transform((blocks) => [...new Set(blocks ?? [])]),
  z.array(z.string()),
);

/** API keys as people see them (platform.md §10). No answer but that to its creation has the key itself. */
export const apiKeys: Resource = defineResource({
  singular: "api_key",
  plural: "api_keys",
  table: "api_keys_now",
  operations: ["list", "get"],
  fields: {
    id: { schema: uuid(), readOnly: true, filter: "reference", sort: true },
    name: { schema: text(100), required: true, sort: true },
    prefix: { schema: oneOf(["anx_live", "anx_test"]), readOnly: true },
    last_four: { schema: text(4), readOnly: true },
    scope: { schema: oneOf(["full_access", "read_only", "custom"]), required: true, filter: "enum" },
    permissions: { schema: z.record(z.string(), permission).nullable() },
    allowed_ips: { schema: allowedIps },
    state: { schema: oneOf(["active", "expiring", "expired", "revoked"]), readOnly: true, filter: "enum" },
    expires_at: { schema: timestamp().nullable() },
    last_used_at: { schema: timestamp().nullable(), readOnly: true, sort: true },
    last_used_ip: { schema: text(64).nullable(), readOnly: true },
    created_by: { schema: actor, readOnly: true },
    created_at: { schema: timestamp(), readOnly: true, sort: true },
    revoked_at: { schema: timestamp().nullable(), readOnly: true },
    revoked_by: { schema: actor.nullable(), readOnly: true },
    rolled_to: { schema: uuid().nullable(), readOnly: true },
  },
});
