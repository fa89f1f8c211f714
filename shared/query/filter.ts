import { z } from "zod";
import { ApiError } from "../errors.ts";
import { resourceNamed } from "../resources/all.ts";
import type { Field, FilterKind, Resource } from "../resources/define.ts";
import { normalisedHost } from "../resources/schemas.ts";
import type { CustomField, QueryContext } from "./query_context.ts";
import { unknownName } from "./suggest.ts";

/** A filter with everything checked: columns exist, operators fit, values are of the column's type. */
export type Condition =
  | { and: Condition[] }
  | { or: Condition[] }
  | { not: Condition }
  | ({ column: string } & Comparison)
  | { op: "text"; pattern: string }
  | { op: "has_any" | "has_none"; tags: string[] }
  | { row: string[]; op: "gt" | "lt"; values: string[] }
  /** The record that `column` refers to is of a table and satisfies a condition; `few`: that finds few of them. */
  | { related: string; scope: string; column: string; where: Condition; few?: true }
  /** Has a value of a custom field (by its id) that satisfies a comparison; negated: has none. */
  | { custom: string; kind: CustomField["kind"]; negated: boolean; compare: Comparison };

/** A comparison of one column with what was given. */
export type Comparison =
  | { op: "eq" | "ne" | "gt" | "gte" | "lt" | "lte"; value: string }
  | { op: "in" | "nin"; values: string[] }
  | { op: "null" | "not_null" }
  | { op: "like"; pattern: string };

type Operator = (typeof OPERATORS)[number];
const OPERATORS = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "starts_with", "is_null"] as const;

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

const MAX_VALUES = 100;
const MAX_DEPTH = 5;
const MAX_LEAVES = 50;

/** Names that may be filtered on: fields, fields of related records, and custom fields. */
export function filterableFields(resource: Resource, { customFields }: QueryContext): string[] {
  const own = Object.keys(resource.fields).filter((name) => resource.fields[name]?.filter);
  const related = Object.entries(resource.include).flatMap(([name, include]) =>
    Object.entries(resourceNamed(include.resource).fields).flatMap(([field, { filter }]) =>
      filter ? [`${name}.${field}`] : [],
    ),
  );
  return [...own, ...customFields.map(({ key }) => `custom_fields.${key}`), ...related];
}

/**
 * A filter from the URL: `status=active,inactive` or `created_at[gte]=…`. Without an operator several
 * values are separated by commas; `[eq]` takes the value as it is.
 */
export function parseUrlFilter(
  resource: Resource,
  context: QueryContext,
  { name, operator, raw }: { name: string; operator: string | undefined; raw: string },
): Condition {
  const parameter = operator === undefined ? name : `${name}[${operator}]`;
  if (operator === undefined || operator === "in" || operator === "nin") {
    return parseLeaf(resource, context, { name, operator: operator ?? "in", value: raw.split(","), at: parameter });
  }
  return parseLeaf(resource, context, { name, operator, value: raw, at: parameter });
}

