import { columnOf, type Resource } from "../resources/define.ts";
import type { Comparison } from "./comparison.ts";
import type { Condition, Like } from "./filter.ts";
import type { ListQuery } from "./list_query.ts";
import { type SortKey, segments } from "./sort.ts";

/** The argument of `api.read_records`: what the query looks like, and the parameters it runs with. */
export interface ReadPlan {
  shape: Record<string, unknown>;
  values: (string | null)[];
  /** Whether to say up to when all stamps are seen. */
  bookmark?: true;
}

/** The column that says when a record was changed last. */
const STAMP = "updated_at";

/** How a list's total is had: adding up the database's tallies, counting rows, or not at all. */
export type TotalSource = "tallies" | "count" | "none";

/** The plan of one page after a position; `totalSource` says how its total is had. */
export function listPlan(
  query: Omit<ListQuery, "filter">,
  after: readonly (string | null)[] | undefined,
  totalSource: TotalSource,
): ReadPlan {
  const { resource } = query;
  // One row more than asked for tells whether there is another page.
  const values = new Values(String(query.limit + 1));
  const where = (extra?: Condition) => {
    const all = extra === undefined ? query.where : [...query.where, extra];
    return all.length === 0 ? {} : { where: renderCondition({ and: all }, values) };
  };
  const custom = query.sort.filter((key) => key.custom !== undefined);
  const shape = {
    ...source(
      resource,
      query,
      query.sort.filter((key) => key.custom === undefined).map(({ column }) => column),
    ),
    ...(custom.length > 0 && { custom_columns: custom.map(({ column }) => column) }),
    segments: segments(query.sort, after).map((segment) => ({
      ...(custom.length > 0 && { custom: custom.map((key) => customSource(key, query.sort, segment.order, values)) }),
      ...where(segment.where),
      order: segment.order.map(({ column, descending, nullable }) => [
        column,
        descending ? (nullable ? "desc_nulls_last" : "desc") : "asc",
      ]),
    })),
    ...(query.deleted !== undefined && { deleted: query.deleted }),
    ...((custom.length > 0 || query.where.some(isSearch)) && { search: true }),
    ...(totalSource === "tallies" && { total: { tally: tallyOf(resource, query.where), ...where() } }),
    ...(totalSource === "count" && { total: where() }),
  };
  // Who follows what changes asks by the time of the change.
  const isFollowed =
    after === undefined &&
    (query.sort.some(({ column }) => column === STAMP) || query.where.some((condition) => compares(condition, STAMP)));
  return { shape, values: values.given, ...(isFollowed && { bookmark: true }) };
}

/** Where a segment takes the values of a custom field that it is sorted by from, see `crm.render_source`. */
function customSource(key: SortKey, sort: readonly SortKey[], order: readonly SortKey[], values: Values) {
  const isFirst = sort[0] === key;
  const isWalked = order.some(({ column }) => column === key.column);
  return {
    name: key.column,
    field: values.add(key.custom?.id ?? ""),
    kind: key.custom?.kind,
    use: !isFirst ? "look up" : isWalked ? "values" : "none",
  };
}

/** The plan of one record by its id. */
export function recordPlan(resource: Resource, id: string, query: Pick<ListQuery, "fields" | "include">): ReadPlan {
  const values = new Values("1");
  const where = renderCondition({ column: "id", op: "eq", value: id }, values);
  const needed = ["id", "version"].filter((name) => Object.hasOwn(resource.fields, name));
  return {
    shape: { ...source(resource, query, needed), segments: [{ where, order: [["id", "asc"]] }] },
    values: values.given,
  };
}

/** Whether the tallies can give the total of these conditions. */
export function totalSource(resource: Resource, where: readonly Condition[]): "tallies" | "count" {
  return tallyOf(resource, where) === undefined ? "count" : "tallies";
}

function source(resource: Resource, { fields, include }: Pick<ListQuery, "fields" | "include">, needed: string[]) {
  return {
    resource: resource.table,
    columns: [...new Set([...shownColumns(resource, fields), ...needed])],
    include: include.flatMap((name) => {
      const related = resource.include[name];
      if (related === undefined) return [];
      const target = related.resource();
      return {
        as: name,
        resource: target.table,
        column: columnOf(resource, related.field),
        columns: shownColumns(target),
      };
    }),
  };
}

/** The columns that show fields: all of them, unless some were chosen. */
export function shownColumns({ columns, names }: Resource, fields: readonly string[] = names.all): string[] {
  return fields.map((name) => columns[name]?.shown ?? name);
}

