import { type ReadResult, type RecordData, readRecords } from "../../../shared/db/records.ts";
import { ApiError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { type Beginning, decodeCursor, encodeCursor, type Position } from "../../../shared/query/cursor.ts";
import type { ListQuery } from "../../../shared/query/list_query.ts";
import { isSearch, listPlan, shownColumns, totalSource } from "../../../shared/query/read_plan.ts";
import { sortText } from "../../../shared/query/sort.ts";
import { presentPage } from "../../../shared/resources/present.ts";

/** What a page is made from: rows that can be read on from where another page ended. */
export interface Source {
  /** What is listed, how it is sorted, and the filters as they were given: what the cursor is bound to. */
  of: string;
  sort: string;
  filter: string;
  limit: number;
  cursor: string | undefined;
  /** At most `limit + 1` rows after a position: one more than fit says that there is another page. */
  read(after: Position | undefined): Promise<Rows>;
  /** Where a row is in the order. */
  valuesOf(row: RecordData): unknown[];
  show(rows: RecordData[]): unknown[];
  /** Whether the first page's total is carried along, because to count is dear; else each page counts. */
  carriesTotal: boolean;
  /** What would make the question cheaper. */
  advice: readonly string[];
}

export interface Rows extends ReadResult {
  /** Whether there are more than were counted. */
  bounded?: boolean;
  /** Where a page ended that was cut before it had any row. */
  continues?: unknown[];
}

/**
 * Opens and closes every page of the API: the cursor, the total, the link to the next page.
 * @throws ApiError `invalid_cursor`, `query_too_expensive`
 */
export async function answerPage(exchange: AuthorizedExchange, source: Source): Promise<Reply> {
  const { services, principal } = exchange;
  const { limit, carriesTotal } = source;
  const secret = services.config.cursorSecret;
  const scope = { workspace: principal.workspaceId, resource: source.of, sort: source.sort, filter: source.filter };
  const position = source.cursor === undefined ? undefined : decodeCursor(secret, scope, source.cursor);
  const found = await source.read(position).catch((error) => {
    throw explainExpense(error, source.advice);
  });

  const isCarried = carriesTotal && position?.total != null;
  const counted = isCarried ? position.total : found.total;
  const total = found.bounded ? null : counted;
  const now = exchange.receivedAt.toISOString();
  const asOf = isCarried ? position.totalAsOf : now;

  const beginning = position?.beginning ?? beginningOf(found);

  const shown = found.rows.slice(0, limit);
  const last = found.cut || found.rows.length > limit ? shown.at(-1) : undefined;
  const carried = carriesTotal ? total : null;
  const ended = last !== undefined ? source.valuesOf(last) : found.cut ? found.continues : undefined;
  const next =
    ended &&
    encodeCursor(secret, scope, {
      values: ended.map((value) => (value == null ? null : String(value))),
      total: carried,
      ...(carried !== null && asOf !== undefined && { totalAsOf: asOf }),
      beginning,
    });
  return {
    data: source.show(shown),
    meta: {
      total,
      ...(carried !== null && asOf !== now && { total_as_of: asOf }),
      ...(found.bounded && counted !== null && { total_at_least: counted }),
      limit,
      next_cursor: next ?? null,
      has_more: next !== undefined,
      ...beginning,
    },
    headers: {
      ...(beginning && { "X-Event-Position": String(beginning.event_position) }),
      ...(next !== undefined && nextLink(exchange, next)),
    },
  };
}

/** What a page that is the first of its walk says of when it was read; undefined for what has no place in the feed. */
function beginningOf({ event_position: position, updated_through: through }: Rows): Beginning | undefined {
  if (position === undefined) return undefined;
  return { event_position: position, ...(through && { updated_through: through }) };
}

/** `Link: <…>; rel="next"` (RFC 8288), for clients that follow it. Only a GET can be followed. */
function nextLink({ request, url, services }: AuthorizedExchange, cursor: string): Record<string, string> {
  if (request.method !== "GET" && request.method !== "HEAD") return {};
  const parameters = new URLSearchParams(url.search);
  parameters.set("cursor", cursor);
  const path = url.pathname.replace(/^\/api/, "");
  return { Link: `<${services.config.publicApiUrl}${path}?${parameters}>; rel="next"` };
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
export function adviceFor({ where, sort, total }: Pick<ListQuery, "where" | "sort" | "total">): string[] {
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

/** The answer to a list: a page of records, its total from the tallies where they can give it. */
export function answerList(exchange: AuthorizedExchange, query: ListQuery): Promise<Reply> {
  const { services, principal } = exchange;
  const { resource } = query;
  const isCounted = query.deleted !== undefined || totalSource(resource, query.where) === "count";
  const visible = shownColumns(resource, query.fields);
  const hidden = query.sort.map(({ column }) => column).filter((column) => !visible.includes(column));
  return answerPage(exchange, {
    of: resource.plural,
    sort: sortText(query.sort),
    filter: query.filter,
    limit: query.limit,
    cursor: query.cursor,
    read: (after) => {
      const isKnown = !query.total || (isCounted && after?.total != null);
      const plan = listPlan(query, after?.values, isKnown ? "none" : isCounted ? "count" : "tallies");
      return readRecords(services.database, principal, plan);
    },
    valuesOf: (row) => query.sort.map(({ column }) => row[column]),
    show: (rows) => presentPage(resource, rows, query.fields, { hidden, embedded: query.include }),
    carriesTotal: query.total && isCounted,
    advice: adviceFor(query),
  });
}
