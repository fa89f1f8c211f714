import { MAX_QUOTED_PATH } from "../bounds.ts";
import { type ApiError, fieldError } from "../errors.ts";

/** A number of a JSON text that JavaScript would change: more digits than it holds, or beyond its range. */
class InexactNumber {
  constructor(readonly source: string) {}
}

/** Why a value can't be kept as it is: where, and the end of a sentence about the field there. */
export interface Fault {
  path: string[];
  problem: string;
}

/** What a JSON text has in it, told without parsing it: that is what costs. */
export interface JsonSurvey {
  /** Values at most, containers included. */
  values: number;
  /** Levels of nesting. */
  depth: number;
  /** Whether there may be what `findFault` looks for; nearly no text has it. */
  isSuspicious: boolean;
}

const MAX_EXACT_DIGITS = 15;
// Code units; ORed with SMALL a capital letter is a small one, and a bracket the brace that opens or closes as it does.
const QUOTE = 0x22;
const COMMA = 0x2c;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const BACKSLASH = 0x5c;
const SMALL = 0x20;
const D = 0x64;
const E = 0x65;
const U = 0x75;
const OPENING = 0x7b;
const CLOSING = 0x7d;

/** Surveys a JSON text in one pass; what it says of a text that is no JSON means nothing. */
export function surveyJson(text: string): JsonSurvey {
  let [values, level, depth, digits] = [1, 0, 0, 0];
  let isSuspicious = false;
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (isQuoted) {
      if (unit === QUOTE) isQuoted = false;
      else if (unit === BACKSLASH && text.charCodeAt(++i) === U) isSuspicious ||= isUnstorable(text, i + 1);
    } else if (unit >= ZERO && unit <= NINE) {
      if (++digits > MAX_EXACT_DIGITS) isSuspicious = true;
    } else if (unit !== DOT) {
      if (digits > 0 && (unit | SMALL) === E) isSuspicious = true;
      digits = 0;
      if (unit === QUOTE) isQuoted = true;
      else if (unit === COMMA) values += 1;
      else if ((unit | SMALL) === OPENING) {
        values += 1;
        level += 1;
        if (level > depth) depth = level;
      } else if ((unit | SMALL) === CLOSING) level -= 1;
    }
  }
  return { values, depth, isSuspicious };
}

/** Whether four hexadecimal digits are NUL or half of a surrogate pair. */
function isUnstorable(text: string, at: number): boolean {
  const first = text.charCodeAt(at);
  return (first === ZERO || (first | SMALL) === D) && /^(?:0000|d[89a-f])/i.test(text.slice(at, at + 4));
}

/**
 * JSON as a value. Numbers of a suspicious text that can't be held exactly become something that is no number, which
 * `findFault` finds: a changed number would be worse than none.
 * @throws SyntaxError
 */
export function parseJson(text: string, { isSuspicious } = surveyJson(text)): unknown {
  if (!isSuspicious) return JSON.parse(text);
  const reviver = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === "number" && context?.source !== undefined && !isExact(context.source, value)
      ? new InexactNumber(context.source)
      : value;
  return JSON.parse(text, reviver);
}

/** The first thing in a value that can't be stored: NUL, half a surrogate pair, or a number that would be changed. */
export function findFault(value: unknown): Fault | undefined {
  if (typeof value === "string")
    return isStorableText(value) ? undefined : { path: [], problem: "has a character that can't be stored" };
  if (value instanceof InexactNumber)
    return {
      path: [],
      problem: `has a number with more digits than can be kept exactly: ${value.source.slice(0, 32)}. Send at most 15 digits; an amount may be sent as text`,
    };
  if (typeof value !== "object" || value === null) return undefined;
  // Not over its entries: a list of them takes more than the object, which may be large.
  for (const name in value) {
    if (!isStorableText(name)) return { path: [], problem: "has a name with a character that can't be stored" };
    const fault = findFault((value as Record<string, unknown>)[name]);
    if (fault !== undefined) return { ...fault, path: [name, ...fault.path] };
  }
  return undefined;
}

function isStorableText(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}

/** Whether a number is written back as the decimal that it was given as. */
export function isExact(source: string, value: number): boolean {
  return Number.isFinite(value) && canonical(source) === canonical(String(value));
}

/** A decimal as its digits without zeros at either end, and their exponent. */
function canonical(source: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^([+-]?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(source) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  const scale = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${sign === "-" ? "-" : ""}${significant}e${scale}`;
}

/** Why a value can't be kept as it is, told of the field in it, or of the `whole`; undefined when it can. */
export function faultError(value: unknown, whole: string): ApiError | undefined {
  const fault = findFault(value);
  if (fault === undefined) return undefined;
  const field = fault.path.join(".").slice(0, MAX_QUOTED_PATH) || whole;
  return fieldError("validation_error", field, `The ${field} field ${fault.problem}.`);
}
