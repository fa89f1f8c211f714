import { z } from "zod";
import { MAX_COMPARISONS, MAX_FILTER_DEPTH, MAX_FILTER_LENGTH, MAX_FILTER_TREE, MAX_VALUES } from "../bounds.ts";
import { type ApiError, fieldError } from "../errors.ts";
import { columnOf, type Field, type FilterKind, hasKey, type Resource } from "../resources/define.ts";
import { lengthOf, plainText, trimmed } from "../resources/plain_text.ts";
import { normalisedHost } from "../resources/schemas.ts";
import { dayAfter, isDay, readTime } from "../resources/time.ts";
import { fold, lowerCase } from "./fold.ts";
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
  | { custom: string; kind: CustomField["kind"] | "fold"; negated: boolean; compare: Comparison };

/** A comparison of one column with what was given. */
export type Comparison =
  | { op: "eq" | "ne" | "gt" | "gte" | "lt" | "lte"; value: string }
  | { op: "in" | "nin"; values: string[] }
  | { op: "null" | "not_null" }
  | { op: "like"; pattern: string };

/** Comparisons of one column, put together. */
type Test = Comparison | { and: Test[] } | { or: Test[] } | { not: Test };

type Operator = (typeof OPERATORS)[number];
const OPERATORS = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "starts_with", "is_null"] as const;

type PartOperator = "contains" | "starts_with";

const EQUALITY = ["eq", "ne", "in", "nin", "is_null"] as const;
const ORDER = [...EQUALITY, "gt", "gte", "lt", "lte"] as const;
const OPERATORS_BY_KIND: Record<FilterKind, readonly Operator[]> = {
  text: [...EQUALITY, "contains", "starts_with"],
  host: [...EQUALITY, "contains", "starts_with"],
  enum: EQUALITY,
  reference: EQUALITY,
  boolean: EQUALITY,
  timestamp: ORDER,
  date: ORDER,
  integer: ORDER,
  decimal: ORDER,
  tags: ["eq", "ne", "in", "nin", "contains"],
};

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
  let leaves = 0;
  const parse = (node: unknown, at: string, depth: number): Condition => {
    if (depth > MAX_FILTER_DEPTH)
      throw invalid(at, `The filter may not be nested deeper than ${MAX_FILTER_DEPTH} levels.`);
    if (typeof node !== "object" || node === null || Array.isArray(node)) {
      throw invalid(at, `The ${at} must be an object with and, or, not, or field, op and value.`);
    }
    const members = node as Record<string, unknown>;
    const [key] = Object.keys(members);
    if (Object.keys(members).length === 1 && (key === "and" || key === "or")) {
      const children = members[key];
      if (!Array.isArray(children) || children.length === 0)
        throw invalid(`${at}.${key}`, `The ${at}.${key} must be a list of at least one filter.`);
      const conditions = children.map((child, index) => parse(child, `${at}.${key}.${index}`, depth + 1));
      return key === "and" ? { and: conditions } : { or: conditions };
    }
    if (Object.keys(members).length === 1 && key === "not")
      return { not: parse(members["not"], `${at}.not`, depth + 1) };

    if (["and", "or", "not"].some((inner) => Object.hasOwn(members, inner))) {
      throw invalid(at, `The ${at} must have exactly one of and, or, not, and nothing beside it.`);
    }
    leaves += 1;
    if (leaves > MAX_COMPARISONS)
      throw invalid(at, `The filter may not have more than ${MAX_COMPARISONS} comparisons.`);
    const extra = Object.keys(members).find((member) => !["field", "op", "value"].includes(member));
    if (extra !== undefined)
      throw invalid(`${at}.${extra}`, unknownName("member", extra, ["field", "op", "value", "and", "or", "not"]));
    if (typeof members["field"] !== "string") throw invalid(`${at}.field`, `The ${at}.field must name a field.`);
    if (typeof members["op"] !== "string")
      throw invalid(`${at}.op`, `The ${at}.op must be one of: ${OPERATORS.join(", ")}.`);
    return parseLeaf(resource, context, {
      name: members["field"],
      operator: members["op"],
      value: members["value"],
      at,
    });
  };
  const condition = parse(tree, "filter", 1);
  // After folding, which makes eighteen letters of some.
  if (JSON.stringify(condition).length > MAX_FILTER_TREE)
    throw invalid("filter", `The filter's values may not take more than ${MAX_FILTER_TREE / 1024} kB together.`);
  return condition;
}

