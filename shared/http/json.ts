import { MAX_BODY_DEPTH } from "../bounds.ts";

/** A number of a JSON text that JavaScript would change: more digits than it holds, or beyond its range. */
class InexactNumber {
  constructor(readonly source: string) {}
}

/** Why a value can't be kept as it is: where, and the end of a sentence about the field there. */
export interface Fault {
  path: string[];
  problem: string;
}

/** Whether a JSON text may have what `findFault` looks for: nearly none has, and looking costs as much as parsing. */
export function isSuspicious(text: string): boolean {
  return /\\u0000|\\ud[89a-f]|"__proto__"|\d(?:\.?\d){15}|\de[+-]?\d/i.test(text);
}

const QUOTE = '"'.charCodeAt(0);
const BACKSLASH = "\\".charCodeAt(0);
const SEPARATORS = new Set([",", "[", "{"].map((character) => character.charCodeAt(0)));

/** Whether JSON in UTF-8 has more than so many values, told from its commas and opening brackets. */
export function hasMoreValues(bytes: Uint8Array, max: number): boolean {
  let count = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === QUOTE) i = endOfText(bytes, i);
    else if (SEPARATORS.has(byte) && ++count > max) return true;
  }
  return false;
}

/** Where the text ends that a quote begins. */
function endOfText(bytes: Uint8Array, start: number): number {
  for (let end = start; ; ) {
    end = bytes.indexOf(QUOTE, end + 1);
    if (end === -1) return bytes.length;
    let slashes = 0;
    while (bytes[end - 1 - slashes] === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end;
  }
}

/**
 * JSON as a value. Numbers of a suspicious text that can't be held exactly become something that is no number, which
 * `findFault` finds: a changed number would be worse than none.
 * @throws SyntaxError
 */
export function parseJson(text: string, suspicious: boolean): unknown {
  if (!suspicious) return JSON.parse(text);
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

/** Whether a value is nested deeper than a body may be. */
export function isTooDeep(value: unknown, depth = 1): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (depth > MAX_BODY_DEPTH) return true;
  for (const name in value) {
    const member = (value as Record<string, unknown>)[name];
    if (typeof member === "object" && isTooDeep(member, depth + 1)) return true;
  }
  return false;
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
