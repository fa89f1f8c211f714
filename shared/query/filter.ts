import { columnOf, type Field, type Resource } from "../resources/define.ts";
import {
  askedOf,
  type Comparison,
  contactsAsked,
  customAsField,
  invalid,
  type Leaf,
  mapTree,
  type PartOperator,
} from "./comparison.ts";
import { parseTree } from "./filter_tree.ts";
import { fold } from "./fold.ts";
import type { CustomField, QueryContext } from "./query_context.ts";
import { unknownName } from "./suggest.ts";
import { escapeLike, readTyped, wordPattern, wordsOf } from "./words.ts";

/** A filter with everything checked: columns exist, operators fit, values are of the column's type. */
export type Condition =
  | { and: Condition[] }
  | { or: Condition[] }
  | { not: Condition }
  | ({ column: string } & Comparison)
  | { op: "text"; pattern: string }
  | { op: "filter"; match: "like" | "regex"; pattern: string }
  | { op: "has_any" | "has_none"; tags: string[] }
  | { op: "has_contact"; id: string }
  | { row: string[]; op: "gt" | "lt"; values: string[] }
  /** The record that `column` refers to is of a table and satisfies a condition; `few`: that finds few of them. */
  | { related: string; scope: string; column: string; where: Condition; few?: true }
  /** Has a value of a custom field (by its id) that satisfies a comparison; negated: has none. */
  | { custom: string; kind: CustomField["kind"] | "fold"; negated: boolean; compare: Comparison | Like };

/** A comparison of a folded text with a pattern. */
export type Like = { op: "like"; pattern: string };

/** Names that may be filtered on: fields, fields of related records, and custom fields. */
export function filterableFields(resource: Resource, { customFields }: QueryContext): string[] {
  const own = [
    ...Object.keys(resource.fields).filter((name) => resource.fields[name]?.filter),
    ...Object.keys(resource.filteredBy),
  ];
  const related = Object.entries(resource.include).flatMap(([name, include]) =>
    Object.entries(include.resource().fields).flatMap(([field, { filter }]) => (filter ? [`${name}.${field}`] : [])),
  );
  return [...own, ...customFields.map(({ key }) => `custom_fields.${key}`), ...related];
}

/**
 * A filter from the URL: `status=active,inactive` or `created_at[gte]=…`. Without an operator several values are
 * separated by commas, and a text may be the whole as well (`name=Acme, Inc.`); a comma of `[in]` and `[nin]` that is
 * part of a value has a backslash in front; `[eq]` takes the value as it is.
 */
export function parseUrlFilter(
  resource: Resource,
  context: QueryContext,
  { name, operator, raw }: { name: string; operator: string | undefined; raw: string },
): Condition {
  const at = operator === undefined ? name : `${name}[${operator}]`;
  if (operator !== undefined && operator !== "in" && operator !== "nin")
    return parseLeaf(resource, context, { name, operator, value: raw, at, isUrl: true });
  const parts = raw.split(/(?<!\\),/).map((part) => part.replaceAll("\\,", ","));
  const whole = operator === undefined && parts.length > 1 ? raw : undefined;
  return parseLeaf(resource, context, { name, operator: operator ?? "in", value: parts, at, isUrl: true, whole });
}

/** The filter tree of a search body, to depth 5 and 50 leaves. */
export function parseFilterTree(resource: Resource, tree: unknown, context: QueryContext): Condition {
  return parseTree<Condition>(tree, (leaf) => parseLeaf(resource, context, leaf));
}

function parseLeaf(resource: Resource, context: QueryContext, leaf: Leaf): Condition {
  const { name, at } = leaf;
  const field = Object.hasOwn(resource.fields, name) ? resource.fields[name] : undefined;
  if (field?.filter) return fieldCondition(resource, name, field, leaf);
  if (Object.hasOwn(resource.filteredBy, name)) return contactCondition(leaf);

  const [head = "", ...rest] = name.split(".");
  const tail = rest.join(".");
  if (head === "custom_fields") {
    const custom = context.customFields.find(({ key }) => key === tail);
    if (custom !== undefined) return customCondition(custom, leaf);
  }
  const include = Object.hasOwn(resource.include, head) ? resource.include[head] : undefined;
  if (include !== undefined) {
    const target = include.resource();
    const targetField = Object.hasOwn(target.fields, tail) ? target.fields[tail] : undefined;
    if (targetField?.filter) {
      const where = fieldCondition(target, tail, targetField, leaf);
      return { related: target.table, scope: target.scope, column: columnOf(resource, include.field), where };
    }
  }
  throw invalid(at, unknownName("filter", name, filterableFields(resource, context)));
}

