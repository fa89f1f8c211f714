import { z } from "zod";
import { MAX_FILTER_LENGTH, MAX_VALUES } from "../bounds.ts";
import { type ApiError, fieldError } from "../errors.ts";
import { columnOf, type Field, type FilterKind, hasKey } from "../resources/define.ts";
import { lengthOf, plainText, trimmed } from "../resources/plain_text.ts";
import { normalisedHost } from "../resources/schemas.ts";
import { dayAfter, isDay, readTime } from "../resources/time.ts";
import { fold, lowerCase } from "./fold.ts";
import type { CustomField } from "./query_context.ts";

// One comparison of a filter, read and checked: its operator fits the field, its values are of the field's type.

/** A comparison of one column with what was given. */
export type Comparison =
  | { op: "eq" | "ne" | "gt" | "gte" | "lt" | "lte"; value: string }
  | { op: "in" | "nin"; values: string[] }
  | { op: "null" | "not_null" };

/** Leaves put together. */
export type Tree<Leaf> = Leaf | { and: Tree<Leaf>[] } | { or: Tree<Leaf>[] } | { not: Tree<Leaf> };

/** Comparisons of one column, put together. */
type Test = Tree<Comparison>;

/** What a filter asks of one field. */
export type Asked =
  | { test: Test }
  /** Any of these parts. */
  | { op: PartOperator; parts: string[] }
  | { op: "has_any" | "has_none"; tags: string[] };

type Operator = (typeof OPERATORS)[number];
/** All operators there are. */
export const OPERATORS = [
  "eq",
  "ne",
  "gt",
  "gte",
  "lt",
  "lte",
  "in",
  "nin",
  "contains",
  "starts_with",
  "is_null",
] as const;

export type PartOperator = "contains" | "starts_with";

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

/** A comparison as it was given. */
export interface Leaf {
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

/** What a comparison asks of a field of a kind. @throws ApiError `invalid_filter` */
export function askedOf(field: Field, kind: FilterKind, leaf: Leaf): Asked {
  const op = operatorOf(kind, leaf);
  if (kind === "tags") {
    const isNegated = op === "ne" || op === "nin";
    const tags = readValues(field, kind, op === "contains" ? "eq" : op, leaf);
    return { op: isNegated ? "has_none" : "has_any", tags };
  }
  if (op === "contains" || op === "starts_with") {
    const part = readPart(leaf, field.spaceless);
    return { op, parts: kind === "host" ? partsOfHost(op, part) : [part] };
  }
  return { test: testOf(field, kind, op, leaf) };
}

/** The contacts that a filter by whoever takes part names, and whether none of them may. @throws ApiError `invalid_filter` */
export function contactsAsked(leaf: Leaf): { ids: string[]; isNegated: boolean } {
  const op = operatorOf("reference", leaf);
  if (op === "is_null") throw invalid(leaf.at, `The ${leaf.name} filter takes ids of contacts.`);
  return { ids: readValues({ schema: z.string() }, "reference", op, leaf), isNegated: op === "ne" || op === "nin" };
}

/** A part of a domain, and the same without what is only around one, which none is kept with: `https://www.`, a path. */
function partsOfHost(op: PartOperator, part: string): string[] {
  const bare = trimmed(part)
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)?([^/?#@]*@)?(www\.)*/i, "")
    .replace(/(?<=.)[/?#:].*$/s, "");
  return bare === part || (bare === "" && op === "contains") ? [part] : [part, bare];
}

/** The same tree of other leaves. */
export function mapTree<From extends object, To>(tree: Tree<From>, leafOf: (leaf: From) => To): Tree<To> {
  if ("and" in tree) return { and: tree.and.map((one) => mapTree(one, leafOf)) };
  if ("or" in tree) return { or: tree.or.map((one) => mapTree(one, leafOf)) };
  if ("not" in tree) return { not: mapTree(tree.not, leafOf) };
  return leafOf(tree as From);
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

/** How values of a custom field are compared. */
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

/** A custom field as comparisons need it. An address is kept for comparison in lower case (`crm.typed_values`). */
export function customAsField({ type }: CustomField): { field: Field; kind: FilterKind } {
  const field: Field = {
    schema: z.string(),
    ...((type === "email" || type === "url") && { spaceless: true }),
    ...(type === "email" && { column: { compared: "text_value" } }),
  };
  return { field, kind: KIND_OF_CUSTOM[type] };
}

/** What `contains` and `starts_with` look for: letters as they were typed, blanks at the ends too. */
function readPart({ name, value, at, isUrl }: Leaf, isSpaceless = false): string {
  if (typeof value !== "string" || fold(value) === "" || lengthOf(value) > MAX_FILTER_LENGTH)
    throw invalid(at, `The ${name} filter must be text of 1 to ${MAX_FILTER_LENGTH} characters.`);
  return isUrl ? withPlus(value, isSpaceless) : value;
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

/** What is wrong with a filter, at a place of the request. */
export function invalid(at: string, sentence: string): ApiError {
  return fieldError("invalid_filter", at, sentence);
}