/** The tally table that has every column of the conditions; undefined when there is none. */
function tallyOf(resource: Resource, where: readonly Condition[]): string | undefined {
  const columns = columnsOf({ and: [...where] });
  const facets = columns && resource.facetSets.find((facetSet) => columns.every((column) => facetSet.includes(column)));
  return facets && `${resource.table}_by_${facets.join("_")}`;
}

/** Whether a condition looks into text or arrays, which only `crm.run_search` does with an index. */
export function isSearch(condition: Condition): boolean {
  if ("and" in condition) return condition.and.some(isSearch);
  if ("or" in condition) return condition.or.some(isSearch);
  if ("not" in condition) return isSearch(condition.not);
  if ("related" in condition) return isSearch(condition.where);
  if ("custom" in condition) return true;
  return ["text", "filter", "has_any", "has_none", "has_contact"].includes(condition.op);
}

/** Whether a condition compares a column of the records themselves. */
function compares(condition: Condition, column: string): boolean {
  if ("and" in condition) return condition.and.some((child) => compares(child, column));
  if ("or" in condition) return condition.or.some((child) => compares(child, column));
  if ("not" in condition) return compares(condition.not, column);
  return !("related" in condition) && "column" in condition && condition.column === column;
}

/** The columns that a condition compares; undefined when it looks at more than columns. */
function columnsOf(condition: Condition): string[] | undefined {
  if ("and" in condition || "or" in condition) {
    const columns = ("and" in condition ? condition.and : condition.or).map(columnsOf);
    return columns.includes(undefined) ? undefined : columns.flatMap((each) => each ?? []);
  }
  if ("not" in condition) return columnsOf(condition.not);
  return "column" in condition && !("related" in condition) ? [condition.column] : undefined;
}

/** The resources that conditions look into beside their own; the key must have the scope to read each. */
export function relatedScopes(conditions: readonly Condition[]): string[] {
  return conditions.flatMap((condition): string[] => {
    if ("and" in condition) return relatedScopes(condition.and);
    if ("or" in condition) return relatedScopes(condition.or);
    if ("not" in condition) return relatedScopes([condition.not]);
    return "related" in condition ? [condition.scope, ...relatedScopes([condition.where])] : [];
  });
}

/** The parameters of a plan. $1 is the workspace, which SQL takes from the request's key; $2 of a list its limit. */
export class Values {
  readonly given: string[];

  constructor(...first: string[]) {
    this.given = first;
  }

  add(value: string): number {
    this.given.push(value);
    return this.given.length + 1;
  }
}

/** A condition as `crm.render_condition` takes it, its values added to the parameters. */
export function renderCondition(condition: Condition, values: Values): Record<string, unknown> {
  if ("and" in condition) return { and: condition.and.map((child) => renderCondition(child, values)) };
  if ("or" in condition) return { or: condition.or.map((child) => renderCondition(child, values)) };
  if ("not" in condition) return { not: renderCondition(condition.not, values) };
  if ("row" in condition)
    return { row: condition.row, op: condition.op, value: condition.values.map((value) => values.add(value)) };
  if ("related" in condition) {
    const { related, column, where, few } = condition;
    return { related, column, where: renderCondition(where, values), ...(few && { few }) };
  }
  if ("custom" in condition) {
    const { custom, kind, negated, compare } = condition;
    return { custom: values.add(custom), kind, ...(negated && { negated }), ...renderComparison(compare, values) };
  }
  switch (condition.op) {
    case "text":
      return { op: "text", value: values.add(condition.pattern) };
    case "filter":
      return { op: "filter", match: condition.match, value: values.add(condition.pattern) };
    case "has_contact":
      return { op: "has_contact", value: values.add(condition.id) };
    case "has_any":
    case "has_none":
      return { op: condition.op, value: values.add(textArray(condition.tags)) };
    default:
      return { column: condition.column, ...renderComparison(condition, values) };
  }
}

function renderComparison(comparison: Comparison | Like, values: Values): Record<string, unknown> {
  switch (comparison.op) {
    case "in":
    case "nin":
      return { op: comparison.op, value: values.add(textArray(comparison.values)) };
    case "like":
      return { op: "like", value: values.add(comparison.pattern) };
    case "null":
    case "not_null":
      return { op: comparison.op };
    default:
      return { op: comparison.op, value: values.add(comparison.value) };
  }
}

/** A Postgres array literal. */
function textArray(elements: readonly string[]): string {
  return `{${elements.map((element) => `"${element.replace(/["\\]/g, "\\$&")}"`).join(",")}}`;
}
