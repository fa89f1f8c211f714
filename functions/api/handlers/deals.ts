import { z } from "zod";
import { claimsOf } from "../../../shared/db/records.ts";
import type { Handler } from "../../../shared/http/route.ts";
import type { Condition } from "../../../shared/query/filter.ts";
import { isSearch, renderCondition, Values } from "../../../shared/query/read_plan.ts";
import { resourceNamed } from "../../../shared/resources/all.ts";
import { columnOf, nameOf, type Resource } from "../../../shared/resources/define.ts";
import { recordId } from "./addressed.ts";
import { explainExpense } from "./page.ts";

/** What a summary can be grouped by: columns, and months; `month` is that of the expected close date. */
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

/** The names of what a summary can be grouped by. */
export const groupsOf = (deals: Resource): string[] => GROUPS.map((group) => nameOf(deals, group));

/** `GET /v1/deals/{id}/transitions`: for each stage, whether the deal may go there and what is missing. */
export const dealTransitions: Handler = async (exchange) => {
  const { services, principal } = exchange;
  const deals = resourceNamed("deals", exchange.version.resources);
  const found = await services.database.call("deal_transitions", { id: recordId(exchange) }, claimsOf(principal));
  const data = found.map(({ stage_id: stage, missing_fields: missing, ...one }) => ({
    [nameOf(deals, "stage_id")]: stage,
    ...one,
    missing_fields: missing.map((column) => nameOf(deals, column)),
  }));
  return { data };
};

/** Whether a deal may go to a stage, and if not, why. */
export const transition = (deals: Resource): z.ZodObject =>
  z.strictObject({
    [nameOf(deals, "stage_id")]: z.uuid(),
    name: z.string(),
    type: z.enum(["open", "won", "lost"]),
    position: z.int().nullable(),
    is_current: z.boolean(),
    allowed: z.boolean(),
    code: z.string().nullable(),
    missing_fields: z.array(z.string()),
  });

/** The deals of one group and currency: what it is grouped by, and what they are together. */
export function summaryGroup(deals: Resource): z.ZodObject {
  const [currency = "", ...sums] = ["currency", "amount", "weighted_amount"].map((column) => nameOf(deals, column));
  return z.strictObject({
    ...Object.fromEntries(groupsOf(deals).map((group) => [group, z.string().nullable().optional()])),
    [currency]: z.string().nullable(),
    count: z.int(),
    ...Object.fromEntries(sums.map((sum) => [sum, z.string()])),
  });
}

/**
 * `GET /v1/deals/summary?group_by=stage_id,owner_id`: counts and sums of the deals that the list's
 * filters choose. Currencies are never added up: each group has one.
 */
export const dealSummary: Handler<{ where: Condition[]; groupBy: string[] }> = async (exchange, { query }) => {
  const { services, principal } = exchange;
  const { where, groupBy } = query;
  const deals = resourceNamed("deals", exchange.version.resources);
  const values = new Values();
  const condition = renderCondition({ and: where }, values);
  const columns = groupBy.map((group) => columnOf(deals, group));
  const shape = { group_by: columns, where: condition, ...(where.some(isSearch) && { search: true }) };
  const argument = { shape, values: values.given };
  const found = await services.database.call("summarize_deals", argument, claimsOf(principal)).catch((error) => {
    throw explainExpense(error, ["Add a filter such as created_at[gte].", "Group by fewer fields."]);
  });
  const data = found.map((group) =>
    Object.fromEntries(Object.entries(group).map(([column, value]) => [nameOf(deals, column), value])),
  );
  return { data, meta: { group_by: groupBy } };
};
