import { isGranted } from "../../../shared/auth/principal.ts";
import { customFieldsOf } from "../../../shared/db/custom_fields.ts";
import type { AuthorizedExchange } from "../../../shared/http/exchange.ts";
import { requireScope } from "../../../shared/middleware/authorize.ts";
import type { Condition } from "../../../shared/query/filter.ts";
import type { ListQuery } from "../../../shared/query/list_query.ts";
import { PLAIN_CONTEXT, type QueryContext } from "../../../shared/query/query_context.ts";
import { relatedScopes } from "../../../shared/query/read_plan.ts";
import { resourceNamed } from "../../../shared/resources/all.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { requireParent } from "./addressed.ts";

// What a query may reach: the workspace's custom fields, what the key may read, and the record that the path names.

/** What a query's words mean here. The definitions are fetched only for a query that names a custom field. */
export async function queryContext(
  resource: Resource,
  { services, principal }: AuthorizedExchange,
  words: string,
): Promise<QueryContext> {
  const customFields =
    resource.customizable && words.includes("custom_fields.")
      ? await customFieldsOf(services.database, principal, resource)
      : PLAIN_CONTEXT.customFields;
  return { customFields, mayRead: (scope) => isGranted(principal, `${scope}:read`) };
}

/** A list below a record is that record's. @throws ApiError `not_found` when there is no such record */
export async function confine(resource: Resource, exchange: AuthorizedExchange, query: ListQuery): Promise<ListQuery> {
  const { parent } = resource;
  if (parent === undefined) return query;
  const id = await requireParent(resource, exchange);
  return { ...query, where: [{ column: parent.field, op: "eq", value: id ?? "" }, ...query.where] };
}

/** A key must have the scope to read what is embedded and what is filtered by. @throws ApiError `insufficient_scope` */
export function requireScopes(
  resource: Resource,
  exchange: AuthorizedExchange,
  include: readonly string[],
  where: readonly Condition[],
): void {
  const embedded = include.flatMap((name) => {
    const related = resource.include[name];
    return related === undefined ? [] : [resourceNamed(related.resource).scope];
  });
  for (const scope of [...embedded, ...relatedScopes(where)]) requireScope(exchange.principal, `${scope}:read`);
}
