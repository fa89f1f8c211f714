import { shownColumns } from "../query/read_plan.ts";
import { hasKey, type Resource } from "../resources/define.ts";
import { readE164 } from "../resources/phone.ts";
import type { Claims, Database } from "./database.ts";
import type { RecordData } from "./records.ts";

/** A stored number with the country that it is read in, and what its record is found by. */
export interface StoredPhone extends Record<string, string | null> {
  id: string;
  phone: string | null;
  country: string | null;
}

/** What a record brings of a phone number: the country may be in the stored record, or the number itself. */
function lacksContext(field: string, derived: string, row: RecordData): boolean {
  const country = countryOf(row);
  if (typeof row[field] === "string") return row[derived] === null && country === undefined;
  return row[field] === undefined && typeof country === "string";
}

function countryOf(row: RecordData): string | null | undefined {
  const address = row["address"] as { country?: string | null } | null | undefined;
  return address === null ? null : address?.country;
}

/**
 * Rows as they are to be written, with the E.164 form of numbers that can only be read together with what is stored:
 * a national number without a country, or a country without a number. One call for all of them, none for most requests.
 * `by` are the fields that find the stored record, in their order.
 */
export async function withStoredPhones(
  database: Database,
  claims: Claims,
  resource: Resource,
  rows: readonly RecordData[],
  by: readonly string[],
): Promise<RecordData[]> {
  const [field, derived] = phoneFields(resource);
  if (field === undefined || derived === undefined || by.length === 0) return [...rows];
  const lacking = rows.filter((row) => lacksContext(field, derived, row));
  if (lacking.length === 0) return [...rows];
  const keys = Object.fromEntries(by.map((name) => [name, lacking.flatMap((row) => keyOf(resource, name, row) ?? [])]));
  const argument = { resource: resource.table, keys };
  const stored = await database.call("read_phones", argument, claims);
  const known = new Map(
    stored.flatMap((one) => by.map((name) => [`${name} ${keyOf(resource, name, one)}`, one] as const)),
  );
  return rows.map((row) => {
    if (!lacksContext(field, derived, row)) return row;
    const found = by.map((name) => known.get(`${name} ${keyOf(resource, name, row)}`)).find((one) => one !== undefined);
    const phone = row[field] ?? found?.phone;
    if (found === undefined || typeof phone !== "string") return row;
    return { ...row, [derived]: readE164(phone, countryOf(row) ?? found.country) };
  });
}

/**
 * What corrects numbers that were read together with what another request changed before the row was written, as the
 * id, the version and the E.164 form of each such record. Of two that change a number and its country at once the later one sees it.
 */
export function misreadPhones(
  resource: Resource,
  rows: readonly RecordData[],
  written: readonly (RecordData | undefined)[],
): RecordData[] {
  const [field, derived] = phoneFields(resource);
  if (field === undefined || derived === undefined) return [];
  return written.flatMap((record, index) => {
    const phone = record?.[field];
    if (record === undefined || typeof phone !== "string" || !lacksContext(field, derived, rows[index] ?? {}))
      return [];
    const e164 = readE164(phone, countryOf(record));
    return e164 === record[derived] ? [] : [{ id: record["id"], version: record["version"], [derived]: e164 }];
  });
}

/** The field with a number as it was sent, and the one with its E.164 form; none where a resource has no phone. */
function phoneFields(resource: Resource): string[] {
  const names = Object.entries(resource.fields).flatMap(([name, { e164 }]) => (e164 ? [name, e164] : []));
  return shownColumns(resource, names);
}

function keyOf(resource: Resource, name: string, row: RecordData): string | undefined {
  const value = row[name];
  if (typeof value !== "string") return undefined;
  const field = resource.fields[resource.fieldOf.get(name) ?? name];
  return field !== undefined && hasKey(field) ? value.toLowerCase() : value;
}