interface Leaf {
  name: string;
  operator: string;
  /** A text or a list of texts from the URL; any JSON from a body. */
  value: unknown;
  /** Where it stands in the request, for the error's details. */
  at: string;
  /** From a URL, where a plus that nobody escaped arrives as a blank. */
  isUrl?: boolean;
  /** The list before it was split at its commas: a text may be meant by it. */
  whole?: string | undefined;
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
  const op = operatorOf(kind, leaf);
  if (op === "contains" || op === "starts_with")
    if (kind === "tags") return { op: "has_any", tags: readValues(field, kind, "eq", leaf) };
    else {
      const part = readPart(leaf, field.spaceless);
      const asTyped = partCondition(field, kind, shown, op, part);
      const named = field.about?.resource();
      return named?.isRenamed ? fieldNameCondition(named, shown, op, part, asTyped) : asTyped;
    }
  if (kind === "tags")
    return { op: op === "ne" || op === "nin" ? "has_none" : "has_any", tags: readValues(field, kind, op, leaf) };
  return conditionOf(testOf(field, kind, op, leaf), (comparison) => ({ column, ...comparison }));
}

function contactCondition(leaf: Leaf): Condition {
  const op = operatorOf("reference", leaf);
  if (op === "is_null") throw invalid(leaf.at, `The ${leaf.name} filter takes ids of contacts.`);
  const ids = readValues({ schema: z.string() }, "reference", op, leaf);
  const any: Condition = { or: ids.map((id): Condition => ({ op: "has_contact", id })) };
  return op === "ne" || op === "nin" ? { not: any } : any;
}

function conditionOf(test: Test, leafOf: (comparison: Comparison) => Condition): Condition {
  if ("and" in test) return { and: test.and.map((one) => conditionOf(one, leafOf)) };
  if ("or" in test) return { or: test.or.map((one) => conditionOf(one, leafOf)) };
  if ("not" in test) return { not: conditionOf(test.not, leafOf) };
  return leafOf(test);
}

/** What is asked of one value, but for its letters. */
function testOf(field: Field, kind: FilterKind, op: Exclude<Operator, PartOperator>, leaf: Leaf): Test {
  if (op === "is_null") return { op: readIsNull(leaf) ? "null" : "not_null" };
  const values = readValues(field, kind, op, leaf);
  if (kind === "timestamp" && values.some(isDay)) return timeTest(op, values);
  const [first = ""] = values;
  if (op !== "in" && op !== "nin") return { op, value: first };
  return values.length === 1 ? { op: op === "in" ? "eq" : "ne", value: first } : { op, values };
}

/** A day as a filter on a time is the whole day in UTC. */
function timeTest(op: "eq" | "ne" | "in" | "nin" | "gt" | "gte" | "lt" | "lte", values: string[]): Test {
  const within = (value: string): Test =>
    isDay(value)
      ? {
          and: [
            { op: "gte", value: startOf(value) },
            { op: "lt", value: startOf(dayAfter(value)) },
          ],
        }
      : { op: "eq", value };
  const [day = ""] = values;
  switch (op) {
    case "gt":
      return { op: "gte", value: startOf(dayAfter(day)) };
    case "lte":
      return { op: "lt", value: startOf(dayAfter(day)) };
    case "gte":
    case "lt":
      return { op, value: startOf(day) };
    default: {
      const any: Test = { or: values.map(within) };
      return op === "ne" || op === "nin" ? { not: any } : any;
    }
  }
}

function startOf(day: string): string {
  return `${day}T00:00:00Z`;
}

