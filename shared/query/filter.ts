import { z } from "zod";
import { ApiError } from "../errors.ts";
import type { Field, FilterKind, Resource } from "../resources/define.ts";
import { unknownName } from "./suggest.ts";

/** A filter with everything checked: columns exist, operators fit, values are of the column's type. */
export type Condition =
  | { and: Condition[] }
  | { or: Condition[] }
  | { not: Condition }
  | { column: string; op: "eq" | "ne" | "gt" | "gte" | "lt" | "lte"; value: string }
  | { column: string; op: "in" | "nin"; values: string[] }
  | { column: string; op: "null" | "not_null" }
  | { column: string; op: "like"; pattern: string }
  | { op: "text"; pattern: string }
  | { op: "has_any" | "has_none"; tags: string[] }
  | { row: string[]; op: "gt" | "lt"; values: string[] };

type Operator = (typeof OPERATORS)[number];
const OPERATORS = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "starts_with", "is_null"] as const;

const EQUALITY = ["eq", "ne", "in", "nin", "is_null"] as const;
const ORDER = [...EQUALITY, "gt", "gte", "lt", "lte"] as const;
const OPERATORS_BY_KIND: Record<FilterKind, readonly Operator[]> = {
  text: [...EQUALITY, "contains", "starts_with"],
  enum: EQUALITY,
  reference: EQUALITY,
  boolean: EQUALITY,
  timestamp: ORDER,
  date: ORDER,
  integer: ORDER,
  tags: ["eq", "ne", "in", "nin", "contains"],
};

const MAX_VALUES = 100;
const MAX_DEPTH = 5;
const MAX_LEAVES = 50;

/** Names that may be filtered on. */
export function filterableFields(resource: Resource): string[] {
  return Object.keys(resource.fields).filter((name) => resource.fields[name]?.filter);
}

/**
 * A filter from the URL: `status=active,inactive` or `created_at[gte]=…`. Without an operator several
 * values are separated by commas; `[eq]` takes the value as it is.
 */
export function parseUrlFilter(resource: Resource, name: string, operator: string | undefined, raw: string): Condition {
  const parameter = operator === undefined ? name : `${name}[${operator}]`;
  if (operator === undefined || operator === "in" || operator === "nin") {
    return parseLeaf(resource, { name, operator: operator ?? "in", value: raw.split(","), at: parameter });
  }
  return parseLeaf(resource, { name, operator, value: raw, at: parameter });
}

/** The filter tree of a search body, to depth 5 and 50 leaves. */
export function parseFilterTree(resource: Resource, tree: unknown): Condition {
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
    return parseLeaf(resource, { name: members["field"], operator: members["op"], value: members["value"], at });
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

function parseLeaf(resource: Resource, { name, operator, value, at }: Leaf): Condition {
  const field = Object.hasOwn(resource.fields, name) ? resource.fields[name] : undefined;
  if (!field?.filter) throw invalid(at, unknownName("filter", name, filterableFields(resource)));
  const kind = field.filter;
  const op = OPERATORS_BY_KIND[kind].find((allowed) => allowed === operator);
  if (op === undefined) {
    throw invalid(
      at,
      `The ${operator.slice(0, 32)} operator does not work on ${name}. Allowed: ${OPERATORS_BY_KIND[kind].join(", ")}.`,
    );
  }
  if (op === "is_null") {
    const isNull = readBoolean(value);
    if (isNull === undefined) throw invalid(at, `The ${name} filter must be true or false.`);
    return { column: name, op: isNull ? "null" : "not_null" };
  }

  const given = op === "in" || op === "nin" ? value : [value];
  if (!Array.isArray(given) || given.length === 0 || given.length > MAX_VALUES) {
    throw invalid(at, `The ${name} filter takes a list of 1 to ${MAX_VALUES} values.`);
  }
  const values = [...new Set(given.map((one) => readValue(field, kind, one, { name, at })))];
  const [first = ""] = values;
  if (kind === "tags") return { op: op === "ne" || op === "nin" ? "has_none" : "has_any", tags: values };
  if (op === "contains" || op === "starts_with") return textCondition(field, name, op, first);
  const column = field.keyColumn ?? name;
  if (op === "in" || op === "nin") {
    if (values.length === 1) return { column, op: op === "in" ? "eq" : "ne", value: first };
    return { column, op, values };
  }
  return { column, op, value: first };
}

// Three characters are what the trigram index of search_text can look up; its hits are then compared exactly.
function textCondition(field: Field, name: string, op: "contains" | "starts_with", value: string): Condition {
  const literal = escapeLike(fold(value));
  const exact: Condition = { column: name, op: "like", pattern: `${op === "contains" ? "%" : ""}${literal}%` };
  if (!field.searched || [...fold(value)].length < 3) return exact;
  return { and: [{ op: "text", pattern: `%${literal}%` }, exact] };
}

/** The words a person typed, each of which a record's search text must hold (at most 10). */
export function parseSearch(raw: unknown): Condition {
  if (typeof raw !== "string" || raw.length > 200 || fold(raw).trim() === "") {
    throw new ApiError("validation_error", {
      message: "The search parameter must be 1 to 200 characters.",
      details: { search: ["The search parameter must be 1 to 200 characters."] },
    });
  }
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
  if (words.length === 0) throw invalid("search", "The search parameter must have at least one word.");
  return { and: words.slice(0, 10).map((word) => ({ op: "text", pattern: pattern(word) })) };
}

// What stands around words, not in them; so that a pasted "Smith, Jane <jane@example.com>" is found.
const SEPARATORS = /[\s,;<>()[\]"\u201c-\u201f]+/;

/** Lower case without accents: the same as `crm.fold` in SQL. */
export function fold(value: string): string {
  return value
    .normalize("NFD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase();
}

function escapeLike(value: string): string {
  return value.replace(/[\\%_]/g, "\\$&");
}

const readers: Record<Exclude<FilterKind, "enum">, { read: (text: string) => string | undefined; expected: string }> = {
  text: { read: (text) => (text.length <= 1000 ? text : undefined), expected: "text of at most 1000 characters" },
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
  boolean: { read: (text) => readBoolean(text)?.toString(), expected: "true or false" },
  tags: {
    read: (text) => (text.length >= 1 && text.length <= 100 ? text : undefined),
    expected: "a tag of 1 to 100 characters",
  },
};

function readValue(field: Field, kind: FilterKind, value: unknown, { name, at }: Pick<Leaf, "name" | "at">): string {
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
