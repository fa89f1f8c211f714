import { isGranted } from "../../../shared/auth/principal.ts";
import { customFieldsOf } from "../../../shared/db/custom_fields.ts";
import { claimsOf, findMergeWinners, findRecord } from "../../../shared/db/records.ts";
import { ApiError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { validate } from "../../../shared/http/validation.ts";
import { requireScope } from "../../../shared/middleware/authorize.ts";
import { entityTag } from "../../../shared/middleware/conditional.ts";
import type { Condition } from "../../../shared/query/filter.ts";
import {
  allowOnly,
  asked,
  type ListQuery,
  parseListUrl,
  parseReadUrl,
  parseSearchBody,
  searchBody,
} from "../../../shared/query/list_query.ts";
import { PLAIN_CONTEXT, type QueryContext } from "../../../shared/query/query_context.ts";
import { relatedScopes, totalSource } from "../../../shared/query/read_plan.ts";
import { resourceNamed } from "../../../shared/resources/all.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present } from "../../../shared/resources/present.ts";
import { answerList } from "./page.ts";

type Handler = (exchange: AuthorizedExchange) => Promise<Reply>;

/** `GET /v1/<resource>` */
export function listRecords(resource: Resource): Handler {
  return async (exchange) => {
    const { searchParams } = exchange.url;
    const listed = asked(resource, searchParams.get("deleted"));
    const context = await queryContext(listed, exchange, searchParams.toString());
    return page(listed, exchange, parseListUrl(listed, searchParams, context));
  };
}

/** `POST /v1/<resource>/search` */
export function searchRecords(resource: Resource): Handler {
  return async (exchange) => {
    allowOnly(exchange.url.searchParams, []);
    const body = validate(searchBody, exchange.body);
    const listed = asked(resource, body.deleted);
    const context = await queryContext(listed, exchange, JSON.stringify([body.filter, body.sort]));
    return page(listed, exchange, parseSearchBody(listed, body, context));
  };
}

/** `GET /v1/<resource>/{id}`; what was merged into another record is answered 301 to it. */
export function readRecord(resource: Resource): Handler {
  return async (exchange) => {
    const query = parseReadUrl(resource, exchange.url.searchParams);
    requireScopes(resource, exchange, query.include, []);
    const { services, principal } = exchange;
    const id = recordId(exchange);
    await requireParent(resource, exchange);
    const row = await findRecord(services.database, principal, resource, id, query);
    if (row === undefined || !isBelow(resource, exchange, row)) throw await notFound(resource, exchange, id);
    const data = present(resource, row, query.fields, query.include);
    return { data, headers: { ETag: entityTag({ ...data, version: row["version"] }) } };
  };
}

/**
 * The 404 of an id. What was merged is answered 301 to where it went, but only to those who read: a client that follows
 * a redirect must never change or delete the winner, so whoever writes gets 409 (resources.md, merge).
 */
export async function notFound(resource: Resource, exchange: AuthorizedExchange, id: string): Promise<ApiError> {
  const { services, principal, request, url } = exchange;
  const winner = (await findMergeWinners(services.database, principal, resource, [id]))[id];
  if (winner === undefined) return new ApiError("not_found");
  if (request.method !== "GET" && request.method !== "HEAD") return mergedInto(winner);
  const below = url.pathname.replace(/^\/api/, "").replace(new RegExp(id, "i"), winner);
  return new ApiError("merged", {
    message: "The record was merged into another one. Follow the Location header.",
    details: { merged_into: winner },
    headers: { Location: services.config.publicApiUrl + below + url.search },
    status: 301,
  });
}

/** Why nothing was found where row-level security decides what there is: 401 when the key is not good any more, or 404. */
export async function absent({ services, principal }: AuthorizedExchange): Promise<ApiError> {
  await services.database.call("require_live_key", undefined as never, claimsOf(principal));
  return new ApiError("not_found");
}

/** What a change of a merged record is answered. */
export function mergedInto(winner: string): ApiError {
  return new ApiError("merged", { details: { merged_into: winner } });
}

/** Whether a row belongs to the record that its path names first. */
function isBelow({ parent }: Resource, { params }: AuthorizedExchange, row: Record<string, unknown>): boolean {
  return parent === undefined || row[parent.field] === params[parent.field]?.toLowerCase();
}

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

/** An id of the path, in the one spelling that exists. @throws ApiError `not_found` for what can't be an id */
export function recordId({ params }: Pick<AuthorizedExchange, "params">, name = "id"): string {
  const id = params[name]?.toLowerCase() ?? "";
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(id)) throw new ApiError("not_found");
  return id;
}

async function page(resource: Resource, exchange: AuthorizedExchange, given: ListQuery): Promise<Reply> {
  const query = await confine(resource, exchange, given);
  requireScopes(resource, exchange, query.include, query.where);
  const counted = query.deleted !== undefined || totalSource(resource, query.where) === "count";
  return answerList(resource, exchange, query, { counted });
}

/** A list below a record is that record's. @throws ApiError `not_found` when there is no such record */
export async function confine(resource: Resource, exchange: AuthorizedExchange, query: ListQuery): Promise<ListQuery> {
  const { parent } = resource;
  if (parent === undefined) return query;
  const id = await requireParent(resource, exchange);
  return { ...query, where: [{ column: parent.field, op: "eq", value: id ?? "" }, ...query.where] };
}

/** The id of the record that the path names first, undefined where it names none. @throws ApiError `not_found` */
export async function requireParent(resource: Resource, exchange: AuthorizedExchange): Promise<string | undefined> {
  const { parent } = resource;
  if (parent === undefined) return undefined;
  const id = recordId(exchange, parent.field);
  const { services, principal } = exchange;
  const target = resourceNamed(parent.resource);
  const fields = ["id", ...(target.parent ? [target.parent.field] : [])];
  const row = await findRecord(services.database, principal, target, id, { fields, include: [] });
  if (row === undefined || !isBelow(target, exchange, row)) throw await notFound(target, exchange, id);
  return id;
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
