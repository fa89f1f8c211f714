import { fold } from "../../shared/query/fold.ts";
import type { Field, FilterKind } from "../../shared/resources/define.ts";
import { normalisedHost } from "../../shared/resources/schemas.ts";
import type { RecordData } from "./records.ts";

// Filters and sorts as the contract means them (§6), over records as the API shows them.

const EQUALITY = ["eq", "ne", "in", "nin", "is_null"];
const ORDER = [...EQUALITY, "gt", "gte", "lt", "lte"];
const TEXT = [...EQUALITY, "contains", "starts_with"];

/** The operators that a field of a kind has. */
export const OPERATORS: Record<FilterKind, readonly string[]> = {
  text: TEXT,
  host: TEXT,
  enum: EQUALITY,
  reference: EQUALITY,
  boolean: EQUALITY,
  timestamp: ORDER,
  date: ORDER,
  integer: ORDER,
  decimal: ORDER,
  tags: ["eq", "ne", "in", "nin", "contains"],
};

/** Fields that are sorted as an alphabet is, by the root order of CLDR; all other text is by its bytes. */
const ALPHABETIC = ["first_name", "last_name", "name", "title", "label", "industry"];
const alphabet = new Intl.Collator("und");

/** The order of two texts as the database's alphabet has it: what it takes for the same is then ordered by its bytes. */
export function alphabetically(a: string, b: string): number {
  return alphabet.compare(a, b) || (a === b ? 0 : a < b ? -1 : 1);
}

/** What is compared of a value: instants to the microsecond, money as a number, emails without case. */
function keyOf({ filter, column }: Field, value: unknown): string | number {
  switch (filter) {
    case "timestamp":
      return String(value).replace(/(?:\.(\d+))?Z$/, (_, fraction = "") => `.${fraction.padEnd(6, "0")}`);
    case "integer":
    case "decimal":
      return Number(value);
    case "host":
      return normalisedHost(String(value));
    default:
      return (column?.compared ?? column?.shown) === column?.shown ? String(value) : String(value).toLowerCase();
  }
}

/** Whether the value that a record shows satisfies a comparison. `ne` and `nin` are true of null, as a person means it. */
export function satisfies(field: Field, shown: unknown, operator: string, operand: unknown): boolean {
  if (operator === "is_null") return (shown === null) === operand;
  const given = [operand].flat();
  const isNegated = operator === "ne" || operator === "nin";
  if (field.filter === "tags") {
    const has = (tag: unknown) => (shown as string[]).some((own) => own.toLowerCase() === String(tag).toLowerCase());
    return given.some(has) !== isNegated;
  }
  if (shown === null) return isNegated;
  const key = keyOf(field, shown);
  const [bound = ""] = given.map((value) => keyOf(field, value));
  switch (operator) {
    case "gt":
      return key > bound;
    case "gte":
      return key >= bound;
    case "lt":
      return key < bound;
    case "lte":
      return key <= bound;
    case "contains":
      return fold(String(shown)).includes(fold(String(bound)));
    case "starts_with":
      return fold(String(shown)).startsWith(fold(String(bound)));
    default:
      return given.some((value) => keyOf(field, value) === key) !== isNegated;
  }
}

const PRIORITIES = ["low", "normal", "high", "urgent"];

/** The ids of records in the order of a field: nulls last, then ids in the direction of the field. */
export function sortedIds(
  records: readonly RecordData[],
  name: string,
  field: Field,
  isDescending: boolean,
): unknown[] {
  const keyed = records.map((record) => {
    const shown = record[name] ?? null;
    const rank = name === "priority" ? PRIORITIES.indexOf(String(shown)) : shown === null ? null : keyOf(field, shown);
    return { id: String(record["id"]), key: rank };
  });
  const direction = isDescending ? -1 : 1;
  const order = (a: string | number, b: string | number) => (a === b ? 0 : a < b ? -direction : direction);
  const isAlphabetic = ALPHABETIC.includes(name);
  return keyed
    .sort((a, b) => {
      if (a.key === null || b.key === null) {
        if (a.key !== b.key) return a.key === null ? 1 : -1;
        return order(a.id, b.id);
      }
      const byKey = isAlphabetic ? alphabetically(String(a.key), String(b.key)) * direction : order(a.key, b.key);
      return byKey || order(a.id, b.id);
    })
    .map(({ id }) => id);
}
