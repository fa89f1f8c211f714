import { findRecord } from "../../../shared/db/records.ts";
import type { Handler } from "../../../shared/http/route.ts";
import { entityTag } from "../../../shared/middleware/conditional.ts";
import type { ListQuery } from "../../../shared/query/list_query.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present } from "../../../shared/resources/present.ts";
import { confine, isBelow, notFound, recordId, requireParent } from "./addressed.ts";
import { answerList } from "./page.ts";

/** `GET /v1/<resource>` */
export const listRecords: Handler<ListQuery> = async (exchange, { query }) =>
  answerList(exchange, await confine(exchange, query));

/** `POST /v1/<resource>/search` */
export const searchRecords: Handler<unknown, ListQuery> = async (exchange, { body }) =>
  answerList(exchange, await confine(exchange, body));

/** `GET /v1/<resource>/{id}`; what was merged into another record is answered 301 to it. */
export function readRecord(resource: Resource): Handler<Pick<ListQuery, "fields" | "include">> {
  return async (exchange, { query }) => {
    const { services, principal } = exchange;
    const id = recordId(exchange);
    await requireParent(resource, exchange);
    const row = await findRecord(services.database, principal, resource, id, query);
    if (row === undefined || !isBelow(resource, exchange, row)) throw await notFound(resource, exchange, id);
    const data = present(resource, row, query.fields, query.include);
    return { data, headers: { ETag: entityTag({ ...data, version: row["version"] }) } };
  };
}
