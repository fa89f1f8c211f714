import { z } from "zod";
import { MAX_MEMBERS } from "../bounds.ts";
import { COUNTRIES } from "../standards/countries.ts";
import { MINOR_UNITS } from "../standards/currencies.ts";
import { TIME_ZONES } from "../standards/time_zones.ts";
import { shown } from "./answered.ts";
import type { Action } from "./define.ts";
import { isMailbox } from "./mailbox.ts";
import { lengthOf, plainText, trimmed } from "./plain_text.ts";
import { isDay, readTime } from "./time.ts";

const HOST = /^(?!\d+(\.\d+){3}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/;
const TIME_ZONES_BY_KEY = new Map(TIME_ZONES.map((name) => [name.toLowerCase(), name]));

// Zod 4 finishes `{name}` in a message nowhere, so each says what the sentence after "The … field" is.

/** Text of 1 to `max` characters, see `plainText`. */
export function text(max: number) {
  return z
    .string()
    .transform(plainText)
    .pipe(
      z
        .string()
        .min(1, "must not be empty")
        .refine((value) => lengthOf(value) <= max, `may not be longer than ${max} characters`),
    );
}

/** A list of at most `max` entries; of a longer one no entry is looked at. */
export function list<Entry extends z.ZodType>(entry: Entry, max: number, message: string) {
  return z.array(z.unknown(), message).max(max, `may not have more than ${max} entries`).pipe(z.array(entry));
}

/** A mailbox of at most 254 characters; it is kept as given, and compared without regard to case. */
export function email() {
  return z
    .string()
    .transform(plainText)
    .pipe(
      z
        .string()
        .max(254, "may not be longer than 254 characters")
        .refine(isMailbox, { error: "must be a valid email address", when: isSound }),
    );
}

// A value that another check has refused is not refused again for the same reason in other words.
function isSound({ issues }: { issues: unknown[] }): boolean {
  return issues.length === 0;
}

/** One of `values`. */
export function oneOf<const V extends readonly [string, ...string[]]>(values: V) {
  const message = `must be one of: ${values.join(", ")}`;
  return z.string(message).transform(trimmed).pipe(z.enum(values, message));
}

export function uuid() {
  const message = "must be a UUID";
  return z.string(message).transform(trimmed).pipe(z.uuid(message));
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

/** RFC 3339 with an offset, of a year from 1 to 9999 in UTC too; see `readTime`. */
export function timestamp() {
  const message = "must be a timestamp such as 2026-03-21T10:30:00Z";
  return z
    .string(message)
    .transform((value, context) => {
      const time = readTime(trimmed(value));
      if (time !== undefined) return time;
      context.addIssue(message);
      return z.NEVER;
    })
    .meta({ format: "date-time" });
}

/** Whether a schema is that of a timestamp. */
export function isTimestamp(schema: unknown): boolean {
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodOptional) return isTimestamp(schema.unwrap());
  return schema instanceof z.ZodType && schema.meta()?.["format"] === "date-time";
}

/** A calendar day, `YYYY-MM-DD`. */
export function date() {
  const message = "must be a date such as 2026-03-21";
  return z.string(message).transform(trimmed).pipe(z.string().refine(isDay, message));
}

/** An absolute https URL, as every reader of URLs takes it: nothing in it has to be repaired or escaped first. */
export function httpsUrl() {
  return z
    .string()
    .transform(plainText)
    .pipe(
      z
        .string()
        .max(2048, "may not be longer than 2048 characters")
        .refine((value) => /^https:\/\/[^/?#]/i.test(value) && isWholeUrl(value), {
          error: "must be a URL that starts with https://",
          when: isSound,
        }),
    );
}

function isWholeUrl(value: string): boolean {
  return (
    !/[\s\p{C}\\|{}"^`<>]/u.test(value) && !/^[a-z]+:\/\/[^/?#]*(?:\.\.|[/@]\.)/i.test(value) && URL.canParse(value)
  );
}

/** A name of the IANA time zone database in its own spelling; aliases such as UTC count. */
export function timezone() {
  const message = "must be an IANA time zone such as Europe/Berlin";
  return z.string(message).transform((value, context) => {
    const name = TIME_ZONES_BY_KEY.get(trimmed(value).toLowerCase());
    if (name !== undefined) return name;
    context.addIssue(message);
    return z.NEVER;
  });
}

/** BCP 47 language tag (RFC 5646) in its canonical spelling; `en_US` is read as `en-US`. */
export function locale() {
  const message = "must be a language tag such as en-US";
  return z.string(message).transform((value, context) => {
    const tag = canonicalLocale(trimmed(value).replaceAll("_", "-"));
    if (tag !== undefined && tag.length <= 100) return tag;
    context.addIssue(message);
    return z.NEVER;
  });
}

function canonicalLocale(tag: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(tag)[0];
  } catch {
    return undefined;
  }
}

/** ISO 3166-1 alpha-2. */
export function country() {
  const message = "must be a two-letter ISO country code such as US";
  return z
    .string()
    .transform(trimmed)
    .pipe(z.string().refine((code) => COUNTRIES.has(code), message));
}

/** ISO 4217. */
export function currency() {
  const message = "must be a three-letter ISO 4217 currency code such as USD";
  return z
    .string()
    .transform(trimmed)
    .pipe(z.string().refine((code) => MINOR_UNITS.has(code), message));
}

/**
 * A decimal from 0 as text; a JSON number is taken too. How many places it may have, its currency says, which the
 * database knows (`crm.money_of`); here four, which is the most that any has.
 */
export function money() {
  return z
    .union([z.string(), z.number()], 'must be a decimal such as "1000.00"')
    .transform((value) => (typeof value === "number" ? plainDecimal(value) : trimmed(value)))
    .pipe(
      z.string().check((context) => {
        const problem = moneyProblem(context.value);
        if (problem !== undefined) context.issues.push({ code: "custom", message: problem, input: context.value });
      }),
    );
}

function moneyProblem(value: string): string | undefined {
  if (/^(0|[1-9]\d{0,14})(\.\d{1,4})?$/.test(value)) return undefined;
  if (/^-/.test(value)) return "must be at least 0";
  if (/^\d{1,3}([,' \u00a0]\d{3})+(\.\d+)?$/.test(value)) return 'may not have thousands separators: write "1000.00"';
  if (/^\d+\.\d{5,}$/.test(value)) return "may have at most 4 decimal places";
  if (/^[1-9]\d{15,}(\.\d+)?$/.test(value)) return "may have at most 15 digits before the decimal point";
  return 'must be a decimal such as "1000.00"';
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
  const written = trimmed(value)
    .replace(/^[a-z][a-z0-9+.-]*:\/\//i, "")
    .replace(/^.*@/, "")
    .replace(/[/?#:].*$/s, "");
  const url = URL.parse(`https://${written}/`);
  return url === null ? value : url.hostname.replace(/\.$/, "").replace(/^(www\.)+(?=[^.]+\.[^.]+)/, "");
}

export function lifecycleStage() {
  return oneOf(["subscriber", "lead", "mql", "sql", "opportunity", "customer", "evangelist", "other"]);
}

/** What sorts in this order, in SQL too (`crm.priority`). */
export function priority() {
  return oneOf(["low", "normal", "high", "urgent"]);
}

/** What is merged into the record of the path, and whose values win where both have one. */
const mergeBody = z.strictObject({
  ids: list(uuid(), 50, "must be a list of ids")
    .refine((ids) => ids.length > 0, "must have 1 to 50 entries")
    .transform((ids) => [...new Set(ids.map((id) => id.toLowerCase()))]),
  prefer: oneOf(["primary", "newest"]).optional(),
});

const MERGE: Pick<Action, "errors" | "meta"> = {
  errors: ["self_merge", "reference_not_found", "too_many_tags"],
  meta: { merge_id: uuid().nullable().optional() },
};

/** `POST /<resource>/{id}/merge` */
export const merge: Action = { body: mergeBody, ...MERGE };

/** The same, where there is nothing to prefer. */
export const plainMerge: Action = { body: mergeBody.omit({ prefer: true }), ...MERGE };

/** An object of these members, each optional; PHP's empty array is an empty one. */
export function members<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.preprocess((value) => (Array.isArray(value) && value.length === 0 ? {} : value), z.strictObject(shape));
}

/** A postal address; members are optional and change one by one. */
export function address() {
  return members({
    street: text(255).nullable().optional(),
    city: text(100).nullable().optional(),
    state: text(100).nullable().optional(),
    postal_code: text(20).nullable().optional(),
    country: country().nullable().optional(),
  });
}

/** Up to 50 labels; null clears them. Those that differ in nothing but case are one. */
export function tags() {
  const labels = list(text(100), 50, "must be a list of texts");
  return shown(
    labels.nullable().transform((values) => distinct(values ?? [])),
    z.array(z.string()),
  );
}

function distinct(labels: readonly string[]): string[] {
  return [...new Map([...labels].reverse().map((label) => [label.toLowerCase(), label])).values()].reverse();
}

/**
 * Values by custom field key; PHP's empty array is an empty object. Which keys there are and what they take, the
 * database knows (`crm.check_custom_fields`).
 */
export function customFields() {
  const values = z.unknown().transform((value, context) => {
    if (Array.isArray(value) && value.length === 0) return {};
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      if (Object.keys(value).length <= MAX_MEMBERS) return value as Record<string, unknown>;
      context.addIssue(`may not have more than ${MAX_MEMBERS} members`);
    } else context.addIssue(value === null ? "may not be null" : "must be an object");
    return z.NEVER;
  });
  return shown(values, z.record(z.string(), z.unknown()));
}

// 1e21 and 1e-7 are numbers that no decimal is meant by.
function plainDecimal(value: number): string {
  const written = String(value);
  return /e/i.test(written) ? "" : written;
}
