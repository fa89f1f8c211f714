import { MAX_GROUPS } from "../../../shared/bounds.ts";
import { claimsOf } from "../../../shared/db/records.ts";
import { fieldError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { allowOnly, parseFilters } from "../../../shared/query/list_query.ts";
import { isSearch, renderCondition, Values } from "../../../shared/query/read_plan.ts";
import { unknownName } from "../../../shared/query/suggest.ts";
import { deals } from "../../../shared/resources/deals.ts";
import { namesIn } from "../../../shared/resources/plain_text.ts";
import { recordId } from "./addressed.ts";
import { explainExpense } from "./page.ts";
import { queryContext, requireScopes } from "./query_reach.ts";

/** What a summary can be grouped by; `month` is that of the expected close date. */
const GROUPS = [
  "stage_id",
  "pipeline_id",
  "owner_id",
  "status",
  "currency",
  "company_id",
  "type",
  "priority",
  "month",
  "closed_month",
  "created_month",
];

/** `GET /v1/deals/{id}/transitions`: for each stage, whether the deal may go there and what is missing. */
export async function dealTransitions(exchange: AuthorizedExchange): Promise<Reply> {
  allowOnly(exchange.url.searchParams, []);
  const { services, principal } = exchange;
  const argument = { id: recordId(exchange) };
  return { data: await services.database.call("deal_transitions", argument, claimsOf(principal)) };
}

/**
 * `GET /v1/deals/summary?group_by=stage_id,owner_id`: counts and sums of the deals that the list's
 * filters choose. Currencies are never added up: each group has one.
 */
export async function dealSummary(exchange: AuthorizedExchange): Promise<Reply> {
  const { services, principal, url } = exchange;
  const context = await queryContext(deals, exchange, url.searchParams.toString());
  const { where, given } = parseFilters(deals, url.searchParams, ["group_by", "search"], context);
  requireScopes(deals, exchange, [], where);
  const groupBy = readGroups(given.get("group_by"));
  const values = new Values();
  const condition = renderCondition({ and: where }, values);
  const shape = { group_by: groupBy, where: condition, ...(where.some(isSearch) && { search: true }) };
  const argument = { shape, values: values.given };
  const data = await services.database.call("summarize_deals", argument, claimsOf(principal)).catch((error) => {
    throw explainExpense(error, ["Add a filter such as created_at[gte].", "Group by fewer fields."]);
  });
  return { data, meta: { group_by: groupBy } };
}

function readGroups(raw = "stage_id"): string[] {
  const groups = [...new Set(namesIn(raw))];
  const unknown = groups.find((name) => !GROUPS.includes(name));
  if (unknown === undefined && groups.length <= MAX_GROUPS) return groups;
  const sentence =
    unknown === undefined
      ? `The group_by parameter takes at most ${MAX_GROUPS} names.`
      : unknownName("group_by", unknown, GROUPS);
  throw fieldError("validation_error", { group_by: [sentence] });
}
