import { z } from "zod";
import { isGranted } from "../../shared/auth/principal.ts";
import { MAX_BODY_BYTES, MAX_GROUPS } from "../../shared/bounds.ts";
import { customFieldsOf } from "../../shared/db/custom_fields.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import { BODY_ERRORS } from "../../shared/http/body_schemas.ts";
import type { AuthorizedExchange } from "../../shared/http/exchange.ts";
import { parameters } from "../../shared/http/parameters.ts";
import type { Body, Query } from "../../shared/http/route.ts";
import { requireScope } from "../../shared/middleware/authorize.ts";
import type { Condition } from "../../shared/query/filter.ts";
import {
  asked,
  type ListQuery,
  listParameters,
  parseFilters,
  parseListUrl,
  parseRead,
  parseSearchBody,
  readParameters,
  searchBody,
} from "../../shared/query/list_query.ts";
import { choice, flag, someOf } from "../../shared/query/parameters.ts";
import { PLAIN_CONTEXT, type QueryContext } from "../../shared/query/query_context.ts";
import { relatedScopes } from "../../shared/query/read_plan.ts";
import { validate } from "../../shared/query/validation.ts";
import { nameOf, type Resource } from "../../shared/resources/define.ts";

// What routes read of their query and of the body of a search, where that depends on a resource's fields.

const FILTERED: readonly ErrorCode[] = ["invalid_filter", "query_too_expensive"];
const LISTED: readonly ErrorCode[] = [...FILTERED, "invalid_sort", "invalid_cursor"];

/** A route that takes no parameters. */
export const noParameters = parameters({});

/** A list: filters, search, sort, page, and what is shown of each record. */
export function listQuery(resource: Resource): Query<ListQuery> {
  return {
    parameters: z.strictObject(listParameters),
    filters: resource,
    errors: LISTED,
    async parse(exchange) {
      const { searchParams } = exchange.url;
      const context = await queryContext(resource, exchange, searchParams.toString());
      return within(exchange, parseListUrl(resource, searchParams, context));
    },
  };
}

/** The same questions as JSON, with a tree of filters. */
export function searchOf(resource: Resource): Body<ListQuery> {
  return {
    schema: searchBody,
    maxBytes: MAX_BODY_BYTES,
    errors: [...BODY_ERRORS, ...LISTED],
    async parse(exchange) {
      const body = validate(searchBody, exchange.body);
      const context = await queryContext(resource, exchange, JSON.stringify([body.filter, body.sort]));
      return within(exchange, parseSearchBody(resource, body, context));
    },
  };
}

/** What is shown of one record. */
export function readQuery(resource: Resource): Query<Pick<ListQuery, "fields" | "include">> {
  const named = parameters(readParameters);
  return {
    ...named,
    async parse(exchange) {
      return within(exchange, { resource, where: [], ...parseRead(resource, await named.parse(exchange)) });
    },
  };
}

const { sort, search, fields, deleted } = listParameters;
const exportSchema = (format: "csv" | "ndjson") =>
  z.strictObject({ format: choice(["csv", "ndjson"]).default(format), sort, search, fields, deleted });

/** A list as a file: without pages, and without related records. */
export function exportQuery(resource: Resource): Query<ListQuery & { format: "csv" | "ndjson" }> {
  const schema = exportSchema(resource.exportFormat);
  return {
    parameters: schema,
    filters: resource,
    errors: [...FILTERED, "invalid_sort"],
    async parse(exchange) {
      const { searchParams } = exchange.url;
      const context = await queryContext(resource, exchange, searchParams.toString());
      const { where, filter, given } = parseFilters(
        asked(resource, searchParams.get("deleted")),
        searchParams,
        schema,
        context,
      );
      const { format, ...listed } = given;
      const words = Object.entries({ sort: listed.sort, fields: listed.fields?.join(","), deleted: listed.deleted });
      const chosen = new URLSearchParams(words.flatMap(([name, word]) => (word === undefined ? [] : [[name, word]])));
      return within(exchange, { ...parseListUrl(resource, chosen, context), where, filter, format });
    },
  };
}

/** The records of a summary, and what it is grouped by. */
export function summaryQuery(
  resource: Resource,
  groups: readonly string[],
): Query<{ where: Condition[]; groupBy: string[] }> {
  const schema = z.strictObject({
    group_by: someOf("group_by", groups, MAX_GROUPS).default([nameOf(resource, "stage_id")]),
    search,
  });
  return {
    parameters: schema,
    filters: resource,
    errors: FILTERED,
    async parse(exchange) {
      const { searchParams } = exchange.url;
      const context = await queryContext(resource, exchange, searchParams.toString());
      const { where, given } = parseFilters(resource, searchParams, schema, context);
      return { groupBy: given.group_by, ...within(exchange, { resource, where, include: [] }) };
    },
  };
}

/** The options of a write, of which some are only there for some. */
export const dryRun = { dry_run: flag(false) };
export const onConflict = { on_conflict: choice(["error", "return", "update"]).default("error") };
export const atomic = { atomic: flag(false) };
export const moveTo = { move_to: z.uuid("must be a UUID").toLowerCase().optional() };

/** What a query's words mean here. The definitions are fetched only for a query that names a custom field. */
async function queryContext(
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

/** A key must have the scope to read what is embedded and what is filtered by. @throws ApiError `insufficient_scope` */
function within<Asked extends Pick<ListQuery, "resource" | "where" | "include">>(
  exchange: AuthorizedExchange,
  query: Asked,
): Asked {
  const embedded = query.include.map((name) => query.resource.include[name]?.resource().scope);
  for (const scope of [...embedded, ...relatedScopes(query.where)]) requireScope(exchange, `${scope}:read`);
  return query;
}
