import { findRecord } from "../../../shared/db/records.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { validate } from "../../../shared/http/validation.ts";
import { entityTag } from "../../../shared/middleware/conditional.ts";
import {
  allowOnly,
  asked,
  type ListQuery,
  parseListUrl,
  parseReadUrl,
  parseSearchBody,
  searchBody,
} from "../../../shared/query/list_query.ts";
import { totalSource } from "../../../shared/query/read_plan.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present } from "../../../shared/resources/present.ts";
import { isBelow, notFound, recordId, requireParent } from "./addressed.ts";
import { answerList } from "./page.ts";
import { confine, queryContext, requireScopes } from "./query_reach.ts";

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

async function page(resource: Resource, exchange: AuthorizedExchange, given: ListQuery): Promise<Reply> {
  const query = await confine(resource, exchange, given);
  requireScopes(resource, exchange, query.include, query.where);
  const counted = query.deleted !== undefined || totalSource(resource, query.where) === "count";
  return answerList(resource, exchange, query, { counted });
}
