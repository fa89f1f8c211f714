import { type CountryCode, isSupportedCountry, parsePhoneNumberFromString } from "libphonenumber-js/min";
import type { Resource } from "./define.ts";

/**
 * Adds the E.164 form of each given phone number, null where it does not parse. National numbers are
 * read as of the country in the same body's address.
 */
export function withE164(resource: Resource, record: Record<string, unknown>): Record<string, unknown> {
  const derived: Record<string, string | null> = {};
  for (const [name, field] of Object.entries(resource.fields)) {
    const phone = record[name];
    if (field.e164 === undefined || phone === undefined) continue;
    derived[field.e164] = typeof phone === "string" ? toE164(phone, countryOf(record)) : null;
  }
  return { ...record, ...derived };
}

function toE164(phone: string, country: CountryCode | undefined): string | null {
  const parsed = parsePhoneNumberFromString(phone, country);
  return parsed?.isPossible() ? parsed.number : null;
}

function countryOf(record: Record<string, unknown>): CountryCode | undefined {
  const country = (record["address"] as { country?: string } | null | undefined)?.country;
  return country !== undefined && country !== null && isSupportedCountry(country) ? country : undefined;
}
