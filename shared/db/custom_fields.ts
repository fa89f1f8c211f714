import type { Principal } from "../auth/principal.ts";
import type { CustomField } from "../query/query_context.ts";
import type { Resource } from "../resources/define.ts";
import type { Database } from "./database.ts";
import { claimsOf } from "./records.ts";

/** The custom fields that the principal's workspace has defined for a resource. */
export async function customFieldsOf(
  database: Database,
  principal: Principal,
  resource: Resource,
): Promise<CustomField[]> {
  const argument = { resource: resource.plural };
  return database.call("custom_fields_of", argument, claimsOf(principal));
}