function readValues(field: Field, kind: FilterKind, op: Operator, leaf: Leaf): string[] {
  const given = op === "in" || op === "nin" ? leaf.value : [leaf.value];
  if (!Array.isArray(given) || given.length === 0 || given.length > MAX_VALUES) {
    throw invalid(leaf.at, `The ${leaf.name} filter takes a list of 1 to ${MAX_VALUES} values.`);
  }
  const takesWhole = leaf.whole !== undefined && (kind === "text" || kind === "tags");
  const all = takesWhole ? [...given.filter((part) => part !== ""), leaf.whole] : given;
  return [...new Set(all.map((one) => readValue(field, kind, one, leaf)))];
}

function operatorOf(kind: FilterKind, { name, operator, at }: Leaf): Operator {
  const op = OPERATORS_BY_KIND[kind].find((allowed) => allowed === operator);
  if (op !== undefined) return op;
  if (/^\d*$/.test(operator))
    throw invalid(
      at,
      `The ${name} filter takes several values separated by commas: ${name}=first,second. Allowed operators: ${OPERATORS_BY_KIND[kind].join(", ")}.`,
    );
  throw invalid(
    at,
    `The ${operator.slice(0, 32)} operator does not work on ${name}. Allowed: ${OPERATORS_BY_KIND[kind].join(", ")}.`,
  );
}

function readIsNull({ name, value, at }: Leaf): boolean {
  const isNull = readBoolean(value);
  if (isNull === undefined) throw invalid(at, `The ${name} filter must be true or false.`);
  return isNull;
}

const KIND_OF_CUSTOM: Record<CustomField["type"], FilterKind> = {
  text: "text",
  url: "text",
  email: "text",
  select: "text",
  multi_select: "text",
  boolean: "boolean",
  number: "decimal",
  date: "date",
  datetime: "timestamp",
};

/** `ne`, `nin` and `is_null` ask for records that have no such value, as they do for other fields. */
function customCondition({ id, kind, type }: CustomField, leaf: Leaf): Condition {
  const filterKind = KIND_OF_CUSTOM[type];
  const op = operatorOf(filterKind, leaf);
  if (op === "is_null") return { custom: id, kind, negated: readIsNull(leaf), compare: { op: "not_null" } };
  if (op === "contains" || op === "starts_with") {
    const literal = escapeLike(fold(readPart(leaf, type === "email")));
    const pattern = `${op === "contains" ? "%" : ""}${literal}%`;
    return { custom: id, kind: "fold", negated: false, compare: { op: "like", pattern } };
  }
  // An address is kept for comparison in lower case (crm.typed_values).
  const field: Field = {
    schema: z.string(),
    ...((type === "email" || type === "url") && { spaceless: true }),
    ...(type === "email" && { column: { compared: "text_value" } }),
  };
  return conditionOf(testOf(field, filterKind, op, leaf), (compare): Condition => {
    const negated = compare.op === "ne" || compare.op === "nin";
    if (compare.op === "ne") return { custom: id, kind, negated, compare: { ...compare, op: "eq" } };
    if (compare.op === "nin") return { custom: id, kind, negated, compare: { ...compare, op: "in" } };
    return { custom: id, kind, negated, compare };
  });
}