/** Of a field by its own name; errors name it as it was asked for. */
function fieldCondition(resource: Resource, name: string, field: Field, leaf: Leaf): Condition {
  const { filter: kind = "text" } = field;
  const { shown = name, compared: column = name } = resource.columns[name] ?? {};
  const asked = askedOf(field, kind, leaf);
  if ("tags" in asked) return asked;
  if ("test" in asked) return mapTree(asked.test, (comparison) => ({ column, ...comparison }));
  const [asTyped, ...others] = asked.parts.map((part) => textCondition(field, shown, asked.op, part));
  if (asTyped === undefined) throw new Error(`no part of ${name} is asked for`);
  if (others.length > 0) return { or: [asTyped, ...others] };
  const named = field.about?.resource();
  const [part = ""] = asked.parts;
  return named?.isRenamed ? fieldNameCondition(named, shown, asked.op, part, asTyped) : asTyped;
}

function contactCondition(leaf: Leaf): Condition {
  const { ids, isNegated } = contactsAsked(leaf);
  const any: Condition = { or: ids.map((id): Condition => ({ op: "has_contact", id })) };
  return isNegated ? { not: any } : any;
}

/** `ne`, `nin` and `is_null` ask for records that have no such value, as they do for other fields. */
function customCondition(custom: CustomField, leaf: Leaf): Condition {
  const { field, kind: filterKind } = customAsField(custom);
  const asked = askedOf(field, filterKind, leaf);
  const has = { custom: custom.id, kind: custom.kind };
  if ("tags" in asked) throw new Error("no custom field has tags");
  if ("parts" in asked) {
    const [part = ""] = asked.parts;
    const pattern = `${asked.op === "contains" ? "%" : ""}${escapeLike(fold(part))}%`;
    return { ...has, kind: "fold", negated: false, compare: { op: "like", pattern } };
  }
  return mapTree(asked.test, (compare): Condition => {
    if (compare.op === "ne") return { ...has, negated: true, compare: { ...compare, op: "eq" } };
    if (compare.op === "nin") return { ...has, negated: true, compare: { ...compare, op: "in" } };
    if (compare.op === "null") return { ...has, negated: true, compare: { op: "not_null" } };
    return { ...has, negated: false, compare };
  });
}

/** A part of a field's name. Those that a version of the API has of its own are looked through here, the others by `asTyped`. */
function fieldNameCondition(
  resource: Resource,
  column: string,
  op: PartOperator,
  part: string,
  asTyped: Condition,
): Condition {
  const renamed = Object.entries(resource.columns).filter(([name, { shown }]) => name !== shown);
  const found = renamed.filter(([name]) =>
    op === "contains" ? name.includes(fold(part)) : name.startsWith(fold(part)),
  );
  const shownOf = (fields: typeof renamed) => fields.map(([, { shown }]) => shown);
  const others: Condition = { and: [{ column, op: "nin", values: shownOf(renamed) }, asTyped] };
  return { or: [{ column, op: "in", values: shownOf(found) }, others] };
}

/**
 * A field that holds a text, or begins with it: `filter_text` has each folded field behind its name. Words of three
 * letters are what the trigram index of `search_text` can look up first.
 */
function textCondition(field: Field, name: string, op: PartOperator, value: string): Condition {
  const literal = fold(value).replaceAll("\x02", " ");
  const exact: Condition =
    op === "starts_with"
      ? { op: "filter", match: "like", pattern: `%\x02${escapeLike(name)}=${escapeLike(literal)}%` }
      : {
          op: "filter",
          match: "regex",
          pattern: `\x02${name}=[^\x02]*${literal.replace(/[^\p{L}\p{N}\p{M} ]/gu, "\\$&")}`,
        };
  const words = field.searched ? wordsOf(value).filter((word) => [...word].length >= 3) : [];
  if (words.length === 0) return exact;
  return { and: [...words.map((word): Condition => ({ op: "text", pattern: `%${escapeLike(word)}%` })), exact] };
}

/**
 * What `search=` asks for: a record's search text holds each of the words that a person typed, or that of the related
 * record which it is searched through does, when the key may read that. A word that more than 1,000 related records
 * have ("Inc") counts only together with the others.
 */
export function parseSearch(resource: Resource, raw: unknown, { mayRead }: QueryContext): Condition {
  const words = readTyped(raw).words.map((word): Condition => ({ op: "text", pattern: wordPattern(word) }));
  const include = resource.searchedThrough === undefined ? undefined : resource.include[resource.searchedThrough];
  const through = include?.resource();
  if (include === undefined || through === undefined || !mayRead(through.scope)) return { and: words };
  const relatedHas = (where: Condition): Condition => ({
    related: through.table,
    scope: through.scope,
    column: columnOf(resource, include.field),
    where,
    few: true,
  });
  const oneByOne: Condition = { and: words.map((word) => ({ or: [word, relatedHas(word)] })) };
  return words.length === 1 ? oneByOne : { or: [oneByOne, relatedHas({ and: words })] };
}
