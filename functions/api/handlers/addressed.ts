import { claimsOf, findMergeWinners, findRecord, type RecordData } from "../../../shared/db/records.ts";
import { ApiError } from "../../../shared/errors.ts";
import type { AuthorizedExchange } from "../../../shared/http/exchange.ts";
import type { ListQuery } from "../../../shared/query/list_query.ts";
import type { Resource } from "../../../shared/resources/define.ts";

// The record that a path names, and why there is none.

/** An id of the path, in the one spelling that exists. @throws ApiError `not_found` for what can't be an id */
export function recordId({ params }: Pick<AuthorizedExchange, "params">, name = "id"): string {
  const id = params[name]?.toLowerCase() ?? "";
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(id)) throw new ApiError("not_found");
  return id;
}

/** The id of the record that the path names first, undefined where it names none. @throws ApiError `not_found` */
export async function requireParent(resource: Resource, exchange: AuthorizedExchange): Promise<string | undefined> {
  const { parent } = resource;
  if (parent === undefined) return undefined;
  const id = recordId(exchange, parent.field);
  const { services, principal } = exchange;
  const target = parent.resource();
  const fields = ["id", ...(target.parent ? [target.parent.field] : [])];
  const row = await findRecord(services.database, principal, target, id, { fields, include: [] });
  if (row === undefined || !isBelow(target, exchange, row)) throw await notFound(target, exchange, id);
  return id;
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
  await services.database.call("require_live_key", {}, claimsOf(principal));
  return new ApiError("not_found");
}

/** The row of a view of `api` that row-level security shows whoever asks. @throws ApiError as `absent` says why there is none */
export async function findVisible(exchange: AuthorizedExchange, view: string, id: string): Promise<RecordData> {
  const { services, principal } = exchange;
  const row = await services.database.find(view, id, claimsOf(principal));
  if (row === undefined) throw await absent(exchange);
  return row;
}

/** What a change of a merged record is answered. */
export function mergedInto(winner: string): ApiError {
  return new ApiError("merged", { details: { merged_into: winner } });
}

/** A list below a record is that record's. @throws ApiError `not_found` when there is no such record */
export async function confine(exchange: AuthorizedExchange, query: ListQuery): Promise<ListQuery> {
  const { parent } = query.resource;
  if (parent === undefined) return query;
  const id = await requireParent(query.resource, exchange);
  return {
    ...query,
    where: [{ column: parent.field, op: "eq", value: id ?? "" }, ...query.where],
    filter: JSON.stringify([id, query.filter]),
  };
}

/** Where something is, as the client may ask for it: in the version that it speaks. */
export function urlOf({ services, version }: AuthorizedExchange, path: string): string {
  return `${services.config.publicApiUrl}/${version.name}${path}`;
}

/** Whether a row belongs to the record that its path names first. */
export function isBelow({ parent }: Resource, { params }: AuthorizedExchange, row: Record<string, unknown>): boolean {
  return parent === undefined || row[parent.field] === params[parent.field]?.toLowerCase();
}
