import { findRecord, readRecords } from "../../../shared/db/records.ts";
import { ApiError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { validate } from "../../../shared/http/validation.ts";
import { requireScope } from "../../../shared/middleware/authorize.ts";
import { entityTag } from "../../../shared/middleware/conditional.ts";
import { type CursorScope, decodeCursor, encodeCursor } from "../../../shared/query/cursor.ts";
import {
  allowOnly,
  type ListQuery,
  parseListUrl,
  parseReadUrl,
  parseSearchBody,
  searchBody,
} from "../../../shared/query/list_query.ts";
import { listPlan, totalSource } from "../../../shared/query/read_plan.ts";
import { sortText } from "../../../shared/query/sort.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present, presentPage } from "../../../shared/resources/present.ts";

type Handler = (exchange: AuthorizedExchange) => Promise<Reply>;

/** `GET /v1/<resource>` */
export function listRecords(resource: Resource): Handler {
  return (exchange) => page(resource, exchange, parseListUrl(resource, exchange.url.searchParams));
}

/** `POST /v1/<resource>/search` */
export function searchRecords(resource: Resource): Handler {
  return (exchange) => {
    allowOnly(exchange.url.searchParams, []);
    return page(resource, exchange, parseSearchBody(resource, validate(searchBody, exchange.body)));
  };
}

/** `GET /v1/<resource>/{id}` */
export function readRecord(resource: Resource): Handler {
  return async (exchange) => {
    const query = parseReadUrl(resource, exchange.url.searchParams);
    requireIncludeScopes(resource, exchange, query.include);
    const row = await findRecord(exchange.services.database, exchange.principal, resource, recordId(exchange), query);
    if (row === undefined) throw new ApiError("not_found");
    const data = present(resource, row, query.fields, query.include);
    return { data, headers: { ETag: entityTag({ ...data, version: row["version"] }) } };
  };
}

/** The path's id, in the one spelling that exists. @throws ApiError `not_found` for what can't be an id */
export function recordId({ params }: Pick<AuthorizedExchange, "params">): string {
  const id = params["id"]?.toLowerCase() ?? "";
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(id)) throw new ApiError("not_found");
  return id;
}

async function page(resource: Resource, exchange: AuthorizedExchange, query: ListQuery): Promise<Reply> {
  requireIncludeScopes(resource, exchange, query.include);
  const { services, principal } = exchange;
  const scope: CursorScope = {
    workspace: principal.workspaceId,
    resource: resource.plural,
    sort: sortText(query.sort),
    filter: JSON.stringify(query.where),
  };
  const position =
    query.cursor === undefined ? undefined : decodeCursor(services.config.cursorSecret, scope, query.cursor);
  const source = totalSource(resource, query.where);
  const carried = source === "count" ? position?.total : undefined;

  const plan = listPlan(resource, query, position?.values, carried == null ? source : "none");
  const { rows, total } = await readRecords(services.database, principal, plan);
  const shown = rows.slice(0, query.limit);
  const last = rows.length > query.limit ? shown.at(-1) : undefined;
  const exactTotal = carried ?? total;
  const nextCursor =
    last === undefined
      ? null
      : encodeCursor(services.config.cursorSecret, scope, {
          values: query.sort.map(({ column }) => (last[column] == null ? null : String(last[column]))),
          total: source === "count" ? exactTotal : null,
        });
  const visible = query.fields ?? resource.names.all;
  const hidden = query.sort.map(({ column }) => column).filter((column) => !visible.includes(column));
  return {
    data: presentPage(resource, shown, hidden),
    meta: { total: exactTotal, limit: query.limit, next_cursor: nextCursor, has_more: nextCursor !== null },
  };
}

function requireIncludeScopes(resource: Resource, exchange: AuthorizedExchange, include: readonly string[]): void {
  for (const name of include) {
    const related = resource.include[name];
    if (related !== undefined) requireScope(exchange.principal, `${related.resource}:read`);
  }
}
