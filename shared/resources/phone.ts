import { isSupportedCountry, parsePhoneNumberFromString } from "libphonenumber-js/min";
import { nameOf, type Resource } from "./define.ts";

/** ITU-T E.164 §6.1. */
const MAX_DIGITS = 15;
const KEYPAD = ["abc", "def", "ghi", "jkl", "mno", "pqrs", "tuv", "wxyz"];

/**
 * Adds the E.164 form of each given phone number, null where it does not parse. National numbers are
 * read as of the country in the same body's address.
 */
export function withE164(resource: Resource, record: Record<string, unknown>): Record<string, unknown> {
  const derived: Record<string, string | null> = {};
  const address = record[nameOf(resource, "address")];
  const country = (address as { country?: string | null } | null | undefined)?.country;
  for (const name in record) {
    const e164 = resource.fields[name]?.e164;
    const phone = record[name];
    if (e164 === undefined || phone === undefined) continue;
    derived[e164] = typeof phone === "string" ? readE164(phone, country) : null;
  }
  return { ...record, ...derived };
}

/** A phone number as people write it in E.164; null where it does not parse, or a national one has no country. */
export function readE164(phone: string, country?: string | null): string | null {
  const region = country != null && isSupportedCountry(country) ? country : undefined;
  const parsed = parsePhoneNumberFromString(spelled(phone), region);
  if (parsed === undefined) return null;
  // Mexico's 1 for mobile phones has gone in 2019, and is still sent by what was not told.
  const number = parsed.isPossible() ? parsed.number : parsed.number.replace(/^\+521(?=\d{10}$)/, "+52");
  const isWhole = parsed.isPossible() || number !== parsed.number;
  return isWhole && number.length <= MAX_DIGITS + 1 ? number : null;
}

/**
 * The digits of a number that stay the same wherever it is dialled from: without +, 00 or 011 and the 0 (in Russia 8) that
 * only callers at home dial. They stand in the number as it is written, so that it is also found where it was not understood.
 */
export function dialledDigits(number: string): string {
  const written = number.replace(/\D/g, "");
  const abroad = number.replace(/\D0\D/g, "").replace(/\D/g, ""); // as `crm.searchable` has it beside the other
  const e164 = readE164(number.replace(/^[\s(]*(?:00|011)(?=\D*[1-9])/, "+")) ?? "";
  const known = [e164.slice(1), parsePhoneNumberFromString(e164)?.nationalNumber ?? ""].filter(
    (digits) => digits !== "",
  );
  return (
    known.find((digits) => written.includes(digits) || abroad.includes(digits)) ??
    written.replace(/^(?:00?|8(?=\d{10}$))/, "")
  );
}

/** In plain digits: of any width, and of the letters that stand for them behind a group of digits (1-800-FLOWERS). */
function spelled(phone: string): string {
  const plain = phone.normalize("NFKC");
  if (!/^\+?[\d\s().-]*\d[\s().-]+[a-z]{3,}[a-z-]*$/i.test(plain)) return plain;
  return plain.replace(/[a-z]/gi, (letter) =>
    String(KEYPAD.findIndex((key) => key.includes(letter.toLowerCase())) + 2),
  );
}
