import { MAX_SORT_FIELDS } from "../bounds.ts";
import { type ApiError, fieldError } from "../errors.ts";
import { isNullable, type Resource } from "../resources/define.ts";
import { namesIn } from "../resources/plain_text.ts";
import type { Condition } from "./filter.ts";
import { type CustomField, PLAIN_CONTEXT, type QueryContext } from "./query_context.ts";
import { unknownName } from "./suggest.ts";

/** One field of a sort; nulls come last in both directions. */
export interface SortKey {
  /** The field, which a cursor names. */
  name: string;
  column: string;
  descending: boolean;
  nullable: boolean;
  /** The custom field whose values `column` stands for. */
  custom?: CustomField;
}

/** What stands for `id` where the rows come from the index of a custom field's values. */
export const VALUE_RECORD_ID = "custom_record_id";

/** Names that may be sorted by. */
export function sortableFields(resource: Resource, { customFields }: QueryContext = PLAIN_CONTEXT): string[] {
  const own = Object.keys(resource.fields).filter((name) => resource.fields[name]?.sort);
  return [...own, ...customFields.filter(isSortable).map(({ key }) => `custom_fields.${key}`)];
}

function isSortable({ type }: CustomField): boolean {
  return type !== "multi_select";
}

/** `-priority,created_at` as keys, ending in `id` so that no two records compare equal. */
export function parseSort(
  resource: Resource,
  raw: string = resource.defaultSort,
  context: QueryContext = PLAIN_CONTEXT,
): SortKey[] {
  const names = namesIn(raw);
  if (names.length > MAX_SORT_FIELDS) throw invalid(`The sort parameter takes at most ${MAX_SORT_FIELDS} fields.`);
  const keys = names.map((entry, index): SortKey => {
    const descending = entry.startsWith("-");
    const name = descending ? entry.slice(1) : entry;
    const field = Object.hasOwn(resource.fields, name) ? resource.fields[name] : undefined;
    const custom = context.customFields.find((one) => `custom_fields.${one.key}` === name && isSortable(one));
    // Postgres cuts names at 63 bytes, which a key alone may have.
    if (custom !== undefined) return { name, column: `custom_${index}`, descending, nullable: true, custom };
    if (!field?.sort) throw invalid(unknownName("sort field", name, sortableFields(resource, context)));
    return { name, column: resource.columns[name]?.compared ?? name, descending, nullable: isNullable(field) };
  });
  if (new Set(keys.map(({ name }) => name)).size < keys.length)
    throw invalid("The sort parameter names a field twice.");
  const tieBreak = keys.findIndex((key) => key.column === "id");
  if (tieBreak >= 0) return keys.slice(0, tieBreak + 1);
  // The tie-break runs with the last field, so that one index gives both directions.
  return [...keys, { name: "id", column: "id", descending: keys.at(-1)?.descending ?? true, nullable: false }];
}

/** The canonical form, which a cursor is bound to. */
export function sortText(keys: readonly SortKey[]): string {
  return keys.map((key) => (key.descending ? "-" : "") + key.name).join(",");
}

/** Rows of one part of a sorted walk: those that satisfy `where`, in this order. */
export interface Segment {
  where: Condition | undefined;
  order: readonly SortKey[];
}

/**
 * The walk over a sort, from the start or after a position (the sort values of the last row, as text).
 * A nullable first field makes two segments, the rows that have it and then the rows that don't, so
 * that `nulls last` needs no index of its own in either direction.
 */
export function segments(keys: readonly SortKey[], after?: readonly (string | null)[]): Segment[] {
  const [first, ...rest] = keys;
  if (first === undefined) return [];
  if (!first.nullable) return [{ where: after && following(keys, after), order: keys }];

  const filled: Condition = { column: first.column, op: "not_null" };
  const filledKeys = [
    { ...first, nullable: false },
    ...rest.map((key) => (first.custom && key.column === "id" ? { ...key, column: VALUE_RECORD_ID } : key)),
  ];
  const empty: Condition = { column: first.column, op: "null" };
  const withoutFirst = (position?: readonly (string | null)[]): Segment => ({
    where: position ? { and: [empty, following(rest, position)] } : empty,
    order: rest,
  });
  if (after === undefined) return [{ where: filled, order: filledKeys }, withoutFirst()];
  if (after[0] === null) return [withoutFirst(after.slice(1))];
  return [{ where: { and: [filled, following(filledKeys, after)] }, order: filledKeys }, withoutFirst()];
}

/** The rows that come after a position. */
function following(keys: readonly SortKey[], after: readonly (string | null)[]): Condition {
  const [key, ...rest] = keys;
  const [value, ...restValues] = after;
  if (key === undefined) return { or: [] };
  const beyond = key.descending ? "lt" : "gt";

  // One row comparison is the one form that an index can start from and stop at.
  const uniform = keys.every((other) => !other.nullable && other.descending === key.descending);
  if (uniform) return { row: keys.map(({ column }) => column), op: beyond, values: after.map((one) => one ?? "") };

  if (value === null || value === undefined) {
    return { and: [{ column: key.column, op: "null" }, following(rest, restValues)] };
  }
  const tied: Condition = { and: [{ column: key.column, op: "eq", value }, following(rest, restValues)] };
  const past: Condition = { column: key.column, op: beyond, value };
  if (key.nullable) return { or: [past, { column: key.column, op: "null" }, tied] };
  // The bound in front lets the index start at the position; the OR alone would walk from the start.
  return { and: [{ column: key.column, op: key.descending ? "lte" : "gte", value }, { or: [past, tied] }] };
}

function invalid(sentence: string): ApiError {
  return fieldError("invalid_sort", "sort", sentence);
}