/** The filter tree of a search body, to depth 5 and 50 leaves. */
export function parseFilterTree(resource: Resource, tree: unknown, context: QueryContext): Condition {
  let leaves = 0;
  const parse = (node: unknown, at: string, depth: number): Condition => {
    if (depth > MAX_DEPTH) throw invalid(at, `The filter may not be nested deeper than ${MAX_DEPTH} levels.`);
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
    if (leaves > MAX_LEAVES) throw invalid(at, `The filter may not have more than ${MAX_LEAVES} comparisons.`);
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
  return parse(tree, "filter", 1);
}

interface Leaf {
  name: string;
  operator: string;
  /** A text or a list of texts from the URL; any JSON from a body. */
  value: unknown;
  /** Where it stands in the request, for the error's details. */
  at: string;
}

function parseLeaf(resource: Resource, context: QueryContext, leaf: Leaf): Condition {
  const { name, at } = leaf;
  const field = Object.hasOwn(resource.fields, name) ? resource.fields[name] : undefined;
  if (field?.filter) return fieldCondition(field, field.filter, name, leaf);

  const [head = "", ...rest] = name.split(".");
  const tail = rest.join(".");
  if (head === "custom_fields") {
    const custom = context.customFields.find(({ key }) => key === tail);
    if (custom !== undefined) return customCondition(custom, leaf);
  }
  const include = Object.hasOwn(resource.include, head) ? resource.include[head] : undefined;
  if (include !== undefined) {
    const target = resourceNamed(include.resource);
    const targetField = Object.hasOwn(target.fields, tail) ? target.fields[tail] : undefined;
    if (targetField?.filter) {
      const where = fieldCondition(targetField, targetField.filter, tail, leaf);
      return { related: target.table, scope: target.scope, column: include.field, where };
    }
  }
  throw invalid(at, unknownName("filter", name, filterableFields(resource, context)));
}

/** `column` is the field's own name; errors name the field as it was asked for. */
function fieldCondition(field: Field, kind: FilterKind, name: string, leaf: Leaf): Condition {
  const { at } = leaf;
  const op = operatorOf(kind, leaf);
  if (op === "is_null") return { column: name, op: readIsNull(leaf) ? "null" : "not_null" };
  const given = op === "in" || op === "nin" ? leaf.value : [leaf.value];
  if (!Array.isArray(given) || given.length === 0 || given.length > MAX_VALUES) {
    throw invalid(at, `The ${leaf.name} filter takes a list of 1 to ${MAX_VALUES} values.`);
  }
  const values = [...new Set(given.map((one) => readValue(field, kind, one, leaf)))];
  const [first = ""] = values;
  if (kind === "tags") return { op: op === "ne" || op === "nin" ? "has_none" : "has_any", tags: values };
  if (op === "contains" || op === "starts_with") return textCondition(field, name, op, first);
  return { column: field.keyColumn ?? name, ...comparison(op, values) };
}

function comparison(op: "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "in" | "nin", values: string[]): Comparison {
  const [first = ""] = values;
  if (op !== "in" && op !== "nin") return { op, value: first };
  return values.length === 1 ? { op: op === "in" ? "eq" : "ne", value: first } : { op, values };
}

function operatorOf(kind: FilterKind, { name, operator, at }: Leaf): Operator {
  const op = OPERATORS_BY_KIND[kind].find((allowed) => allowed === operator);
  if (op !== undefined) return op;
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
  const { column: _column, ...compare } = fieldCondition({ schema: z.string() }, filterKind, "", leaf) as {
    column: string;
  } & Comparison;
  if (compare.op === "ne") return { custom: id, kind, negated: true, compare: { ...compare, op: "eq" } };
  if (compare.op === "nin") return { custom: id, kind, negated: true, compare: { ...compare, op: "in" } };
  return { custom: id, kind, negated: false, compare };
}

// Three characters are what the trigram index of search_text can look up; its hits are then compared exactly.
function textCondition(field: Field, name: string, op: "contains" | "starts_with", value: string): Condition {
  const literal = escapeLike(fold(value));
  const exact: Condition = { column: name, op: "like", pattern: `${op === "contains" ? "%" : ""}${literal}%` };
  if (!field.searched || [...fold(value)].length < 3) return exact;
  return { and: [{ op: "text", pattern: `%${literal}%` }, exact] };
}

/**
 * The words a person typed (at most 10): a record's search text holds each of them, or that of the
 * related record which it is searched through does, when the key may read that. A word that more than
 * 1,000 related records have ("Inc") counts only together with the others.
 */
export function parseSearch(resource: Resource, raw: unknown, { mayRead }: QueryContext): Condition {
  const words = searchPatterns(raw).map((pattern): Condition => ({ op: "text", pattern }));
  const include = resource.searchedThrough === undefined ? undefined : resource.include[resource.searchedThrough];
  const through = include && resourceNamed(include.resource);
  if (include === undefined || through === undefined || !mayRead(through.scope)) return { and: words };
  const relatedHas = (where: Condition): Condition => ({
    related: through.table,
    scope: through.scope,
    column: include.field,
    where,
    few: true,
  });
  const oneByOne: Condition = { and: words.map((word) => ({ or: [word, relatedHas(word)] })) };
  return words.length === 1 ? oneByOne : { or: [oneByOne, relatedHas({ and: words })] };
}

/** The LIKE patterns of the words a person typed. @throws ApiError `validation_error` */
export function searchPatterns(raw: unknown, parameter = "search"): string[] {
  const refused = (sentence: string) =>
    new ApiError("validation_error", { message: sentence, details: { [parameter]: [sentence] } });
  if (typeof raw !== "string" || raw.length > 200 || fold(raw).trim() === "")
    throw refused(`The ${parameter} parameter must be 1 to 200 characters.`);
  // A phone number is typed with any punctuation, and found by its digits.
  const digits = raw.replace(/\D/g, "");
  const words =
    /^[\d\s()+./-]+$/.test(raw) && digits.length >= 5
      ? [digits]
      : fold(raw)
          .split(SEPARATORS)
          .filter((word) => word !== "");
  // Shorter words than a trigram are looked up at the start of a word, where they have one.
  const pattern = (word: string) => `%${[...word].length < 3 ? " " : ""}${escapeLike(word)}%`;
  if (words.length === 0) throw refused(`The ${parameter} parameter must have at least one word.`);
  return words.slice(0, 10).map(pattern);
}

// What stands around words, not in them; so that a pasted "Smith, Jane <jane@example.com>" is found.
const SEPARATORS = /[\s,;<>()[\]"\u201c-\u201f]+/;

const PLAIN_LETTERS: Record<string, string> = {
  ß: "ss",
  æ: "ae",
  œ: "oe",
  þ: "th",
  ł: "l",
  ø: "o",
  đ: "d",
  ð: "d",
  ħ: "h",
  ı: "i",
  ŧ: "t",
};

/** Lower case without accents and ligatures: the same as `crm.fold` in SQL. */
export function fold(value: string): string {
  return value
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase()
    .replace(/[ßæœþłøđðħıŧ]/g, (letter) => PLAIN_LETTERS[letter] ?? letter);
}

function escapeLike(value: string): string {
  return value.replace(/[\\%_]/g, "\\$&");
}

const readers: Record<Exclude<FilterKind, "enum">, { read: (text: string) => string | undefined; expected: string }> = {
  text: { read: (text) => (text.length <= 1000 ? text : undefined), expected: "text of at most 1000 characters" },
  host: {
    read: (text) => (text.length <= 1000 ? normalisedHost(text) : undefined),
    expected: "a domain such as example.com",
  },
  reference: {
    read: (text) => (z.uuid().safeParse(text).success ? text.toLowerCase() : undefined),
    expected: "a UUID",
  },
  timestamp: { read: readTimestamp, expected: "a timestamp such as 2026-03-21T10:30:00Z or a date such as 2026-03-21" },
  date: {
    read: (text) => (z.iso.date().safeParse(text).success && text >= "0001" ? text : undefined),
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
    read: (text) => (text.length >= 1 && text.length <= 100 ? text : undefined),
    expected: "a tag of 1 to 100 characters",
  },
};

function readValue(field: Field, kind: FilterKind, value: unknown, { name, at }: Leaf): string {
  const text =
    typeof value === "string"
      ? value
      : typeof value === "number" || typeof value === "boolean"
        ? String(value)
        : undefined;
  if (kind === "enum") {
    if (text !== undefined && field.schema.safeParse(text).success) return text;
    throw invalid(at, `The ${name} filter ${enumSentence(field)}.`);
  }
  const { read, expected } = readers[kind];
  const known = text === undefined ? undefined : read(text);
  if (known === undefined) throw invalid(at, `The ${name} filter must be ${expected}.`);
  return field.keyColumn === undefined ? known : known.toLowerCase();
}

function enumSentence(field: Field): string {
  const issue = field.schema.safeParse("").error?.issues[0];
  return issue?.message ?? "has a value that is not allowed";
}

function readTimestamp(text: string): string | undefined {
  const repaired = text.replace(/ (\d\d:\d\d)$/, "+$1"); // A bare + of an offset arrives from a URL as a space.
  if (z.iso.date().safeParse(repaired).success && repaired >= "0001") return `${repaired}T00:00:00Z`;
  if (/[+-](1[6-9]|2\d):\d\d$/.test(repaired)) return undefined; // Postgres knows no offset from 16 hours on.
  return z.iso.datetime({ offset: true }).safeParse(repaired).success && repaired >= "0001" ? repaired : undefined;
}

function readBoolean(value: unknown): boolean | undefined {
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  return undefined;
}

function invalid(at: string, sentence: string): ApiError {
  return new ApiError("invalid_filter", { message: sentence, details: { [at]: [sentence] } });
}
