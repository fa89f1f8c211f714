import { type ReadResult, type RecordData, readRecords } from "../../../shared/db/records.ts";
import { ApiError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { type CursorScope, decodeCursor, encodeCursor, type Position } from "../../../shared/query/cursor.ts";
import { type ListQuery, parseListUrl } from "../../../shared/query/list_query.ts";
import { isSearch, listPlan } from "../../../shared/query/read_plan.ts";
import { sortText } from "../../../shared/query/sort.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { presentPage } from "../../../shared/resources/present.ts";

/** What a page is asked for and what its cursor is bound to. */
export interface PageRequest {
  scope: CursorScope;
  limit: number;
  cursor: string | undefined;
}

/** Where a page goes on; undefined for the first. @throws ApiError `invalid_cursor` */
export function positionOf(exchange: AuthorizedExchange, { scope, cursor }: PageRequest): Position | undefined {
  return cursor === undefined ? undefined : decodeCursor(exchange.services.config.cursorSecret, scope, cursor);
}

/** The total of a page, and since when it stands: of a count that is dear, the first page's is carried along. */
export interface Total {
  total: number | null;
  asOf?: string;
}

/** The total that the position carries, or else what the page has found. */
export function totalOf(exchange: AuthorizedExchange, position: Position | undefined, found: number | null): Total {
  if (position?.total == null) return { total: found, asOf: exchange.receivedAt.toISOString() };
  return { total: position.total, ...(position.totalAsOf !== undefined && { asOf: position.totalAsOf }) };
}

/**
 * The rows to show and the meta of a page: `rows` are one more than the limit when there is another page, and fewer
 * when the page was cut for its size.
 */
export function pageOf(
  exchange: AuthorizedExchange,
  { scope, limit }: PageRequest,
  { rows, cut = false }: Pick<ReadResult, "rows" | "cut">,
  { valuesOf, total, carry }: { valuesOf: (row: RecordData) => (string | null)[]; total: Total; carry: boolean },
): { shown: RecordData[]; meta: Record<string, unknown>; headers: Record<string, string> } {
  const shown = rows.slice(0, limit);
  const last = cut || rows.length > limit ? shown.at(-1) : undefined;
  const nextCursor =
    last === undefined
      ? null
      : encodeCursor(exchange.services.config.cursorSecret, scope, {
          values: valuesOf(last),
          total: carry ? total.total : null,
          ...(carry && total.total !== null && total.asOf !== undefined && { totalAsOf: total.asOf }),
        });
  const isOlder = carry && total.total !== null && total.asOf !== exchange.receivedAt.toISOString();
  return {
    shown,
    meta: {
      total: total.total,
      ...(isOlder && { total_as_of: total.asOf }),
      limit,
      next_cursor: nextCursor,
      has_more: nextCursor !== null,
    },
    headers: nextCursor === null ? {} : nextLink(exchange, nextCursor),
  };
}

/** `Link: <…>; rel="next"` (RFC 8288), for clients that follow it. Only a GET can be followed. */
function nextLink({ request, url, services }: AuthorizedExchange, cursor: string): Record<string, string> {
  if (request.method !== "GET" && request.method !== "HEAD") return {};
  const parameters = new URLSearchParams(url.search);
  parameters.set("cursor", cursor);
  const path = url.pathname.replace(/^\/api/, "");
  return { Link: `<${services.config.publicApiUrl}${path}?${parameters}>; rel="next"` };
}

/** A value of a row as a cursor keeps it. */
export function cursorValue(value: unknown): string | null {
  return value == null ? null : String(value);
}

/** A question that the database gave up, told with what would make it cheaper. */
export function explainExpense(error: unknown, advice: readonly string[]): unknown {
  if (!(error instanceof ApiError) || error.code !== "query_too_expensive") return error;
  return new ApiError("query_too_expensive", {
    message: `The question takes too long to answer. ${advice[0] ?? "Ask for less."}`,
    details: { ...error.details, advice },
    cause: error.cause,
  });
}

/** What would make a list cheaper, in the words of its parameters. */
export function adviceFor({
  where,
  sort,
  total = true,
}: Pick<ListQuery, "where" | "sort"> & { total?: boolean }): string[] {
  return [
    ...(where.some(isSearch)
      ? [
          "Search for longer or fewer words, or fewer of contains and starts_with.",
          "Add a filter such as created_at[gte] or owner_id.",
        ]
      : ["Add a filter that fewer records satisfy, such as created_at[gte]."]),
    ...(sort.length > 2 ? ["Sort by one field."] : []),
    ...(total ? ["Leave the total out: total=false."] : []),
  ];
}

/**
 * The answer to a list. Whether its total is `counted` decides if later pages carry it along or look again.
 * @throws ApiError `invalid_cursor`, `query_too_expensive`
 */
export async function answerList(
  resource: Resource,
  exchange: AuthorizedExchange,
  query: ListQuery,
  { counted }: { counted: boolean },
): Promise<Reply> {
  const { services, principal } = exchange;
  const request: PageRequest = {
    scope: {
      workspace: principal.workspaceId,
      resource: resource.plural,
      sort: sortText(query.sort),
      filter: JSON.stringify([query.where, query.deleted]),
    },
    limit: query.limit,
    cursor: query.cursor,
  };
  const position = positionOf(exchange, request);
  const source = !query.total || (counted && position?.total != null) ? "none" : counted ? "count" : "tallies";
  const plan = listPlan(resource, query, position?.values, source);
  const found = await readRecords(services.database, principal, plan).catch((error) => {
    throw explainExpense(error, adviceFor(query));
  });
  const { shown, meta, headers } = pageOf(exchange, request, found, {
    valuesOf: (row) => query.sort.map(({ column }) => cursorValue(row[column])),
    total: query.total ? totalOf(exchange, counted ? position : undefined, found.total) : { total: null },
    carry: query.total && counted,
  });
  const visible = query.fields ?? resource.names.all;
  const hidden = query.sort.map(({ column }) => column).filter((column) => !visible.includes(column));
  return { data: presentPage(resource, shown, hidden, query.include), meta, headers };
}

/** Imports or jobs, of which row-level security shows those that the key may read. */
export function listOwn(resource: Resource, exchange: AuthorizedExchange): Promise<Reply> {
  const query = parseListUrl(resource, exchange.url.searchParams);
  return answerList(resource, exchange, query, { counted: true });
}
