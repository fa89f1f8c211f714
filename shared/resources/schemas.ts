import { z } from "zod";

const timezones = new Set(Intl.supportedValuesOf("timeZone"));
const EARLIEST = Date.parse("0001-01-01T00:00:00Z");
const LATEST = Date.parse("9999-12-31T23:59:59.999Z");
const currencies = new Set(Intl.supportedValuesOf("currency"));
const regions = new Intl.DisplayNames("en", { type: "region", fallback: "none" });
const LOCALE = /^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/;

const HOST = /^(?!\d+(\.\d+){3}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/;

// Zod 4 finishes `{name}` in a message nowhere, so each says what the sentence after "The … field" is.

/** Text of 1 to `max` characters, not all of them blank. */
export function text(max: number) {
  return z.string().regex(/\S/, "must not be empty").max(max, `may not be longer than ${max} characters`);
}

/** RFC 5321 length; the address is kept as given, compared without regard to case. */
export function email() {
  return z.email("must be a valid email address").max(254, "may not be longer than 254 characters");
}

/** One of `values`. */
export function oneOf<const V extends readonly [string, ...string[]]>(values: V) {
  return z.enum(values, `must be one of: ${values.join(", ")}`);
}

export function uuid() {
  return z.uuid("must be a UUID");
}

/** A whole number within bounds. */
export function integer(min: number, max: number) {
  return z
    .int(`must be a whole number from ${min} to ${max}`)
    .min(min, `must be a whole number from ${min} to ${max}`)
    .max(max, `must be a whole number from ${min} to ${max}`);
}

export function boolean() {
  return z.boolean("must be true or false");
}

/** RFC 3339 with an offset, of a year from 1 to 9999 in UTC too. */
export function timestamp() {
  return z.iso
    .datetime({ offset: true, error: "must be a timestamp such as 2026-03-21T10:30:00Z" })
    .refine(isStorableTime, "must be a timestamp such as 2026-03-21T10:30:00Z");
}

/** Whether Postgres keeps a time and shows it again as RFC 3339: it knows no offset from 16 hours on. */
function isStorableTime(value: string): boolean {
  const time = Date.parse(value);
  return time >= EARLIEST && time <= LATEST && !/[+-](1[6-9]|2\d):\d\d$/.test(value);
}

/** A calendar day, `YYYY-MM-DD`. */
export function date() {
  return z.iso
    .date("must be a date such as 2026-03-21")
    .refine((value) => value >= "0001-01-01", "must be a date such as 2026-03-21");
}

/** An absolute https URL. */
export function httpsUrl() {
  return z
    .url({ protocol: /^https$/, error: "must be a URL that starts with https://" })
    .max(2048, "may not be longer than 2048 characters");
}

/** IANA time zone name; aliases such as UTC count. */
export function timezone() {
  return z
    .string()
    .max(64, "must be an IANA time zone such as Europe/Berlin")
    .refine(isTimezone, "must be an IANA time zone such as Europe/Berlin");
}

/** BCP 47 language tag. */
export function locale() {
  return z
    .string()
    .max(35, "must be a language tag such as en-US")
    .regex(LOCALE, "must be a language tag such as en-US");
}

/** ISO 3166-1 alpha-2. */
export function country() {
  return z
    .string()
    .refine(
      (code) => /^[A-Z]{2}$/.test(code) && code !== "ZZ" && regions.of(code) !== undefined,
      "must be a two-letter ISO country code such as US",
    );
}

/** ISO 4217. */
export function currency() {
  return z.string().refine((code) => currencies.has(code), "must be a three-letter ISO 4217 currency code such as USD");
}

/** A decimal from 0 as text, to four places; a JSON number is taken too. Kept with the places it came with. */
export function money() {
  const message = 'must be a decimal of at least 0 such as "1000.00"';
  return z
    .union([z.string(), z.number()], message)
    .transform((value) => (typeof value === "number" ? plainDecimal(value) : value))
    .pipe(z.string().regex(/^(0|[1-9]\d{0,14})(\.\d{1,4})?$/, message));
}

/** A host name as DNS compares it; a pasted URL or address is cut down to its host. */
export function host() {
  return z
    .string()
    .transform(normalisedHost)
    .pipe(
      z.string().max(253, "may not be longer than 253 characters").regex(HOST, "must be a domain such as example.com"),
    );
}

/** `https://www.Example.com/about` → `example.com`; what is no host stays as it is, to be refused. */
export function normalisedHost(value: string): string {
  const written = value
    .trim()
    .replace(/^[a-z][a-z0-9+.-]*:\/\//i, "")
    .replace(/^.*@/, "")
    .replace(/[/?#:].*$/s, "");
  const url = URL.parse(`https://${written}/`);
  return url === null ? value : url.hostname.replace(/\.$/, "").replace(/^www\./, "");
}

export function lifecycleStage() {
  return oneOf(["subscriber", "lead", "mql", "sql", "opportunity", "customer", "evangelist", "other"]);
}

/** What sorts in this order, in SQL too (`crm.priority`). */
export function priority() {
  return oneOf(["low", "normal", "high", "urgent"]);
}

/** What is merged into the record of the path, and whose values win where both have one. */
export const mergeBody = z.strictObject({
  ids: z
    .array(uuid(), "must be a list of ids")
    .min(1, "must have 1 to 50 entries")
    .max(50, "must have 1 to 50 entries")
    .transform((ids) => [...new Set(ids.map((id) => id.toLowerCase()))]),
  prefer: oneOf(["primary", "newest"]).optional(),
});

/** A postal address; members are optional and change one by one. */
export function address() {
  return z.strictObject({
    street: text(255).nullable().optional(),
    city: text(100).nullable().optional(),
    state: text(100).nullable().optional(),
    postal_code: text(20).nullable().optional(),
    country: country().nullable().optional(),
  });
}

/** Up to 50 distinct labels; null clears them. */
export function tags() {
  return labels()
    .nullable()
    .transform((values) => values ?? []);
}

function labels() {
  return z
    .array(text(100), "must be a list of texts")
    .max(50, "may not have more than 50 entries")
    .refine((values) => new Set(values).size === values.length, "must not repeat an entry");
}

/** Values by custom field key. Which keys there are and what they take, the database knows (`crm.check_custom_fields`). */
export function customFields() {
  return z.record(z.string(), z.unknown(), "must be an object");
}

// 1e21 and 1e-7 are numbers that no decimal is meant by.
function plainDecimal(value: number): string {
  const written = String(value);
  return /e/i.test(written) ? "" : written;
}

function isTimezone(name: string): boolean {
  if (timezones.has(name)) return true;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return /^[A-Za-z]/.test(name); // Not a bare offset such as +02:00, which Intl takes too.
  } catch {
    return false;
  }
}
