import { z } from "zod";
import { MAX_LIMIT, MAX_QUOTED } from "../bounds.ts";
import { type ApiError, fieldError } from "../errors.ts";
import { namesIn } from "../resources/plain_text.ts";
import { unknownName } from "./suggest.ts";

const DEFAULT_LIMIT = 25;

/** `true` or `false`. */
export function flag(otherwise: boolean) {
  return z
    .enum(["true", "false"], "must be true or false")
    .default(otherwise ? "true" : "false")
    .transform((value) => value === "true");
}

/** One of a few words. */
export function choice<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z.enum(values, `must be one of: ${values.join(", ")}`);
}

/** One of the names of a kind of thing. */
export function oneName<const Values extends readonly [string, ...string[]]>(kind: string, allowed: Values) {
  return z.string().transform((raw, context): Values[number] => {
    if (allowed.includes(raw)) return raw;
    context.addIssue({ code: "custom", params: { sentence: unknownName(kind, raw, allowed) } });
    return z.NEVER;
  });
}

/** Some of the names of a kind of thing, separated by commas: each once. */
export function someOf(kind: string, allowed: readonly string[], max = allowed.length) {
  return z.string().transform((raw, context) => {
    const names = [...new Set(namesIn(raw))];
    const unknown = names.find((name) => !allowed.includes(name));
    if (unknown === undefined && names.length <= max) return names;
    context.addIssue(
      unknown === undefined
        ? `takes at most ${max} names`
        : { code: "custom", params: { sentence: unknownName(kind, unknown, allowed) } },
    );
    return z.NEVER;
  });
}

/** The two parameters of every page. */
export const pageParameters = { limit: limit(), cursor: z.string().optional() };

/** How many records a page has at most. */
export function limit() {
  return wholeNumber(1, MAX_LIMIT).default(DEFAULT_LIMIT);
}

/** A whole number of a range. */
export function wholeNumber(min: number, max: number) {
  const message =
    max === Number.MAX_SAFE_INTEGER
      ? `must be a whole number from ${min}`
      : `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(new RegExp(`^\\d{1,${String(max).length}}$`), message)
    .transform(Number)
    .pipe(z.int(message).min(min, message).max(max, message));
}

/** The parameters of a URL, each of which may be given once. @throws ApiError `validation_error` */
export function singleValues(given: URLSearchParams): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of given) {
    if (values.has(name)) throw fieldError("validation_error", name, repeated(name));
    if (value.includes("\0") || !value.isWellFormed())
      throw fieldError("validation_error", name, `The ${name} parameter has a character that is not allowed.`);
    values.set(name, value);
  }
  return values;
}

/** Parameters that take one value; any other bare name is a filter, and takes several separated by commas. */
const SINGLE = ["limit", "cursor", "sort", "search", "fields", "include", "total", "deleted"];

function repeated(name: string): string {
  const takesOne = !/^[\w.]+(\[(in|nin)\])?$/.test(name) || SINGLE.includes(name);
  return takesOne
    ? `The ${name.slice(0, MAX_QUOTED)} parameter is given more than once, and takes one value.`
    : `The ${name.slice(0, MAX_QUOTED)} parameter is given more than once. Separate several values by commas.`;
}

/** A parameter that a route does not know. */
export function unknownParameter(name: string, allowed: readonly string[]): ApiError {
  return fieldError("unknown_parameter", name.slice(0, MAX_QUOTED), unknownName("parameter", name, allowed));
}