/** As `textCondition`; of a domain also without what is only around it, which none is kept with: `https://www.`, a path. */
function partCondition(field: Field, kind: FilterKind, name: string, op: PartOperator, value: string): Condition {
  const asTyped = textCondition(field, name, op, value);
  const bare = trimmed(value)
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)?([^/?#@]*@)?(www\.)*/i, "")
    .replace(/(?<=.)[/?#:].*$/s, "");
  if (kind !== "host" || bare === value || (bare === "" && op === "contains")) return asTyped;
  return { or: [asTyped, textCondition(field, name, op, bare)] };
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

/** What `contains` and `starts_with` look for: letters as they were typed, blanks at the ends too. */
function readPart({ name, value, at, isUrl }: Leaf, isSpaceless = false): string {
  if (typeof value !== "string" || fold(value) === "" || lengthOf(value) > MAX_FILTER_LENGTH)
    throw invalid(at, `The ${name} filter must be text of 1 to ${MAX_FILTER_LENGTH} characters.`);
  return isUrl ? withPlus(value, isSpaceless) : value;
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

const readers: Record<Exclude<FilterKind, "enum">, { read: (text: string) => string | undefined; expected: string }> = {
  text: {
    read: (text) => (lengthOf(text) <= MAX_FILTER_LENGTH ? plainText(text) : undefined),
    expected: `text of at most ${MAX_FILTER_LENGTH} characters`,
  },
  host: {
    read: (text) => (text.length <= MAX_FILTER_LENGTH ? normalisedHost(text) : undefined),
    expected: "a domain such as example.com",
  },
  reference: {
    read: (text) => (z.uuid().safeParse(text).success ? text.toLowerCase() : undefined),
    expected: "a UUID",
  },
  timestamp: { read: readTimestamp, expected: "a timestamp such as 2026-03-21T10:30:00Z or a date such as 2026-03-21" },
  date: {
    read: (text) => (isDay(text) ? text : undefined),
    expected: "a date such as 2026-03-21",
  },
  integer: {
    read: (text) => (/^-?\d{1,10}$/.test(text) && Math.abs(Number(text)) < 2 ** 31 ? text : undefined),
    expected: "a whole number",
  },
  decimal: {
    read: (text) => (/^-?\d{1,20}(\.\d{1,10})?$/.test(text) ? text : undefined),
    expected: "a decimal such as 1000.00",
  },
  boolean: { read: (text) => readBoolean(text)?.toString(), expected: "true or false" },
  tags: {
    read: (text) => (plainText(text) !== "" && lengthOf(plainText(text)) <= 100 ? plainText(text) : undefined),
    expected: "a tag of 1 to 100 characters",
  },
};

function readValue(field: Field, kind: FilterKind, value: unknown, { name, at, isUrl }: Leaf): string {
  const written = readWritten(field, kind, value, isUrl);
  if (kind === "enum") {
    const { data, success } = field.schema.safeParse(written);
    if (written !== undefined && success) return String(data);
    throw invalid(at, `The ${name} filter ${enumSentence(field)}.`);
  }
  const { read, expected } = readers[kind];
  const known = written === undefined ? undefined : read(written);
  if (known === undefined) throw invalid(at, `The ${name} filter must be ${expected}.`);
  if (field.about !== undefined) return columnOf(field.about.resource(), known);
  return hasKey(field) ? lowerCase(known) : known;
}

function readWritten(field: Field, kind: FilterKind, value: unknown, isUrl = false): string | undefined {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "string") return undefined;
  if (kind !== "text") return trimmed(value);
  return isUrl ? withPlus(value, field.spaceless) : value;
}

/** No number begins with a blank, and no text of some fields holds one: it was a plus before the URL was read. */
function withPlus(text: string, isSpaceless: boolean | undefined): string {
  if (!isSpaceless) return text.replace(/^ (?=\d)/, "+");
  return trimmed(text.replace(/^ (?=\d+\s*$)/, "+")).replaceAll(" ", "+");
}

function enumSentence(field: Field): string {
  const issue = field.schema.safeParse("").error?.issues[0];
  return issue?.message ?? "has a value that is not allowed";
}

function readTimestamp(text: string): string | undefined {
  const repaired = text.replace(/ (\d\d:?\d\d)$/, "+$1"); // A bare + of an offset arrives from a URL as a blank.
  return isDay(repaired) ? repaired : readTime(repaired);
}

function readBoolean(value: unknown): boolean | undefined {
  if (typeof value === "boolean") return value;
  const written = typeof value === "string" ? trimmed(value) : "";
  if (written === "true") return true;
  return written === "false" ? false : undefined;
}

function invalid(at: string, sentence: string): ApiError {
  return fieldError("invalid_filter", at, sentence);
}
